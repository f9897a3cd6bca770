"""Fields, and the steps of a walk that found them, by columns: a file may have a million messages of a kilobyte.

A field costs some 80 bytes, of which half are its own octets: those that say what it is. Sections that fields share,
as grids, are held once.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.cubes import grouped

__all__ = ["Alike", "Field", "Fields", "Steps"]

_MOST_HELD: Final = 4096
"""Fields that a walk holds before it gives them away, where someone takes them."""
_MOST_REASONS: Final = 1000
"""Of so many steps that were none it is kept why."""


class Field(NamedTuple):
    """One field as its message holds it: where its bytes are, and its sections without bitmap and data.

    The names are those of edition 2. In edition 1 section 1 is `product`, section 2 `grid`.
    """

    offset: int
    """First byte of the message."""
    stop: int
    """Where the message ends; of one with several fields, where section 7 of this one ends."""
    number: int
    """Which field of the message: 0 is the first."""
    edition: int
    indicator: bytes
    """Section 0 of edition 2, up to the length that it says."""
    identification: bytes
    local: bytes
    grid: bytes
    product: bytes
    bitmap: bool
    """Whether it says of each point if it has a value."""
    wide: bool
    """Whether values are packed in more bits than a float32 has."""
    packed: int
    """A hash of what it says of how its values are packed."""


class Alike(NamedTuple):
    """Fields that share all but two sections, and whose sections are as long as one another's."""

    rows: NDArray[np.int64]
    """Which fields."""
    identification: NDArray[np.uint8]
    """A row of octets for each."""
    product: NDArray[np.uint8]


_Shared = tuple[int, bytes, bytes, bytes, bool, bool]
"""What mostly is the same in all fields of a file: edition, indicator, local, grid, bitmap, wide."""


class _Octets:
    """Sequences of bytes, one behind the other; what comes twice in a row is held once."""

    __slots__ = ("_held", "_last", "_starts")

    def __init__(self) -> None:
        self._held, self._starts, self._last = bytearray(), array("Q", [0]), b""

    def add(self, octets: bytes) -> int:
        """The number under which they are found."""
        if octets != self._last or len(self._starts) == 1:
            self._held += octets
            self._starts.append(len(self._held))
            self._last = octets
        return len(self._starts) - 2

    def __getitem__(self, number: int) -> bytes:
        return bytes(self._held[self._starts[number] : self._starts[number + 1]])

    def lengths(self, numbers: NDArray[Any]) -> NDArray[np.int64]:
        """How long some of them are."""
        starts = np.asarray(self._starts).astype(np.int64)
        found: NDArray[np.int64] = np.diff(starts)[numbers]
        return found

    def table(self, numbers: NDArray[Any], length: int) -> NDArray[np.uint8]:
        """Some of them that are of one length, as rows."""
        starts = np.asarray(self._starts)[numbers].astype(np.int64)
        found: NDArray[np.uint8] = np.frombuffer(self._held, np.uint8)[starts[:, None] + np.arange(length)]
        return found

    def extend(self, other: _Octets) -> int:
        """Those of another one; by how much their numbers have risen."""
        risen, begin = len(self._starts) - 1, len(self._held)
        self._held += other._held
        self._starts.frombytes((np.asarray(other._starts)[1:] + np.uint64(begin)).tobytes())
        self._last = other._last
        return risen


class Fields(Sequence[Field]):
    """The fields of a file, in the order of its bytes. One is made when it is asked for."""

    __slots__ = ("_columns", "_identifications", "_numbers", "_packed", "_products", "_shared", "_spans")

    def __init__(self, fields: Sequence[Field] = ()) -> None:
        self._spans, self._packed = array("Q"), array("q")
        self._columns = array("I")
        self._identifications, self._products = _Octets(), _Octets()
        self._shared: list[_Shared] = []
        self._numbers: dict[_Shared, int] = {}
        for field in fields:
            self.append(field)

    def append(self, field: Field) -> None:
        """One more."""
        offset, stop, number, edition, indicator, identification, local, grid, product, bitmap, wide, packed = field
        which = self._number_of((edition, indicator, local, grid, bitmap, wide))
        self._spans.extend((offset, stop))
        self._packed.append(packed)
        self._columns.extend((number, which, self._identifications.add(identification), self._products.add(product)))

    def extend(self, other: Fields, first: int = 0) -> None:
        """Those of another file's part, from the `first` on."""
        self._spans += other._spans[2 * first :]
        self._packed += other._packed[first:]
        shared = np.array([self._number_of(each) for each in other._shared], np.uint32)
        columns = np.array(other._columns, np.uint32).reshape(-1, 4)[first:]
        columns[:, 1] = shared[columns[:, 1]]
        columns[:, 2] += self._identifications.extend(other._identifications)
        columns[:, 3] += self._products.extend(other._products)
        self._columns.frombytes(columns.tobytes())

    def _number_of(self, shared: _Shared) -> int:
        number = self._numbers.setdefault(shared, len(self._shared))
        if number == len(self._shared):
            self._shared.append(shared)
        return number

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Field]:
        return map(self._at, range(len(self)))

    @overload
    def __getitem__(self, number: int) -> Field: ...
    @overload
    def __getitem__(self, number: slice) -> Fields: ...
    def __getitem__(self, number: int | slice) -> Field | Fields:
        rows = range(len(self))[number]
        return self._at(rows) if isinstance(rows, int) else self.take(rows)

    def _at(self, row: int) -> Field:
        offset, stop = self._spans[2 * row : 2 * row + 2]
        number, which, identification, product = self._columns[4 * row : 4 * row + 4]
        edition, indicator, local, grid, bitmap, wide = self._shared[which]
        one, four = self._identifications[identification], self._products[product]
        return Field(offset, stop, number, edition, indicator, one, local, grid, four, bitmap, wide, self._packed[row])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and len(self) == len(other) and all(map(Field.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def take(self, rows: Sequence[int]) -> Fields:
        """Some of them."""
        return Fields(list(map(self._at, rows)))

    def alike(self) -> Iterator[Alike]:
        """All of them, those together that differ in little."""
        if not len(self):
            return
        _, shared, one, four = np.array(self._columns, np.int64).reshape(-1, 4).T
        lengths = self._identifications.lengths(one), self._products.lengths(four)
        for rows in grouped([shared, *lengths]):
            one_length, four_length = (int(length[rows[0]]) for length in lengths)
            identification = self._identifications.table(one[rows], one_length)
            yield Alike(rows, identification, self._products.table(four[rows], four_length))

    @property
    def packed(self) -> NDArray[np.int64]:
        """`Field.packed` of each."""
        return np.asarray(self._packed)

    @property
    def spans(self) -> NDArray[np.uint64]:
        """Offset and stop of each."""
        return np.asarray(self._spans).reshape(-1, 2)

    @property
    def wide(self) -> NDArray[np.bool_]:
        """`Field.wide` of each."""
        said = np.array([wide for *_, wide in self._shared], np.bool_)
        found: NDArray[np.bool_] = said[np.asarray(self._columns)[1::4]]
        return found


class Steps:
    """The steps of a walk: where something begins as a message does, where to go on, and the fields found between.

    A step without fields is none after all. With a `taker`, which takes the fields by the thousand, nothing is held of
    what was taken, and the steps cannot be joined to others.
    """

    __slots__ = ("_after", "_broken", "_came_to", "_places", "_taker", "_upto", "fields", "why")

    def __init__(self, taker: Callable[[Fields], None] | None = None) -> None:
        self._places, self._after, self._upto = array("Q"), array("Q"), array("Q")
        self._taker, self._broken, self._came_to = taker, 0, 0
        self.fields = Fields()
        self.why: dict[int, str] = {}
        """Why there is no message at a place: of the first ones."""

    def add(self, place: int, after: int, fields: Sequence[Field] = (), *, why: str | None = None) -> None:
        """One more step."""
        for field in fields:
            self.fields.append(field)
        self._places.append(place)
        self._after.append(after)
        self._upto.append(len(self.fields))
        if why is not None and len(self.why) < _MOST_REASONS:
            self.why[place] = why
        if self._taker is not None and len(self._places) >= _MOST_HELD:
            self._give_away(self._taker)

    def _give_away(self, taker: Callable[[Fields], None]) -> None:
        self._broken, self._came_to = self.broken, self.after
        taker(self.fields)
        self.fields = Fields()
        self._places, self._after, self._upto = array("Q"), array("Q"), array("Q")

    def extend(self, other: Steps, first: int = 0) -> None:
        """The steps of another walk, from the `first` on."""
        before, begin = len(self.fields), other._upto[first - 1] if first else 0
        self._places += other._places[first:]
        self._after += other._after[first:]
        upto: NDArray[Any] = np.asarray(other._upto)[first:].astype(np.int64) + (before - begin)
        self._upto.frombytes(upto.astype(np.uint64).tobytes())
        self.fields.extend(other.fields, begin)
        for place, why in other.why.items():
            if first < len(other) and place >= other._places[first] and len(self.why) < _MOST_REASONS:
                self.why[place] = why

    def __len__(self) -> int:
        return len(self._places)

    @property
    def first(self) -> int:
        """Where the first one begins."""
        return self._places[0]

    @property
    def last(self) -> int:
        """Where the last one begins."""
        return self._places[-1]

    @property
    def after(self) -> int:
        """Where to go on."""
        return self._after[-1] if self._after else self._came_to

    @property
    def broken(self) -> int:
        """How many are none."""
        upto = np.asarray(self._upto).astype(np.int64)
        return self._broken + int(np.count_nonzero(np.diff(upto, prepend=0) == 0))

    def at(self, place: int) -> int | None:
        """The number of the step at a place."""
        number = bisect_left(self._places, place)
        return number if number < len(self) and self._places[number] == place else None
