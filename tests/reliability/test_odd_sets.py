"""Sets with one odd array: the others are read, and the odd one is refused by name."""

import numcodecs
import numpy as np
import pytest
import zarr

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import ChunkmapError, StorageError
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet


def _set(name, **meta):
    """A set of two arrays of two numbers, of which the second is odd."""
    plain = ManifestArray(
        ArrayMeta(shape=(2,), chunk_shape=(2,), dtype=np.dtype("u1"), dims=("d",)),
        ChunkManifest.single(b"ab", 0, 2, ndim=1),
    )
    data = numcodecs.Pickle().encode(np.array([1, 2], object))
    odd = ManifestArray(
        ArrayMeta(**{"shape": (2,), "chunk_shape": (2,), "dtype": np.dtype("u1"), "dims": ("d",), **meta}),
        ChunkManifest.single(bytes(data), 0, len(data), ndim=1),
    )
    return ReferenceSet({"plain": plain, name: odd})


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_one_pickle_keeps_no_other_array_shut(tmp_path, zarr_format):
    """Of a set in which one array is pickled the others are opened; the pickle is not run, and it is said which."""
    refs = _set("odd", dtype=np.dtype("O"), filters=({"id": "pickle"},))
    with pytest.warns(UserWarning, match=r" odd, which are left out"):
        group = zarr.open_group(chunkmap.open_store(refs, zarr_format=zarr_format), mode="r")
    with pytest.raises(ChunkmapError, match="pickle"):
        read_array(refs.arrays["odd"], Fetcher())
    assert bytes(group["plain"][:]) == b"ab"


@pytest.mark.parametrize(
    "name", [".zmetadata", ".chunkmap.json", ".chunkmap-targets.parq", ".chunkmap-next", "a/.zarray"]
)
@pytest.mark.parametrize("out", ["set.parq", "set.json"])
def test_arrays_with_the_names_of_our_files_are_refused(tmp_path, name, out):
    """An array that would lie where a set has files of its own is a StorageError, and nothing is written."""
    with pytest.raises(StorageError, match="rename it"):
        chunkmap.write(_set(name), tmp_path / out)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/a", "a\\..\\b", "a//b", "a/.", "a\0b"])
@pytest.mark.parametrize("out", ["set.parq", "set.json"])
def test_a_path_cannot_lead_out(tmp_path, name, out):
    """An array whose path climbs, or is that of no directory below the set, is not written, and nothing else is."""
    (tmp_path / "below").mkdir()
    with pytest.raises(StorageError, match="cannot be the name of a directory"):
        chunkmap.write(_set(name), tmp_path / "below" / out)
    assert [path.name for path in tmp_path.rglob("*")] == ["below"]
