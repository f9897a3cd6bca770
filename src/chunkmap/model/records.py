"""Records as Zarr has them: without gaps, and without records or arrays in them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count
from typing import Any, Final

import numpy as np

from chunkmap.errors import Unsupported

__all__ = ["check_packed", "laid_flat", "unlike"]

_MOST_MEMBERS: Final = 1000


def laid_flat(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The same bytes of a record as Zarr can say it: gaps become members of their own, and what is nested is laid flat.

    >>> laid_flat(np.dtype([("a", "u1"), ("b", [("c", "<i2"), ("d", "<i2", (2,))])], align=True)).names
    ('a', '_padding_1', 'b.c', 'b.d[0]', 'b.d[1]')

    Raises Unsupported where members overlap, or are too many.
    """
    fields: list[tuple[str, np.dtype[Any]]] = []
    taken: set[str] = set()
    gaps: list[tuple[int, int, int]] = []
    place = 0
    for name, member, offset in _leaves(dtype, "", 0):
        if offset < place:
            raise Unsupported(f"members of its compound overlap at {name!r}", feature="overlapping compound members")
        if len(fields) > _MOST_MEMBERS:
            raise Unsupported(f"its compound has more than {_MOST_MEMBERS} members", feature="large compound")
        if offset > place:
            gaps.append((len(fields), place, offset - place))
        fields.append((unlike(name, taken), member))
        taken.add(fields[-1][0])
        place = offset + member.itemsize
    if place < dtype.itemsize:
        gaps.append((len(fields), place, dtype.itemsize - place))
    for at, place, size in reversed(gaps):
        fields.insert(at, (unlike(f"_padding_{place}", taken), np.dtype(f"V{size}")))
    return np.dtype(fields)


def unlike(name: str, taken: Collection[str]) -> str:
    """A name that is not taken: the same, or with a number."""
    numbered = (f"{name}_{number}" for number in count(1))
    return name if name not in taken else next(other for other in numbered if other not in taken)


def check_packed(dtype: np.dtype[Any]) -> None:
    """Raise Unsupported for a record with gaps, of which no document would say where its members are."""
    place = 0
    for name in dtype.names or ():
        assert dtype.fields is not None
        member, offset, *_ = dtype.fields[name]
        if offset != place:
            break
        place += member.itemsize
    if place != dtype.itemsize:
        raise Unsupported(f"Zarr has no records with gaps between their members, as {dtype} has", feature="data type")


def _leaves(dtype: np.dtype[Any], name: str, offset: int) -> Iterator[tuple[str, np.dtype[Any], int]]:
    """The plain members of a structure with their places, in order of place."""
    if dtype.fields is not None:  # it has titles too, where members have them beside their names
        members = [(inner, *dtype.fields[inner][:2]) for inner in dtype.names or ()]
        for inner, member, start in sorted(members, key=lambda item: item[2]):
            yield from _leaves(member, f"{name}.{inner}" if name else inner, offset + start)
    elif dtype.subdtype is not None:
        base, shape = dtype.subdtype
        for number, index in enumerate(np.ndindex(*shape)):
            place = offset + number * base.itemsize
            yield from _leaves(base, f"{name}[{','.join(map(str, index))}]", place)
    else:
        yield name, dtype, offset
