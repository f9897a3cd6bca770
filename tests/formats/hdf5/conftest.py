"""Reading through references with numcodecs alone, and by zarr in Zarr v3; and comparing with h5py."""

import ctypes
import importlib.util
import math
import warnings
from functools import partial
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401 - before netCDF4, whose HDF5 would else bring filters that h5py cannot call
import numcodecs
import numpy as np
import pytest
import zarr

from chunkmap.access.store import ReferenceStore
from chunkmap.formats.scanning import scan_source
from chunkmap.io import LocalSource
from chunkmap.model import ReferenceSet

scan = partial(scan_source, format="hdf5")


def decode_array(array, data):
    """The values of an array: chunks decoded by numcodecs, missing ones filled."""
    meta, chunks = array.meta, array.chunks
    if meta.dtype.kind == "O":
        out = np.full(meta.shape, "", object)
    else:
        out = np.zeros(meta.shape, meta.dtype)
        if meta.fill_value is not None:
            out[...] = meta.fill_value
    coords = list(zip(*(c.tolist() for c in chunks.coords()), strict=True)) if chunks.grid_shape else [()] * len(chunks)
    codecs = [numcodecs.get_codec(dict(codec)) for codec in reversed(meta.codecs)]
    for row, coord in enumerate(coords):
        source, offset, length = chunks.row(row)
        raw = source[offset : offset + length] if isinstance(source, bytes) else bytes(data[offset : offset + length])
        for codec in codecs:
            raw = codec.decode(raw)
        block = raw if meta.dtype.kind == "O" else np.frombuffer(raw, meta.dtype, math.prod(meta.chunk_shape))
        block = np.asarray(block).reshape(meta.chunk_shape)
        start = [c * n for c, n in zip(coord, meta.chunk_shape, strict=True)]
        sizes = [min(n, s - b) for n, s, b in zip(meta.chunk_shape, meta.shape, start, strict=True)]
        out[tuple(slice(b, b + n) for b, n in zip(start, sizes, strict=True))] = block[tuple(map(slice, sizes))]
    return out


def check_v3(refs, expected):
    """zarr reads the same from the documents of Zarr v3, and so do we when we read them again.

    zarr takes long for many cells: arrays of many are left to other tests.
    """
    if not expected:
        return
    store, again = ReferenceStore(refs, zarr_format=3), ReferenceSet.from_dict(refs.to_dict(zarr_format=3))
    data = Path(refs.name).read_bytes()
    for name, values in expected.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", zarr.errors.ZarrUserWarning)
            warnings.simplefilter("ignore", zarr.errors.UnstableSpecificationWarning)
            found = zarr.open_array(store, path=name, mode="r", zarr_format=3)[...]
        found = np.asarray(found, object) if values.dtype.kind == "O" else np.asarray(found).astype(values.dtype)
        assert found.shape == values.shape, name
        np.testing.assert_array_equal(found, values, name)
        np.testing.assert_array_equal(decode_array(again.arrays[name], data).astype(values.dtype), values, name)


@pytest.fixture(scope="session")
def repair():
    """Makes the checksums of a damaged file right."""
    spec = importlib.util.spec_from_file_location("repair", Path(__file__).parents[2] / "fuzz" / "repair.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.repair


@pytest.fixture
def values():
    """Decode an array of a scan of `path`."""

    def read(refs, name):
        source = LocalSource(refs.name)
        return decode_array(refs.arrays[name], source.read(0, source.size()))

    return read


@pytest.fixture
def check_values(values):
    """Scan a file and compare every dataset that h5py reads; gives the set."""

    def check(path, **options):
        refs = scan(LocalSource(path), **options)
        with h5py.File(path) as file:
            names = []
            file.visititems(lambda name, o: names.append(name) if isinstance(o, h5py.Dataset) else None)
            left_out = {problem.path for problem in refs.problems}
            assert set(refs.arrays) == set(names) - left_out
            found = {name: values(refs, name) for name in refs.arrays}
            for name, got in found.items():
                want = file[name][()]
                if got.dtype.kind == "O":
                    want = np.asarray(want, object).ravel().tolist()
                    assert got.ravel().tolist() == [w.decode() for w in want], name
                else:
                    want = np.asarray(want, file[name].dtype)
                    assert got.dtype == want.dtype, name
                    assert got.shape == want.shape, name
                    np.testing.assert_array_equal(got, want, name)
        check_v3(refs, {name: got for name, got in found.items() if refs.arrays[name].chunks.size <= 16})
        return refs

    return check


@pytest.fixture(scope="session")
def libhdf5():
    """The HDF5 library that h5py has loaded, for settings that h5py does not offer."""
    library = ctypes.CDLL(h5py.h5p.__file__)
    for name, types in (
        ("H5Pset_istore_k", (ctypes.c_int64, ctypes.c_uint)),
        ("H5Pset_chunk_opts", (ctypes.c_int64, ctypes.c_uint)),
    ):
        getattr(library, name).argtypes = types
    library.H5Pset_sym_k.argtypes = (ctypes.c_int64, ctypes.c_uint, ctypes.c_uint)
    library.H5Pset_shared_mesg_nindexes.argtypes = (ctypes.c_int64, ctypes.c_uint)
    library.H5Pset_shared_mesg_index.argtypes = (ctypes.c_int64, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint)
    return library
