"""Scanning over a network: the same set, in few rounds."""

from functools import partial
from itertools import pairwise

import h5py
import numpy as np
import pytest
from far import Far

from chunkmap.formats.hdf5 import Options, parse
from chunkmap.formats.scanning import reading, scan_source
from chunkmap.io import BytesSource, MemberSource
from chunkmap.io.rounds import Reading, Tally, run_many

scan = partial(scan_source, format="hdf5")


def write(path, version, variables):
    """Variables written one after the other, so that their metadata is spread over the file."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w", libver=version) as f:
        for n in range(variables):
            d = f.create_dataset(f"v{n:03d}", (40, 100, 100), "f4", chunks=(1, 50, 100), maxshape=(None, 100, 100))
            d[:20] = rng.random((20, 100, 100), dtype="f4")
            d.attrs["long_name"], d.attrs["number"] = f"variable {n}", n
            f[f"text{n}"] = ["a", "b" * n]


@pytest.fixture(scope="module", params=[("earliest", "v108"), ("latest", "latest")], ids="-".join)
def data(request, tmp_path_factory):
    """A file of some 30 MB."""
    path = tmp_path_factory.mktemp("remote") / "a.h5"
    write(path, request.param, 36)
    return path.read_bytes()


def test_a_long_file_takes_few_rounds_and_few_bytes(data):
    """Rounds follow the depth of the format, not the number of objects; next to nothing of the data is fetched."""
    assert len(data) > 20 << 20
    source, tally = Far(data, "f"), Tally()
    refs = scan(source, inline_threshold=0, tally=tally)
    assert refs == scan(BytesSource(data, "f"), inline_threshold=0)
    assert len(refs.arrays) == 72
    assert tally.rounds <= 12
    assert tally.requests <= 4 * 36
    assert tally.bytes < len(data) // 4
    ranges = sorted(source.fetched)
    assert all(a.offset + a.length <= b.offset for a, b in pairwise(ranges))


def test_inline_chunks_come_in_the_same_rounds(data):
    """Small chunks of all datasets are fetched together."""
    source, tally = Far(data, "f"), Tally()
    refs = scan(source, inline_threshold=30_000, tally=tally)
    assert refs == scan(BytesSource(data, "f"), inline_threshold=30_000)
    assert refs.arrays["v000"].chunks.is_inline.all()
    assert tally.rounds <= 13


def test_a_short_file_is_one_request(tmp_path):
    """A file of at most 8 MB is fetched whole."""
    write(tmp_path / "a.h5", "latest", 3)
    source, tally = Far((tmp_path / "a.h5").read_bytes(), "f"), Tally()
    scan(source, tally=tally)
    assert (tally.rounds, tally.requests) == (1, 1)


def test_many_files_in_the_same_rounds(data):
    """Ten files take the rounds of one; a damaged one among them fails alone."""
    one = Tally()
    expected = scan(Far(data, "f"), tally=one)
    sources = [Far(data, "f") for _ in range(3)] + [Far(data[: len(data) // 2], "cut")]
    tally = Tally()
    *good, cut = run_many([Reading(s, reading(s, parse(s, Options()))) for s in sources], tally=tally)
    assert good == [expected] * 3
    assert type(cut).__name__ == "TruncatedFile"
    assert tally.rounds == one.rounds


def test_a_member_of_an_archive_is_scanned_in_place(tmp_path):
    """Offsets are those in the member; the archive is read, not unpacked."""
    write(tmp_path / "a.h5", "latest", 2)
    content = (tmp_path / "a.h5").read_bytes()
    outer = b"x" * 1000 + content + b"y" * 100
    for archive in (BytesSource(outer, "a.tar"), Far(outer, "a.tar")):
        member = MemberSource(archive, "f", 1000, len(content))
        assert scan(member) == scan(BytesSource(content, "f"))
