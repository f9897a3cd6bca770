"""II.C and III.H: the metadata cache image, with metadata that were never written to their own place."""

from __future__ import annotations

from typing import Final

from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.overlay import Overlay
from chunkmap.io.rounds import Parser

__all__ = ["read_cache_image"]

_PREFIX: Final = "4sBBLI"
"""Signature, version, flags, length of the image, number of entries."""

_ENTRY: Final = "BBBBHHHIAL"
"""Type, flags, ring, age, flush dependencies (children, dirty children, parents), rank, address, length; then the
addresses of the parents, and the bytes."""


def read_cache_image(file: File, address: int, length: int) -> Parser[Overlay]:
    """Prefix, entries, checksum. Raises FormatError where they do not fit in `length` bytes."""
    prefix, entry = file.fields(_PREFIX), file.fields(_ENTRY)
    block = bytes((yield file.span(address, max(length, prefix.size))))
    file.expect(block, b"MDCI", address)
    *_, count = prefix.unpack_from(block)
    place, entries = prefix.size, dict[int, bytes]()
    for _ in range(count):
        if place + entry.size > len(block):
            raise file.error(f"a metadata cache image claims {count} entries in {length} bytes", address)
        *_, parents, _, where, size = entry.unpack_from(block, place)
        place += entry.size + parents * file.sizes[0]
        entries[file.span(where, size).offset] = block[place : place + size]
        place += size
    if place > len(block):
        raise file.error("the last entry of a metadata cache image reaches past its end", address)
    _check_apart(file, entries, address)
    return Overlay(entries)


def _check_apart(file: File, entries: dict[int, bytes], address: int) -> None:
    end = 0
    for start in sorted(entries):
        if start < end:
            raise file.error("two entries of a metadata cache image overlap", address)
        end = start + len(entries[start])
