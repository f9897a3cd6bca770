"""The keys of a set: which are those of documents, and which chunks stand below which path.

The keys of a million chunks are read by columns: the only work per key is done inside `str.join`, `str.split`, and
numpy. The files of a series mostly have the same keys, so a `Precedent` remembers what was read of the last ones.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import StorageError
from chunkmap.model.grid import linear, linear_cell, printed_cells
from chunkmap.model.meta import ArrayMeta
from chunkmap.model.printed import Lines, decimals
from chunkmap.model.zarr_v3 import DOCUMENT

__all__ = ["MOST_GROUPS", "Below", "Precedent", "StrayKey", "positions_of", "runs"]

MOST_GROUPS: Final = 128
"""Most parts of the path of an array: what is done for each of the groups above it grows with their number."""

_STRETCH: Final = 8192
_DOCUMENTS: Final = frozenset({".zarray", ".zattrs", ".zgroup", ".zmetadata"})
_ALL_DOCUMENTS: Final = _DOCUMENTS | {DOCUMENT}
_SHORTEST_STEP: Final = 50
"""Chunks of a step along the first axis, from which on the steps are looked at one by one."""
_UNNAMED: Final = Lines("", 1)
"""The one chunk of an array without axes, as VirtualiZarr writes it."""


T = TypeVar("T")


class StrayKey(StorageError):
    """A key that stands below an array, and names no chunk of it."""


Rows = list[tuple[int, str]]
"""Row and key of each of some keys."""


@dataclass(slots=True)
class Below:
    """The chunk keys that stand below one path."""

    _lines: list[Lines] = field(default_factory=list)
    """What follows the path in each."""
    _rows: list[slice] = field(default_factory=list)
    """Which they are of all keys of the set."""
    _positions: dict[tuple[int, ...], NDArray[np.int64]] = field(default_factory=dict)

    @classmethod
    def of_names(cls, names: Sequence[str]) -> Below:
        """Those of a list."""
        lines = Lines.of(names)
        whole = lines.text.count("\n") == len(lines) - 1
        return cls([lines] if whole else [Lines.of([name]) for name in names])

    def add(self, lines: Lines, start: int) -> None:
        """More keys, from a row on."""
        stop = start + len(lines)
        if self._rows and self._rows[-1].stop == start:
            self._rows[-1] = slice(self._rows[-1].start, stop)
        else:
            self._rows.append(slice(start, stop))
        self._lines.append(lines)

    @property
    def names(self) -> list[str]:
        """What follows the path in each, as a list."""
        return [name for lines in self._lines for name in lines.names()]

    @property
    def lines(self) -> Lines:
        """The same in one text."""
        if len(self._lines) == 1:
            return self._lines[0]
        return Lines("\n".join([lines.text for lines in self._lines]), sum(map(len, self._lines)))

    def of(self, values: Sequence[Any]) -> Sequence[Any]:
        """Their values, of the values of all keys."""
        if len(self._rows) == 1:
            return values[self._rows[0]]
        return [value for rows in self._rows for value in values[rows]]

    def positions(self, path: str, grid_shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Where they stand in the grid of the array. Raises StorageError for a key that is no index of a chunk."""
        if grid_shape not in self._positions:
            self._positions[grid_shape] = positions_of(path, self.lines, grid_shape)
        return self._positions[grid_shape]


@dataclass(frozen=True, slots=True)
class Keys:
    """What the keys of a set say."""

    documents: Rows
    """Row and key of each document of Zarr v2."""
    chunks: dict[str, Below]
    """Chunks by the array of Zarr v3 that they stand below, or else by the path before the last `/`."""


class _Read(NamedTuple):
    """What the keys of one set were, and what they said."""

    names: list[str] | Lines
    v3: Rows
    arrays: frozenset[str]
    """The arrays of v3 that were known by then."""
    keys: Keys


class Precedent:
    """What was read of one set, for the next: what is the same there is not read again. Threads may share one.

    >>> precedent = Precedent()
    >>> precedent.keys(["x/.zarray", "x/0"]) is precedent.keys(["x/.zarray", "x/0"])
    True
    """

    def __init__(self, *, are_parsed: bool = False) -> None:
        self._are_parsed = are_parsed
        """Whether documents come as what the text of a set became: then two that are printed alike are the same."""
        self._last: _Read | None = None
        self._documents: dict[str, tuple[tuple[type, str], dict[str, Any]]] = {}
        self._metas: dict[str, tuple[tuple[Any, ...], ArrayMeta]] = {}
        self._typed: dict[str, tuple[ArrayMeta, Mapping[str, str], ArrayMeta]] = {}
        self._whole: tuple[bytes, Any] | None = None

    def __reduce__(self) -> tuple[object, ...]:
        return partial(Precedent, are_parsed=self._are_parsed), ()

    def whole(self, text: bytes, read: Callable[[], T]) -> T:
        """What all that a set says becomes; the very same where it is to the letter what the last one said."""
        known = self._whole
        if known is None or known[0] != text:
            known = self._whole = (text, read())
        found: T = known[1]
        return found

    def keys(
        self, keys: list[str] | Lines, v3_arrays: Callable[[Rows], frozenset[str]] = lambda _: frozenset()
    ) -> Keys:
        """What these keys say. `v3_arrays` is given the documents of Zarr v3 among them, and says what arrays of v3 are
        known by now.
        """
        last = self._last
        known = last is not None and keys == last.names
        v3 = last.v3 if last is not None and known else v3_documents(keys)
        arrays = v3_arrays(v3)
        if last is None or not known or arrays != last.arrays:
            last = self._last = _Read(keys, v3, arrays, read_keys(keys, arrays))
        return last.keys

    def document(self, key: str, value: Any, parse: Callable[[str, Any], dict[str, Any]]) -> dict[str, Any]:
        """The document of a key; the very same one where its text is."""
        if not isinstance(value, str) and not self._are_parsed:
            return parse(key, value)
        said = (type(value), value if isinstance(value, str) else repr(value))
        known = self._documents.get(key)
        if known is None or known[0] != said:
            known = self._documents[key] = (said, parse(key, value))
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
            known = self._typed[path] = meta, codes, meta.with_types(codes)
        return known[2]


def v3_documents(keys: list[str] | Lines) -> Rows:
    """Those of the keys that are of documents of Zarr v3."""
    if isinstance(keys, Lines):
        if DOCUMENT not in keys.text:
            return []
        keys = keys.names()
    return [
        (start + row, key)
        for start in range(0, len(keys), _STRETCH)
        if DOCUMENT in "\n".join(keys[start : start + _STRETCH])
        for row, key in enumerate(keys[start : start + _STRETCH])
        if key.rpartition("/")[2] == DOCUMENT
    ]


def read_keys(keys: list[str] | Lines, v3_arrays: Collection[str] = ()) -> Keys:
    """What the keys of a set say, but for those of documents of Zarr v3."""
    found = Keys([], {})
    stop = 0
    for parent, lines in runs(keys, v3_arrays):
        start, stop = stop, stop + len(lines)
        if ".z" not in lines.text and DOCUMENT not in lines.text:
            found.chunks.setdefault(parent[:-1], Below()).add(lines, start)
            continue
        names = lines.names()
        documents = _rows_of_documents(names)
        found.documents.extend((start + row, parent + names[row]) for row in documents if names[row] != DOCUMENT)
        for low, high in pairwise([-1, *documents, len(names)]):
            if high - low > 1:
                found.chunks.setdefault(parent[:-1], Below()).add(Lines.of(names[low + 1 : high]), start + low + 1)
    return found


def _rows_of_documents(names: Sequence[str]) -> list[int]:
    return [row for row, name in enumerate(names) if name in _ALL_DOCUMENTS]


def runs(keys: list[str] | Lines, v3_arrays: Collection[str]) -> Iterator[tuple[str, Lines]]:
    """Stretches of keys that stand below one path, an array that is known or else a directory: the path with its `/`,
    and what follows it in each key.

    A stretch that turns out to be of several paths is halved, so that the work is done by `join`, `count` and
    `replace`.
    """
    if isinstance(keys, Lines):
        parent = _parent(keys.text[: f"{keys.text}\n".index("\n")], v3_arrays)
        if (names := _below(parent, keys)) is not None:
            yield parent, names
            return
        keys = keys.names()
    waiting = [(start, min(start + _STRETCH, len(keys))) for start in range(0, len(keys), _STRETCH)][::-1]
    while waiting:
        start, stop = waiting.pop()
        parent = _parent(keys[start], v3_arrays)
        names = _below(parent, Lines.of(keys[start:stop]))
        if names is not None:
            yield parent, names
        else:
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)]


def _below(parent: str, keys: Lines) -> Lines | None:
    """What follows a path in each key, the first of which stands below it; None unless all do, at one depth."""
    names = keys.text[len(parent) :]
    if keys.count == 1:
        return Lines(names, 1)
    first = names[: names.index("\n")]
    if parent:
        longer, names = len(names), names.replace(f"\n{parent}", "\n")
        if longer - len(names) != (keys.count - 1) * len(parent):
            return None
    depth = first.count("/")
    alike = names.count("\n") == keys.count - 1 and names.count("/") == keys.count * depth
    return Lines(names, keys.count) if alike else None


def _parent(key: str, v3_arrays: Collection[str]) -> str:
    """What a key stands below, with its `/`: an array of Zarr v3 that is known, or what comes before its last `/`."""
    if v3_arrays:
        path = "/".join(key.split("/", MOST_GROUPS + 1)[: MOST_GROUPS + 1])  # an array lies no deeper
        while path := path.rpartition("/")[0]:
            if path in v3_arrays:
                return f"{path}/"
    return "" if "" in v3_arrays else key[: key.rfind("/") + 1]


def positions_of(path: str, names: Lines, grid_shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Printed chunk indexes -> positions in the grid. The one chunk of an array without axes is `"0"`; VirtualiZarr
    writes nothing.
    """
    ndim = max(len(grid_shape), 1)
    if not grid_shape and names == _UNNAMED:
        names = Lines("0", 1)
    first = _first_in_order(names, grid_shape)
    if first is not None:
        return np.arange(first, first + names.count)
    numbers = _numbers(names, ndim)
    if numbers is None:
        for name in names.names():
            if len(name.split(".")) != ndim or not all(map(_is_index, name.split("."))):
                raise StrayKey(f"{path}/{name}: expected a chunk index of {ndim} numbers, found {name!r}")
        raise StrayKey(f"{path}: a chunk lies outside the grid {grid_shape}")
    if not grid_shape:
        if numbers.any():
            raise StrayKey(f"{path}: expected the chunk 0 of an array without axes, found others")
        return numbers
    try:
        return linear(numbers.reshape(names.count, ndim), grid_shape)
    except (ValueError, OverflowError) as error:
        raise StrayKey(f"{path}: {error}") from error


def _first_in_order(names: Lines, grid_shape: tuple[int, ...]) -> int | None:
    """The position of the first chunk, where the names are the indexes of one chunk after the other in C order, as most
    writers have them. None too where steps along the first axis are so short that names are read no slower.
    """
    inner = math.prod(grid_shape[1:])
    if inner < _SHORTEST_STEP or names.count < inner:
        return None
    text = f"{names.text}\n"
    first = _numbers(Lines(text[: text.index("\n")], 1), len(grid_shape))
    if first is None or bool((first >= grid_shape).any()) or text.count("\n") != names.count:
        return None
    position = linear_cell(first.tolist(), grid_shape)
    start = 0
    for cells in _printed_steps(position, grid_shape):
        if len(text) - start <= len(cells):
            return position if cells.startswith(text[start:]) else None
        if not text.startswith(cells, start):
            return None
        start += len(cells)
    return None


def _printed_steps(position: int, grid_shape: tuple[int, ...]) -> Iterator[str]:
    """The indexes of the chunks from a position on, a line each: those of one step along the first axis at a time."""
    begin, skipped = divmod(position, math.prod(grid_shape[1:]))
    lines = [f"{cell}\n" for cell in printed_cells(grid_shape[1:], "\0.", ".")]
    yield "".join(lines[skipped:]).replace("\0", str(begin))
    step = "".join(lines)
    for number in range(begin + 1, grid_shape[0]):
        yield step.replace("\0", str(number))


def _numbers(names: Lines, ndim: int) -> NDArray[np.int64] | None:
    """The numbers in the names, one after the other; None where a name is no chunk index, or a number is huge."""
    text = names.text.encode("utf-8", "surrogatepass")
    line = b"." * (ndim - 1) + b"\n"
    if not names.count or text.translate(None, b"0123456789") != (line * names.count)[:-1]:
        return None if names.count else np.empty(0, np.int64)
    letters = np.frombuffer(text, np.uint8)
    return decimals(letters, np.append(np.flatnonzero(letters < ord("0")), len(letters)))


def _is_index(text: str) -> bool:
    """Whether there are only digits and dots."""
    return text.isascii() and text.replace(".", "0").isdecimal() and bool(text.strip("."))
