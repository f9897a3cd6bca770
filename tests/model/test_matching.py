"""Pieces of a text that are keys or begin with them, beside Python's own comparisons."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.model import matching
from chunkmap.model.matching import Pieces

ALPHABET = st.sampled_from(b"a/\xc3\x00")
TEXTS = st.lists(st.lists(ALPHABET, max_size=20).map(bytes), max_size=30)


def pieces_of(texts: list[bytes], before: bytes = b"", after: bytes = b"") -> Pieces:
    stops = np.cumsum([len(before), *map(len, texts)]).astype(np.uint32)
    return Pieces(before + b"".join(texts) + after, stops[:-1], stops[1:])


@given(TEXTS, TEXTS.map(lambda keys: list(dict.fromkeys(keys))), st.binary(max_size=3))
def test_pieces_that_are_keys_are_found(texts: list[bytes], keys: list[bytes], around: bytes) -> None:
    rows, which = pieces_of(texts, around, around).equal(keys)
    found = sorted(zip(rows.tolist(), which.tolist(), strict=True))
    assert found == [(n, keys.index(text)) for n, text in enumerate(texts) if text in keys]


@given(TEXTS, TEXTS.map(lambda keys: list(dict.fromkeys(keys))), st.data())
def test_pieces_are_of_the_longest_key_that_they_begin_with(
    texts: list[bytes], keys: list[bytes], data: st.DataObject
) -> None:
    among = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))), np.bool_)
    rows, which = pieces_of(texts).beginning(keys, among)
    wanted = {}
    for n in np.flatnonzero(among).tolist():
        longest = max((key for key in keys if texts[n].startswith(key)), key=len, default=None)
        if longest is not None:
            wanted[n] = keys.index(longest)
    assert dict(zip(rows.tolist(), which.tolist(), strict=True)) == wanted
    assert len(rows) == len(wanted)


def test_keys_whose_hashes_are_alike_are_told_apart(monkeypatch) -> None:
    """With a multiplier of 1, a hash is the exclusive or of the groups of eight bytes."""
    monkeypatch.setattr(matching, "_MULTIPLIER", 1)
    first, second = b"abcdefgh" + b"ABCDEFGH", b"ABCDEFGH" + b"abcdefgh"
    rows, which = pieces_of([first, second]).equal([second])
    assert (rows.tolist(), which.tolist()) == ([1], [0])
    rows, which = pieces_of([first, second]).equal([first, second])
    assert sorted(zip(rows.tolist(), which.tolist(), strict=True)) == [(0, 0), (1, 1)]


def test_one_key_is_a_piece_and_no_place_in_the_text() -> None:
    """Where pieces side by side spell a key none of them is it, and one that stands at many places is found at all."""
    rows, which = pieces_of([b"x", b"ab", b"a", b"b", b"xab", b"ab"]).equal([b"ab"])
    assert (rows.tolist(), which.tolist()) == ([1, 5], [0, 0])
    assert pieces_of([b"aa"] * 20).equal([b"aa"])[0].tolist() == list(range(20))
    assert not len(pieces_of([b"ab", b"b"]).equal([b"ba"])[0])
