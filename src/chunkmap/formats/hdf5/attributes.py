"""IV.A.2.m and IV.A.2.v: attributes, in the object header or dense in a fractal heap, as Python values.

Values are what JSON has: text, numbers, booleans, None, and lists of them; an array of one element is the element,
as netCDF4 and h5netcdf give it. Two kinds are kept as they are, for those who interpret them: object references, and
the raw `_FillValue`.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any, Final

import numpy as np

from chunkmap.errors import FormatError
from chunkmap.formats.hdf5.btree_v2 import read_btree_v2
from chunkmap.formats.hdf5.datatype import Datatype, parse_datatype, plain_bytes
from chunkmap.formats.hdf5.file import UNDEFINED, File, little_endian, u64_pair
from chunkmap.formats.hdf5.fractal_heap import read_heap
from chunkmap.formats.hdf5.global_heap import HeapReference, heap_references, read_heap_objects
from chunkmap.formats.hdf5.messages import parse_dataspace
from chunkmap.formats.hdf5.object_header import Message, resolve_shared
from chunkmap.formats.hdf5.shared_messages import read_shared_message
from chunkmap.io.rounds import Parser

__all__ = ["FILL_VALUE", "Attributes", "References", "read_attributes"]

ATTRIBUTE: Final = 0x0C
ATTRIBUTE_INFO: Final = 0x15
_DATATYPE: Final = 0x03
_DATASPACE: Final = 0x01
_SHARED: Final = 0x02

FILL_VALUE: Final = "_FillValue"
_SKIPPED: Final = "REFERENCE_LIST"  # who refers to a scale: long, and told by DIMENSION_LIST already
_NAMES, _CREATION_ORDER = 8, 9  # types of a version 2 B-tree
_FEW: Final = 64

_sizes = struct.Struct("<HHH").unpack_from


@dataclass(frozen=True, slots=True)
class References:
    """Object references: the addresses of object headers, None where a reference leads nowhere."""

    addresses: tuple[tuple[int, ...], ...]
    """For each element, the addresses it lists: one, or several for elements of variable length."""


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    """What an attribute message says before its data: the same in very many objects."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...] | None
    size: int
    """Bytes of data."""
    numbers: struct.Struct | None
    """Unpacks a few plain numbers; None for all other data."""

    @property
    def in_heap(self) -> bool:
        """Whether the value lies in the global heap."""
        return self.shape is not None and self.datatype.needs_heap

    @property
    def is_lost(self) -> bool:
        """Whether the type has no JSON value."""
        return self.shape is not None and self.datatype.dtype is None and not self.datatype.is_reference


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


def read_attributes(file: File, messages: list[Message]) -> Parser[Attributes]:
    """Every attribute of an object, in the order of the file."""
    bodies: list[bytes | memoryview] = []
    for message in messages:
        kind, flags, body = message
        if kind == ATTRIBUTE:
            bodies.append((yield from resolve_shared(file, message)) if flags & _SHARED else body)
        elif kind == ATTRIBUTE_INFO:
            bodies += yield from _read_dense(file, body)
    found = Attributes({}, None, [])
    waiting: list[_Waiting] = []
    for raw in map(bytes, bodies):
        if raw[0] > 1 and raw[1] & 3:
            kind_of, data = yield from _resolve_parts(file, raw)
        else:
            kind_of, data = _split(raw)
        if kind_of.name == _SKIPPED:
            continue
        if kind_of.in_heap:
            found.values[kind_of.name] = None
            waiting.append((kind_of, data))
        else:
            _keep(found, kind_of, data)
    if waiting:
        yield from _read_waiting(file, found, waiting)
    return found


def _read_dense(file: File, body: bytes) -> Parser[list[memoryview]]:
    """Attribute info: version, flags, maximum creation index (bit 0), fractal heap, B-tree of names, of order."""
    heap, names = u64_pair(body, 4 if body[1] & 1 else 2)
    if heap == UNDEFINED:
        return []
    records = yield from read_btree_v2(file, names, (_NAMES, _CREATION_ORDER))
    # heap ID (8), message flags (1), creation order (4), hash of the name (4)
    if records.shape[1] >= 13:
        records = records[np.argsort(little_endian(records[:, 9:13]), kind="stable")]
    shared = np.flatnonzero(records[:, 8] & _SHARED)
    if not len(shared):
        return (yield from read_heap(file, heap, records[:, :8]))
    own = iter((yield from read_heap(file, heap, records[(records[:, 8] & _SHARED) == 0, :8])))
    bodies = []
    for number, record in enumerate(records):
        if number in shared:
            bodies.append((yield from read_shared_message(file, ATTRIBUTE, record[:8].tobytes())))
        else:
            bodies.append(next(own))
    return bodies


def _places(body: bytes | memoryview) -> tuple[int, int, int, int]:
    """Where name, datatype, dataspace and data begin.

    Version, reserved or flags, sizes of the three, (version 3: character set); version 1 pads each part to 8 bytes.
    """
    version = body[0]
    name, datatype, dataspace = _sizes(body, 2)
    if version == 1:
        starts = (8, 8 + _padded(name))
        return *starts, starts[1] + _padded(datatype), starts[1] + _padded(datatype) + _padded(dataspace)
    if version not in (2, 3):
        raise FormatError(f"expected an attribute message of version 1 to 3, found {version}")
    start = 8 if version == 2 else 9
    return start, start + name, start + name + datatype, start + name + datatype + dataspace


def _padded(size: int) -> int:
    return size + 7 & ~7


def _split(body: bytes) -> tuple[_Kind, bytes]:
    """Cut an attribute message without shared parts."""
    name, datatype, dataspace, data = _places(body)
    _, datatype_size, dataspace_size = _sizes(body, 2)
    kind = _kind(
        body[name:datatype], body[datatype : datatype + datatype_size], body[dataspace : dataspace + dataspace_size]
    )
    return kind, _exactly(kind, body[data : data + kind.size])


def _resolve_parts(file: File, body: bytes) -> Parser[tuple[_Kind, bytes]]:
    """Flags bit 0: the datatype is shared; bit 1: the dataspace is."""
    name, datatype, dataspace, data = _places(body)
    parts = []
    for bit, message, part in ((1, _DATATYPE, body[datatype:dataspace]), (2, _DATASPACE, body[dataspace:data])):
        parts.append((yield from resolve_shared(file, (message, _SHARED if body[1] & bit else 0, part))))
    kind = _kind(body[name:datatype], bytes(parts[0]), bytes(parts[1]))
    return kind, _exactly(kind, body[data : data + kind.size])


def _exactly(kind: _Kind, data: bytes) -> bytes:
    if len(data) != kind.size:
        raise FormatError(f"expected {kind.size} bytes of attribute {kind.name!r}, found {len(data)}")
    return plain_bytes(kind.datatype, data)


@lru_cache(maxsize=8192)
def _kind(name: bytes, datatype: bytes, dataspace: bytes) -> _Kind:
    parsed, shape = parse_datatype(datatype), parse_dataspace(dataspace).shape
    count = 0 if shape is None else math.prod(shape)
    text = name.split(b"\0")[0].decode("utf-8", "replace")
    return _Kind(text, parsed, shape, count * parsed.size, _numbers(parsed, count))


def _numbers(datatype: Datatype, count: int) -> struct.Struct | None:
    """For a few numbers the `struct` module is quicker than numpy, and gives the same ones."""
    dtype = datatype.dtype
    if dtype is None or datatype.bits is not None or dtype.kind not in "iuf" or not 0 < count <= _FEW:
        return None
    code = {"f2": "e", "f4": "f", "f8": "d"}.get(dtype.str[1:]) or "bhiq"[dtype.itemsize.bit_length() - 1]
    order = ">" if dtype.str[0] == ">" else "<"
    return struct.Struct(f"{order}{count}{code.upper() if dtype.kind == 'u' else code}")


def _scalar(datatype: Datatype, data: bytes) -> Any:
    """The first element, as numpy has it."""
    if datatype.dtype is None or len(data) < datatype.size:
        return None
    return np.frombuffer(data[: datatype.size], datatype.dtype)[0]


def _keep(found: Attributes, kind: _Kind, data: bytes) -> None:
    """File an attribute whose value needs nothing more from the file."""
    if kind.numbers is not None:
        assert kind.shape is not None
        found.values[kind.name] = _unwrap(list(kind.numbers.unpack(data)), kind.shape)
    elif kind.is_lost:
        found.lost.append((kind.name, kind.datatype.lacks))
        return
    else:
        found.values[kind.name] = _value(kind.datatype, kind.shape, data)
    if kind.name == FILL_VALUE:
        found.fill_value = _scalar(kind.datatype, data)


def _value(datatype: Datatype, shape: tuple[int, ...] | None, data: bytes) -> Any:
    """The JSON value of an attribute. It is shared between objects: nobody may change it."""
    if shape is None:
        return "" if datatype.is_string else []
    if datatype.is_reference:
        return References(tuple((a,) for a in np.frombuffer(data, "<u8").tolist()))
    assert datatype.dtype is not None
    if datatype.is_string and shape == ():
        return _text(data, datatype.padding)
    element, inner = datatype.dtype.subdtype or (datatype.dtype, ())
    values, shape = np.frombuffer(data, element), shape + inner
    if datatype.is_string:
        return _unwrap([_text(v, datatype.padding) for v in values.tolist()], shape)
    return _unwrap([_plain(v) for v in values.tolist()], shape)


def _text(value: bytes, padding: int) -> str:
    if padding == 0:
        value = value.split(b"\0")[0]
    elif padding == 2:
        value = value.rstrip(b"\0").rstrip(b" ")
    else:
        value = value.rstrip(b"\0")
    return value.decode("utf-8", "replace")


def _plain(value: Any) -> Any:
    """What JSON has for a value that numpy made a Python object: members of a compound are a list."""
    if isinstance(value, bytes):
        return value.rstrip(b"\0").decode("utf-8", "replace")
    if isinstance(value, complex):
        return [value.real, value.imag]
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value.tolist()]
    return value if isinstance(value, (bool, int, float)) else str(value)


def _unwrap(values: list[Any], shape: tuple[int, ...]) -> Any:
    """One element stands for itself; more axes than one are lists in lists."""
    if len(values) == 1:
        return values[0]
    for length in reversed(shape[1:]):
        values = [values[start : start + length] for start in range(0, len(values), length)] if length else []
    return values


def _read_waiting(file: File, found: Attributes, waiting: list[_Waiting]) -> Parser[None]:
    """Attributes whose elements lie in the global heap, all of an object in one round."""
    plain = []
    for kind, data in waiting:
        if kind.datatype.is_vlen:
            plain.append((kind, heap_references(data)))
        else:
            found.values.pop(kind.name)
            found.lost.append((kind.name, kind.datatype.lacks))
    objects = yield from read_heap_objects(file, [r for _, group in plain for r in group])
    for kind, group in plain:
        _keep_vlen(file, found, kind, group, [next(objects) for _ in group])


def _keep_vlen(
    file: File, found: Attributes, kind: _Kind, group: list[HeapReference], objects: list[memoryview]
) -> None:
    base, shape = kind.datatype.base, kind.shape
    assert base is not None
    assert shape is not None
    contents = list(map(_content, repeat(file), repeat(base.size), group, objects))
    if kind.datatype.is_string:
        texts = [content.partition(b"\0")[0].decode("utf-8", "replace") for content in contents]
        found.values[kind.name] = _unwrap(texts, shape)
    elif base.is_reference:
        addresses = tuple(tuple(np.frombuffer(content, "<u8").tolist()) for content in contents)
        found.values[kind.name] = References(addresses)
    elif base.dtype is not None:
        values = [[_plain(v) for v in np.frombuffer(content, base.dtype).tolist()] for content in contents]
        found.values[kind.name] = _unwrap(values, shape)
    else:
        found.values.pop(kind.name)
        found.lost.append((kind.name, f"sequence of {base.lacks}"))


def _content(file: File, element_size: int, reference: HeapReference, content: memoryview) -> bytes:
    """The bytes of one element: objects in the heap may be longer than what refers to them."""
    size = reference[0] * element_size
    if len(content) < size:
        raise file.error(f"expected {size} bytes in the global heap, found {len(content)}", reference.address)
    return bytes(content[:size])
