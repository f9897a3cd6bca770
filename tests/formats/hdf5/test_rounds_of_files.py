"""What it costs to scan files as they lie on servers: rounds, requests and bytes are the same on every machine."""

import importlib.util
from functools import partial
from pathlib import Path

import pytest
from far import Far

from chunkmap.formats.scanning import scan_source
from chunkmap.io import LocalSource
from chunkmap.io.rounds import Tally

scan = partial(scan_source, format="hdf5")

BENCH = Path(__file__).parents[3] / "bench" / "remote_files.py"


def load_writers():
    """The module that writes the files of the benchmark."""
    spec = importlib.util.spec_from_file_location("remote_files", BENCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


writers = load_writers()


@pytest.mark.parametrize(
    ("write", "rounds", "requests", "most"),
    [
        pytest.param(lambda p: writers.write_month(p, edge=12, chunks=240), 2, 60, 1.0, id="month of netCDF4"),
        pytest.param(lambda p: writers.write_chunked(p, values=250), 3, 400, 3.0, id="20,000 chunks, B-tree v1"),
        pytest.param(
            lambda p: writers.write_granule(p, variables=120, values=1500), 3, 10, 3.0, id="granule, round robin"
        ),
        pytest.param(
            lambda p: writers.write_granule(p, variables=120, values=1500, order="by variable"),
            7,
            300,
            2.0,
            id="granule, variable by variable",
        ),
        pytest.param(
            lambda p: writers.write_granule(p, variables=120, values=1500, libver=("v110", "v110")),
            4,
            20,
            5.0,
            id="granule, version 1.10",
        ),
        pytest.param(
            lambda p: writers.write_granule(p, variables=120, values=1500, **writers.PAGED),
            3,
            10,
            1.0,
            id="granule, paged",
        ),
        pytest.param(writers.write_day, 1, 1, 2.2, id="a file of 2 MB"),
    ],
)
def test_rounds_requests_and_bytes(tmp_path, write, rounds, requests, most):
    """Metadata comes in so many rounds, requests and MB at most, each byte once, and the set is the one of the file."""
    path = tmp_path / "a.h5"
    write(path)
    source, tally = Far(Path(path), str(path)), Tally()
    refs = scan(source, tally=tally)
    assert refs == scan(LocalSource(path))
    assert tally.rounds <= rounds
    assert tally.requests <= requests
    assert tally.bytes <= most * 1e6
    ends = 0
    for offset, length in sorted(source.fetched):
        assert offset >= ends
        ends = offset + length
