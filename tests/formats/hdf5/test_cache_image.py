"""Files that were closed with a metadata cache image read as those that were not."""

import ctypes
from functools import partial

import h5py
import numpy as np
import pytest

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import FormatError
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource, LocalSource

scan = partial(scan_source, format="hdf5")

LATEST = h5py.h5f.LIBVER_LATEST


class Config(ctypes.Structure):
    """H5AC_cache_image_config_t."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("generate_image", ctypes.c_bool),
        ("save_resize_status", ctypes.c_bool),
        ("entry_ageout", ctypes.c_int),
    )


@pytest.fixture
def access(libhdf5):
    """A file access property list that asks for an image when the file is closed."""
    found = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    found.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    found.set_libver_bounds(LATEST, LATEST)
    libhdf5.H5Pset_mdc_image_config.argtypes = (ctypes.c_int64, ctypes.c_void_p)
    assert libhdf5.H5Pset_mdc_image_config(found.id, ctypes.byref(Config(1, True, False, -1))) >= 0
    return found


def fill(file):
    """Something of every structure that is metadata."""
    values = np.arange(600, dtype="<i4").reshape(20, 30)
    for name, maximum in (("fixed", None), ("extensible", (None, 30)), ("tree", (None, None))):
        file.create_dataset(name, data=values, chunks=(3, 4), maxshape=maximum, compression="gzip")
    file["contiguous"] = values
    file["texts"] = ["a", "bc", "def"]
    for number in range(30):
        file.attrs[f"attribute{number}"] = f"text {number}"
        file[f"many/{number}"] = number
    file["many"].attrs["large"] = np.arange(20_000)


@pytest.mark.parametrize("user_block", [0, 512])
def test_metadata_are_read_from_the_image(tmp_path, access, user_block):
    """Arrays, values and attributes are those of the same file without an image."""
    path, plain = tmp_path / "image.h5", tmp_path / "plain.h5"
    create = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    create.set_userblock(user_block)
    with h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, create, access)) as f:
        fill(f)
    with h5py.File(plain, "w", libver="latest") as f:
        fill(f)
    assert b"MDCI" in path.read_bytes()
    found, want = scan(LocalSource(path)), scan(LocalSource(plain))
    assert not found.problems
    assert {n: dict(g) for n, g in found.groups.items()} == {n: dict(g) for n, g in want.groups.items()}
    assert found.arrays.keys() == want.arrays.keys()
    for name in want.arrays:
        assert found.arrays[name].meta == want.arrays[name].meta
        got = read_array(found.arrays[name], Fetcher())
        np.testing.assert_array_equal(got, read_array(want.arrays[name], Fetcher()))


def test_a_file_changed_while_it_has_an_image(tmp_path, access):
    """What the image says counts, not what lies below it from before."""
    path = tmp_path / "image.h5"
    with h5py.File(path, "w", libver="latest") as f:
        f.create_dataset("v", data=np.arange(6), chunks=(2,), maxshape=(None,))
        f.attrs["a"] = 1
    with h5py.File(h5py.h5f.open(bytes(path), h5py.h5f.ACC_RDWR, access)) as f:
        f["v"].resize((8,))
        f["v"][6:] = 7
        f.attrs["a"] = 2
    refs = scan(LocalSource(path))
    assert read_array(refs.arrays["v"], Fetcher()).tolist() == [0, 1, 2, 3, 4, 5, 7, 7]
    assert refs.attrs == {"a": 2}


def test_damaged_images_are_refused(tmp_path, access):
    """Entries that do not fit, overlap, or lie outside the file."""
    path = tmp_path / "image.h5"
    with h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, None, access)) as f:
        f["v"] = 1
    data = path.read_bytes()
    start = data.index(b"MDCI")
    first = start + 18  # prefix; then type, flags, ring, age, flush dependencies, rank, address and length of an entry
    for place, value, width in ((start + 14, 2**31, 4), (first + 22, 2**40, 8), (first + 14, 2**40, 8)):
        damaged = bytearray(data)
        damaged[place : place + width] = value.to_bytes(width, "little")
        with pytest.raises(FormatError):
            scan(BytesSource(bytes(damaged), "x"))
