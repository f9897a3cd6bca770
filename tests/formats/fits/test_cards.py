"""Cards of headers, beside astropy."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.formats.fits.cards import find_end, read_cards


def cards(*lines):
    """A header's bytes."""
    return "".join(line.ljust(80)[:80] for line in lines).encode("latin-1")


@pytest.mark.parametrize(
    ("card", "value"),
    [
        ("A       =                    T / a remark", True),
        ("A       =                    F", False),
        ("A       =                  007", 7),
        ("A       = -3/no space", -3),
        ("A       =               1.5D-3", 1.5e-3),
        ("A       =                 .5E2", 50.0),
        ("A       =                   1.", 1.0),
        ("A       = 'it''s / here  '   / a remark", "it's / here"),
        ("A       = ''", ""),
        ("A       = '  leading'", "  leading"),
        ("A       =                      / undefined", None),
        ("A       =", "no value"),
        ("A       = (1.5, -2D1)", complex(1.5, -20)),
        ("A       = (1, two)", "(1, two)"),
        ("A       = not a value", "not a value"),
        ("A       = 1E999", float("inf")),
    ],
)
def test_values(card, value):
    """Each kind of value, as the standard writes it, and what is none as the text that it is."""
    header = read_cards(cards(card))
    if value == "no value":
        assert header.values == {"A": None}
    else:
        assert header.values["A"] == value
        assert type(header.values["A"]) is type(value)


def test_text_over_several_cards():
    """Text goes on in cards CONTINUE while it ends with an ampersand; a card that continues nothing is a remark."""
    long = "x" * 150 + "'quoted' & " + "y" * 90
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written = fits.Header([("LONG", long, "and a remark"), ("NEXT", 1)]).tostring(padding=False)
    header = read_cards(written.encode())
    assert header.values["LONG"] == long
    assert header.values["NEXT"] == 1
    lone = read_cards(cards("A       = 'a'", "CONTINUE  'b'"))
    assert lone.values == {"A": "a"}
    assert lone.remarks == {"CONTINUE": ["  'b'"]}
    twice = read_cards(cards("A       = 'a&'", "CONTINUE  'b'", "A       = 'c&'", "CONTINUE  'd&'", "CONTINUE  'e'"))
    assert twice.again == {"A": ["ab", "cde"]}


def test_long_keywords():
    """HIERARCH gives a keyword of any length; without a value it is a remark."""
    header = read_cards(cards("HIERARCH ESO DET CHIP1 ID = 'CCD' / chip", "HIERARCH only words"))
    assert header.values == {"ESO DET CHIP1 ID": "CCD"}
    assert header.remarks == {"HIERARCH": [" only words"]}


def test_attributes_keep_everything():
    """Comments are whole texts, keywords that stand twice are lists, and numbers that JSON does not hold are text."""
    header = read_cards(
        cards(
            "COMMENT one",
            "COMMENT two",
            "HISTORY = not a value",
            "        without a keyword",
            "A       = 1",
            "A       = 2",
            "B       = 3",
            "B       = 3",
            "C       = (1, 2)",
            "D       = 1E999",
            "E       = 123456789012345678901",
        )
    )
    assert header.attributes() == {
        "A": [1, 2],
        "B": 3,
        "C": [1.0, 2.0],
        "D": "inf",
        "E": "123456789012345678901",
        "COMMENT": "one\ntwo",
        "HISTORY": "not a value",
        "COMMENT_": "without a keyword",
    }
    assert header.get("A") == 1


def test_the_end_is_a_card_of_its_own():
    """END inside a text, or not at the beginning of a card, ends nothing."""
    raw = cards("A       = 'END     '", "ENDED   = 1", "END")
    assert find_end(raw, 0) == 160
    assert find_end(raw[:160], 0) is None


values_of_cards = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=150).map(str.rstrip),
    st.complex_numbers(allow_nan=False, allow_infinity=False, max_magnitude=1e10),
)
keywords = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=1, max_size=8).filter(
    lambda key: key not in {"END", "COMMENT", "HISTORY", "CONTINUE", "HIERARCH"}
)


@given(st.dictionaries(keywords, values_of_cards, max_size=20))
def test_headers_that_astropy_writes(wanted):
    """Whatever astropy writes into a header, we read from it as astropy does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = fits.Header()
        for key, value in wanted.items():
            if not (isinstance(value, str) and value.endswith("&")):
                header[key] = value
        raw = header.tostring(padding=False).encode("latin-1")
        again = fits.Header.fromstring(raw.decode("latin-1"))
        expected = {key: again[key] for key in again}
    found = read_cards(raw[: find_end(raw, 0)]).values
    assert set(found) == set(expected)
    for key, value in expected.items():
        np.testing.assert_equal(found[key], value)
