"""II.A: the superblock, and II.C: its extension."""

from __future__ import annotations

from typing import Final

from chunkmap.errors import FormatError, TruncatedFile, Unsupported
from chunkmap.formats.hdf5.checksums import check
from chunkmap.formats.hdf5.file import UNDEFINED, File, u16, u64
from chunkmap.formats.hdf5.object_header import read_object_header
from chunkmap.formats.hdf5.shared_messages import read_shared_table
from chunkmap.io.rounds import Parser, Span

__all__ = ["read_superblock"]

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"

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
    _check_sizes(file, block[9], block[10])
    check(file, block, 48, 0)
    # Version 2: base address, superblock extension address, end of file address, root group object header address
    base, extension, end, root = (u64(block, place)[0] for place in (12, 20, 28, 36))
    _check_end(file, base, end)
    if extension != UNDEFINED:
        yield from _read_extension(file, extension)
    return int(root)


def _read_version_0(file: File, block: memoryview, version: int) -> Parser[int]:
    if len(block) < 100:
        raise TruncatedFile("expected a superblock of 100 bytes", url=file.url, offset=file.base)
    _check_sizes(file, block[13], block[14])
    file.leaf_k, file.group_k = u16(block, 16)[0], u16(block, 18)[0]
    place = 24
    if version == 1:
        file.chunk_k, place = u16(block, 24)[0], 28
    # base address, address of file free space info, end of file address, driver information block address
    base, end, driver = u64(block, place)[0], u64(block, place + 16)[0], u64(block, place + 24)[0]
    if driver != UNDEFINED:
        # II.B: version, reserved (3), size, identification of the driver
        found = yield file.span(driver, 16)
        raise _split_file(file, bytes(found[8:16]))
    _check_end(file, base, end)
    _check_k(file)
    # III.C, symbol table entry of the root group: link name offset, object header address
    root: int = u64(block, place + 32 + 8)[0]
    return root


def _read_extension(file: File, address: int) -> Parser[None]:
    messages = yield from read_object_header(file, address)
    for kind, _, body in messages:
        if kind == _BTREE_K_VALUES:
            # version, indexed storage internal node K, group internal node K, group leaf node K
            file.chunk_k, file.group_k, file.leaf_k = u16(body, 1)[0], u16(body, 3)[0], u16(body, 5)[0]
            _check_k(file)
        elif kind == _SHARED_TABLE:
            # version, address of the table, number of indexes
            yield from read_shared_table(file, u64(body, 1)[0], body[9])
        elif kind == _DRIVER_INFO:
            raise _split_file(file, bytes(body[1:9]))
        elif kind == _METADATA_CACHE_IMAGE:
            raise file.unsupported(
                "the file's metadata is in a metadata cache image; open and close it for writing with an HDF5 tool",
                "metadata cache image",
            )


def _split_file(file: File, driver: bytes) -> Unsupported:
    name = driver.rstrip(b"\0").decode("ascii", "replace")
    return file.unsupported(
        f"it is one of several files of a driver ({name!r}: family, split or multi); copy it to one file with h5repart"
        " or h5repack",
        "file of several parts",
    )


def _check_sizes(file: File, offsets: int, lengths: int) -> None:
    if (offsets, lengths) != (8, 8):
        if offsets in (2, 4, 8, 16, 32) and lengths in (2, 4, 8, 16, 32):
            raise file.unsupported(
                f"offsets have {offsets} bytes and lengths {lengths}, expected 8 and 8", "size of offsets"
            )
        raise file.error(f"expected sizes of offsets and lengths of 8 bytes, found {offsets} and {lengths}", 0)


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
