"""Records as Zarr has them: without gaps, and without records or arrays in them.

Of those that are laid flat to be so it is kept how they were, for readers that can show it: `ArrayMeta.nested`, and in
a stored set a text among the types of attributes, under the code `NESTED`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from itertools import count
from typing import Any, Final

import numpy as np

from chunkmap.errors import Unsupported

__all__ = ["NESTED", "check_packed", "described", "flat_and_nested", "laid_flat", "nested_in", "nested_text", "unlike"]

NESTED: Final = "nested"
"""The code of the text that says how a record was."""

_MOST_MEMBERS: Final = 1000
_DEEPEST: Final = 32


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


def flat_and_nested(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], np.dtype[Any] | None]:
    """The type of elements as Zarr can say it, and as the file has it where that is another: see `laid_flat`.

    >>> flat_and_nested(np.dtype("<i2"))
    (dtype('int16'), None)
    """
    if dtype.names is None:
        return dtype, None
    flat, own = laid_flat(dtype), described(_described(dtype))  # without the titles that members may have
    return flat, own if own != flat else None


def nested_text(dtype: np.dtype[Any]) -> str:
    """A record in records as text.

    >>> nested_text(np.dtype([("a", "u1"), ("b", [("c", "<i2", (2,))])]))
    '[5,["a",0,"|u1"],["b",1,[4,["c",0,["<i2",2]]]]]'
    """
    return json.dumps(_described(dtype), separators=(",", ":"))


def nested_in(codes: Mapping[str, str], flat: np.dtype[Any]) -> np.dtype[Any] | None:
    """The record in records that a stored set says, by text and code, that a flat one was; None where it was none."""
    text = next((text for text, code in codes.items() if code == NESTED), None)
    if text is None or flat.names is None:
        return None
    try:
        dtype = described(json.loads(text))
        little = dtype.newbyteorder("<")  # as records of Zarr v3 are, whatever the order in the file
        return next((own for own in (dtype, little) if laid_flat(own) == flat), None)
    except (Unsupported, ValueError, TypeError, SyntaxError, OverflowError, RecursionError, MemoryError):
        return None  # what is not understood says nothing: the record is flat


def _described(dtype: np.dtype[Any]) -> Any:
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [_described(base), *shape]
    if dtype.fields is None:
        return dtype.str
    members = ((name, dtype.fields[name]) for name in dtype.names or ())
    return [dtype.itemsize, *([name, offset, _described(member)] for name, (member, offset, *_) in members)]


def described(said: Any, deepest: int = _DEEPEST) -> np.dtype[Any]:
    """The type that a text says, taken apart. Raises whatever numpy raises where it is none."""
    if isinstance(said, str):
        return np.dtype(said)
    if not deepest or not isinstance(said, list) or not said:
        raise ValueError("records in records are described by lists")
    first, *rest = said
    if not isinstance(first, int):
        return np.dtype((described(first, deepest - 1), tuple(rest)))
    names, offsets, members = zip(*rest, strict=True)
    formats = [described(member, deepest - 1) for member in members]
    return np.dtype({"names": list(names), "formats": formats, "offsets": list(offsets), "itemsize": first})


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
