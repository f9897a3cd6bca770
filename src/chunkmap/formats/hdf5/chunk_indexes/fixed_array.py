"""VII.C: the fixed array index: one element for each chunk of the maximum grid, paged when there are many."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.formats.hdf5.structures.checksums import CHECKSUM, check, check_pages
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.io.rounds import Parser

__all__ = ["Rows", "page_numbers", "read_fixed_array"]

Rows = tuple[NDArray[np.uint64], NDArray[np.uint8]]
"""Numbers of elements, and their bytes as rows."""

_HEADER: Final = "4sBBBBLA"
"""Signature, version, client ID, entry size, page bits, max number of entries, data block address; then a checksum."""


def read_fixed_array(file: File, address: int) -> Parser[Rows]:
    """The elements of every page that was written."""
    header = file.fields(_HEADER)
    block = yield file.span(address, header.size + CHECKSUM, 64)
    signature, _, _, entry, page_bits, count, data = header.unpack_from(block)
    file.expect(signature, b"FAHD", address)
    check(file, block, header.size + CHECKSUM, address)
    if data == file.undefined:
        return np.empty(0, np.uint64), np.empty((0, entry), np.uint8)
    if not entry or page_bits >= 32 or count * entry > file.size:
        raise file.error(f"a fixed array claims {count} entries of {entry} bytes", address)
    page, prefix = 1 << page_bits, 6 + file.sizes[0]  # data block: signature, version, client ID, header address
    if count <= page:
        size = prefix + count * entry + CHECKSUM
        block = yield file.span(data, size)
        file.expect(block, b"FADB", data)
        check(file, block, size, data)
        rows = np.frombuffer(block, np.uint8, count * entry, prefix).reshape(count, entry)
        return np.arange(count, dtype=np.uint64), rows
    pages = -(-count // page)
    bitmap = (pages + 7) // 8
    start = prefix + bitmap + CHECKSUM
    block = yield file.span(data, start + count * entry + CHECKSUM * pages)
    file.expect(block, b"FADB", data)
    check(file, block, start, data)
    written = _bits(np.frombuffer(block, np.uint8, bitmap, prefix))[:pages]
    content = block[start : start + count * entry + CHECKSUM * pages]
    check_pages(file, content, written, page * entry + CHECKSUM, data + start)
    return _written_pages(np.frombuffer(content, np.uint8), written, count, page, entry)


def page_numbers(written: NDArray[np.bool_], page: int) -> NDArray[np.uint64]:
    """Numbers of the elements in the pages that were written, each of `page` elements."""
    firsts = np.flatnonzero(written).astype(np.uint64) * np.uint64(page)
    numbers: NDArray[np.uint64] = np.add.outer(firsts, np.arange(page, dtype=np.uint64)).ravel()
    return numbers


def _bits(bitmap: NDArray[Any]) -> NDArray[np.bool_]:
    """Page init flags, the most significant bit first."""
    return np.unpackbits(bitmap).astype(np.bool_)


def _written_pages(content: NDArray[np.uint8], written: NDArray[np.bool_], count: int, page: int, entry: int) -> Rows:
    """Each page is its elements and a checksum; the last one may be short."""
    whole, stride = len(written) - 1, page * entry + CHECKSUM
    full = content[: whole * stride].reshape(whole, stride)[:, : page * entry].reshape(whole, page, entry)
    rows = full[written[:-1]].reshape(-1, entry)
    numbers = page_numbers(written[:-1], page)
    if written[-1]:
        last = content[whole * stride :][: (count - whole * page) * entry].reshape(-1, entry)
        rows = np.concatenate([rows, last])
        numbers = np.concatenate([numbers, np.arange(whole * page, count, dtype=np.uint64)])
    return numbers, rows
