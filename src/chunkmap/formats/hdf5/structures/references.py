"""IV.A.2.d, class 7: references to objects, and to regions of datasets.

An old object reference is the address of an object header; an old region reference leads to an object of the global
heap, which holds such an address and a selection. A reference of HDF5 1.12 says itself which of them it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.hdf5.structures.datatype import Datatype
from chunkmap.formats.hdf5.structures.file import File, u32
from chunkmap.formats.hdf5.structures.global_heap import HeapReference, read_heap_objects
from chunkmap.formats.hdf5.structures.selections import index_of
from chunkmap.io.rounds import Parser

__all__ = ["Target", "object_addresses", "read_references", "reference_text"]

_OBJECT, _REGION, _ATTRIBUTE = 2, 3, 4  # types of a reference of HDF5 1.12; all zeros is none


class Target(NamedTuple):
    """What a reference leads to."""

    address: int
    """Of the object header; 0 for nothing."""
    region: str = ""
    """`[1:3, 0:9:2]` or `[[0, 2], [1, 3]]`, as numpy selects it, several blocks with `|` between; empty where it is the
    whole object."""


_NOTHING: Final = Target(0)


def reference_text(target: Target, paths: Mapping[int, str]) -> str:
    """The path of the object, with the region behind it; empty for a reference to nothing.

    >>> reference_text(Target(800, "[1:3]"), {800: "group/x"})
    '/group/x[1:3]'
    """
    if not target.address:
        return ""
    if target.address not in paths:
        raise Unsupported("it refers to an object that no link leads to", feature="reference without a path")
    return f"/{paths[target.address]}{target.region}"


def object_addresses(datatype: Datatype, data: bytes) -> list[int]:
    """The addresses that object references are; 0 for nothing."""
    nothing = (1 << 8 * datatype.size) - 1
    starts = range(0, len(data), datatype.size)
    found = [int.from_bytes(data[start : start + datatype.size], "little") for start in starts]
    return [0 if address == nothing else address for address in found]


def read_references(file: File, datatype: Datatype, data: bytes) -> Parser[list[Target]]:
    """What the elements of a type of references lead to. Raises Unsupported for what is no text."""
    if datatype.reference == "object":
        return [Target(address) for address in object_addresses(datatype, data)]
    elements = [data[place : place + datatype.size] for place in range(0, len(data), datatype.size)]
    if datatype.reference == "region":
        return (yield from _read_regions(file, list(map(_heap_id, elements))))
    return (yield from _read_revised(file, elements))


def _heap_id(raw: bytes) -> HeapReference:
    """Global heap ID: address of a collection, index of an object."""
    return HeapReference(1, int.from_bytes(raw[:-4], "little"), u32(raw, len(raw) - 4)[0])


def _read_regions(file: File, content: Sequence[HeapReference]) -> Parser[list[Target]]:
    """Of each, in the global heap: address of the dataset, selection."""
    objects = yield from read_heap_objects(file, content)
    return [_region(bytes(found), file.sizes[0]) if found else _NOTHING for found in objects]


def _region(found: bytes, width: int, gap: int = 0) -> Target:
    address = int.from_bytes(found[:width], "little")
    try:
        return Target(address, index_of(found, width + gap))
    except Unsupported as refusal:
        raise Unsupported(refusal.message, feature="region reference") from refusal


def _read_revised(file: File, elements: Sequence[bytes]) -> Parser[list[Target]]:
    """Type, flags (bit 0: in another file), then of an object its token; else size, and ID in the global heap.

    There a region has a token, its size, its rank (4 bytes each) and a selection. A token is its length (1 byte) and
    the address of an object header.
    """
    found = [_direct(element) for element in elements]
    objects = yield from read_heap_objects(file, [one for one in found if isinstance(one, HeapReference)])
    return [_revised_region(bytes(next(objects))) if isinstance(one, HeapReference) else one for one in found]


def _direct(element: bytes) -> Target | HeapReference:
    kind, flags = element[0], element[1]
    if flags:
        raise Unsupported("it refers to an object of another file", feature="reference to another file")
    if not kind:
        return _NOTHING
    if kind == _OBJECT:
        return Target(int.from_bytes(element[3 : 3 + element[2]], "little"))
    if kind == _REGION:
        return _heap_id(element[6:])
    if kind == _ATTRIBUTE:
        raise Unsupported("it refers to an attribute", feature="attribute reference")
    raise FormatError(f"expected a reference of type 2, 3 or 4, found {kind}")


def _revised_region(found: bytes) -> Target:
    return _region(found[1:], found[0], 8)
