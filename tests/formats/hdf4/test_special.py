"""Special elements: chunks, linked blocks, compressed streams, made byte by byte and read by pyhdf too."""

import struct
import zlib

import numcodecs
import numpy as np
import pytest
from pyhdf.SD import SD, SDC

from chunkmap.codecs.hdf4.nbit import Hdf4Nbit
from chunkmap.codecs.hdf4.rle import Hdf4Rle
from chunkmap.codecs.hdf4.skphuff import Hdf4SkippingHuffman

NUMBERS = np.random.default_rng(2).integers(0, 100, (5, 7)).astype(">i2")


def by_pyhdf(tmp_path, data):
    path = tmp_path / "pyhdf.hdf"
    path.write_bytes(data)
    sd = SD(str(path), SDC.READ)
    value = sd.select(0).get()
    sd.end()
    return value


def in_chunks(numbers, chunk, encode=bytes, skip=()):
    """The chunks of an array, whole at its edges, by their place in the grid."""
    padded = np.zeros([-(-n // c) * c for n, c in zip(numbers.shape, chunk, strict=True)], numbers.dtype)
    padded[tuple(map(slice, numbers.shape))] = numbers
    found = {}
    for place in np.ndindex(*(n // c for n, c in zip(padded.shape, chunk, strict=True))):
        cut = tuple(slice(p * c, (p + 1) * c) for p, c in zip(place, chunk, strict=True))
        if place not in skip:
            found[place] = encode(np.ascontiguousarray(padded[cut]).tobytes())
    return found


def file_of(recipe, data, shape=(5, 7), dtype="i2", **how):
    variable, _ = recipe.sds("x", shape, dtype, data, **how)
    recipe.root([variable])
    return recipe.bytes()


@pytest.mark.parametrize("chunk", [(2, 3), (5, 7), (1, 7), (3, 2)])
def test_chunks(recipe, scanned, values, tmp_path, chunk):
    """Chunks, whole at the edges of the array, are found through their table, each as a range of the file."""
    data = recipe.chunked((5, 7), chunk, 2, in_chunks(NUMBERS, chunk))
    file = file_of(recipe, data)
    refs = scanned(file)
    assert refs.arrays["x"].meta.chunk_shape == chunk
    assert not refs.arrays["x"].chunks.is_inline.any()
    np.testing.assert_array_equal(values(refs, "x"), NUMBERS)
    np.testing.assert_array_equal(by_pyhdf(tmp_path, file), NUMBERS)


def rle(raw):
    return Hdf4Rle(len(raw)).encode(raw)


def skipping_huffman(raw):
    return Hdf4SkippingHuffman(2, len(raw)).encode(raw)


def nbit(raw):
    return Hdf4Nbit(itemsize=2, start_bit=6, bits=7, nbytes=len(raw)).encode(raw)


CODERS = [
    ((4, ">H", 6), zlib.compress),
    ((1, ">"), rle),
    ((3, ">II", 2, 2), skipping_huffman),
    ((2, ">iHHii", 22, 0, 0, 6, 7), nbit),
]


@pytest.mark.parametrize(("coder", "encode"), CODERS, ids=["deflate", "rle", "skphuff", "nbit"])
def test_compressed_chunks(recipe, scanned, values, coder, encode):
    """Chunks that are compressed one by one are decoded, whatever the coder."""
    data = recipe.chunked((5, 7), (2, 3), 2, in_chunks(NUMBERS, (2, 3), encode), fill=b"\0\0", coder=coder)
    refs = scanned(file_of(recipe, data))
    assert not refs.arrays["x"].chunks.is_inline.any()
    np.testing.assert_array_equal(values(refs, "x"), NUMBERS)


@pytest.mark.parametrize(("coder", "encode"), CODERS, ids=["deflate", "rle", "skphuff", "nbit"])
def test_one_compressed_stream(recipe, scanned, values, tmp_path, coder, encode):  # noqa: PLR0917 - fixtures
    """A compressed element is one chunk, and reads as pyhdf reads it, whatever the coder."""
    data = recipe.compressed(702, encode(NUMBERS.tobytes()), NUMBERS.nbytes, coder)
    file = file_of(recipe, data)
    np.testing.assert_array_equal(values(scanned(file), "x"), NUMBERS)
    np.testing.assert_array_equal(by_pyhdf(tmp_path, file), NUMBERS)


@pytest.mark.parametrize(
    ("sign", "ones", "expected"), [(0, 0, [5, 9]), (1, 0, [5, -7]), (0, 1, [0xFFF5 - 65536, 0xFFF9 - 65536])]
)
def test_bits_that_are_not_stored(  # noqa: PLR0917 - fixtures
    recipe, scanned, values, tmp_path, sign, ones, expected
):
    """Bits above those that are stored are zeros, ones, or the sign, as pyhdf reads them."""
    data = recipe.compressed(702, b"\x59", 4, (2, ">iHHii", 22, sign, ones, 3, 4))
    file = file_of(recipe, data, (2,))
    assert values(scanned(file), "x").tolist() == expected
    assert by_pyhdf(tmp_path, file).tolist() == expected


def test_szip(recipe, scanned, values):
    """szip is decoded by imagecodecs: streams, and what the library stores as it is where that is shorter."""
    imagecodecs = pytest.importorskip("imagecodecs")
    numbers = np.arange(64, dtype=">i2").reshape(8, 8)
    parameters = (4 | 16, 8, 16, 64)
    stream = imagecodecs.szip_encode(numbers.tobytes(), *parameters)
    heads = {
        b"\0" + len(stream).to_bytes(4, "big") + bytes(stream),
        b"\1" + (128).to_bytes(4, "big") + numbers.tobytes(),
    }
    for encoded in heads:
        recipe.objects.clear()
        data = recipe.compressed(702, encoded, 128, (5, ">IIIBB", 64, 64, 4 | 16, 16, 8))
        np.testing.assert_array_equal(values(scanned(file_of(recipe, data, (8, 8))), "x"), numbers)


def test_chunks_that_were_never_written(recipe, scanned, values, tmp_path):
    """Chunks that are not in the table read as the fill value of the element."""
    chunks = in_chunks(NUMBERS, (2, 7), skip={(1, 0)})
    data = recipe.chunked((5, 7), (2, 7), 2, chunks, fill=struct.pack(">h", -9))
    file = file_of(recipe, data)
    refs = scanned(file)
    assert refs.arrays["x"].meta.fill_value == -9
    expected = NUMBERS.copy()
    expected[2:4] = -9
    np.testing.assert_array_equal(values(refs, "x"), expected)
    np.testing.assert_array_equal(by_pyhdf(tmp_path, file), expected)


def test_linked_blocks_that_end_with_rows(recipe, scanned, values, tmp_path):
    """Blocks that end where rows end are split into chunks of rows; none is held inline."""
    raw = NUMBERS.tobytes()
    data = recipe.linked(702, [raw[:28], raw[28:56], raw[56:] + bytes(14)], len(raw))
    file = file_of(recipe, data)
    refs = scanned(file)
    assert not refs.arrays["x"].chunks.is_inline.any()
    np.testing.assert_array_equal(values(refs, "x"), NUMBERS)
    np.testing.assert_array_equal(by_pyhdf(tmp_path, file), NUMBERS)


def test_linked_blocks_that_end_in_rows(recipe, scanned, values, tmp_path):
    """A row that goes over the end of a block is held inline, others are ranges of the file."""
    raw = NUMBERS.tobytes()
    recipe.add(100, b"between")
    blocks = [raw[:20], raw[20:40], raw[40:60], raw[60:] + bytes(10)]
    data = recipe.linked(702, blocks, len(raw))
    file = file_of(recipe, data)
    apart = [number for number, (tag, _, _) in enumerate(recipe.objects) if tag == 20]
    for number, place in enumerate(apart[:-1]):  # something between the blocks, lest they touch
        recipe.objects.insert(place + number + 1, (101, 900 + number, b"x"))
    file = recipe.bytes()
    refs = scanned(file)
    inline = refs.arrays["x"].chunks.is_inline
    assert inline.any()
    assert not inline.all()
    np.testing.assert_array_equal(values(refs, "x"), NUMBERS)
    np.testing.assert_array_equal(by_pyhdf(tmp_path, file), NUMBERS)


def test_linked_blocks_that_are_missing(recipe, scanned, values):
    """A block that was never written reads as zeros."""
    raw = NUMBERS.tobytes()
    data = recipe.linked(702, [raw[:28], raw[28:56], raw[56:]], len(raw), missing={1})
    file = file_of(recipe, data)
    expected = NUMBERS.copy()
    expected[2:4] = 0
    np.testing.assert_array_equal(values(scanned(file), "x"), expected)


def test_a_stream_in_linked_blocks(recipe, scanned, values, tmp_path):
    """A compressed stream that was written in several blocks is held inline."""
    stream = zlib.compress(NUMBERS.tobytes())
    cut = len(stream) // 2
    _, ref = recipe.linked(40, [stream[:cut], stream[cut:]], len(stream), block_length=len(stream))
    header = struct.pack(">HHiH", 3, 0, NUMBERS.nbytes, ref) + struct.pack(">HHH", 0, 4, 6)
    recipe.objects.insert(1, (101, 999, b"x"))
    file = file_of(recipe, recipe.add(702 | 0x4000, header))
    np.testing.assert_array_equal(values(scanned(file), "x"), NUMBERS)
    np.testing.assert_array_equal(by_pyhdf(tmp_path, file), NUMBERS)


def test_little_endian_numbers(recipe, scanned, values):
    """Numbers of the class of PCs lie little-endian."""
    data = recipe.add(702, NUMBERS.astype("<i2").tobytes())
    file = file_of(recipe, data, kind=4)
    refs = scanned(file)
    assert refs.arrays["x"].meta.dtype == np.dtype("<i2")
    np.testing.assert_array_equal(values(refs, "x"), NUMBERS)


def test_numbers_of_old_machines_are_refused(recipe, scanned):
    """Numbers of VAX, Cray and Convex are a problem that says so."""
    data = recipe.add(702, bytes(70))
    (problem,) = scanned(file_of(recipe, data, kind=2)).problems
    assert problem.feature == "number class"


def test_a_coder_that_nothing_decodes_is_refused(recipe, scanned):
    """A compression without a codec is a problem that names it."""
    data = recipe.compressed(702, b"xyz", 70, (12, ">"))
    (problem,) = scanned(file_of(recipe, data)).problems
    assert "IMCOMP" in problem.message


@pytest.mark.parametrize("codec", [Hdf4Rle(5), Hdf4SkippingHuffman(1, 5), Hdf4Nbit(1, 7, 8, 5)])
def test_streams_that_are_cut_short(codec):
    """Every codec says so when its stream ends too early, and gives back what it encoded."""
    stream = bytes(codec.encode(b"hello"))
    assert bytes(codec.decode(stream)) == b"hello"
    with pytest.raises(ValueError, match="expected"):
        codec.decode(stream[:-1])
    assert numcodecs.get_codec(codec.get_config()).get_config() == codec.get_config()
