"""Groups whose links are filtered: HDF5 offers it, though h5py does not."""

import ctypes
from functools import partial

import h5py
import pytest

from chunkmap.errors import FormatError
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource, LocalSource

scan = partial(scan_source, format="hdf5")

DEFLATE, FLETCHER32 = 1, 3
OPTIONAL = 1


def group(file, name, library, filters=((DEFLATE, (6,)),)):
    """A group with a filter pipeline."""
    create = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    numbers = ctypes.c_uint
    library.H5Pset_filter.argtypes = (ctypes.c_int64, ctypes.c_int, numbers, ctypes.c_size_t, ctypes.POINTER(numbers))
    for identifier, values in filters:
        client = (numbers * len(values))(*values)
        assert library.H5Pset_filter(create.id, identifier, OPTIONAL, len(values), client) >= 0
    return h5py.Group(h5py.h5g.create(file.id, name, None, create))


def linked(refs, name):
    """The names of a group's members."""
    return sorted(path.removeprefix(f"{name}/") for path in refs.arrays if path.startswith(f"{name}/"))


@pytest.mark.parametrize("user_block", [0, 512])
@pytest.mark.parametrize("number", [9, 60, 1500])
def test_links_of_filtered_groups(tmp_path, libhdf5, number, user_block):
    """One block, several, and blocks below indirect blocks, compressed or left as they are."""
    path = tmp_path / "a.h5"
    names = sorted(f"{n:04}" if number == 9 else f"{n} " * 100 for n in range(number))
    with h5py.File(path, "w", libver="latest", userblock_size=user_block) as f:
        f["v"] = 1
        filters = ((DEFLATE, (6,)), (FLETCHER32, ()))
        g = group(f, b"g", libhdf5, filters if number == 60 else filters[:1])
        for name in names:
            g[name] = h5py.SoftLink("/v")
    refs = scan(LocalSource(path), linked_datasets=True)
    assert not refs.problems
    assert linked(refs, "g") == names


def test_huge_links_are_filtered_too(tmp_path, libhdf5):
    """A name too long for the blocks is an object of its own, which a B-tree knows."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as f:
        f["v"] = 1
        g = group(f, b"g", libhdf5)
        for number in range(10):
            g[str(number)] = h5py.SoftLink("/v")
        g["x" * 50_000], g["y" * 9000] = h5py.SoftLink("/v"), h5py.SoftLink("/v")
    refs = scan(LocalSource(path), linked_datasets=True)
    assert linked(refs, "g") == sorted([*map(str, range(10)), "x" * 50_000, "y" * 9000])


def test_a_filter_without_a_codec_is_a_problem(tmp_path, libhdf5, repair):
    """The group is named, its neighbours are read; so it is when a block does not decode."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as f:
        f["v"] = 1
        g = group(f, b"g", libhdf5)
        for number in range(60):
            g[f"{number} " * 50] = h5py.SoftLink("/v")
    data = bytearray(path.read_bytes())
    pipeline = data.index(bytes([2, 1, 1, 0, 1, 0, 1, 0, 6, 0, 0, 0]), data.index(b"FRHP"))
    data[pipeline + 2] = 77
    refs = scan(BytesSource(repair(data), "x"))
    assert list(refs.arrays) == ["v"]
    assert [p.path for p in refs.problems] == ["g"]
    data[pipeline + 2] = DEFLATE
    heap = data.index(b"FHIB")
    block = int.from_bytes(data[heap + 17 : heap + 25], "little")
    data[block : block + 2] = b"\0\0"
    with pytest.raises(FormatError):
        scan(BytesSource(bytes(data[: block + 20]), "x"))
    refs = scan(BytesSource(repair(data), "x"))
    assert [p.path for p in refs.problems] == ["g"]
