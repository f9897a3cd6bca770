"""Filter pipelines and filter masks: decoded exactly, or refused by name."""

import h5py
import hdf5plugin
import numpy as np
import pytest
from numcodecs import Shuffle, Zlib

from chunkmap.formats.hdf5 import scan
from chunkmap.io import LocalSource

DATA = (np.arange(1000, dtype="<i4") // 7).reshape(50, 20)

DECODED = {
    "deflate": ({"compression": "gzip", "compression_opts": 9}, ["zlib"]),
    "shuffle": ({"shuffle": True}, ["shuffle"]),
    "shuffle and deflate": ({"shuffle": True, "compression": 4}, ["shuffle", "zlib"]),
    "fletcher32": ({"fletcher32": True}, ["fletcher32"]),
    "all three": ({"fletcher32": True, "shuffle": True, "compression": 1}, None),
    "zstd": (dict(hdf5plugin.Zstd(clevel=5)), ["zstd"]),
    "bzip2": (dict(hdf5plugin.BZip2(blocksize=3)), ["bz2"]),
    **{
        f"blosc {name}": (dict(hdf5plugin.Blosc(cname=name, clevel=5, shuffle=shuffle)), ["blosc"])
        for name, shuffle in (("blosclz", 1), ("lz4", 2), ("lz4hc", 0), ("zlib", 1), ("zstd", 2))
    },
}
REFUSED = {
    "lzf": {"compression": "lzf"},
    "scaleoffset": {"scaleoffset": 0},
    "lz4": dict(hdf5plugin.LZ4()),
    "bitshuffle": dict(hdf5plugin.Bitshuffle()),
}


@pytest.mark.parametrize("name", DECODED)
def test_filters_that_numcodecs_decodes(tmp_path, check_values, name):
    """Chunks read through numcodecs are what HDF5 reads, also where the last chunk is partial."""
    options, codecs = DECODED[name]
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=DATA, chunks=(7, 20), **options)
        f.create_dataset("odd", data=np.arange(9, dtype="u1"), chunks=(3,), **options)
    refs = check_values(path)
    assert not refs.problems
    if codecs is not None:
        assert [c["id"] for c in refs.arrays["v"].meta.codecs] == codecs
    assert refs.arrays["v"].meta.compressor is None


@pytest.mark.parametrize("name", REFUSED)
def test_filters_without_a_codec_are_refused_by_name(tmp_path, check_values, name):
    """A dataset that no codec decodes is a problem that names the filter; the others are scanned."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=DATA, chunks=(7, 20), **REFUSED[name])
        f["other"] = DATA
    refs = check_values(path)
    (problem,) = refs.problems
    assert (problem.path, problem.feature, problem.url) == ("v", f"filter {name}", str(path))
    assert list(refs.arrays) == ["other"]


def write_masked(path, masks, chunk=10):
    """Chunks written with these filter masks through a pipeline of shuffle and deflate."""
    size = chunk * len(masks)
    with h5py.File(path, "w") as f:
        d = f.create_dataset("v", (size,), "<i4", chunks=(chunk,), compression="gzip", shuffle=True)
        for n, mask in enumerate(masks):
            raw = np.arange(n * chunk, (n + 1) * chunk, dtype="<i4").tobytes()
            raw = raw if mask & 1 else bytes(Shuffle(4).encode(raw))
            raw = raw if mask & 2 else bytes(Zlib(4).encode(raw))
            d.id.write_direct_chunk((n * chunk,), raw, mask)


@pytest.mark.parametrize("mask", [0, 1, 2, 3])
def test_a_mask_that_all_chunks_share_drops_its_filters(tmp_path, check_values, mask):
    """The codecs of a dataset are those that all its chunks went through."""
    write_masked(tmp_path / "a.h5", [mask] * 3)
    refs = check_values(tmp_path / "a.h5")
    kept = [c for bit, c in ((1, "shuffle"), (2, "zlib")) if not mask & bit]
    assert [c["id"] for c in refs.arrays["v"].meta.codecs] == kept


def test_chunks_with_masks_of_their_own_are_held_inline(tmp_path, check_values):
    """A few chunks that skip a filter are encoded as the others are."""
    write_masked(tmp_path / "a.h5", [0, 1, 2, 3, 0, 0])
    refs = check_values(tmp_path / "a.h5", inline_threshold=0)
    assert refs.arrays["v"].chunks.is_inline.tolist() == [False, True, True, True, False, False]


def test_too_many_chunks_with_masks_of_their_own_are_refused(tmp_path):
    """What would bring more than a megabyte into the references is a problem, not a wrong reference."""
    write_masked(tmp_path / "a.h5", [0, 0, 0, 3, 3], chunk=200_000)
    refs = scan(LocalSource(tmp_path / "a.h5"))
    assert [p.feature for p in refs.problems] == ["filter mask"]
    assert not refs.arrays


def test_a_chunk_that_does_not_decode_is_reported(tmp_path):
    """Where a chunk must be decoded to be represented and cannot be, its dataset is left out, and said so."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        d = f.create_dataset("v", (30,), "<i4", chunks=(10,), compression="gzip", shuffle=True)
        for start, mask in ((0, 0), (10, 3), (20, 3)):
            d.id.write_direct_chunk((start,), b"x" * 40, mask)
    refs = scan(LocalSource(path))
    assert [p.feature for p in refs.problems] == ["damaged chunk"]
