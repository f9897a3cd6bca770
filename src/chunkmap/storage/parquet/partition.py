"""One partition of a stored reference set: a Parquet file of at most `record_size` rows, from columns.

The layout is the one that fsspec's `LazyReferenceMapper` reads (https://fsspec.github.io/kerchunk/spec.html, "Parquet
references"): a row for each cell of a stretch of the chunk grid, columns `path`, `offset`, `size` and `raw`, what is
held inline. GDAL refuses a file without `raw`, so it is written where nothing is held inline too; what is read may
lack it. A null path is a missing chunk, a raw that is not null wins, and a path whose offset and size are both 0 is a
whole file. Where chunks of an array are decoded in several ways (`chunkmap.model.variants`), a column `variant` has the
number of each; none stands for 0.

What fsspec can read back decides the encodings, measured on its Parquet reader (fastparquet): offsets are int64 only
when their statistics say that none is null; a missing path is None only from a dictionary; delta encodings are read
wrongly.
"""

from __future__ import annotations

import base64
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from chunkmap.errors import StorageError
from chunkmap.model import WHOLE_FILE, ChunkManifest
from chunkmap.storage import arrow

__all__ = ["MOST_ROWS", "VARIANT", "check_rows", "decode_raw", "encode_partition"]

_BASE64: Final = b"base64:"
"""What bytes begin with that are to be decoded."""

_LARGEST: Final = 2**63 - 1
MOST_ROWS: Final = 1 << 25
"""Most rows of a partition: a few hundred bytes may say that so many have no chunk, and each takes time."""

_SCHEMA: Final = pa.schema(
    [
        pa.field("path", pa.dictionary(pa.int32(), pa.string())),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("raw", pa.binary()),
    ]
)
VARIANT: Final = pa.field("variant", pa.int32(), nullable=False)


def check_rows(path: str, chunks: ChunkManifest, first: int, grid_shape: tuple[int, ...]) -> None:
    """Raise StorageError for a row that the layout cannot hold, naming the array and the chunk.

    Positions of the chunks count from the cell `first` of the grid.
    """
    whole = chunks.length == np.uint64(WHOLE_FILE)
    wrong = (whole & (chunks.offset != 0)) | (~whole & (chunks.length > _LARGEST)) | (chunks.offset > _LARGEST)
    if bool(wrong.any()):
        row = int(np.flatnonzero(wrong)[0])
        cell = np.unravel_index(first + int(chunks.positions()[row]), grid_shape) if grid_shape else (0,)
        key, reference = ".".join(str(int(number)) for number in cell), chunks.row(row)
        raise StorageError(
            f"{path}/{key}: expected a range of bytes below 2**63, or a whole file,"
            f" found offset {reference.offset} and length {reference.length}"
        )


def encode_partition(chunks: ChunkManifest, inline: NDArray[np.bool_], rows: slice, cells: range) -> bytes:
    """The Parquet file of some cells of a grid, of which `rows` are there; `inline` says which of these are held
    inline. Equal chunks give equal bytes.
    """
    position = chunks.positions()[rows].astype(np.int64) - cells.start
    offset, length = chunks.offset[rows], chunks.length[rows]
    # A range of no bytes at the first byte would be read as the whole file: it is held inline, as no bytes.
    nothing = ~inline & (offset == 0) & (length == 0)
    ranged = ~inline & ~nothing
    is_ranged = bool(ranged.all())
    whole = length == np.uint64(WHOLE_FILE)
    if not is_ranged or bool(whole.any()):
        offset, length = np.where(ranged, offset, np.uint64(0)), np.where(ranged & ~whole, length, np.uint64(0))
    columns = [
        _paths(chunks, chunks.source[rows], ranged, position, len(cells)),
        _spread(offset, position, len(cells)),
        _spread(length, position, len(cells)),
    ]
    if is_ranged:
        columns.append(pa.nulls(len(cells), pa.binary()))
    else:
        raw: list[bytes | None] = [None] * len(cells)
        for row in np.flatnonzero(inline).tolist():
            raw[int(position[row])] = _encode_raw(chunks.inline_bytes(rows.start + row))
        for row in np.flatnonzero(nothing).tolist():
            raw[int(position[row])] = b""
        columns.append(arrow.pieces(raw, pa.binary()))
    if chunks.variant is None or not bool(chunks.variant[rows].any()):
        return _to_bytes(pa.Table.from_arrays(columns, schema=_SCHEMA))
    variant = np.zeros(len(cells), np.int32)
    variant[position] = chunks.variant[rows]
    return _to_bytes(pa.Table.from_arrays([*columns, arrow.numbers(variant)], schema=_SCHEMA.append(VARIANT)))


def _paths(
    chunks: ChunkManifest,
    source: NDArray[np.uint32],
    ranged: NDArray[np.bool_],
    position: NDArray[np.int64],
    ncells: int,
) -> pa.DictionaryArray:
    """Cell -> URL, through a dictionary in the order in which the URLs first appear."""
    named = source[ranged]
    begins = np.flatnonzero(np.diff(named, prepend=named.dtype.type(0)))  # a chunk that is named is not of source 0
    used, first, inverse = np.unique(named[begins], return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(used), np.int32)
    rank[order] = np.arange(len(used), dtype=np.int32)
    number = np.repeat(rank[inverse], np.diff(begins, append=len(named)))
    urls = arrow.texts(chunks.sources.urls_of(used[order]))
    if len(named) == ncells:
        return pa.DictionaryArray.from_arrays(arrow.numbers(number), urls)
    found = np.zeros(ncells, np.int32)
    missing = np.ones(ncells, np.bool_)
    found[position[ranged]] = number
    missing[position[ranged]] = False
    return pa.DictionaryArray.from_arrays(arrow.numbers(found, missing), urls)


def _spread(values: NDArray[np.uint64], position: NDArray[np.int64], ncells: int) -> pa.Array:
    if len(values) == ncells:
        return arrow.numbers(values.view(np.int64))
    column = np.zeros(ncells, np.int64)
    column[position] = values
    return arrow.numbers(column)


def _to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=max(table.num_rows, 1),
        compression="zstd",
        compression_level=3,
        use_dictionary=["path"],
        dictionary_pagesize_limit=1 << 30,
        write_statistics=["offset", "size"],
        store_schema=False,
    )
    return bytes(sink.getvalue())


def _encode_raw(data: bytes) -> bytes:
    """Bytes that begin with `base64:` would be decoded by a reader, so they are encoded."""
    return _BASE64 + base64.standard_b64encode(data) if data.startswith(_BASE64) else data


def decode_raw(data: bytes) -> bytes:
    """The bytes that a row holds inline."""
    return base64.standard_b64decode(data[len(_BASE64) :]) if data.startswith(_BASE64) else data
