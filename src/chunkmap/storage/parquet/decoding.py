"""Partitions of stored reference sets, to columns: many small ones are decoded as one table.

A set of one file has a partition for each of its variables, of a thousand rows or fewer, and thousands of such sets
are combined: what a call of numpy or Arrow costs counts there, and not what is in the rows. What decodes those without
Arrow is loaded when there are several.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from chunkmap.errors import StorageError
from chunkmap.model import WHOLE_FILE, ChunkManifest
from chunkmap.model.placement import end_to_end, rows_of_each
from chunkmap.model.variants import MOST_VARIANTS
from chunkmap.storage.parquet.bounds import check_size
from chunkmap.storage.parquet.partition import MOST_ROWS, VARIANT, decode_raw

if TYPE_CHECKING:
    from chunkmap.storage.parquet.pages import Pages

__all__ = ["PartitionFile", "decode_partitions"]

_MANY_ROWS: Final = 1 << 20
"""Rows that are decoded at once."""

_TOGETHER: Final = 1 << 16
"""Rows from which on nothing is gained by decoding more of them at once."""


_FEW: Final = 8
"""Files up to which Arrow has decoded them before what decodes others is loaded."""


class PartitionFile(NamedTuple):
    """The file of a partition, fetched and not yet read."""

    data: bytes
    ncells: int
    """The cells that it stands for; it may have more rows."""
    where: str
    chunks: int | None = None
    """How many chunks were written to it, where that is known."""


class _Rows(NamedTuple):
    """The rows of a file that stand for cells."""

    where: str
    table: pa.Table
    most: int
    """Bytes that may be held inline in it."""


def decode_partitions(files: Sequence[PartitionFile]) -> ChunkManifest:
    """The chunks of many partitions, end to end in a grid of one axis.

    Raises StorageError naming the file when one is damaged.
    """
    found = _joined(_of_any_kind(files))
    counts = rows_of_each(found, [file.ncells for file in files])
    for file, count in zip(files, counts.tolist(), strict=True):
        if file.chunks is not None and count != file.chunks:
            raise StorageError(f"{file.where}: expected {file.chunks} chunks, found {count}")
    return found


def _joined(manifests: Iterable[ChunkManifest]) -> ChunkManifest:
    return end_to_end([(chunks, range(chunks.size)) for chunks in manifests])


def _of_any_kind(files: Sequence[PartitionFile]) -> Iterator[ChunkManifest]:
    """The chunks of neighbours of one kind: of files whose pages are known without Arrow, and of others."""
    if len(files) < _FEW:
        yield from _decoded(files)
        return
    from chunkmap.storage.parquet.pages import pages_of  # noqa: PLC0415 - for many files

    found = ((file, pages_of(file.data, file.ncells)) for file in files)
    for kind, group in groupby(found, lambda pair: None if pair[1] is None else pair[1].is_held):
        some, pages = zip(*group, strict=True)
        yield from _decoded(some) if kind is None else _of_pages(some, pages)


def _of_pages(files: Sequence[PartitionFile], pages: Sequence[Pages]) -> Iterator[ChunkManifest]:
    """The chunks of files that seem to be of one kind; Arrow decodes those that are not, or says what is wrong."""
    from chunkmap.storage.parquet.pages import decode_pages  # noqa: PLC0415 - for many files

    try:
        yield decode_pages(pages)
    except (ValueError, OSError):
        if len(files) == 1:
            yield from _decoded(files)
            return
        for file, own in zip(files, pages, strict=True):
            yield from _of_pages([file], [own])


def _decoded(files: Iterable[PartitionFile]) -> Iterator[ChunkManifest]:
    """The chunks of neighbours, of as many small files together as have the same columns."""
    waiting, count = list[_Rows](), 0
    for file in files:
        with _damage_of(file.where):
            rows = _read(file)
            if waiting and (count >= _TOGETHER or rows is None or rows.table.schema != waiting[0].table.schema):
                yield _decode_together(waiting)
                waiting, count = [], 0
            if rows is None:
                yield _decode_in_batches(file)
            else:
                waiting.append(rows)
                count += file.ncells
    if waiting:
        yield _decode_together(waiting)


@contextmanager
def _damage_of(where: str) -> Iterator[None]:
    """Of what Arrow raises, and our own looks at what it found, a StorageError that names the file."""
    try:
        yield
    except StorageError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        raise StorageError(f"{where}: expected a Parquet file of references, it cannot be read: {error}") from error


def _read(file: PartitionFile) -> _Rows | None:
    """The rows of a file; None where there are very many."""
    data, ncells, where, _ = file
    opened = _open(data)
    found = opened.metadata.num_rows
    most = check_size(opened.metadata, len(data), MOST_ROWS, where)
    if found < ncells:
        raise StorageError(f"{where}: expected {ncells} rows, found {found}; it is damaged or cut short")
    if found > _MANY_ROWS:
        return None
    table = opened.read(use_threads=False)
    return _Rows(where, table if found == ncells else table.slice(0, ncells), most)


def _open(data: bytes) -> Any:
    return pq.ParquetFile(pa.BufferReader(data), read_dictionary=["path", "raw"], pre_buffer=False)


def _decode_together(several: Sequence[_Rows]) -> ChunkManifest:
    """The chunks of files with the same columns. Where that fails it is done one by one, and the message names the
    file.
    """
    if len(several) == 1:
        return _decode_alone(several[0])
    tables = [rows.table for rows in several]
    whole = _Rows(several[0].where, pa.concat_tables(tables), sum(rows.most for rows in several))
    try:
        return _decode_alone(whole)
    except StorageError:
        return _joined(map(_decode_alone, several))


def _decode_alone(rows: _Rows) -> ChunkManifest:
    with _damage_of(rows.where):
        return _decode_table(rows.table, rows.table.num_rows, rows.where, rows.most)


def _decode_in_batches(file: PartitionFile) -> ChunkManifest:
    """The same where there are very many rows, of which few may be references: only these are held."""
    opened = _open(file.data)
    most = check_size(opened.metadata, len(file.data), MOST_ROWS, file.where)
    parts, first = list[ChunkManifest](), 0
    for batch in opened.iter_batches(_MANY_ROWS, use_threads=False):
        rows = min(batch.num_rows, file.ncells - first)
        if rows <= 0:
            break
        table = pa.Table.from_batches([batch.slice(0, rows)])
        parts.append(_decode_table(table, rows, file.where, most))
        first += rows
    return _joined(parts)


def _decode_table(table: pa.Table, ncells: int, where: str, most: int) -> ChunkManifest:
    missing_columns = {"offset", "size"} - set(table.column_names)
    if missing_columns and "path" in table.column_names:
        raise StorageError(f"{where}: expected columns path, offset, size, found {table.column_names}")
    source, urls = _decode_paths(table, ncells)
    _check_halves(table, source)
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


def _check_halves(table: pa.Table, source: NDArray[np.uint32]) -> None:
    """Raise ValueError where a range of a file has a beginning and no length, or a length and no beginning."""
    columns = [table.column(name) for name in ("offset", "size") if name in table.column_names]
    if not any(column.null_count for column in columns) or not source.any():
        return
    begins, ends = (_valid(column.combine_chunks()) for column in columns)
    halves = np.flatnonzero((source > 0) & (begins != ends))
    if len(halves):
        raise ValueError(f"row {halves[0]} has an offset or a size, and not both")


def _decode_variants(table: pa.Table, there: NDArray[np.int64]) -> NDArray[np.uint16] | None:
    if VARIANT.name not in table.column_names:
        return None
    numbers = _integers(table.column(VARIANT.name).combine_chunks(), missing=0)[there]
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
    if len(numbers) and not -1 <= int(numbers.min()) <= int(numbers.max()) < len(urls):  # Arrow does not look
        raise ValueError(f"paths from number {numbers.min()} to {numbers.max()}, expected {len(urls)}")
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
    return decode_raw(data)
