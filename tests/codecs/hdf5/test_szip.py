"""szip, whose own library gives what stands in memory where its stream ends too early."""

import h5py
import numpy as np
import pytest

import chunkmap
from chunkmap.codecs.hdf4.szip import Hdf4Szip
from chunkmap.codecs.hdf5.szip import Hdf5Szip
from chunkmap.errors import FormatError

imagecodecs = pytest.importorskip("imagecodecs")

_MSB, _NN, _EC, _RAW = 16, 32, 4, 128
_LENGTH = 4
WAYS = [(bits, line, mask) for bits in (8, 16, 20, 32, 64) for line in (64, 67, 1600) for mask in (_EC, _NN, _MSB)]


def coded(bits, line, mask):
    """Numbers as szip codes them, the codec, and what szip makes of them."""
    width = 8 * (1 if bits <= 8 else 2 if bits <= 16 else 4 if bits <= 32 else 8)
    values = (np.arange(1500) // 7 % 200).astype(f"u{width // 8}").byteswap(inplace=bool(mask & _MSB))
    codec = Hdf5Szip(mask | _RAW, 16, bits, line)
    stored = bytes(codec.encode(values.tobytes()))
    return stored, codec, bytes(imagecodecs.szip_decode(stored, mask | _RAW, 16, bits, line, header=True))


@pytest.mark.parametrize(("bits", "line", "mask"), WAYS)
def test_every_width_and_line_is_read_as_szip_reads_it(bits, line, mask):
    """Numbers byte by byte, lines that are padded, the last of them cut; and bytes behind the stream are nothing."""
    stored, codec, expected = coded(bits, line, mask)
    assert bytes(codec.decode(stored)) == expected
    assert bytes(codec.decode(stored + bytes(1))) == expected
    as_hdf4 = Hdf4Szip(mask | _RAW, 16, bits, line, len(expected))
    assert bytes(as_hdf4.decode(bytes(1) + len(stored).to_bytes(4, "big") + stored[_LENGTH:])) == expected


@pytest.mark.parametrize(("bits", "line", "mask"), WAYS)
def test_a_stream_that_ends_too_early_is_refused(bits, line, mask):
    """It is not filled up with what happens to be in memory."""
    stored, codec, _ = coded(bits, line, mask)
    as_hdf4 = Hdf4Szip(mask | _RAW, 16, bits, line, int.from_bytes(stored[:_LENGTH], "little"))
    for length in (0, len(stored) // 2):
        with pytest.raises(ValueError, match="ends too early"):
            as_hdf4.decode(bytes(1) + length.to_bytes(4, "big") + stored[_LENGTH:][:length])
    for length in (0, 3, _LENGTH, _LENGTH + 1, len(stored) // 2):
        with pytest.raises(ValueError, match=r"ends (inside|too early)"):
            codec.decode(stored[:length])


def test_lines_that_are_too_long_are_refused():
    """No memory is taken for what parameters claim."""
    with pytest.raises(ValueError, match="in lines of 1000000000000"):
        Hdf5Szip(_EC, 16, 8, 10**12).decode(bytes(8))


def test_a_chunk_that_is_cut_short_in_its_file(tmp_path):
    """It is said where it stands; the others are read."""
    path, values = tmp_path / "a.h5", np.arange(8000, dtype="<i4").reshape(4, 2000) % 251
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", data=values, chunks=(1, 2000), compression="szip")
        whole = dataset.id.read_direct_chunk((2, 0))[1]
        dataset.id.write_direct_chunk((2, 0), whole[: len(whole) // 2])
    variable = chunkmap.open_dataset(chunkmap.scan(str(path), inline_threshold=0)).variables["x"]
    np.testing.assert_array_equal(variable[[0, 1, 3]], values[[0, 1, 3]])
    with pytest.raises(FormatError, match="ends too early"):
        variable.to_numpy()
