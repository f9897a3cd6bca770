"""Codecs of numbers and text as FITS stores them."""

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.codecs.fits.ascii import FitsAscii
from chunkmap.codecs.fits.bits import FitsBits
from chunkmap.codecs.fits.logical import FitsLogical
from chunkmap.codecs.fits.tiles import FitsTiles
from chunkmap.codecs.fits.unsigned import FitsUnsigned
from chunkmap.codecs.fits.variable import FitsVariable
from chunkmap.codecs.fits.wcs import FitsWcs


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_turned_signs(size):
    """The first bit is turned: half the range is added, and taken away again by encoding."""
    stored = np.array([-(2 ** (8 * size - 1)), -1, 0, 2 ** (8 * size - 1) - 1], f">i{size}")
    codec = FitsUnsigned(size)
    found = np.frombuffer(codec.decode(stored.tobytes()), f">u{size}")
    assert [int(n) for n in found] == [int(n) + 2 ** (8 * size - 1) for n in stored]
    assert codec.encode(found.tobytes()) == stored.tobytes()
    with pytest.raises(ValueError, match="1, 2, 4 or 8"):
        FitsUnsigned(3)


@given(st.lists(st.lists(st.booleans(), min_size=11, max_size=11), max_size=5))
def test_bits_and_letters(rows):
    """Bits of a row begin with a byte of their own, and letters are T and F; both are what was encoded."""
    raw = np.array(rows, np.bool_).tobytes()
    assert FitsBits(11).decode(FitsBits(11).encode(raw)) == raw
    assert len(FitsBits(11).encode(raw)) == 2 * len(rows)
    assert FitsLogical().decode(FitsLogical().encode(raw)) == raw
    assert FitsLogical().decode(b"\1T") == b"\0\1"
    assert FitsLogical(takes_numbers=True).decode(b"\1T") == b"\1\1"


@pytest.mark.parametrize(
    ("text", "decimals", "value"),
    [(b" 12345", 2, 123.45), (b"123.45", 4, 123.45), (b" 1234D", 0, None), (b"12E+02", 1, 120.0), (b"-1.d-1", 0, -0.1)],
)
def test_real_numbers_of_ascii_tables(text, decimals, value):
    """Without a point, the last digits are decimals; D is E; what is no number is an error."""
    codec = FitsAscii(6, "<f8", decimals=decimals)
    if value is None:
        with pytest.raises(ValueError, match="convert"):
            codec.decode(text)
    else:
        np.testing.assert_allclose(codec.decode(text), [value], rtol=1e-15)


def test_integers_of_ascii_tables():
    """A blank integer is 0, as the standard says; one that is written as undefined is the number that stands for it."""
    found = FitsAscii(5, "<i4", null="--", missing=-7).decode(b"   12        --")
    assert found.tolist() == [12, 0, -7]
    with pytest.raises(ValueError, match="no numbers"):
        FitsAscii(0, "<i4")


def test_rows_that_lead_out_of_the_heap():
    """Descriptors that lie raise, whichever way they do."""
    codec = FitsVariable(record=8, records=1, heap=8, itemsize=2, longest=2)
    for count, start in ((3, 0), (-1, 0), (1, -1), (2, 1), (1, 2**31 - 1)):
        with pytest.raises(ValueError, match="heap"):
            codec.decode(np.array([count, start], ">i4").tobytes() + b"abcd")
    with pytest.raises(ValueError, match="heap"):
        codec.decode(b"abc")
    assert codec.decode(np.array([0, 2**31 - 1], ">i4").tobytes() + b"abcd") == bytes(4)


def test_what_is_only_read():
    """Codecs that cannot write say so; configurations that cannot be are refused."""
    for codec in (
        FitsAscii(5, "<i4"),
        FitsVariable(record=8, records=1, heap=8, itemsize=2, longest=2),
        FitsWcs(0, (2,)),
    ):
        assert numcodecs.get_codec(codec.get_config()).get_config() == codec.get_config()
        with pytest.raises(NotImplementedError):
            codec.encode(b"")
    with pytest.raises(ValueError, match="no tiles"):
        FitsTiles(algorithm="NO", bitpix=16, shape=[1], tile=[1], chunk=[1], table="")
