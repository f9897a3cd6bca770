"""Which of many pieces of a text are one of some keys, or begin with one: by columns, eight bytes at a time.

Keys of one length are looked up together, by a hash of their bytes that is taken from their end, where the URLs of a
store differ. What a hash finds is compared with the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pieces"]

_MOST_SLOTS: Final = 20
"""Binary digits of a hash by which keys are looked up, at most: a table of four megabytes."""

_MULTIPLIER: Final = 0x9E3779B97F4A7C15
"""Odd, and its digits are spread evenly: 2^64 over the golden ratio."""

_Found = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Numbers of pieces, and the number of a key for each."""

_NONE: Final[NDArray[np.intp]] = np.empty(0, np.intp)


class Pieces:
    """Pieces of a text, by where each begins and ends.

    >>> pieces = Pieces(b"x/0x/1y/0", np.array([0, 3, 6]), np.array([3, 6, 9]))
    >>> [found.tolist() for found in pieces.equal([b"x/1", b"y/1"])]  # numbers of pieces, and of keys
    [[1], [0]]
    >>> [found.tolist() for found in pieces.beginning([b"y/", b"x"])]
    [[2, 0, 1], [0, 1, 1]]
    """

    def __init__(self, data: bytes, starts: NDArray[Any], stops: NDArray[Any]) -> None:
        self._data, self._starts, self._lengths = data, starts, stops - starts

    @cached_property
    def _padded(self) -> bytes:
        return self._data + bytes(7)

    def equal(self, keys: Sequence[bytes]) -> _Found:
        """Pieces that are one of the keys, of which each stands once; and which key each of them is."""
        perhaps = self._ending(keys) if keys else _NONE
        lengths = self._lengths[perhaps]
        found = [
            self._matching(perhaps[lengths == length], [keys[n] for n in some], some)
            for length, some in _by_length(keys)
        ]
        return _joined(found)

    def _ending(self, keys: Sequence[bytes]) -> NDArray[np.intp]:
        """Pieces that end as one of the keys, as far as all keys reach and eight bytes tell; and perhaps others."""
        lengths = np.array(sorted({len(key) for key in keys}))
        nbytes = min(8, int(lengths[0]))
        of_length = np.zeros(int(lengths[-1]) + 2, np.bool_)
        of_length[lengths] = True
        rows = np.flatnonzero(of_length[np.minimum(self._lengths, len(of_length) - 1)])
        if not nbytes:
            return rows
        ends = (self._starts + (self._lengths - self._starts.dtype.type(nbytes)))[_all_or(rows, self._lengths)]
        text = b"".join([key[-nbytes:] for key in keys]) + bytes(7)
        wanted = _word(text, np.arange(len(keys)) * nbytes, 0, nbytes) * np.uint64(_MULTIPLIER)
        theirs = _word(self._padded if nbytes < 8 else self._data, ends.astype(np.intp), 0, nbytes)
        return rows[_present(wanted, theirs * np.uint64(_MULTIPLIER))]

    def beginning(self, keys: Sequence[bytes], among: NDArray[np.bool_] | None = None) -> _Found:
        """Pieces that begin with one of the keys, of which each stands once; and the longest with which each does."""
        left = np.ones(len(self._starts), np.bool_) if among is None else among.copy()
        found = []
        for length, some in reversed(_by_length(keys)):
            rows = np.flatnonzero(left & (self._lengths >= length))
            found.append(self._matching(rows, [keys[n] for n in some], some))
            left[found[-1][0]] = False
        return _joined(found)

    def _matching(self, rows: NDArray[np.intp], keys: Sequence[bytes], numbers: Sequence[int]) -> _Found:
        """Those of some pieces that begin with a key, of keys of one length; and the number of that key."""
        length = len(keys[0])
        if not len(rows) or not length:
            return rows, np.full(len(rows), numbers[0], np.intp)
        text, data = b"".join(keys) + bytes(7), self._padded if length < 8 else self._data
        places = np.arange(len(keys)) * length
        multiplier, wanted = _distinct_hashes(text, places, length)
        starts = self._starts[_all_or(rows, self._starts)].astype(np.intp)
        hits, which = _looked_up(wanted, _hashes(data, starts, length, multiplier))
        rows, starts = rows[hits], starts[hits]
        same = np.ones(len(rows), np.bool_)
        for at, nbytes in _steps(length):
            same &= _word(data, starts, at, nbytes) == _word(text, places, at, nbytes)[which]
        return rows[same], np.asarray(numbers, np.intp)[which[same]]


def _all_or(rows: NDArray[np.intp], column: NDArray[Any]) -> NDArray[np.intp] | slice:
    """Rising numbers of a column; a slice where they are all, which gathers nothing."""
    return slice(None) if len(rows) == len(column) else rows


def _joined(found: Sequence[_Found]) -> _Found:
    rows, keys = zip(*found, strict=True) if found else ([_NONE], [_NONE])
    return np.concatenate(rows), np.concatenate(keys)


def _by_length(keys: Sequence[bytes]) -> list[tuple[int, list[int]]]:
    """Each length of some keys, rising, and the numbers of the keys that have it."""
    rising = sorted(range(len(keys)), key=lambda n: len(keys[n]))
    return [(length, list(some)) for length, some in groupby(rising, key=lambda n: len(keys[n]))]


def _steps(length: int) -> list[tuple[int, int]]:
    """Where each group of at most eight bytes begins, and how many it has, from the end.

    >>> _steps(11)
    [(3, 8), (0, 3)]
    """
    return [(max(stop - 8, 0), min(stop, 8)) for stop in range(length, 0, -8)]


def _word(data: bytes, starts: NDArray[np.intp], at: int, nbytes: int) -> NDArray[np.uint64]:
    """Some bytes of pieces, at most eight, as a number for each piece; at the end of the data, eight must be there."""
    from_each = np.ndarray((max(len(data) - 7, 0),), "<u8", data, strides=(1,))
    word: NDArray[np.uint64] = from_each[starts + at if at else starts]
    return word if nbytes == 8 else word & np.uint64((1 << 8 * nbytes) - 1)


def _hashes(data: bytes, starts: NDArray[np.intp], length: int, multiplier: int) -> NDArray[np.uint64]:
    """A number for the bytes of each piece, of one length; from its last bytes to its first."""
    hashes = np.zeros(len(starts), np.uint64)
    for at, nbytes in _steps(length):
        hashes ^= _word(data, starts, at, nbytes)
        hashes *= np.uint64(multiplier)
    return hashes


def _distinct_hashes(text: bytes, places: NDArray[np.intp], length: int) -> tuple[int, NDArray[np.uint64]]:
    """A multiplier by which no two keys have one hash, and their hashes."""
    multiplier = _MULTIPLIER
    while True:
        hashes = _hashes(text, places, length, multiplier)
        if len(np.unique(hashes)) == len(hashes):
            return multiplier, hashes
        multiplier = (multiplier * _MULTIPLIER + 2) % 2**64


def _looked_up(keys: NDArray[np.uint64], hashes: NDArray[np.uint64]) -> _Found:
    """Which of some hashes are those of keys, and of which; no two keys have the same."""
    perhaps = np.flatnonzero(_present(keys, hashes))
    hashes = hashes[_all_or(perhaps, hashes)]
    rising = np.argsort(keys)
    ordered, digits = keys[rising], _slot_digits(len(keys))
    slots = _slots(ordered, digits)
    first = np.zeros(1 << digits, np.int32)
    first[slots[::-1]] = np.arange(len(keys))[::-1]
    which = first[_slots(hashes, digits)]
    hits = ordered[which] == hashes
    for _ in range(int(np.bincount(slots).max()) - 1):  # keys that share a slot stand one after the other
        left = np.flatnonzero(~hits)
        which[left] = np.minimum(which[left] + 1, len(keys) - 1)
        hits[left] = ordered[which[left]] == hashes[left]
    return perhaps[hits], rising[which[hits]]


def _present(keys: NDArray[np.uint64], hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of some hashes may be those of keys: all that are, and a few others."""
    digits = _slot_digits(len(keys))
    present = np.zeros(1 << digits, np.bool_)
    present[_slots(keys, digits)] = True
    return np.asarray(present[_slots(hashes, digits)])


def _slot_digits(keys: int) -> int:
    return min(max(2 * keys.bit_length(), 10), _MOST_SLOTS)


def _slots(hashes: NDArray[np.uint64], digits: int) -> NDArray[np.intp]:
    return (hashes >> np.uint64(64 - digits)).astype(np.intp)
