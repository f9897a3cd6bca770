"""IV.A.2: the small messages of object headers: dataspace, fill value, filter pipeline, external files.

Each function takes the body of a message and gives a value. What is the same in thousands of objects is parsed once.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from chunkmap.errors import FormatError
from chunkmap.formats.hdf5.structures.file import fields, u16, u32

__all__ = [
    "Dataspace",
    "Filter",
    "is_never_filled",
    "parse_dataspace",
    "parse_fill_value",
    "parse_filter_pipeline",
    "parse_old_fill_value",
]

_MOST_DIMENSIONS: Final = 32
_SIMPLE_FROM_VERSION_2: Final = 2


class Dataspace(NamedTuple):
    """Shape of a dataset or attribute; `shape` is None for a null dataspace, which has no element at all."""

    shape: tuple[int, ...] | None
    maximum: tuple[int | None, ...]
    """Longest that each dimension may become; None is unlimited."""


class Filter(NamedTuple):
    """One filter of a pipeline, as the file describes it."""

    identifier: int
    optional: bool
    name: str
    values: tuple[int, ...]
    """Client data."""


@lru_cache(maxsize=1024)
def parse_dataspace(body: bytes, width: int = 8) -> Dataspace:
    """IV.A.2.b: version, dimensionality, flags, (version 2: type), dimensions, maximum dimensions (flag bit 0).

    `width` is the size of lengths. A maximum of all bits is unlimited.
    """
    if len(body) < 4:
        raise FormatError("a dataspace message is shorter than 4 bytes")
    version, rank, flags = body[0], body[1], body[2]
    if version not in (1, 2):
        raise FormatError(f"expected a dataspace message of version 1 or 2, found {version}")
    if rank > _MOST_DIMENSIONS:
        raise FormatError(f"expected at most {_MOST_DIMENSIONS} dimensions, found {rank}")
    if version == 2 and body[3] == _SIMPLE_FROM_VERSION_2:
        return Dataspace(None, ())
    place = 8 if version == 1 else 4
    wanted = place + width * rank * (2 if flags & 1 else 1)
    if len(body) < wanted:
        raise FormatError(f"expected a dataspace message of {wanted} bytes, found {len(body)}")
    lengths = fields(f"{rank}L", (width, width))
    shape = lengths.unpack_from(body, place)
    if any(length >= 2**63 for length in shape):
        raise FormatError(f"a dataspace has the shape {shape}")
    if not flags & 1:
        return Dataspace(shape, shape)
    maximum, unlimited = lengths.unpack_from(body, place + lengths.size), (1 << 8 * width) - 1
    return Dataspace(shape, tuple(None if length == unlimited else length for length in maximum))


@lru_cache(maxsize=1024)
def parse_fill_value(body: bytes) -> bytes | None:
    """IV.A.2.f: the fill value of message 0x05.

    Gives the bytes of one element; b"" for the default, which is zeros; None where it is undefined (reads as zeros).
    """
    version = body[0]
    if version in (1, 2):
        # version, space allocation time, fill value write time, fill value defined, size, fill value
        if version == 2 and not body[3]:
            return None
        (size,) = struct.unpack_from("<i", body, 4)
        return _exactly(body, 8, max(size, 0))
    if version != 3:
        raise FormatError(f"expected a fill value message of version 1 to 3, found {version}")
    # version, flags (bit 4: undefined, bit 5: defined), size, fill value
    if body[1] & 0x20:
        return _exactly(body, 6, u32(body, 2)[0])
    return None if body[1] & 0x10 else b""


def is_never_filled(body: bytes) -> bool:
    """IV.A.2.f: whether the write time is "never": HDF5 then leaves the reader's memory as it was, h5py's as zeros."""
    return (body[1] >> 2 & 3 if body[0] == 3 else body[2]) == 1


def parse_old_fill_value(body: bytes) -> bytes:
    """IV.A.2.e: message 0x04: size, fill value."""
    return _exactly(body, 4, u32(body, 0)[0])


def _exactly(body: bytes, place: int, size: int) -> bytes:
    value = body[place : place + size]
    if len(value) != size:
        raise FormatError(f"expected a fill value of {size} bytes, found {len(value)}")
    return value


@lru_cache(maxsize=1024)
def parse_filter_pipeline(body: bytes) -> tuple[Filter, ...]:
    """IV.A.2.l: version, number of filters, (version 1: reserved), filters in the order of encoding.

    Each: identification, name length (not for version 2 and identification < 256), flags, number of client data
    values, name, client data, padding (version 1, odd number of values).
    """
    version, count = body[0], body[1]
    if version not in (1, 2):
        raise FormatError(f"expected a filter pipeline message of version 1 or 2, found {version}")
    place = 8 if version == 1 else 2
    filters = []
    for _ in range(count):
        (identifier,) = u16(body, place)
        place += 2
        name_length = 0
        if version == 1 or identifier >= 256:
            (name_length,) = u16(body, place)
            place += 2
        flags, values = struct.unpack_from("<HH", body, place)
        place += 4
        name = body[place : place + name_length].split(b"\0")[0].decode("ascii", "replace")
        place += -(-name_length // 8) * 8 if version == 1 else name_length
        client = struct.unpack_from(f"<{values}I", body, place)
        place += 4 * values + (4 if version == 1 and values % 2 else 0)
        filters.append(Filter(identifier, bool(flags & 1), name, client))
    return tuple(filters)
