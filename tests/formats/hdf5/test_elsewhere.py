"""Data in other files: virtual datasets, external files, links to other files."""

import tarfile
from functools import partial

import h5py
import numpy as np
import pytest

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.formats import scanning
from chunkmap.formats.hdf5 import virtual
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource, LocalSource, open_source

scan = partial(scan_source, format="hdf5")

LIBRARIES = ["v110", "latest"]


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Four files of data; HDF5 looks for them in the current directory."""
    monkeypatch.chdir(tmp_path)
    for n in range(4):
        with h5py.File(f"s{n}.h5", "w", libver="latest") as f:
            data = np.arange(40).reshape(10, 4) + 100 * n
            f.create_dataset("chunked", data=data, chunks=(5, 4), compression="gzip", maxshape=(None, 4))
            f.create_dataset("frames", data=data, chunks=(1, 4), compression="lzf")
            f["block"] = np.arange(12.0).reshape(3, 4) + n
            f.create_dataset("row", data=np.arange(8) + 10 * n, chunks=(4,))
            f.create_dataset("sparse", (10, 4), "i8", chunks=(5, 4), fillvalue=3)[:5] = n
    return tmp_path


def source(n, name, shape, **options):
    return h5py.VirtualSource(f"s{n}.h5", name, shape, **options)


def joined(layout, n):
    layout[10 * n : 10 * n + 10] = source(n, "chunked", (10, 4))


def stacked(layout, n):
    layout[n] = source(n, "row", (8,))


def blocks(layout, n):
    layout[3 * n : 3 * n + 3] = source(n, "block", (3, 4))


def parts_of_blocks(layout, n):
    layout[2 * n : 2 * n + 2] = source(n, "block", (3, 4))[1:3]


def interleaved(layout, n):
    layout[n::4] = source(n, "frames", (10, 4))


def parts_of_chunked(layout, n):
    layout[5 * n : 5 * n + 5] = source(n, "chunked", (10, 4))[5:]


def sparse(layout, n):
    layout[10 * n : 10 * n + 10] = source(n, "sparse", (10, 4))


def with_a_gap(layout, n):
    if n != 1:
        joined(layout, n)


ALIGNED = {
    joined: ((40, 4), "i8"),
    stacked: ((4, 8), "i8"),
    blocks: ((12, 4), "f8"),
    parts_of_blocks: ((8, 4), "f8"),
    interleaved: ((40, 4), "i8"),
    parts_of_chunked: ((20, 4), "i8"),
    sparse: ((40, 4), "i8"),
    with_a_gap: ((40, 4), "i8"),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("mapping", ALIGNED)
def test_virtual_datasets_are_the_chunks_of_their_sources(sources, mapping, library):
    """Where a mapping moves whole chunks, references lead to the files that hold them; no value is copied."""
    layout = h5py.VirtualLayout(*ALIGNED[mapping])
    for n in range(4):
        mapping(layout, n)
    with h5py.File("v.h5", "w", libver=library) as f:
        f.create_virtual_dataset("v", layout, fillvalue=-1)
    refs = scan(LocalSource(sources / "v.h5"), inline_threshold=0)
    assert not refs.problems
    array = refs.arrays["v"]
    with h5py.File("v.h5") as f:
        np.testing.assert_array_equal(read_array(array, Fetcher()), f["v"][()])
    used = {str(sources / f"s{n}.h5") for n in range(4) if mapping is not with_a_gap or n != 1}
    assert set(array.chunks.urls) - {str(sources / "v.h5")} == used
    assert used < set(refs.targets)


@pytest.mark.parametrize("library", LIBRARIES)
def test_virtual_datasets_of_the_same_file(tmp_path, library):
    """The file `.` is the file itself, also where lines of the mapping share names."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=library) as f:
        f.create_dataset("own", data=np.arange(12), chunks=(2,))
        layout = h5py.VirtualLayout((12,), "i8")
        for n in range(3):
            layout[8 - 4 * n : 12 - 4 * n] = h5py.VirtualSource(".", "own", (12,))[4 * n : 4 * n + 4]
        f.create_virtual_dataset("v", layout)
    refs = scan(LocalSource(path))
    assert not refs.problems
    assert read_array(refs.arrays["v"], Fetcher()).tolist() == [8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3]


@pytest.mark.parametrize("library", LIBRARIES)
def test_virtual_datasets_without_end(sources, library):
    """One is as long as its source, one as there are numbered files."""
    unlimited = h5py.h5s.UNLIMITED
    with h5py.File("v.h5", "w", libver=library) as f:
        layout = h5py.VirtualLayout((1, 4), "i8", maxshape=(None, 4))
        layout[:unlimited] = source(0, "chunked", (10, 4), maxshape=(None, 4))[:unlimited]
        f.create_virtual_dataset("long", layout)
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        space = h5py.h5s.create_simple((10, 4), (unlimited, 4))
        virtual = space.copy()
        virtual.select_hyperslab((0, 0), (unlimited, 1), (10, 1), (10, 4))
        create.set_virtual(virtual, b"s%b.h5", b"chunked", h5py.h5s.create_simple((10, 4)))
        h5py.h5d.create(f.id, b"counted", h5py.h5t.NATIVE_INT64, space, create)
    refs = scan(LocalSource(sources / "v.h5"))
    assert not refs.problems
    with h5py.File("v.h5") as f:
        for name, rows in (("long", 10), ("counted", 40)):
            assert f[name].shape == (rows, 4)
            np.testing.assert_array_equal(read_array(refs.arrays[name], Fetcher()), f[name][()])


def shifted(layout, n):
    layout[10 * n + 2 : 10 * n + 10] = source(n, "chunked", (10, 4))[:8]


def reshaped(layout, n):
    layout[n] = source(n, "chunked", (10, 4))[:, 1]


def mixed(layout, n):
    layout[10 * n : 10 * n + 10] = source(n, "chunked" if n else "frames", (10, 4))


REFUSED = {shifted: ((40, 4), "i8"), reshaped: ((4, 10), "i8"), mixed: ((40, 4), "i8"), joined: ((40, 4), "i4")}


@pytest.mark.parametrize("most", [0, None])
@pytest.mark.parametrize("mapping", REFUSED)
def test_virtual_datasets_that_do_not_move_whole_chunks(sources, mapping, most, monkeypatch):
    """Small ones of one type are held inline, as h5py reads them; others are left out, and it is said why."""
    if most is not None:
        monkeypatch.setattr(virtual, "MOST_HELD", most)
    layout = h5py.VirtualLayout(*REFUSED[mapping])
    for n in range(4):
        mapping(layout, n)
    with h5py.File("v.h5", "w", libver="latest") as f:
        f.create_virtual_dataset("v", layout)
        f["other"] = 1
    refs = scan(LocalSource(sources / "v.h5"))
    if most is None and mapping is not joined:
        assert not refs.problems
        with h5py.File("v.h5") as f:
            np.testing.assert_array_equal(read_array(refs.arrays["v"], Fetcher()), f["v"][()])
        return
    assert [(p.path, p.feature) for p in refs.problems] == [("v", "virtual dataset")]
    assert list(refs.arrays) == ["other"]


def test_parts_of_chunks_of_files_with_fill_values_and_user_blocks(sources):
    """What was never written in a source reads as its fill value, what no source has as that of the dataset."""
    with h5py.File("t.h5", "w", userblock_size=512) as f:
        f.create_dataset("d", (6, 10), "i4", chunks=(3, 10), fillvalue=7)[0:2] = 5
    with h5py.File("v.h5", "w", libver="latest") as f:
        f.create_dataset("own", data=np.arange(24, dtype="i4").reshape(4, 6), chunks=(4, 4), compression="gzip")
        layout = h5py.VirtualLayout((8, 7), "i4")
        layout[3:6, :] = h5py.VirtualSource("t.h5", "d", (6, 10))[1:4, 2:9]
        layout[6, 0:3] = h5py.VirtualSource(".", "own", (4, 6))[1:4, 3]
        f.create_virtual_dataset("v", layout, fillvalue=-1)
    refs = scan(LocalSource(sources / "v.h5"))
    assert not refs.problems
    with h5py.File("v.h5") as f:
        np.testing.assert_array_equal(read_array(refs.arrays["v"], Fetcher()), f["v"][()])


def test_sources_that_are_not_there_read_as_the_fill_value(sources):
    """As HDF5 has it; but it is said."""
    layout = h5py.VirtualLayout((20, 4), "i8")
    layout[:10] = h5py.VirtualSource("nowhere.h5", "chunked", (10, 4))
    layout[10:] = source(1, "chunked", (10, 4))
    with h5py.File("v.h5", "w", libver="latest") as f:
        f.create_virtual_dataset("v", layout, fillvalue=-7)
    refs = scan(LocalSource(sources / "v.h5"))
    assert ["nowhere.h5:chunked" in p.message for p in refs.problems] == [True]
    with h5py.File("v.h5") as f:
        np.testing.assert_array_equal(read_array(refs.arrays["v"], Fetcher()), f["v"][()])


def test_bytes_have_no_place(sources):
    """A file without a place cannot name others: a problem, not a search in the current directory."""
    layout = h5py.VirtualLayout((10, 4), "i8")
    layout[:] = source(0, "chunked", (10, 4))
    with h5py.File("v.h5", "w", libver="latest") as f:
        f.create_virtual_dataset("v", layout)
    refs = scan(BytesSource((sources / "v.h5").read_bytes(), "v.h5"))
    assert [p.feature for p in refs.problems] == ["virtual dataset"]
    assert not refs.arrays


def test_virtual_datasets_on_a_server(sources, range_server):
    """Sources are looked for beside the file, on the same server."""
    layout = h5py.VirtualLayout((40, 4), "i8")
    for n in range(4):
        joined(layout, n)
    with h5py.File("v.h5", "w", libver="latest") as f:
        f.create_virtual_dataset("v", layout)
    for path in sources.iterdir():
        range_server.put(f"data/{path.name}", path.read_bytes())
    refs = scan(open_source(range_server.url("data/v.h5")))
    assert not refs.problems
    with h5py.File("v.h5") as f:
        np.testing.assert_array_equal(read_array(refs.arrays["v"], Fetcher()), f["v"][()])


SEGMENTS = {
    "one file": [("raw0", 16, h5py.h5f.UNLIMITED)],
    "two files": [("raw0", 0, 160), ("raw1", 80, 240)],
    "three parts of a file": [("raw0", 0, 40), ("raw0", 200, 120), ("raw1", 0, 240)],
}


@pytest.mark.parametrize("name", SEGMENTS)
def test_external_files(tmp_path, monkeypatch, name):
    """Data in raw files is referred to there, cut where one file ends and the next begins."""
    monkeypatch.chdir(tmp_path)
    for n in range(2):
        (tmp_path / f"raw{n}").write_bytes(np.arange(1000 * n, 1000 * n + 100.0).tobytes())
    with h5py.File("a.h5", "w") as f:
        f.create_dataset("v", (10, 5), "f8", external=SEGMENTS[name])
    with h5py.File("a.h5") as f:
        want = f["v"][()]
    refs = scan(LocalSource(tmp_path / "a.h5"))
    assert not refs.problems
    np.testing.assert_array_equal(read_array(refs.arrays["v"], Fetcher()), want)
    assert str(tmp_path / "raw0") in refs.targets


@pytest.mark.parametrize("segments", [[("raw0", 0, 20), ("raw0", 40, 400)], [("raw0", 400, 400)], [("no", 0, 400)]])
def test_external_files_that_cannot_be_referred_to(tmp_path, monkeypatch, segments):
    """Parts that begin within a row, files that are too short or not there, are problems."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw0").write_bytes(bytes(700))
    with h5py.File("a.h5", "w") as f:
        f.create_dataset("v", (10, 5), "f8", external=segments)
    refs = scan(LocalSource(tmp_path / "a.h5"))
    assert [(p.path, p.feature) for p in refs.problems] == [("v", "external storage")]


def test_external_links(sources):
    """They are followed where that is asked for; else it is said that they are not."""
    with h5py.File("links.h5", "w") as f:
        f["own"] = 1
        f["g/rows"] = h5py.ExternalLink("s1.h5", "/row")
        f["whole"] = h5py.ExternalLink("s2.h5", "/")
        f["lost"] = h5py.ExternalLink("nowhere.h5", "/v")
    source = LocalSource(sources / "links.h5")
    plain = scan(source)
    assert list(plain.arrays) == ["own"]
    assert {p.path for p in plain.problems} == {"g/rows", "whole", "lost"}
    followed = scan(source, linked_datasets=True)
    assert {p.path for p in followed.problems} == {"lost"}
    assert read_array(followed.arrays["g/rows"], Fetcher()).tolist() == list(range(10, 18))
    assert "whole/chunked" in followed.arrays
    assert str(sources / "s1.h5") in followed.targets


def nested(name, *lines, shape=(20, 4), folder=""):
    """A file with a virtual dataset `v` of 10 rows from each of these files and datasets."""
    layout = h5py.VirtualLayout(shape, "i8")
    for number, (file, path) in enumerate(lines):
        layout[10 * number : 10 * number + 10] = h5py.VirtualSource(file, path, (10, 4))
    with h5py.File(f"{folder}{name}.h5", "a", libver="latest") as f:
        f.create_virtual_dataset("v" if "v" not in f else "w", layout, fillvalue=-1)


@pytest.mark.parametrize("library", LIBRARIES)
def test_virtual_datasets_of_virtual_datasets(sources, library):
    """Chunks are those of the innermost sources; what these lack reads as the dataset between has it."""
    nested("inner", ("s0.h5", "chunked"), ("s1.h5", "chunked"))
    nested("half", ("s2.h5", "chunked"), ("nowhere.h5", "x"))
    layout = h5py.VirtualLayout((40, 4), "i8")
    layout[:20], layout[20:] = h5py.VirtualSource("inner.h5", "v", (20, 4)), h5py.VirtualSource("half.h5", "v", (20, 4))
    with h5py.File("outer.h5", "w", libver=library) as f:
        f.create_virtual_dataset("v", layout)
    with h5py.File("outermost.h5", "w", libver=library) as f:
        layout = h5py.VirtualLayout((40, 4), "i8")
        layout[:] = h5py.VirtualSource("outer.h5", "v", (40, 4))
        f.create_virtual_dataset("v", layout)
    for name in ("outer", "outermost"):
        refs = scan(LocalSource(sources / f"{name}.h5"), inline_threshold=0)
        assert [p.path for p in refs.problems if "nowhere.h5:x" in p.message] == ["v"], refs.problems
        with h5py.File(f"{name}.h5") as f:
            np.testing.assert_array_equal(read_array(refs.arrays["v"], Fetcher()), f["v"][()])
        used = {str(sources / f"s{n}.h5") for n in range(3)}
        assert set(refs.arrays["v"].chunks.urls) == used
        assert used < set(refs.targets)


def test_nested_sources_are_looked_for_beside_the_file_that_names_them(sources):
    """A source in another directory has its own sources there."""
    (sources / "below").mkdir()
    with h5py.File("below/deep.h5", "w") as f:
        f.create_dataset("x", data=np.arange(40).reshape(10, 4), chunks=(5, 4))
    nested("middle", ("deep.h5", "x"), shape=(10, 4), folder="below/")
    nested("outer", ("below/middle.h5", "v"), shape=(10, 4))
    refs = scan(LocalSource(sources / "outer.h5"), inline_threshold=0)
    assert not refs.problems
    assert refs.arrays["v"].chunks.urls == (str(sources / "below/deep.h5"),)
    with h5py.File("outer.h5") as f:
        np.testing.assert_array_equal(read_array(refs.arrays["v"], Fetcher()), f["v"][()])


def test_virtual_datasets_within_a_file(sources):
    """Sources of the same file may be virtual, numbered, and in raw files."""
    np.arange(40).tofile("raw.bin")
    with h5py.File("v.h5", "w", libver="latest") as f:
        f.create_dataset("raw", (10, 4), "i8", external=[("raw.bin", 0, 320)])
        for number in range(3):
            layout = h5py.VirtualLayout((10, 4), "i8")
            layout[:] = source(number, "chunked", (10, 4))
            f.create_virtual_dataset(f"part{number}", layout)
        layout = h5py.VirtualLayout((10, 4), "i8")
        layout[:] = h5py.VirtualSource(".", "raw", (10, 4))
        f.create_virtual_dataset("a", layout)
        unlimited, create = h5py.h5s.UNLIMITED, h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        space = h5py.h5s.create_simple((10, 4), (unlimited, 4))
        virtual = space.copy()
        virtual.select_hyperslab((0, 0), (unlimited, 1), (10, 1), (10, 4))
        create.set_virtual(virtual, b".", b"part%b", h5py.h5s.create_simple((10, 4)))
        h5py.h5d.create(f.id, b"counted", h5py.h5t.NATIVE_INT64, space, create)
    refs = scan(LocalSource(sources / "v.h5"), inline_threshold=0)
    assert not refs.problems
    with h5py.File("v.h5") as f:
        assert f["counted"].shape == (30, 4)
        for name in f:
            np.testing.assert_array_equal(read_array(refs.arrays[name], Fetcher()), f[name][()], name)


def test_circles_are_problems(sources):
    """A virtual dataset that comes back to itself, within a file or by way of others, and one that is too deep."""
    nested("a", ("b.h5", "v"))
    nested("b", ("a.h5", "v"))
    nested("own", (".", "w"))
    nested("own", (".", "v"))
    for number in range(20):
        nested(f"deep{number}", (f"deep{number + 1}.h5", "v"), shape=(10, 4))
    nested("deep20", ("s0.h5", "chunked"), shape=(10, 4))
    for name, paths in (("a", {"v"}), ("own", {"v", "w"}), ("deep0", {"v"})):
        refs = scan(LocalSource(sources / f"{name}.h5"))
        assert {(p.path, p.feature) for p in refs.problems} == {(path, "virtual dataset") for path in paths}
        assert not refs.arrays
    assert list(scan(LocalSource(sources / "deep10.h5")).arrays) == ["v"]


def test_sources_in_the_same_archive(sources):
    """A virtual dataset in an archive is made of ranges of the archive."""
    nested("v", ("s0.h5", "chunked"), ("s1.h5", "chunked"))
    with tarfile.open("all.tar", "w") as archive:
        for name in ("v.h5", "s0.h5", "s1.h5"):
            archive.add(name, f"data/{name}")
    refs = scanning.scan(f"tar://data/v.h5::{sources / 'all.tar'}", inline_threshold=0)
    assert not refs.problems
    assert set(refs.targets) == set(refs.arrays["v"].chunks.urls) == {str(sources / "all.tar")}
    with h5py.File("v.h5") as f:
        np.testing.assert_array_equal(read_array(refs.arrays["v"], Fetcher()), f["v"][()])


def test_files_of_the_system_are_not_named_without_leave(tmp_path):
    """External data outside the directory of the file is a problem that says what allows it."""
    outside, data = tmp_path / "outside", tmp_path / "data"
    outside.mkdir()
    data.mkdir()
    np.arange(50.0).tofile(outside / "raw")
    with h5py.File(data / "a.h5", "w") as f:
        f.create_dataset("v", (10, 5), "f8", external=[(str(outside / "raw"), 0, 400)])
    refs = scanning.scan(data / "a.h5")
    assert not refs.arrays
    assert [p.feature for p in refs.problems] == ["external storage"]
    assert f"pass allow=['{outside}/']" in refs.problems[0].message
    allowed = scanning.scan(data / "a.h5", allow=[f"{outside}/"], inline_threshold=0)
    assert not allowed.problems
    assert allowed.arrays["v"].chunks.urls == (str(outside / "raw"),)
    assert read_array(allowed.arrays["v"], Fetcher()).sum() == np.arange(50).sum()
