"""Files whose addresses and lengths have 2 or 4 bytes: every structure is as long as they make it.

HDF5 writes such files, but does not read all of them: with lengths of less than 8 bytes it takes an unlimited dimension
for a limited one when it opens the file anew. So what is read is compared with what was written.
"""

from functools import partial

import h5py
import numpy as np
import pytest

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.formats.scanning import scan_source
from chunkmap.io import LocalSource

scan = partial(scan_source, format="hdf5")

SIZES = [(2, 8), (4, 4), (4, 8), (8, 4)]
SHORT_LENGTHS = [(2, 2), (8, 2)]
VERSIONS = {"early": (0, 1), "v110": (2, 2), "latest": (h5py.h5f.LIBVER_LATEST, h5py.h5f.LIBVER_LATEST)}

SHAPES = {
    "single": ((10, 10), None, (10, 10)),
    "fixed": ((20, 30), None, (7, 9)),
    "fixed_paged": ((1100,), None, (1,)),
    "extensible": ((60,), (None,), (1,)),
    "extensible_second_axis": ((20, 30), (20, None), (7, 9)),
    "btree": ((20, 30), (None, None), (7, 9)),
    "btree_deep": ((30, 12), (None, None), (1, 1)),
}


def create(path, sizes, version):
    """A new file with addresses and lengths of these sizes."""
    kind, access = h5py.h5p.create(h5py.h5p.FILE_CREATE), h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    kind.set_sizes(*sizes)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_libver_bounds(*VERSIONS[version])
    return h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, kind, access))


def check(path, want):
    """Scan, and compare with what was written."""
    refs = scan(LocalSource(path), inline_threshold=0)
    assert {problem.feature for problem in refs.problems} <= {"link"}  # other names of one dataset
    assert set(refs.arrays) == set(want)
    for name, data in want.items():
        got = read_array(refs.arrays[name], Fetcher())
        if got.dtype.kind == "O":
            assert [v if isinstance(v, str) else v.tolist() for v in got.ravel()] == data, name
        else:
            np.testing.assert_array_equal(got, data, name)
    return refs


CASES = [(v, s) for v in VERSIONS for s in SIZES] + [("early", s) for s in SHORT_LENGTHS]


@pytest.mark.parametrize(("version", "sizes"), CASES, ids=str)
def test_layouts_and_chunk_indexes(tmp_path, version, sizes):
    """Every kind of layout and chunk index, filtered and not, with chunks that were never written."""
    path, want = tmp_path / "a.h5", {}
    shapes = {n: s for n, s in SHAPES.items() if sizes[0] > 2 or n not in ("fixed_paged", "btree_deep")}
    with create(path, sizes, version) as f:
        for name, (shape, maximum, chunks) in shapes.items():
            for kind, filters in (("plain", {}), ("filtered", {"shuffle": True, "compression": 1})):
                data = np.arange(np.prod(shape), dtype="<i2").reshape(shape) // 3 + 1
                data[len(data) // 2 : len(data) * 3 // 4] = 0
                d = f.create_dataset(f"{name}_{kind}", shape, "<i2", chunks=chunks, maxshape=maximum, **filters)
                d[: shape[0] // 2], d[shape[0] * 3 // 4 :] = data[: shape[0] // 2], data[shape[0] * 3 // 4 :]
                want[d.name[1:]] = data
        early, compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        early.set_chunk((3, 4))
        early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        compact.set_layout(h5py.h5d.COMPACT)
        for name, plist in ((b"implicit", early), (b"compact", compact), (b"contiguous", None)):
            want[name.decode()] = data = np.arange(64, dtype="<i4").reshape(8, 8)
            space = h5py.h5s.create_simple(data.shape)
            h5py.Dataset(h5py.h5d.create(f.id, name, h5py.h5t.STD_I32LE, space, plist))[...] = data
        f.create_dataset("unwritten", (5,), "<i4")
        f.create_dataset("unwritten_chunks", (5,), "<i4", chunks=(2,))
        want |= {"unwritten": np.zeros(5, "<i4"), "unwritten_chunks": np.zeros(5, "<i4")}
    check(path, want)


@pytest.mark.parametrize(("version", "sizes"), CASES, ids=str)
def test_groups_attributes_and_heaps(tmp_path, monkeypatch, version, sizes):
    """Links and attributes, few and many, in headers and heaps; what leads into the global heap; shared types."""
    monkeypatch.chdir(tmp_path)
    path, many = tmp_path / "a.h5", 30 if sizes[0] == 2 else 300
    with create(path, sizes, version) as f:
        f["deep/er/text"] = ["a", "bc", ""]
        lists = f.create_dataset("lists", (3,), h5py.vlen_dtype("<i4"))
        lists[0], lists[2] = [1, 2], [3]
        objects = f.create_dataset("objects", (3,), h5py.ref_dtype)
        objects[0], objects[1] = f["lists"].ref, f["deep"].ref
        f.create_dataset("regions", (2,), h5py.regionref_dtype)[0] = f["lists"].regionref[1:3]
        f["kind"] = np.dtype("<i4")
        f.create_dataset("typed", data=np.arange(4), dtype=f["kind"])
        group = f.create_group("many")
        for number in range(many):
            group[f"member {number}"] = h5py.SoftLink("/lists") if number % 2 else f["typed"]
            group.attrs[f"attribute {number}"] = f"text {number}"
        f["typed"].attrs["texts"] = ["a", "bc"]
        f["typed"].attrs["lists"] = f["lists"].ref
        f.attrs.create("numbers", np.arange(6).reshape(2, 3))
        raw = f.create_dataset("external", (6,), "<i2", external=[("raw.bin", 4, 6), ("raw.bin", 20, 6)])
        raw[...] = np.arange(6)
    want = {
        "deep/er/text": ["a", "bc", ""],
        "lists": [[1, 2], [], [3]],
        "objects": ["/lists", "/deep", ""],
        "regions": ["/lists[1:3]", ""],
        "external": np.arange(6, dtype="<i2"),
        "many/member 0": np.arange(4),
    }
    refs = check(path, want)
    assert dict(refs.groups["many"]) == {f"attribute {number}": f"text {number}" for number in range(many)}
    assert refs.attrs == {"numbers": [[0, 1, 2], [3, 4, 5]]}
    assert refs.arrays["many/member 0"].meta.attrs == {"texts": ["a", "bc"], "lists": "/lists"}
    linked = scan(LocalSource(path), linked_datasets=True)
    assert sum(name.startswith("many/") for name in linked.arrays) == many


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_virtual_datasets_and_shared_messages(tmp_path, libhdf5, sizes):
    """The lines of a mapping, and the table of shared messages."""
    path = tmp_path / "a.h5"
    kind, access = h5py.h5p.create(h5py.h5p.FILE_CREATE), h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    kind.set_sizes(*sizes)
    assert libhdf5.H5Pset_shared_mesg_nindexes(kind.id, 1) >= 0
    assert libhdf5.H5Pset_shared_mesg_index(kind.id, 0, 0x1F, 10) >= 0
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_libver_bounds(*VERSIONS["latest"])
    layout = h5py.VirtualLayout((2, 10), "<i4")
    with h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, kind, access)) as f:
        for number in range(2):
            f[f"source{number}"] = np.arange(10, dtype="<i4") + number
            f[f"source{number}"].attrs["text"] = "as long as it takes"
            layout[number] = h5py.VirtualSource(f[f"source{number}"])
        f.create_virtual_dataset("v", layout)
    want = np.stack([np.arange(10), np.arange(10) + 1])
    refs = check(path, {"source0": want[0], "source1": want[1], "v": want})
    assert refs.arrays["source1"].meta.attrs == {"text": "as long as it takes"}


@pytest.mark.parametrize("version", ["early", "latest"])
def test_a_large_attribute(tmp_path, version):
    """A huge object of a heap, whose address is in a B-tree."""
    path = tmp_path / "a.h5"
    with create(path, (4, 4), version) as f:
        group = f.create_group("g")
        for number in range(10):
            group.attrs[f"attribute{number}"] = number
        if version == "latest":
            group.attrs["large"] = np.arange(20_000)
    attrs = scan(LocalSource(path)).groups["g"]
    assert attrs.pop("large", list(range(20_000))) == list(range(20_000))
    assert attrs == {f"attribute{number}": number for number in range(10)}


def test_heaps_that_hdf5_does_not_read_again(tmp_path):
    """HDF5 writes the size of the largest block, 65536, in two bytes: what is in such a heap is a problem."""
    path = tmp_path / "a.h5"
    with create(path, (8, 2), "latest") as f:
        f["v"] = 1
        for number in range(20):
            f.create_group(f"many/{number}")
    refs = scan(LocalSource(path))
    assert [(p.path, p.feature) for p in refs.problems] == [("many", "fractal heap of short lengths")]
    assert list(refs.arrays) == ["v"]
