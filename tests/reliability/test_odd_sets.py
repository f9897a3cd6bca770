"""Sets with one odd array: the others are read, and the odd one is refused by name."""

import json
import os
import sys

import h5py
import numcodecs
import numpy as np
import pytest
import zarr

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import ChunkmapError, FormatError, SourceError, StorageError
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


@pytest.mark.parametrize("ending", ["json", "json.gz", "parq"])
@pytest.mark.parametrize("verb", ["write", "build"])
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of files are bytes on Linux")
def test_a_file_whose_name_is_no_text_is_refused_when_it_is_written(tmp_path, caplog, verb, ending):
    """A name in bytes that are no UTF-8 is read, but no set can hold it: an error that quotes it, and leaves none."""
    name, out = os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.npy"), tmp_path / f"set.{ending}"
    with open(name, "wb") as file:  # noqa: PTH123
        np.save(file, np.arange(1000.0))
    with caplog.at_level("INFO", "chunkmap"):
        refs = chunkmap.scan(name)
    assert r"a\udcff.npy" in caplog.text
    assert read_array(next(iter(refs.arrays.values())), Fetcher()).tolist() == list(range(1000))
    with pytest.raises(StorageError, match=r"cannot be written: .*a.udcff.npy' is no text that UTF-8 can hold"):
        chunkmap.write(refs, out) if verb == "write" else chunkmap.build([name], out, coo_map={"n": [0]})
    assert [path.name for path in tmp_path.iterdir()] == [os.path.basename(name)]  # noqa: PTH119


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
@pytest.mark.parametrize("ending", ["json", "parq"])
def test_an_output_that_can_have_no_such_name_is_refused(tmp_path, name, ending):
    """What is no name of a file on any system is an error of ours, whose text can be printed."""
    refs = _set("odd")
    with pytest.raises(SourceError, match="cannot be the name of a file") as caught:
        chunkmap.write(refs, f"{tmp_path}/{name}.{ending}")
    assert str(caught.value).encode().isascii()


@pytest.mark.parametrize("ending", ["json", "parq"])
def test_an_output_below_a_thousand_directories_is_refused(tmp_path, ending):
    """A name of more directories than can be made one in the other is an error of ours, and makes none."""
    out = f"{tmp_path}/{'x/' * 2000}set.{ending}"
    with pytest.raises(SourceError, match="cannot be written"):
        chunkmap.write(_set("odd"), out)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such pipes")
@pytest.mark.parametrize("verb", ["scan", "load", "read"])
def test_a_pipe_is_refused_and_nobody_is_waited_for(tmp_path, verb):
    """A pipe into which nobody writes, and a device, are errors and are not waited for."""
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero"):
        chunks = ChunkManifest.single(path, 0, 0, ndim=1)
        calls = {
            "scan": lambda path=path: chunkmap.scan(path),
            "load": lambda path=path: chunkmap.load(path),
            "read": lambda chunks=chunks: Fetcher().fetch(chunks),
        }
        with pytest.raises(SourceError, match="expected a file, found a pipe, a socket or a device"):
            calls[verb]()


@pytest.mark.parametrize("shape", [4, 8, 12])
@pytest.mark.parametrize("stored", [b"", b"abc"])
def test_a_chunk_without_bytes_is_not_taken_for_zeros(tmp_path, shape, stored):
    """A last chunk of which nothing is stored, or not enough, is an error where all of it are elements of the array."""
    (tmp_path / "a.bin").write_bytes(stored)
    known = {"shape": [shape], "chunks": [4], "dtype": "|u1", "compressor": None, "filters": None, "fill_value": None}
    refs = {"x/.zarray": json.dumps({"zarr_format": 2, "order": "C", **known})}
    refs |= {f"x/{number}": "1234" for number in range(shape // 4 - 1)}
    (array,) = chunkmap.load({**refs, f"x/{shape // 4 - 1}": [str(tmp_path / "a.bin")]}).arrays.values()
    with pytest.raises(FormatError, match=f"expected a chunk of 4 values of uint8, found {len(stored)}"):
        read_array(array, Fetcher())


@pytest.mark.parametrize("ending", ["json", "parq"])
@pytest.mark.parametrize("deep", [127, 128, 129])
def test_what_is_too_deep_to_be_read_is_not_written(tmp_path, ending, deep):
    """A file may have groups in groups deeper than sets are read: such a set is refused before anything is left."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["/".join(["g"] * deep) + "/v"] = np.arange(3)
    refs = chunkmap.scan(tmp_path / "a.h5")
    out = tmp_path / f"set.{ending}"
    if deep < 128:
        chunkmap.write(refs, out)
        assert chunkmap.load(out).arrays.keys() == refs.arrays.keys()
    else:
        with pytest.raises(StorageError, match=f"{deep + 1} groups deep, expected 128 or fewer"):
            chunkmap.write(refs, out)
        assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]
