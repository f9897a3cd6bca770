"""What all parsers of one HDF5 file share: its address space, and what was read once for all.

"All file addresses are relative to the base address" (II.A): parsers deal in addresses, and only here do they become
byte offsets. An address or a size that cannot be inside the file is refused before anything is asked for.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, TruncatedFile, Unsupported
from chunkmap.formats.hdf5.structures.overlay import Overlay
from chunkmap.io.rounds import Gather, Span

__all__ = ["File", "Sizes", "fields", "largest", "little_endian", "u16", "u32", "u64"]

Sizes = tuple[int, int]
"""Bytes of an address ("size of offsets") and of a length ("size of lengths") in a file."""

_CODES: Final = {2: "H", 4: "I", 8: "Q"}

u16 = struct.Struct("<H").unpack_from
u32 = struct.Struct("<I").unpack_from
u64 = struct.Struct("<Q").unpack_from


@lru_cache(maxsize=256)
def fields(layout: str, sizes: Sizes = (8, 8)) -> struct.Struct:
    """Fields as `struct` describes them, besides: `A` is an address, `L` a length.

    >>> fields("2sBAL", (4, 8)).size
    15
    """
    offsets, lengths = (_CODES[size] for size in sizes)
    return struct.Struct("<" + layout.translate({ord("A"): offsets, ord("L"): lengths}))


class File:
    """One HDF5 file that is being parsed."""

    __slots__ = (
        "address",
        "address_pair",
        "base",
        "chunk_k",
        "collections",
        "committed",
        "extent",
        "group_k",
        "heap_reference",
        "heap_references",
        "image",
        "leaf_k",
        "length",
        "long_doubles",
        "paths",
        "shared",
        "shared_heaps",
        "size",
        "sizes",
        "strict",
        "undefined",
        "url",
    )

    def __init__(self, url: str, size: int) -> None:
        self.url, self.size = url, size
        self.strict = False
        """Whether a damaged object stops the scan."""
        self.long_doubles = False
        """Whether attributes of long doubles are rounded to 64 bits."""
        self.base = 0
        """Byte offset of address 0: the length of the user block."""
        self.set_sizes((8, 8))
        self.leaf_k, self.group_k, self.chunk_k = 4, 16, 32
        """Half the entries of a node: symbol table nodes, group B-trees, chunk B-trees."""
        self.collections: dict[int, dict[int, memoryview]] = {}
        """Global heap collections by address."""
        self.committed: dict[int, bytes] = {}
        """Messages that other objects share, by the address of the object header that holds them."""
        self.shared_heaps: dict[int, int] = {}
        """Type of message -> address of the heap that holds those which are shared."""
        self.shared: dict[tuple[int, bytes], memoryview] = {}
        """Messages from these heaps, by type and heap ID."""
        self.paths: dict[int, str] = {}
        """Paths of objects by the address of their headers, once all are known."""
        self.image: Overlay | None = None
        """What stands for the file's own bytes, where it was closed with a metadata cache image."""

    def set_sizes(self, sizes: Sizes) -> None:
        """How long addresses and lengths are, and so every structure that has them."""
        self.sizes = sizes
        self.undefined = (1 << 8 * sizes[0]) - 1
        """The undefined address: "all bits are set" (I.B)."""
        self.address = fields("A", sizes).unpack_from
        self.length = fields("L", sizes).unpack_from
        self.address_pair = fields("AA", sizes).unpack_from
        self.extent = fields("AL", sizes).unpack_from
        """An address and a length."""
        of_heap = fields("IAI", sizes)
        self.heap_reference, self.heap_references = of_heap.unpack_from, of_heap.iter_unpack
        """How many elements of variable length, and the collection and object of the global heap that hold them."""

    def fields(self, layout: str) -> struct.Struct:
        """`fields` of this file."""
        return fields(layout, self.sizes)

    def addresses(self, columns: NDArray[np.uint8]) -> NDArray[np.uint64]:
        """Rows that begin with an address -> the addresses."""
        found = np.ascontiguousarray(columns[:, : self.sizes[0]]).view(f"<u{self.sizes[0]}")[:, 0]
        return found.astype(np.uint64, copy=False)

    def span(self, address: int, need: int, want: int | None = None) -> Span:
        """A request for bytes at an address."""
        offset = address + self.base
        if address == self.undefined or offset + need > self.size:
            raise TruncatedFile(
                f"expected {need} bytes, but the file has only {self.size} in all;"
                " it is cut short or the address is wrong",
                url=self.url,
                offset=offset,
            )
        return Span(offset, need, need if want is None else want)

    def gather(self, addresses: NDArray[np.uint64], size: int) -> Gather:
        """A request for many nodes of one size, which cannot be more than the file has room for."""
        if len(addresses) * size > self.size:
            raise self.error(f"expected nodes of {size} bytes, found {len(addresses)} addresses of them", 0)
        if len(addresses):
            self.span(largest(addresses), size)
        return Gather(addresses + np.uint64(self.base), size)

    def error(self, message: str, address: int) -> FormatError:
        """The bytes at this address break the rules."""
        return FormatError(message, url=self.url, offset=address + self.base)

    def unsupported(self, message: str, feature: str) -> Unsupported:
        """The bytes are legal, but not handled."""
        return Unsupported(message, feature=feature, url=self.url)

    def expect(self, block: Any, signature: bytes, address: int) -> None:
        """Raise FormatError unless a structure begins with its signature."""
        found = block[: len(signature)]
        if found != signature:
            raise self.error(f"expected signature {signature.decode()!r}, found {bytes(found)!r}", address)


def largest(column: NDArray[Any]) -> int:
    """The largest of some whole numbers. Most trees are one node: there numpy's `max` would cost the most of all."""
    return int(column[0]) if len(column) == 1 else int(column.max())


def little_endian(columns: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Rows of up to 8 bytes -> unsigned integers.

    >>> little_endian(np.array([[1, 2], [3, 0]], np.uint8))
    array([513,   3], dtype=uint64)
    """
    if columns.shape[1] > 8:
        raise ValueError(f"an integer of {columns.shape[1]} bytes")
    wide = np.zeros((len(columns), 8), np.uint8)
    wide[:, : columns.shape[1]] = columns
    numbers: NDArray[np.uint64] = wide.view("<u8")[:, 0]
    return numbers
