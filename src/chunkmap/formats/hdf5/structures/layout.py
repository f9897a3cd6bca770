"""IV.A.2.i: the data layout message, versions 1 to 5."""

from __future__ import annotations

import math
import struct
from enum import IntEnum
from typing import Final, NamedTuple

from chunkmap.errors import FormatError
from chunkmap.formats.hdf5.structures.file import Sizes, fields, u16, u32

__all__ = ["Chunked", "Compact", "Contiguous", "Index", "Layout", "Virtual", "parse_layout"]

_COMPACT, _CONTIGUOUS, _CHUNKED, _VIRTUAL = range(4)

_DONT_FILTER_PARTIAL_EDGES: Final = 1
_SINGLE_INDEX_WITH_FILTER: Final = 2


class Index(IntEnum):
    """Chunk indexing types; layout version 3 and below know only the B-tree of version 1."""

    BTREE_V1 = 0
    SINGLE = 1
    IMPLICIT = 2
    FIXED_ARRAY = 3
    EXTENSIBLE_ARRAY = 4
    BTREE_V2 = 5


class Compact(NamedTuple):
    """The data stands in the object header."""

    data: bytes


class Contiguous(NamedTuple):
    """The data is one block; `address` is undefined before anything was written."""

    address: int
    size: int | None


class Virtual(NamedTuple):
    """The data is that of other datasets; an object of the global heap says of which."""

    address: int
    number: int


class Chunked(NamedTuple):
    """The data is in chunks, which an index finds."""

    chunk_shape: tuple[int, ...]
    element_size: int
    indexing: Index
    address: int
    """Where the index is; of a single chunk, where the chunk is."""
    single_size: int | None = None
    """Stored size of a single filtered chunk."""
    single_mask: int = 0
    edges_unfiltered: bool = False
    """Chunks that hang over the edge of the dataset are not filtered."""

    @property
    def chunk_nbytes(self) -> int:
        """Bytes of a chunk that no filter has changed."""
        return math.prod(self.chunk_shape) * self.element_size


Layout = Compact | Contiguous | Chunked | Virtual


def parse_layout(body: bytes | memoryview, rank: int, sizes: Sizes = (8, 8)) -> Layout:
    """Read the message of a dataset with `rank` dimensions. Raises FormatError when it breaks the rules."""
    version = body[0]
    if version in (1, 2):
        layout = _parse_version_1(body, sizes)
    elif version == 3:
        layout = _parse_version_3(body, sizes)
    elif version in (4, 5):
        layout = _parse_version_4(body, sizes)
    else:
        raise FormatError(f"expected a data layout message of version 1 to 5, found {version}")
    if isinstance(layout, Chunked):
        _check(layout, rank)
    return layout


def _check(layout: Chunked, rank: int) -> None:
    if len(layout.chunk_shape) != rank:
        raise FormatError(f"expected chunks with {rank} dimensions, found {layout.chunk_shape}")
    if not all(layout.chunk_shape) or not 0 < layout.chunk_nbytes < 2**63:
        raise FormatError(f"a dataset has chunks of {layout.chunk_shape} elements of {layout.element_size} bytes")


def _parse_version_1(body: bytes | memoryview, sizes: Sizes) -> Layout:
    """Version, dimensionality, class, reserved (5), data address (not for compact), dimension sizes, compact data.

    A chunked layout has one dimension more than the dataset: the size of an element.
    """
    rank, kind = body[1], body[2]
    if kind not in (_COMPACT, _CONTIGUOUS, _CHUNKED):
        raise FormatError(f"expected a layout class from 0 to 2, found {kind}")
    place, address = 8, 0
    if kind != _COMPACT:
        (address,), place = fields("A", sizes).unpack_from(body, 8), 8 + sizes[0]
    dims = struct.unpack_from(f"<{rank}I", body, place)
    place += 4 * rank
    if kind == _COMPACT:
        return Compact(_exactly(body, place + 4, u32(body, place)[0]))
    if kind == _CONTIGUOUS:
        return Contiguous(address, None)
    if rank < 1:
        raise FormatError("a chunked layout has no dimensions")
    return Chunked(dims[:-1], dims[-1], Index.BTREE_V1, address)


def _parse_version_3(body: bytes | memoryview, sizes: Sizes) -> Layout:
    kind = body[1]
    if kind == _COMPACT:
        return Compact(_exactly(body, 4, u16(body, 2)[0]))
    if kind == _CONTIGUOUS:
        return Contiguous(*fields("AL", sizes).unpack_from(body, 2))
    if kind != _CHUNKED:
        raise FormatError(f"expected a layout class from 0 to 2, found {kind}")
    found = fields(f"A{body[2]}I", sizes).unpack_from(body, 3)
    if len(found) < 2:
        raise FormatError("a chunked layout has no dimensions")
    return Chunked(found[1:-1], found[-1], Index.BTREE_V1, found[0])


def _parse_version_4(body: bytes | memoryview, sizes: Sizes) -> Layout:
    """Chunked: flags, dimensionality, encoded length of dimension sizes, sizes, index type, its parameters, address."""
    kind = body[1]
    if kind in (_COMPACT, _CONTIGUOUS):
        return _parse_version_3(body, sizes)
    if kind == _VIRTUAL:
        return Virtual(*fields("AI", sizes).unpack_from(body, 2))
    if kind != _CHUNKED:
        raise FormatError(f"expected a layout class from 0 to 3 in version {body[0]}, found {kind}")
    flags, rank, width = body[2], body[3], body[4]
    if rank < 1 or not 1 <= width <= 8:
        raise FormatError(f"a chunked layout has {rank} dimensions of {width} bytes")
    place = 5 + rank * width
    dims = [int.from_bytes(body[start : start + width], "little") for start in range(5, place, width)]
    if body[place] not in _PARAMETERS:
        raise FormatError(f"expected a chunk indexing type from 1 to 5, found {body[place]}")
    index = Index(body[place])
    place += 1
    single_size, single_mask = None, 0
    if index is Index.SINGLE and flags & _SINGLE_INDEX_WITH_FILTER:
        single = fields("LI", sizes)
        single_size, single_mask = single.unpack_from(body, place)
        place += single.size
    place += _PARAMETERS[index]
    return Chunked(
        tuple(dims[:-1]),
        dims[-1],
        index,
        fields("A", sizes).unpack_from(body, place)[0],
        single_size,
        single_mask,
        bool(flags & _DONT_FILTER_PARTIAL_EDGES),
    )


_PARAMETERS: Final = {
    Index.SINGLE: 0,
    Index.IMPLICIT: 0,
    Index.FIXED_ARRAY: 1,  # page bits
    Index.EXTENSIBLE_ARRAY: 5,  # max bits, index elements, min pointers, min elements, page bits
    Index.BTREE_V2: 6,  # node size, split percent, merge percent
}
"""Bytes of the parameters of an index; what they say stands in the header of the index too."""


def _exactly(body: bytes | memoryview, place: int, size: int) -> bytes:
    data = bytes(body[place : place + size])
    if len(data) != size:
        raise FormatError(f"expected {size} bytes of compact data, found {len(data)}")
    return data
