"""One partition of a stored reference set: a Parquet file of at most `record_size` rows, to and from columns.

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
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from chunkmap.errors import StorageError
from chunkmap.model import WHOLE_FILE, ChunkManifest, Placement, place
from chunkmap.model.variants import MOST_VARIANTS
from chunkmap.storage import arrow
from chunkmap.storage.parquet.bounds import check_size

__all__ = ["MOST_ROWS", "check_rows", "decode_partition", "encode_partition"]

_BASE64: Final = b"base64:"
_LARGEST: Final = 2**63 - 1
_MANY_ROWS: Final = 1 << 20
"""Rows that are decoded at once."""

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
_VARIANT: Final = pa.field("variant", pa.int32(), nullable=False)


# ---------------------------------------------------------------------- writing


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
    whole = ranged & (length == np.uint64(WHOLE_FILE))
    columns = [
        _paths(chunks, chunks.source[rows], ranged, position, len(cells)),
        _spread(np.where(ranged, offset, 0), position, len(cells)),
        _spread(np.where(ranged & ~whole, length, 0), position, len(cells)),
    ]
    if bool(ranged.all()):
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
    return _to_bytes(pa.Table.from_arrays([*columns, arrow.numbers(variant)], schema=_SCHEMA.append(_VARIANT)))


def _paths(
    chunks: ChunkManifest,
    source: NDArray[np.uint32],
    ranged: NDArray[np.bool_],
    position: NDArray[np.int64],
    ncells: int,
) -> pa.DictionaryArray:
    """Cell -> URL, through a dictionary in the order in which the URLs first appear."""
    named = source[ranged]
    used, first, inverse = np.unique(named, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(used), np.int32)
    rank[order] = np.arange(len(used), dtype=np.int32)
    found = np.zeros(ncells, np.int32)
    missing = np.ones(ncells, np.bool_)
    found[position[ranged]] = rank[inverse]
    missing[position[ranged]] = False
    urls = arrow.texts(chunks.sources.urls_of(used[order]))
    return pa.DictionaryArray.from_arrays(arrow.numbers(found, missing), urls)


def _spread(values: NDArray[Any], position: NDArray[np.int64], ncells: int) -> pa.Array:
    if len(values) == ncells:
        return arrow.numbers(values.astype(np.int64))
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


# ---------------------------------------------------------------------- reading


def decode_partition(data: bytes, ncells: int, where: str) -> ChunkManifest:
    """The chunks of a partition, as a grid of one axis. Raises StorageError naming the file when it is damaged."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=["path", "raw"])
        found = file.metadata.num_rows
        most = check_size(file.metadata, len(data), MOST_ROWS, where)
        if found < ncells:
            raise StorageError(f"{where}: expected {ncells} rows, found {found}; it is damaged or cut short")
        if found <= _MANY_ROWS:
            return _decode_table(file.read(use_threads=False).slice(0, ncells), ncells, where, most)
        return _decode_in_batches(file, ncells, where, most)
    except StorageError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        raise StorageError(f"{where}: expected a Parquet file of references, it cannot be read: {error}") from error


def _decode_in_batches(file: Any, ncells: int, where: str, most: int) -> ChunkManifest:
    """The same where there are very many rows, of which few may be references: only these are held."""
    parts, first = [], 0
    for batch in file.iter_batches(_MANY_ROWS, use_threads=False):
        rows = min(batch.num_rows, ncells - first)
        if rows <= 0:
            break
        table = pa.Table.from_batches([batch.slice(0, rows)])
        parts.append(Placement(_decode_table(table, rows, where, most), (first,)))
        first += rows
    return place((ncells,), parts)


def _decode_table(table: pa.Table, ncells: int, where: str, most: int) -> ChunkManifest:
    missing_columns = {"offset", "size"} - set(table.column_names)
    if missing_columns and "path" in table.column_names:
        raise StorageError(f"{where}: expected columns path, offset, size, found {table.column_names}")
    source, urls = _decode_paths(table, ncells)
    offset, length = _decode_bytes(table, "offset", ncells), _decode_bytes(table, "size", ncells)
    length[(offset == 0) & (length == 0)] = np.uint64(WHOLE_FILE)
    sources: list[str | bytes | None] = [None, *urls]
    if "raw" in table.column_names and table.column("raw").null_count < ncells:
        held, pieces = _decode_inline(table, most)
        if pieces:
            stops = np.cumsum([len(piece) for piece in pieces], dtype=np.uint64)
            source[held] = len(sources)
            length[held] = np.diff(stops, prepend=np.uint64(0))
            offset[held] = stops - length[held]
            sources.append(b"".join(pieces))
    there = np.flatnonzero(source)
    columns = (source[there], offset[there], length[there], _decode_variants(table, there))
    return ChunkManifest.from_columns((ncells,), there, tuple(sources), columns)


def _decode_variants(table: pa.Table, there: NDArray[np.int64]) -> NDArray[np.uint16] | None:
    if _VARIANT.name not in table.column_names:
        return None
    numbers = _integers(table.column(_VARIANT.name).combine_chunks(), missing=0)[there]
    if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < MOST_VARIANTS:
        raise ValueError(f"variants from {numbers.min()} to {numbers.max()}")
    return numbers.astype(np.uint16)


def _decode_inline(table: pa.Table, most: int) -> tuple[NDArray[np.int64], list[bytes]]:
    """The rows that hold bytes, and these: a text that many rows have is in the file, and in memory, once."""
    raw = _as_dictionary(table.column("raw"))
    held = np.flatnonzero(_valid(raw))
    values = [_decode_raw(piece) for piece in raw.dictionary.to_pylist()]
    numbers = _integers(raw.indices, missing=-1)[held].tolist()
    total = sum(len(values[number]) for number in numbers)
    if total > most:
        raise ValueError(f"{total} bytes are held inline, expected {most} or fewer in a file of this length")
    return held, [values[number] for number in numbers]


def _as_dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.unify_dictionaries().combine_chunks()
    return whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()


def _decode_paths(table: pa.Table, ncells: int) -> tuple[NDArray[np.uint32], list[str]]:
    if "path" not in table.column_names:
        return np.zeros(ncells, np.uint32), []
    column = _as_dictionary(table.column("path"))
    numbers = _integers(column.indices, missing=-1)
    urls = [url.decode() if isinstance(url, bytes) else str(url) for url in column.dictionary.to_pylist()]
    return (numbers + 1).astype(np.uint32), urls


def _decode_bytes(table: pa.Table, name: str, ncells: int) -> NDArray[np.uint64]:
    if name not in table.column_names:
        return np.zeros(ncells, np.uint64)
    column = table.column(name).combine_chunks()
    values = _integers(column, missing=0)
    if len(values) and int(values.min()) < 0:
        raise ValueError(f"a negative {name}: {int(values.min())}")
    return values.astype(np.uint64)


def _integers(column: pa.Array, *, missing: int) -> NDArray[np.int64]:
    """The numbers of a column. Arrow's own ways of filling nulls import pandas, for a quarter of a second."""
    numbers = column.cast(pa.int64())
    data = numbers.buffers()[1]
    if data is None:
        return np.full(len(numbers), missing, np.int64)
    values = np.frombuffer(data, np.int64, len(numbers), numbers.offset * 8)
    return np.where(_valid(numbers), values, missing) if numbers.null_count else values


def _valid(column: pa.Array) -> NDArray[np.bool_]:
    return np.from_dlpack(column.is_valid().cast(pa.uint8())).astype(np.bool_)


def _decode_raw(piece: Any) -> bytes:
    data = piece.encode() if isinstance(piece, str) else piece
    if not isinstance(data, bytes):
        raise TypeError(f"expected bytes in the column raw, found {data!r}")
    return base64.standard_b64decode(data[len(_BASE64) :]) if data.startswith(_BASE64) else data
