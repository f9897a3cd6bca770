"""IV.A.2.m and IV.A.2.v: attributes, in the object header or dense in a fractal heap, as Python values.

Values are what JSON has: text, numbers, booleans, None, and lists of them. Two kinds are kept as they are, for those
who interpret them: references, and the raw `_FillValue`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import repeat
from typing import Any, Final

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.hdf5.structures.attribute_values import References, decoder, nothing, scalar, sequences, unwrapped
from chunkmap.formats.hdf5.structures.btree_v2 import read_btree_v2, split_records
from chunkmap.formats.hdf5.structures.datatype import Datatype, parse_datatype, with_doubles
from chunkmap.formats.hdf5.structures.file import File, Sizes
from chunkmap.formats.hdf5.structures.fractal_heap import read_heap
from chunkmap.formats.hdf5.structures.global_heap import (
    HeapReference,
    heap_references,
    heap_text,
    read_heap_objects,
)
from chunkmap.formats.hdf5.structures.messages import parse_dataspace
from chunkmap.formats.hdf5.structures.object_header import Message, resolve_shared
from chunkmap.formats.hdf5.structures.references import object_addresses, read_references
from chunkmap.formats.hdf5.structures.shared_messages import read_shared_message
from chunkmap.formats.text import text_of
from chunkmap.io.rounds import Parser

__all__ = ["FILL_VALUE", "Attributes", "read_attributes"]

ATTRIBUTE: Final = 0x0C
ATTRIBUTE_INFO: Final = 0x15
_DATATYPE: Final = 0x03
_DATASPACE: Final = 0x01
_SHARED: Final = 0x02

FILL_VALUE: Final = "_FillValue"
_SKIPPED: Final = "REFERENCE_LIST"  # who refers to a scale: long, and told by DIMENSION_LIST already
_NAMES, _CREATION_ORDER = 8, 9  # types of a version 2 B-tree

_SHORT: Final = 256
"""Bytes up to which a message is read once, however often it is met."""

_MOST: Final = 8192
"""Messages that are held so; then they are let go, all at once."""

_sizes = struct.Struct("<HHH").unpack_from
_creation_order = struct.Struct("<9xI").unpack_from


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    """What an attribute message says before its data: the same in very many objects."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...] | None
    size: int
    """Bytes of data."""
    in_heap: bool
    """Whether the value lies in the global heap."""
    one_text: bool
    """Whether it is a single text there."""
    decode: Callable[[bytes], Any] | None
    """From data to the JSON value, which nobody may change; None where there is none, or it lies in the heap."""


_Known = dict[bytes, tuple[str, str | float]]
"""Name and value of messages that were read before."""

_Waiting = tuple[_Kind, bytes]
"""An attribute whose elements lie in the global heap, and its references to them."""


@dataclass(slots=True)
class Attributes:
    """The attributes of one object."""

    values: dict[str, Any]
    """By name: JSON values, or `References`."""
    fill_value: Any
    """`_FillValue` as a numpy scalar; None where there is none."""
    lost: list[tuple[str, str]]
    """Names and types of attributes that have no JSON value."""
    rounded: list[tuple[str, str]] = field(default_factory=list)
    """Names and types of attributes whose numbers were rounded to 64 bits."""


def read_attributes(file: File, messages: list[Message]) -> Parser[Attributes]:
    """Every attribute of an object, in the order of the file."""
    found, waiting = Attributes({}, None, []), list[_Waiting]()
    values, known = found.values, _known(file.sizes)
    for raw in map(bytes, (yield from _read_bodies(file, messages))):
        met = known.get(raw)
        if met is not None:
            values[met[0]] = met[1]
        elif raw[0] > 1 and raw[1] & 3:
            _keep(file, found, waiting, *(yield from _resolve_parts(file, raw)))
        else:
            kind, data = _split(raw, file.sizes)
            value = _keep(file, found, waiting, kind, data)
            if value is not None and len(raw) <= _SHORT:
                _remember(known, raw, kind.name, value)
    values.pop(_SKIPPED, None)
    if waiting:
        yield from _read_waiting(file, found, waiting)
    return found


def _keep(file: File, found: Attributes, waiting: list[_Waiting], kind: _Kind, data: bytes) -> str | float | None:
    """File an attribute. Gives its value where the message alone says it, and nobody can change it."""
    name = kind.name
    if file.long_doubles:
        kind = _with_doubles(kind, found)
    if name == FILL_VALUE:
        found.fill_value = scalar(kind.datatype, data)
    if kind.decode is not None:
        value = found.values[name] = kind.decode(data)
        is_whole = isinstance(value, (str, int, float)) and name != FILL_VALUE and not file.long_doubles
        return value if is_whole else None
    if not kind.in_heap:
        found.lost.append((name, kind.datatype.lacks or "opaque value"))
        return None
    found.values[name] = text = heap_text(file, data) if kind.one_text else None
    if text is None:
        waiting.append((kind, data))
    return None


@lru_cache(maxsize=16)
def _known(_sizes: Sizes) -> _Known:
    """Name and value of short messages that were met in files of these sizes.

    Objects of a file, and files of a series, say very many of them to the letter alike.
    """
    return {}


def _remember(known: _Known, raw: bytes, name: str, value: str | float) -> None:
    if len(known) >= _MOST:
        known.clear()
    known[raw] = name, value


def _read_bodies(file: File, messages: list[Message]) -> Parser[list[bytes | memoryview]]:
    """Every attribute message of an object, wherever it lies."""
    bodies: list[bytes | memoryview] = []
    for message in messages:
        kind, flags, body = message
        if kind == ATTRIBUTE:
            bodies.append((yield from resolve_shared(file, message)) if flags & _SHARED else body)
        elif kind == ATTRIBUTE_INFO:
            bodies += yield from _read_dense(file, body)
    return bodies


def _with_doubles(kind: _Kind, found: Attributes) -> _Kind:
    """An attribute of long doubles as one of numbers of 64 bits; any other, and one of records, as it is."""
    if kind.decode is not None or kind.in_heap or kind.shape is None:
        return kind
    datatype = with_doubles(kind.datatype)
    if datatype.dtype is None or datatype == kind.datatype:
        return kind
    found.rounded.append((kind.name, kind.datatype.lacks))
    return replace(kind, datatype=datatype, decode=decoder(datatype, kind.shape))


def _read_dense(file: File, body: bytes) -> Parser[list[memoryview]]:
    """Attribute info: version, flags, maximum creation index (bit 0), fractal heap, B-tree of names, of order."""
    heap, names = file.address_pair(body, 4 if body[1] & 1 else 2)
    if heap == file.undefined:
        return []
    # heap ID (8), message flags (1), creation order (4), hash of the name (4)
    records = split_records((yield from read_btree_v2(file, names, (_NAMES, _CREATION_ORDER))))
    if records and len(records[0]) >= 13:
        records.sort(key=_creation_order)
    own = iter((yield from read_heap(file, heap, [r[:8] for r in records if not r[8] & _SHARED])))
    bodies = []
    for record in records:
        if record[8] & _SHARED:
            bodies.append((yield from read_shared_message(file, ATTRIBUTE, record[:8])))
        else:
            bodies.append(next(own))
    return bodies


@lru_cache(maxsize=1024)
def _places(start: bytes) -> tuple[int, int, int, int]:
    """Where name, datatype, dataspace and data begin, from the first 8 bytes of a message.

    Version, reserved or flags, sizes of the three, (version 3: character set); version 1 pads each part to 8 bytes.
    """
    version = start[0]
    name, datatype, dataspace = _sizes(start, 2)
    if version == 1:
        starts = (8, 8 + _padded(name))
        return *starts, starts[1] + _padded(datatype), starts[1] + _padded(datatype) + _padded(dataspace)
    if version not in (2, 3):
        raise FormatError(f"expected an attribute message of version 1 to 3, found {version}")
    first = 8 if version == 2 else 9
    return first, first + name, first + name + datatype, first + name + datatype + dataspace


def _padded(size: int) -> int:
    return size + 7 & ~7


def _split(body: bytes, sizes: Sizes) -> tuple[_Kind, bytes]:
    """Cut an attribute message without shared parts."""
    start = _places(body[:8])[3]
    kind = _kind_of(body[:start], sizes)
    return kind, _exactly(kind, body[start : start + kind.size])


@lru_cache(maxsize=8192)
def _kind_of(head: bytes, sizes: Sizes) -> _Kind:
    """What a message says that has no shared parts, up to its data."""
    name, datatype, dataspace, _ = _places(head[:8])
    _, datatype_size, dataspace_size = _sizes(head, 2)
    parts = head[datatype : datatype + datatype_size], head[dataspace : dataspace + dataspace_size]
    return _kind(head[name:datatype], *parts, sizes)


def _resolve_parts(file: File, body: bytes) -> Parser[tuple[_Kind, bytes]]:
    """Flags bit 0: the datatype is shared; bit 1: the dataspace is."""
    name, datatype, dataspace, data = _places(body[:8])
    parts = []
    for bit, message, part in ((1, _DATATYPE, body[datatype:dataspace]), (2, _DATASPACE, body[dataspace:data])):
        parts.append((yield from resolve_shared(file, (message, _SHARED if body[1] & bit else 0, part))))
    kind = _kind(body[name:datatype], bytes(parts[0]), bytes(parts[1]), file.sizes)
    return kind, _exactly(kind, body[data : data + kind.size])


def _exactly(kind: _Kind, data: bytes) -> bytes:
    if len(data) != kind.size:
        raise FormatError(f"expected {kind.size} bytes of attribute {kind.name!r}, found {len(data)}")
    return data


def _kind(name: bytes, datatype: bytes, dataspace: bytes, sizes: Sizes) -> _Kind:
    parsed, shape = parse_datatype(datatype, sizes[0]), parse_dataspace(dataspace, sizes[1]).shape
    text = text_of(name.split(b"\0")[0])
    size = 0 if shape is None else math.prod(shape) * parsed.size
    if text == _SKIPPED:
        return _Kind(text, parsed, shape, size, in_heap=False, one_text=False, decode=nothing)
    in_heap = shape is not None and parsed.needs_heap
    base = parsed.base if parsed.is_vlen and parsed.is_string else None
    one_text = in_heap and base is not None and base.size == 1 and size == parsed.size
    return _Kind(text, parsed, shape, size, in_heap=in_heap, one_text=one_text, decode=decoder(parsed, shape))


def _read_waiting(file: File, found: Attributes, waiting: list[_Waiting]) -> Parser[None]:
    """Attributes whose elements lie in the global heap, all of an object in one round."""
    plain = []
    for kind, data in waiting:
        if kind.datatype.is_vlen:
            plain.append((kind, heap_references(file, data)))
        elif kind.datatype.reference:
            yield from _keep_references(file, found, kind, data)
        else:
            found.values.pop(kind.name)
            found.lost.append((kind.name, kind.datatype.lacks))
    objects = yield from read_heap_objects(file, [r for _, group in plain for r in group])
    for kind, group in plain:
        _keep_vlen(file, found, kind, group, [next(objects) for _ in group])


def _keep_references(file: File, found: Attributes, kind: _Kind, data: bytes) -> Parser[None]:
    assert kind.shape is not None
    try:
        targets = yield from read_references(file, kind.datatype, data)
    except Unsupported as refusal:
        found.values.pop(kind.name)
        found.lost.append((kind.name, f"{kind.datatype.lacks}: {refusal.message}"))
        return
    addresses = tuple((target.address,) for target in targets)
    found.values[kind.name] = References(addresses, kind.shape, regions=tuple(target.region for target in targets))


def _keep_vlen(
    file: File, found: Attributes, kind: _Kind, group: list[HeapReference], objects: list[memoryview]
) -> None:
    base, shape = kind.datatype.base, kind.shape
    assert base is not None
    assert shape is not None
    contents = list(map(_content, repeat(file), repeat(base.size), group, objects))
    if kind.datatype.is_string:
        texts = [text_of(content.partition(b"\0")[0]) for content in contents]
        found.values[kind.name] = unwrapped(texts, shape)
    elif base.is_reference:
        addresses = tuple(tuple(object_addresses(base, content)) for content in contents)
        found.values[kind.name] = References(addresses, shape, are_lists=True)
    elif base.dtype is not None and not base.has_opaque:
        found.values[kind.name] = sequences(base, shape, contents)
    else:
        found.values.pop(kind.name)
        found.lost.append((kind.name, f"sequence of {base.lacks or 'opaque values'}"))


def _content(file: File, element_size: int, reference: HeapReference, content: memoryview) -> bytes:
    """The bytes of one element: objects in the heap may be longer than what refers to them."""
    size = reference[0] * element_size
    if len(content) < size:
        raise file.error(f"expected {size} bytes in the global heap, found {len(content)}", reference.address)
    return bytes(content[:size])
