"""IV.A.2.d: the datatype message, as numpy has it wherever numpy has it.

`Datatype.dtype` is the numpy dtype that h5py gives for the same bytes: two members `r` and `i` are a complex number,
an enumeration of FALSE and TRUE is a bool. It is None for what is no plain value: variable-length data, references,
times, odd numbers; `Datatype.lacks` then says what it is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np

from chunkmap.codecs import make
from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.hdf5.structures.floats import float_codec, float_layout
from chunkmap.formats.text import text_of
from chunkmap.model import CodecConfig
from chunkmap.model.records import unlike

__all__ = [
    "Datatype",
    "left_as_stored",
    "number_codec",
    "parse_datatype",
    "plain_bytes",
    "require_dtype",
    "with_doubles",
]

_FIXED, _FLOAT, _TIME, _STRING, _BITFIELD, _OPAQUE, _COMPOUND, _REFERENCE, _ENUM, _VLEN, _ARRAY, _COMPLEX = range(12)

_DEEPEST: Final = 32
_u32 = struct.Struct("<I").unpack_from
_integer_properties = struct.Struct("<HH").unpack_from
_float_properties = struct.Struct("<HHBBBBI").unpack_from


@dataclass(frozen=True, slots=True)
class Datatype:
    """One HDF5 datatype."""

    size: int
    """Bytes of one element as it is stored."""
    dtype: np.dtype[Any] | None = None
    """The numpy dtype of the stored bytes."""
    lacks: str = ""
    """What it is, where `dtype` is None."""
    is_string: bool = False
    """Text, of fixed or of variable length."""
    padding: int = 1
    """Of a string of fixed length: 0 ended by NUL, 1 padded with NUL, 2 padded with spaces."""
    base: Datatype | None = None
    """Of a sequence of variable length: the type of its elements; of an array likewise."""
    shape: tuple[int, ...] = ()
    """Of an array: its shape, in elements of `base`."""
    members: tuple[tuple[str, int, Datatype], ...] = ()
    """Of a compound: name, offset and type of each member."""
    is_vlen: bool = False
    """Elements are references into a global heap."""
    reference: Literal["", "object", "region", "any"] = ""
    """Of references: what to; "any" are those of HDF5 1.12, each of which says it itself."""
    enumerated: tuple[tuple[str, int], ...] = ()
    """Of an enumeration: names and values."""
    bits: tuple[int, ...] | None = None
    """Of numbers that are not stored as numpy has them. Whole ones: first bit and number of bits; others: `FloatLayout`
    says what."""
    order: str = "<"
    """Of floating-point numbers: their byte order."""
    needs_heap: bool = field(init=False)
    """Whether any part of an element lies in a global heap."""
    has_opaque: bool = field(init=False)
    """Whether any part of an element is bytes that mean nothing here."""
    has_reference: bool = field(init=False)
    """Whether any part of an element is a reference."""
    has_text: bool = field(init=False)
    """Whether any part of an element is text of fixed length."""

    def __post_init__(self) -> None:
        parts = [member for _, _, member in self.members] + ([] if self.base is None else [self.base])
        in_heap = self.is_vlen or self.reference in ("region", "any")
        is_opaque = self.dtype is not None and self.dtype.kind == "V" and not parts
        object.__setattr__(self, "has_opaque", is_opaque or any(part.has_opaque for part in parts))
        is_text = self.is_string and not self.is_vlen
        has_reference = bool(self.reference) or any(part.has_reference for part in parts)
        object.__setattr__(self, "has_reference", has_reference)
        object.__setattr__(self, "needs_heap", in_heap or any(part.needs_heap for part in parts))
        object.__setattr__(self, "has_text", is_text or any(part.has_text for part in parts))

    @property
    def is_reference(self) -> bool:
        """Whether elements are object references: addresses of object headers."""
        return self.reference == "object"


@lru_cache(maxsize=1024)
def parse_datatype(body: bytes, offset_size: int = 8) -> Datatype:
    """Read a datatype message. Raises FormatError when it breaks the rules.

    What leads into the file is as long as `offset_size`, the bytes of an address, makes it.
    """
    try:
        return _parse(body, 0, _DEEPEST, offset_size)[0]
    except (struct.error, IndexError, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"expected a datatype message, found one that does not parse: {error}") from error


def _parse(body: bytes, start: int, depth: int, offset_size: int) -> tuple[Datatype, int]:
    """Class and version, class bit field, size, properties. Gives the type and where it ends."""
    if not depth:
        raise FormatError("a datatype is nested too deep")
    version, kind = body[start] >> 4, body[start] & 15
    if not 1 <= version <= 5:
        raise FormatError(f"expected a datatype of version 1 to 5, found {version}")
    bits = int.from_bytes(body[start + 1 : start + 4], "little")
    (size,) = _u32(body, start + 4)
    if not size:
        raise FormatError("a datatype has elements of 0 bytes")
    if kind not in _CLASSES:
        raise FormatError(f"expected a datatype class from 0 to 11, found {kind}")
    return _CLASSES[kind](body, start + 8, _Head(version, bits, size, depth - 1, offset_size))


@dataclass(frozen=True, slots=True)
class _Head:
    """What precedes the properties of a datatype."""

    version: int
    bits: int
    size: int
    depth: int
    offset_size: int


def _order(bits: int) -> str:
    return ">" if bits & 1 else "<"


def _fixed(body: bytes, place: int, head: _Head) -> tuple[Datatype, int]:
    """Bit 0: byte order; bit 3: signed. Properties: bit offset, bit precision."""
    sign = "i" if head.bits & 8 else "u"
    return _integer(body, place, head, sign), place + 4


def _bitfield(body: bytes, place: int, head: _Head) -> tuple[Datatype, int]:
    return _integer(body, place, head, "u"), place + 4


def _integer(body: bytes, place: int, head: _Head, sign: str) -> Datatype:
    offset, precision = _integer_properties(body, place)
    if head.size not in (1, 2, 4, 8):
        return Datatype(head.size, lacks=f"integer of {head.size} bytes")
    dtype = np.dtype(f"{_order(head.bits)}{sign}{head.size}")
    if not offset and precision == 8 * head.size:
        return Datatype(head.size, dtype)
    if not 0 < precision <= 8 * head.size - offset:
        return Datatype(head.size, lacks=f"integer of {precision} bits in {head.size} bytes")
    return Datatype(head.size, dtype, bits=(offset, precision))


def _float(body: bytes, place: int, head: _Head) -> tuple[Datatype, int]:
    """Properties: bit offset and precision; location and size of exponent and mantissa; exponent bias."""
    dtype, bits, lacks = float_layout(head.size, head.bits, _float_properties(body, place))
    return Datatype(head.size, dtype, lacks, bits=bits, order=_order(head.bits)), place + 12


def _time(_body: bytes, place: int, head: _Head) -> tuple[Datatype, int]:
    return Datatype(head.size, lacks="time"), place + 2


def _string(_body: bytes, place: int, head: _Head) -> tuple[Datatype, int]:
    """Bits 0-3: padding; 4-7: character set."""
    return Datatype(head.size, np.dtype(f"S{head.size}"), is_string=True, padding=head.bits & 15), place


def _opaque(body: bytes, place: int, head: _Head) -> tuple[Datatype, int]:
    """Bits 0-7: length of the tag. h5py keeps numpy's datetimes as opaque, tagged `NUMPY:<M8[ns]`."""
    length = head.bits & 255
    tag = body[place : place + length].rstrip(b"\0").decode("ascii", "replace")
    if tag.startswith("NUMPY:"):
        try:
            dtype = np.dtype(tag[6:])
        except (TypeError, ValueError, SyntaxError):
            dtype = np.dtype(f"V{head.size}")
        if dtype.kind in "mM" and dtype.itemsize == head.size:
            return Datatype(head.size, dtype), place + length
    return Datatype(head.size, np.dtype(f"V{head.size}")), place + length


def _compound(body: bytes, place: int, head: _Head) -> tuple[Datatype, int]:
    """Bits 0-15: number of members. Each: name, byte offset, dimensions (version 1 only), member type."""
    offset_size = max(1, (head.size.bit_length() + 7) // 8)
    members: list[tuple[str, int, Datatype]] = []
    for _ in range(head.bits & 0xFFFF):
        end = body.index(0, place)
        name = unlike(text_of(body[place:end]), [known for known, _, _ in members])
        shape: tuple[int, ...] = ()
        if head.version >= 3:
            place = end + 1
            offset = int.from_bytes(body[place : place + offset_size], "little")
            place += offset_size
        else:
            place += (end - place + 8) // 8 * 8
            (offset,) = _u32(body, place)
            place += 4
            if head.version == 1:
                # dimensionality, reserved (3), dimension permutation, reserved (4), four dimension sizes
                shape = struct.unpack_from("<4I", body, place + 12)[: body[place]]
                place += 28
        member, place = _parse(body, place, head.depth, head.offset_size)
        if shape:
            member = _array_of(member, shape)
        if offset + member.size > head.size:
            raise FormatError(f"member {name!r} reaches past the end of its compound of {head.size} bytes")
        members.append((name, offset, member))
    return _compound_of(head.size, tuple(members)), place


def _compound_of(size: int, members: tuple[tuple[str, int, Datatype], ...]) -> Datatype:
    lacking = [f"{name!r}: {_in_compound(member)}" for name, _, member in members if _in_compound(member)]
    if lacking:
        return Datatype(size, lacks=f"compound with {', '.join(lacking)}", members=members)
    names, offsets = [name for name, _, _ in members], [offset for _, offset, _ in members]
    dtypes = [member.dtype for _, _, member in members]
    if names == ["r", "i"] and dtypes[0] == dtypes[1] and offsets == [0, size // 2]:
        real = dtypes[0]
        if real is not None and real.kind == "f" and real.itemsize in (4, 8) and size == 2 * real.itemsize:
            return Datatype(size, np.dtype(f"{real.byteorder}c{size}"), members=members)
    dtype = np.dtype({"names": names, "formats": dtypes, "offsets": offsets, "itemsize": size})
    return Datatype(size, dtype, members=members)


def _in_compound(member: Datatype) -> str:
    """What a member lacks; bits are cut out of whole arrays only."""
    if member.dtype is None:
        return member.lacks
    if member.bits is not None:
        return f"number in {member.size} bytes that numpy stores otherwise"
    return ""


def _reference(_body: bytes, place: int, head: _Head) -> tuple[Datatype, int]:
    """Bits 0-3: type of the reference. From HDF5 1.12 on it is 2 for whatever the elements refer to."""
    kind = head.bits & 15
    if kind == 0 and head.size == head.offset_size:
        return Datatype(head.size, lacks="object reference", reference="object"), place
    if kind == 1 and head.size == head.offset_size + 4:
        return Datatype(head.size, lacks="region reference", reference="region"), place
    if kind == 2 and head.size == head.offset_size + 10:
        return Datatype(head.size, lacks="reference of HDF5 1.12", reference="any"), place
    return Datatype(head.size, lacks=f"reference of type {kind} in {head.size} bytes"), place


def _enum(body: bytes, place: int, head: _Head) -> tuple[Datatype, int]:
    """Bits 0-15: number of members. Properties: base type, names, values."""
    base, place = _parse(body, place, head.depth, head.offset_size)
    names = []
    for _ in range(head.bits & 0xFFFF):
        end = body.index(0, place)
        names.append(body[place:end])
        place = end + 1 if head.version >= 3 else place + (end - place + 8) // 8 * 8
    values = body[place : place + len(names) * base.size]
    if len(values) != len(names) * base.size:
        raise FormatError("an enumeration has fewer values than names")
    place += len(values)
    if base.size == 1 and dict(zip(names, values, strict=True)) == {b"FALSE": 0, b"TRUE": 1}:
        return Datatype(1, np.dtype("|b1")), place
    return replace(base, size=head.size, enumerated=_enumerated(base, names, values)), place


def _enumerated(base: Datatype, names: list[bytes], values: bytes) -> tuple[tuple[str, int], ...]:
    if base.dtype is None or base.dtype.kind not in "iu":
        return ()
    numbers = np.frombuffer(plain_bytes(base, values), base.dtype).tolist()
    return tuple((text_of(name), number) for name, number in zip(names, numbers, strict=True))


def _vlen(body: bytes, place: int, head: _Head) -> tuple[Datatype, int]:
    """Bits 0-3: 0 is a sequence, 1 a string. Stored: length, address of a global heap collection, index in it."""
    base, place = _parse(body, place, head.depth, head.offset_size)
    size = head.offset_size + 8
    if head.size != size:
        raise FormatError(f"expected variable-length elements of {size} bytes, found {head.size}")
    is_string = head.bits & 15 == 1
    lacks = "string of variable length" if is_string else "sequence of variable length"
    return Datatype(size, lacks=lacks, is_string=is_string, base=base, is_vlen=True), place


def _array(body: bytes, place: int, head: _Head) -> tuple[Datatype, int]:
    """Dimensionality, reserved (3, version 2 only), dimension sizes, permutation indices (version 2 only), base."""
    rank = body[place]
    place += 4 if head.version < 3 else 1
    shape = struct.unpack_from(f"<{rank}I", body, place)
    place += 4 * rank * (2 if head.version < 3 else 1)
    base, place = _parse(body, place, head.depth, head.offset_size)
    array = _array_of(base, shape)
    if array.size != head.size:
        raise FormatError(f"expected an array of {array.size} bytes, found {head.size}")
    return array, place


def _array_of(base: Datatype, shape: tuple[int, ...]) -> Datatype:
    size = base.size
    for length in shape:
        size *= length
    if not 0 < size < 2**31:
        raise FormatError(f"an array datatype has the shape {shape}")
    dtype = None
    if base.dtype is not None:
        element, inner = base.dtype.subdtype or (base.dtype, ())
        dtype = np.dtype((element, shape + inner))
    return Datatype(size, dtype, lacks=base.lacks and f"array of {base.lacks}", base=base, shape=shape, bits=base.bits)


def _complex(body: bytes, place: int, head: _Head) -> tuple[Datatype, int]:
    """Class 11 (HDF5 2.0): two numbers of the base type."""
    base, place = _parse(body, place, head.depth, head.offset_size)
    plain = base.dtype is not None and base.dtype.kind == "f" and base.bits is None and base.size in (4, 8)
    if not plain or base.dtype is None or head.size != 2 * base.size:
        return Datatype(head.size, lacks=f"complex number of {head.size} bytes"), place
    return Datatype(head.size, np.dtype(f"{base.dtype.byteorder}c{head.size}")), place


_CLASSES: Final = {
    _FIXED: _fixed,
    _FLOAT: _float,
    _TIME: _time,
    _STRING: _string,
    _BITFIELD: _bitfield,
    _OPAQUE: _opaque,
    _COMPOUND: _compound,
    _REFERENCE: _reference,
    _ENUM: _enum,
    _VLEN: _vlen,
    _ARRAY: _array,
    _COMPLEX: _complex,
}


def left_as_stored(datatype: Datatype) -> Datatype:
    """The type with references into heaps, 16 bytes in most files, as bytes that nobody follows."""
    if datatype.is_vlen:
        return Datatype(datatype.size, np.dtype(f"S{datatype.size}"))
    if not datatype.needs_heap or datatype.reference:
        return datatype
    if datatype.members:
        members = ((name, offset, left_as_stored(member)) for name, offset, member in datatype.members)
        return _compound_of(datatype.size, tuple(members))
    assert datatype.base is not None
    return _array_of(left_as_stored(datatype.base), datatype.shape)


def with_doubles(datatype: Datatype) -> Datatype:
    """The type with numbers of 64 bits for long doubles: elements, elements of arrays, and members of records."""
    if datatype.shape and datatype.base is not None:
        return _array_of(with_doubles(datatype.base), datatype.shape)
    if datatype.members:
        members = tuple((name, offset, with_doubles(member)) for name, offset, member in datatype.members)
        return replace(datatype, members=members)
    if datatype.bits is None or datatype.dtype is not None:
        return datatype
    return replace(datatype, dtype=np.dtype(f"{datatype.order}f8"), lacks="")


def number_codec(datatype: Datatype) -> CodecConfig | None:
    """The codec that makes numbers of what is not stored as numpy has them."""
    if datatype.bits is None or datatype.dtype is None:
        return None
    dtype = datatype.dtype.base
    if dtype.kind == "f":
        return float_codec(dtype.str, datatype.bits)
    offset, precision = datatype.bits
    return {"id": "hdf5_integer", "dtype": dtype.str, "offset": offset, "precision": precision}


def plain_bytes(datatype: Datatype, data: bytes) -> bytes:
    """Stored elements as `dtype` has them."""
    codec = number_codec(datatype)
    if codec is None:
        return data
    decoded: bytes = make(codec).decode(data)
    return decoded


def require_dtype(datatype: Datatype) -> np.dtype[Any]:
    """The numpy dtype. Raises Unsupported, saying what the type is, where there is none."""
    if datatype.dtype is None:
        raise Unsupported(f"its type, {datatype.lacks}, has no counterpart in Zarr", feature=datatype.lacks)
    return datatype.dtype
