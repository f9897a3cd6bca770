"""The keys of a set: which are those of documents, and which chunks stand below which path.

The keys of a million chunks are read by columns: the only work per key is done inside `str.join`, `str.split`, and
numpy. The files of a series mostly have the same keys, so a `Precedent` remembers what was read of the last ones.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import StorageError
from chunkmap.model.grid import linear
from chunkmap.model.meta import ArrayMeta
from chunkmap.model.typed import with_codes
from chunkmap.model.zarr_v3 import DOCUMENT

__all__ = ["MOST_GROUPS", "Below", "Precedent", "StrayKey", "positions_of", "runs"]

MOST_GROUPS: Final = 128
"""Most parts of the path of an array: what is done for each of the groups above it grows with their number."""

_STRETCH: Final = 8192
_DOCUMENTS: Final = frozenset({".zarray", ".zattrs", ".zgroup", ".zmetadata"})
_ALL_DOCUMENTS: Final = _DOCUMENTS | {DOCUMENT}


class StrayKey(StorageError):
    """A key that stands below an array, and names no chunk of it."""


Rows = list[tuple[int, str]]
"""Row and key of each of some keys."""


@dataclass(slots=True)
class Below:
    """The chunk keys that stand below one path."""

    names: list[str] = field(default_factory=list)
    """What follows the path in each."""
    _rows: list[slice] = field(default_factory=list)
    """Which they are of all keys of the set."""
    _positions: dict[tuple[int, ...], NDArray[np.int64]] = field(default_factory=dict)

    def add(self, names: list[str], start: int) -> None:
        """More keys, from a row on."""
        stop = start + len(names)
        if self._rows and self._rows[-1].stop == start:
            self._rows[-1] = slice(self._rows[-1].start, stop)
        else:
            self._rows.append(slice(start, stop))
        self.names.extend(names)

    def of(self, values: Sequence[Any]) -> Sequence[Any]:
        """Their values, of the values of all keys."""
        if len(self._rows) == 1:
            return values[self._rows[0]]
        return [value for rows in self._rows for value in values[rows]]

    def positions(self, path: str, grid_shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Where they stand in the grid of the array. Raises StorageError for a key that is no index of a chunk."""
        if grid_shape not in self._positions:
            self._positions[grid_shape] = positions_of(path, self.names, grid_shape)
        return self._positions[grid_shape]


@dataclass(frozen=True, slots=True)
class Keys:
    """What the keys of a set say."""

    documents: Rows
    """Row and key of each document of Zarr v2."""
    chunks: dict[str, Below]
    """Chunks by the array of Zarr v3 that they stand below, or else by the path before the last `/`."""


class Precedent:
    """What was read of one set, for the next: what is the same there is not read again.

    >>> precedent = Precedent()
    >>> precedent.keys(["x/.zarray", "x/0"]) is precedent.keys(["x/.zarray", "x/0"])
    True
    """

    def __init__(self) -> None:
        self._last: list[str] | None = None
        self._v3: Rows = []
        self._arrays: frozenset[str] | None = None
        self._keys = Keys([], {})
        self._documents: dict[str, tuple[Any, dict[str, Any]]] = {}
        self._metas: dict[str, tuple[tuple[Any, ...], ArrayMeta]] = {}
        self._typed: dict[str, tuple[ArrayMeta, Mapping[str, str], ArrayMeta]] = {}

    def keys(self, keys: list[str], v3_arrays: Callable[[Rows], frozenset[str]] = lambda _: frozenset()) -> Keys:
        """What these keys say. `v3_arrays` is given the documents of Zarr v3 among them, and says what arrays of v3 are
        known by now.
        """
        if keys != self._last:
            self._last, self._v3, self._arrays = keys, v3_documents(keys), None
        arrays = v3_arrays(self._v3)
        if arrays != self._arrays:
            self._arrays, self._keys = arrays, read_keys(keys, arrays)
        return self._keys

    def document(self, key: str, value: Any, parse: Callable[[str, Any], dict[str, Any]]) -> dict[str, Any]:
        """The document of a key; the very same one where its text is."""
        if not isinstance(value, str):
            return parse(key, value)
        known = self._documents.get(key)
        if known is None or known[0] != value:
            known = self._documents[key] = (value, parse(key, value))
        return known[1]

    def meta(self, path: str, documents: tuple[Any, ...], read: Callable[..., ArrayMeta]) -> ArrayMeta:
        """The metadata of an array, read from its path and documents; the very same where its documents are."""
        known = self._metas.get(path)
        if known is None or len(known[0]) != len(documents) or any(map(operator.is_not, known[0], documents)):
            known = self._metas[path] = (documents, read(path, *documents))
        return known[1]

    def typed(self, path: str, meta: ArrayMeta, codes: Mapping[str, str]) -> ArrayMeta:
        """Metadata with the types of their attributes; the very same where metadata and codes are."""
        known = self._typed.get(path)
        if known is None or known[0] is not meta or known[1] != codes:
            known = self._typed[path] = meta, codes, replace(meta, attrs=with_codes(meta.attrs, codes))
        return known[2]


def v3_documents(keys: list[str]) -> Rows:
    """Those of the keys that are of documents of Zarr v3."""
    return [
        (start + row, key)
        for start in range(0, len(keys), _STRETCH)
        if DOCUMENT in "\n".join(keys[start : start + _STRETCH])
        for row, key in enumerate(keys[start : start + _STRETCH])
        if key.rpartition("/")[2] == DOCUMENT
    ]


def read_keys(keys: list[str], v3_arrays: Collection[str] = ()) -> Keys:
    """What the keys of a set say, but for those of documents of Zarr v3."""
    found = Keys([], {})
    stop = 0
    for parent, names in runs(keys, v3_arrays):
        start, stop = stop, stop + len(names)
        documents = [] if _ALL_DOCUMENTS.isdisjoint(names) else _rows_of_documents(names)
        found.documents.extend((start + row, parent + names[row]) for row in documents if names[row] != DOCUMENT)
        for low, high in pairwise([-1, *documents, len(names)]):
            if high - low > 1:
                found.chunks.setdefault(parent[:-1], Below()).add(names[low + 1 : high], start + low + 1)
    return found


def _rows_of_documents(names: Sequence[str]) -> list[int]:
    return [row for row, name in enumerate(names) if name in _ALL_DOCUMENTS]


def runs(keys: list[str], v3_arrays: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Stretches of keys that stand below one path, an array that is known or else a directory: the path with its `/`,
    and what follows it in each key.

    A stretch that turns out to be of several paths is halved, so that the work is done by `join`, `count` and `split`.
    """
    waiting = [(start, min(start + _STRETCH, len(keys))) for start in range(0, len(keys), _STRETCH)][::-1]
    while waiting:
        start, stop = waiting.pop()
        parent = _parent(keys[start], v3_arrays)
        text = "\n".join(keys[start:stop])
        names = text[len(parent) :].split(f"\n{parent}")
        if stop - start == 1:
            yield parent, [text[len(parent) :]]
        elif len(names) == stop - start and text.count("/") == len(names) * keys[start].count("/"):
            yield parent, names
        else:
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)]


def _parent(key: str, v3_arrays: Collection[str]) -> str:
    """What a key stands below, with its `/`: an array of Zarr v3 that is known, or what comes before its last `/`."""
    if v3_arrays:
        path = "/".join(key.split("/", MOST_GROUPS + 1)[: MOST_GROUPS + 1])  # an array lies no deeper
        while path := path.rpartition("/")[0]:
            if path in v3_arrays:
                return f"{path}/"
    return "" if "" in v3_arrays else key[: key.rfind("/") + 1]


def positions_of(path: str, names: Sequence[str], grid_shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Printed chunk indexes -> positions in the grid. The one chunk of an array without axes is `"0"`; VirtualiZarr
    writes nothing.
    """
    ndim = max(len(grid_shape), 1)
    if not grid_shape and list(names) == [""]:
        names = ["0"]
    text = "\n".join(names).encode()
    numbers = np.empty(0, np.int64)
    if text.translate(None, b"0123456789") == (b"." * (ndim - 1) + b"\n") * (len(names) - 1) + b"." * (ndim - 1):
        numbers = np.fromstring(text.replace(b".", b" "), dtype=np.int64, sep=" ")
    if len(numbers) != len(names) * ndim:
        for name in names:
            if len(name.split(".")) != ndim or not all(map(_is_index, name.split("."))):
                raise StrayKey(f"{path}/{name}: expected a chunk index of {ndim} numbers, found {name!r}")
    if not grid_shape:
        if numbers.any():
            raise StrayKey(f"{path}: expected the chunk 0 of an array without axes, found others")
        return numbers
    try:
        return linear(numbers.reshape(len(names), ndim), grid_shape)
    except (ValueError, OverflowError) as error:
        raise StrayKey(f"{path}: {error}") from error


def _is_index(text: str) -> bool:
    """Whether there are only digits and dots."""
    return text.isascii() and text.replace(".", "0").isdecimal() and bool(text.strip("."))
