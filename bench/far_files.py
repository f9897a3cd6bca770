"""The cases of HDF5 on a server that answers 50 ms late: large files one by one, and a hundred small ones."""

import gc
import json
import urllib.request
from collections.abc import Callable
from typing import NamedTuple

from hdf5_files import FILES, virtualizarr_parser
from latency_server import serving
from outcomes import of_dictionary, of_set

FAR = {"far_granule": "granule.h5", "far_spread": "by_variable.h5", "far_month": "month.nc", "far_chunks": "btree1.h5"}
"""Cases of one file on a server, and the file. They take minutes a run: they are only done when they are named."""


def prepare(folder):
    """Write the files that every one of them needs; the others are written where they are needed first."""
    import remote_files

    (folder / "far").mkdir()
    remote_files.write_file(folder / "far" / "granule.h5")
    remote_files.write_file(folder / "far" / "day.h5")


class Run(NamedTuple):
    """The work of a far case, and what to say of its outcome."""

    work: Callable
    describe: Callable


def far(work, name="day.h5"):
    """A case whose work is given the address of the server, which has the file of this name."""

    def prepare_run(folder):
        import remote_files

        remote_files.write_file(folder / "far" / name)
        server = serving(folder / "far")
        base = server.__enter__()
        run = work(base)

        def describe(outcome):
            with urllib.request.urlopen(f"{base}/stats") as answer:
                asked = json.load(answer)
            server.__exit__(None, None, None)
            return {"bytes": asked["bytes"], "requests": asked["requests"], **run.describe(outcome)}

        with urllib.request.urlopen(f"{base}/stats"):
            return run.work, describe

    return prepare_run


def one_far_file(name):
    """The roads of one file on a server; it is written when it is not there yet."""

    def core(base):
        import chunkmap

        chunkmap.scan(f"{base}/day.h5")
        return Run(lambda: chunkmap.scan(f"{base}/{name}"), lambda refs: {"result": of_set(refs)})

    def door(base):
        from kerchunk.hdf import SingleHdf5ToZarr

        SingleHdf5ToZarr(f"{base}/day.h5").translate()
        gc.disable()
        return Run(lambda: SingleHdf5ToZarr(f"{base}/{name}").translate(), lambda refs: {"result": of_dictionary(refs)})

    def virtualizarr(base):
        parse = virtualizarr_parser(base)
        parse(f"{base}/day.h5")
        return Run(lambda: parse(f"{base}/{name}"), lambda _: {})

    return [far(road, name) for road in (core, door, virtualizarr)]


def far_days_core(base):
    """100 files of 2 MB to reference sets."""
    import chunkmap

    chunkmap.scan(f"{base}/day.h5")
    urls = [f"{base}/day.h5?{number}" for number in range(FILES)]
    return Run(lambda: chunkmap.scan_many(urls), lambda sets: {"result": len(sets)})


CASES = {**{case: one_far_file(name) for case, name in FAR.items()}, "far_days": (far(far_days_core), None, None)}
TITLES = {
    "far_granule": "scan a granule of 728 MB, 50 ms away",
    "far_spread": "scan a granule of 728 MB written variable by variable, 50 ms away",
    "far_month": "scan a month of hourly fields, 166 MB, 50 ms away",
    "far_chunks": "scan one HDF5 dataset of 20,000 chunks (btree1), 50 ms away",
    "far_days": "scan 100 files of 2 MB, 50 ms away",
}
