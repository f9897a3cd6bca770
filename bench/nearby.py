"""The cases of a server nearby, which answers at once: what is measured is what a client costs.

The server is `bench/bucket_server.py`, a process of its own.
"""

import gc

from engines import FILES, SIZE, serving, write_file
from hdf5_files import virtualizarr_parser
from outcomes import of_dictionary, of_set
from reading import document, through_chunkmap, through_fsspec, through_virtualizarr

SHAPES = {"nearby-4k": (4000, 4096), "nearby-64k": (2000, 65536)}
"""Chunks that are read, too far apart to be joined, and bytes in each."""


def served(work, what):
    """A road whose work is given the address of a server of a file, or of so many zeros."""

    def prepare_run(folder):
        server = serving(what(folder), 0)
        base = server.__enter__()
        run, describe = work(base)

        def describe_and_stop(outcome):
            server.__exit__(None, None, None)
            return describe(outcome)

        return run, describe_and_stop

    return prepare_run


def reading(count, nbytes):
    """The roads of reading scattered chunks."""

    def refs(base):
        return document(count, nbytes, SIZE // count, f"{base}/a")

    roads = (
        lambda base: through_chunkmap(refs(base)),
        lambda base: through_fsspec(refs(base), "http"),
        lambda base: through_virtualizarr(refs(base), base),
    )
    return tuple(served(road, lambda _: SIZE) for road in roads)


def small_file(folder):
    """A file of 200 KB, written when it is not there yet."""
    path = folder / "nearby.h5"
    if not path.exists():
        write_file(path)
    return path


def urls(base):
    """As many names of it as files are scanned."""
    return [f"{base}/{number}.h5" for number in range(FILES)]


def scan_core(base):
    """Many small files to reference sets."""
    import chunkmap

    chunkmap.scan(f"{base}/first.h5")
    return lambda: chunkmap.scan_many(urls(base)), lambda sets: {"result": of_set(sets[-1])}


def scan_door(base):
    """The same behind kerchunk's names."""
    from kerchunk.hdf import SingleHdf5ToZarr

    SingleHdf5ToZarr(f"{base}/first.h5").translate()
    gc.disable()
    return (
        lambda: [SingleHdf5ToZarr(url).translate() for url in urls(base)],
        lambda found: {"result": of_dictionary(found[-1])},
    )


def scan_virtualizarr(base):
    """The same to VirtualiZarr's manifests."""
    parse = virtualizarr_parser(base)
    parse(f"{base}/first.h5")
    return lambda: [parse(url) for url in urls(base)], lambda _: {}


CASES = {
    "nearby-scan": tuple(served(road, small_file) for road in (scan_core, scan_door, scan_virtualizarr)),
    **{case: reading(*shape) for case, shape in SHAPES.items()},
}
TITLES = {
    "nearby-scan": f"scan {FILES} files of 200 kB from a server that answers at once",
    "nearby-4k": "read 4,000 scattered chunks x 4 kB, the same (other side: fsspec, zarr)",
    "nearby-64k": "read 2,000 scattered chunks x 64 kB, the same (other side: fsspec, zarr)",
}
BESIDE_OTHERS = tuple(SHAPES)
"""Cases whose other side is another library than kerchunk."""
