"""HDF5's bitshuffle: by the decoder of imagecodecs and by our own, beside the filter itself; damage is refused."""

import h5py
import hdf5plugin
import numpy as np
import pytest

from chunkmap.codecs.hdf5 import bitshuffle
from chunkmap.codecs.hdf5.bitshuffle import Hdf5Bitshuffle

NUMBERS = {"none": 0, "lz4": 2, "zstd": 3}


@pytest.fixture(params=[True, False], ids=["imagecodecs", "our own"])
def either(request, monkeypatch):
    """Both decoders."""
    if not request.param:
        monkeypatch.setattr(bitshuffle, "_NATIVE", None)


def stored(path, values, cname, nelems=0):
    """What the filter makes of values, as one chunk."""
    with h5py.File(path, "w") as file:
        how = hdf5plugin.Bitshuffle(nelems=nelems, cname=cname)
        dataset = file.create_dataset("x", data=values, chunks=values.shape, **how)
        return dataset.id.read_direct_chunk((0,) * values.ndim)[1]


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("cname", NUMBERS)
@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8", "S3"])
@pytest.mark.parametrize("count", [1, 7, 8, 100, 5003])
def test_what_the_filter_makes_is_decoded(tmp_path, cname, dtype, count):
    """Whole blocks, a short one, and elements beyond a multiple of eight; to new memory and to memory that is there."""
    values = np.random.default_rng(count).integers(0, 100, count).astype(dtype)
    codec = Hdf5Bitshuffle(values.itemsize, 64 if count == 100 else 0, NUMBERS[cname])
    data = stored(tmp_path / "a.h5", values, cname, 64 if count == 100 else 0)
    assert bytes(codec.decode(data)) == values.tobytes()
    out = np.zeros(values.nbytes, np.uint8)
    assert codec.decode(data, out) is out
    assert out.tobytes() == values.tobytes()


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("cname", ["lz4", "zstd"])
def test_a_chunk_that_is_cut_short_is_refused(tmp_path, cname):
    """Wherever it ends."""
    data = stored(tmp_path / "a.h5", np.arange(3001, dtype="i4"), cname)
    codec = Hdf5Bitshuffle(4, 0, NUMBERS[cname])
    for length in range(0, len(data), 7):
        with pytest.raises((ValueError, RuntimeError)):
            codec.decode(data[:length])


@pytest.mark.parametrize("size", [8160, 8224])
def test_a_block_of_another_size_is_refused(tmp_path, size):
    """Bytes that a block does not have are not made up, and there is no room for more."""
    data = stored(tmp_path / "a.h5", np.arange(2048, dtype="i4"), "zstd")
    other = stored(tmp_path / "b.h5", np.arange(size // 4, dtype="i4"), "zstd", 4096)
    with pytest.raises((ValueError, RuntimeError), match="expected"):
        Hdf5Bitshuffle(4, 0, 3).decode(data[:12] + other[12:])
