"""Writing a reference set as JSON, straight from the columns, a block of chunks at a time: no dictionary of all
references is ever made. What is written has no templates and no `gen`.
"""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, BinaryIO, Final, NamedTuple, cast

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from chunkmap.errors import StorageError
from chunkmap.io.filesystem import Located
from chunkmap.io.threads import map_ahead
from chunkmap.model import WHOLE_FILE, ArrayInStretches, ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.model.dictionary import ZarrFormat, beside, chunk_key_parts, documents, encode_inline, json_text
from chunkmap.model.variant_runs import Runs, runs_of
from chunkmap.storage import arrow
from chunkmap.storage.about import About
from chunkmap.storage.names import check_names
from chunkmap.storage.publishing import output_errors, publish_file, text_errors
from chunkmap.storage.states import State
from chunkmap.storage.text import quoted

__all__ = ["Written", "write", "write_json_in_stretches"]

_BLOCK: Final = 1 << 15
"""Chunks that are printed at once."""


def write(
    refs: ReferenceSet,
    at: Located,
    *,
    record_size: int,  # noqa: ARG001 - one
    zarr_format: ZarrFormat,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write a set as one file, compressed when its name says so, in place of the one that is there."""
    check_names(refs.arrays, refs.groups)
    about = About(refs.targets, refs.problems, origin or {})
    publish_file(at, _compressed(json_pieces(refs, zarr_format, about), at.path))


class Written(NamedTuple):
    """An array that was written stretch by stretch."""

    meta: ArrayMeta
    chunks: int
    """How many of them."""
    runs: Runs
    """Of which variants they are."""


def write_json_in_stretches(
    arrays: Iterable[ArrayInStretches],
    groups: Mapping[str, Mapping[str, Any]],
    at: Located,
    *,
    about: Callable[[Mapping[str, ArrayMeta]], About],
    zarr_format: ZarrFormat = 2,
    expected: State | None = None,
) -> tuple[dict[str, Written], State]:
    """The same for arrays that come stretch by stretch; gives what each turned out to be, and the state of the file.

    Documents come first in the file, and are known last: the chunks wait in a temporary file. `about` is asked when all
    arrays are known.
    """
    written: dict[str, Written] = {}
    with output_errors(at), text_errors(at), tempfile.TemporaryFile() as waiting:
        for array in arrays:
            count, runs = 0, Runs()
            for first, chunks in array.stretches:
                count += len(chunks)
                runs.add(chunks, first)
                waiting.writelines(_chunk_pieces(array.path, chunks, first, array.grid_shape, zarr_format))
            written[array.path] = Written(array.meta(), count, runs)
        check_names(written, groups)
        metas = {path: each.meta for path, each in written.items()}
        heads = {path: ManifestArray(meta, ChunkManifest.empty(meta.grid_shape)) for path, meta in metas.items()}
        said = about(metas)
        waiting.seek(0)
        gathered = iter(lambda: waiting.read(1 << 20), b"")
        end = _end(heads, groups, zarr_format, said, {path: each.runs for path, each in written.items()})
        text = chain(_documents(heads, groups, zarr_format), gathered, [end])
        state = publish_file(at, _compressed(text, at.path), expected=expected)
    return written, state


def json_pieces(refs: ReferenceSet, zarr_format: ZarrFormat, about: About) -> Iterator[bytes | memoryview]:
    """The text of the file, piece by piece. Equal sets, in the same order, give equal bytes."""
    yield from _documents(refs.arrays, refs.groups, zarr_format)
    every = {path: Runs() for path in refs.arrays}
    for path, array in refs.arrays.items():
        chunks = array.manifest()
        every[path].add(chunks, 0)
        yield from _chunk_pieces(path, chunks, 0, chunks.grid_shape, zarr_format)
    yield _end(refs.arrays, refs.groups, zarr_format, about, every)


def _end(
    arrays: Mapping[str, ManifestArray],
    groups: Mapping[str, Mapping[str, Any]],
    zarr_format: ZarrFormat,
    about: About,
    runs: Mapping[str, Runs],
) -> bytes:
    """What follows the last reference."""
    more = {**about.to_json(), **runs_of(arrays, runs)}
    said = orjson.dumps(beside(arrays, groups, zarr_format, more))[1:-1]
    return b"},%b}" % said if said else b"}}"


def _documents(
    arrays: Mapping[str, ManifestArray], groups: Mapping[str, Mapping[str, Any]], zarr_format: ZarrFormat = 2
) -> Iterator[bytes | memoryview]:
    yield b'{"version":1,"refs":{'
    comma = b""
    for key, document in documents(arrays, groups, zarr_format).items():
        yield comma + quoted(key) + b":" + orjson.dumps(json_text(document))
        comma = b","


def _chunk_pieces(
    path: str, chunks: ChunkManifest, first: int, grid_shape: tuple[int, ...], zarr_format: ZarrFormat = 2
) -> Iterator[memoryview]:
    """`,"x/0.0":["a.nc",0,100]` for every chunk, a block at a time; positions count from the cell `first`."""
    before, separator = chunk_key_parts(path, grid_shape, zarr_format)
    prefix = "," + quoted(before).decode()[:-1]
    urls = arrow.texts([f"[{_json_url(source)}," for source in chunks.sources])
    inline = chunks.is_inline

    def text(rows: slice) -> memoryview:
        keys = _keys(chunks.positions()[rows].astype(np.int64) + first, grid_shape, prefix, separator)
        values = _with_odd_values(chunks, rows, inline[rows], _range_values(chunks, rows, urls))
        return _text(_joined([*keys, *values]))

    blocks = [slice(start, min(start + _BLOCK, len(chunks))) for start in range(0, len(chunks), _BLOCK)]
    yield from map_ahead(text, blocks) if len(blocks) > 1 else map(text, blocks)


def _keys(cells: NDArray[np.int64], grid_shape: tuple[int, ...], prefix: str, separator: str) -> list[Any]:
    """The parts of `,"x/0.1":` for every cell of a block: what differs is an Arrow array, what does not a str."""
    if not grid_shape:
        return [f'{prefix}":']
    axes = [arrow.numbers(axis).cast(pa.string()) for axis in np.unravel_index(cells, grid_shape)]
    return [prefix, *chain.from_iterable(zip(axes, [separator] * (len(axes) - 1) + ['":'], strict=True))]


def _range_values(chunks: ChunkManifest, rows: slice, urls: pa.Array) -> list[Any]:
    """The parts of `["a.nc",0,100]` for every chunk of a block."""
    offset, length = (arrow.numbers(each[rows]).cast(pa.string()) for each in (chunks.offset, chunks.length))
    return [urls.take(arrow.numbers(chunks.source[rows])), offset, ",", length, "]"]


def _with_odd_values(
    chunks: ChunkManifest, rows: slice, inline: NDArray[np.bool_], parts: Sequence[Any]
) -> Sequence[Any]:
    """The values with those put right that are no ranges: whole files, and bytes held inline."""
    odd = inline | (chunks.length[rows] == np.uint64(WHOLE_FILE))
    if not bool(odd.any()):
        return parts
    said = [_odd_value(chunks, rows.start + row, bool(inline[row])) for row in np.flatnonzero(odd).tolist()]
    return [pc.replace_with_mask(_joined(parts), arrow.flags(odd), arrow.texts(said))]


def _joined(parts: Sequence[Any]) -> pa.Array:
    """Parts put one after the other, row by row."""
    between = ""
    return pc.binary_join_element_wise(*(arrow.texts([p])[0] if isinstance(p, str) else p for p in (*parts, between)))


def _odd_value(chunks: ChunkManifest, row: int, inline: bool) -> str:
    if inline:
        return orjson.dumps(encode_inline(chunks.inline_bytes(row), zeros=False)).decode()
    source, offset, _ = chunks.row(row)
    if offset:
        raise StorageError(f"chunk {row}: expected the whole of {source!r}, found all of it from byte {offset} on")
    return f"[{_json_url(source)}]"


def _json_url(source: str | bytes | None) -> str:
    """A URL as JSON; a file without a name is null."""
    return quoted(source or None).decode() if isinstance(source, str) else ""


def _text(strings: pa.Array) -> memoryview:
    """The strings of an array, one after the other: they stand so in memory."""
    _, offsets, data = strings.buffers()
    stops: NDArray[np.int32] = np.frombuffer(offsets, np.int32)
    first, last = int(stops[strings.offset]), int(stops[strings.offset + len(strings)])
    return memoryview(data)[first:last]


def _compressed(pieces: Iterable[bytes | memoryview], name: str) -> Iterator[bytes | memoryview]:
    """The pieces, compressed as the name of the file says."""
    if name.endswith(".gz"):
        sink = io.BytesIO()
        with gzip.GzipFile(filename="", fileobj=sink, mode="wb", compresslevel=6, mtime=0) as file:
            yield from _drained(pieces, cast(BinaryIO, file), sink)
        yield sink.getvalue()
    elif name.endswith((".zst", ".zstd")):
        sink = _OpenSink()
        with pa.CompressedOutputStream(pa.PythonFile(sink, "w"), "zstd") as stream:
            yield from _drained(pieces, stream, sink)
        yield sink.getvalue()
    else:
        yield from pieces


class _OpenSink(io.BytesIO):
    """Bytes that can still be had when the stream above has closed it."""

    def close(self) -> None:
        """Stay open."""


def _drained(pieces: Iterable[bytes | memoryview], stream: Any, sink: io.BytesIO) -> Iterator[bytes]:
    """Write pieces to a stream, and hand on what came out of it."""
    for piece in pieces:
        stream.write(piece)
        if sink.tell() > 1 << 20:
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
