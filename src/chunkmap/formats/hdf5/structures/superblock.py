"""II.A: the superblock, and II.C: its extension."""

from __future__ import annotations

from typing import Final

from chunkmap.errors import FormatError, TruncatedFile, Unsupported
from chunkmap.formats.hdf5.structures.cache_image import read_cache_image
from chunkmap.formats.hdf5.structures.checksums import CHECKSUM, check
from chunkmap.formats.hdf5.structures.file import File, u16
from chunkmap.formats.hdf5.structures.object_header import Message, read_object_header
from chunkmap.formats.hdf5.structures.overlay import overlaid
from chunkmap.formats.hdf5.structures.shared_messages import read_shared_table
from chunkmap.io.rounds import Parser, Span

__all__ = ["read_superblock"]

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"

_OPEN_FOR_WRITE: Final = 1 | 4
"""Consistency flags: write access, and SWMR write access."""

_SHARED_TABLE: Final = 0x0F
_BTREE_K_VALUES: Final = 0x13
_DRIVER_INFO: Final = 0x14
_METADATA_CACHE_IMAGE: Final = 0x18


def read_superblock(file: File) -> Parser[int]:
    """Find and read the superblock; fill in what `file` has to know, and give the address of the root group's header.

    "The superblock may begin at certain predefined offsets ... 0, 512, 1024, 2048, and so on".
    """
    offset = 0
    while True:
        if offset + 48 > file.size:
            raise _no_superblock(file, offset)
        block = yield Span(offset, 48, 128)
        if bytes(block[:8]) == SIGNATURE:
            break
        offset = 512 if offset == 0 else offset * 2
    file.base = offset
    version = block[8]
    if version < 2:
        return (yield from _read_version_0(file, block, version))
    if version > 3:
        raise file.unsupported(f"the superblock has version {version}, expected 0 to 3", "superblock version")
    _set_sizes(file, block[9], block[10])
    addresses = file.fields("AAAA")
    check(file, block, 12 + addresses.size + CHECKSUM, 0)
    if version == 3 and block[11] & _OPEN_FOR_WRITE:
        raise file.unsupported(
            "the superblock says that a program has it open for writing, or died while it had: what is in it may be"
            " half written. HDF5 does not open it either; wait, or run h5clear -s on it",
            "file open for writing",
        )
    # Version 2: base address, superblock extension address, end of file address, root group object header address
    base, extension, end, root = addresses.unpack_from(block, 12)
    _check_end(file, base, end)
    if extension != file.undefined:
        yield from _read_extension(file, extension)
    return int(root)


def _read_version_0(file: File, block: memoryview, version: int) -> Parser[int]:
    _set_sizes(file, block[13], block[14])
    file.leaf_k, file.group_k = u16(block, 16)[0], u16(block, 18)[0]
    place = 24
    if version == 1:
        file.chunk_k, place = u16(block, 24)[0], 28
    # base address, address of file free space info, end of file address, driver information block address; then III.C,
    # symbol table entry of the root group: link name offset, object header address
    addresses = file.fields("AAAALA")
    if len(block) < place + addresses.size:
        size = place + addresses.size
        raise TruncatedFile(f"expected a superblock of {size} bytes", url=file.url, offset=file.base)
    base, _, end, driver, _, root = addresses.unpack_from(block, place)
    if driver != file.undefined:
        # II.B: version, reserved (3), size, identification of the driver
        found = yield file.span(driver, 16)
        raise _split_file(file, bytes(found[8:16]))
    _check_end(file, base, end)
    _check_k(file)
    return int(root)


def _read_extension(file: File, address: int) -> Parser[None]:
    messages = yield from read_object_header(file, address)
    for kind, _, body in messages:
        if kind == _METADATA_CACHE_IMAGE and file.address(body, 1)[0] != file.undefined:
            # version, address, length
            file.image = yield from read_cache_image(file, *file.extent(body, 1))
    yield from overlaid(file.image, _apply_extension(file, messages))


def _apply_extension(file: File, messages: list[Message]) -> Parser[None]:
    for kind, _, body in messages:
        if kind == _BTREE_K_VALUES:
            # version, indexed storage internal node K, group internal node K, group leaf node K
            file.chunk_k, file.group_k, file.leaf_k = u16(body, 1)[0], u16(body, 3)[0], u16(body, 5)[0]
            _check_k(file)
        elif kind == _SHARED_TABLE:
            # version, address of the table, number of indexes
            yield from read_shared_table(file, file.address(body, 1)[0], body[1 + file.sizes[0]])
        elif kind == _DRIVER_INFO:
            raise _split_file(file, bytes(body[1:9]))


def _split_file(file: File, driver: bytes) -> Unsupported:
    name = driver.rstrip(b"\0").decode("ascii", "replace")
    return file.unsupported(
        f"it is one of several files of a driver ({name!r}: family, split or multi); copy it to one file with h5repart"
        " or h5repack",
        "file of several parts",
    )


def _set_sizes(file: File, offsets: int, lengths: int) -> None:
    found = {offsets, lengths}
    if not found <= {2, 4, 8, 16, 32}:
        raise file.error(f"expected sizes of offsets and lengths of 2, 4 or 8 bytes, found {offsets} and {lengths}", 0)
    if max(found) > 8:
        raise file.unsupported(
            f"offsets have {offsets} bytes and lengths {lengths}, expected at most 8", "size of offsets"
        )
    file.set_sizes((offsets, lengths))


def _check_k(file: File) -> None:
    if not (file.leaf_k and file.group_k and file.chunk_k):
        raise file.error("expected B-tree node sizes above zero", 0)


def _check_end(file: File, base: int, end: int) -> None:
    """The end of file address counts from the base address that was current when it was written."""
    if base not in (file.base, 0):
        raise file.error(f"expected base address {file.base} or 0, found {base}", 0)
    expected = end + file.base - base
    if expected > file.size:
        raise TruncatedFile(
            f"the superblock says that the file has {expected} bytes, it has {file.size}; it is cut short",
            url=file.url,
            offset=file.size,
        )


def _no_superblock(file: File, offset: int) -> FormatError:
    if offset == 0:
        return TruncatedFile(f"expected an HDF5 superblock, the file has {file.size} bytes", url=file.url, offset=0)
    return FormatError("expected the signature of an HDF5 superblock at 0, 512, 1024, ...", url=file.url, offset=0)
