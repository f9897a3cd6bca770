"""A reference set as JSON, kerchunk's version 1: `{"version": 1, "refs": {key: text or [url, offset, length]}}`.

Written straight from the columns, a block of chunks at a time: no dictionary of all references is ever made. What is
written has no templates and no `gen`. Read are versions 0 and 1, with templates and `gen`, compressed or not.
"""

from __future__ import annotations

import gzip
import io
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, BinaryIO, Final, NamedTuple, cast

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from chunkmap.errors import ChunkmapError, SourceError, StorageError, Unsupported
from chunkmap.io import FileView, Source
from chunkmap.io.filesystem import Located
from chunkmap.io.threads import map_ahead
from chunkmap.model import (
    WHOLE_FILE,
    ArrayInStretches,
    ArrayMeta,
    ChunkManifest,
    ManifestArray,
    ReferenceSet,
)
from chunkmap.model.dictionary import (
    BESIDE,
    ZarrFormat,
    beside,
    chunk_key_parts,
    collector_at_rest,
    documents,
    encode_inline,
    json_text,
)
from chunkmap.model.gathering import Gathering
from chunkmap.storage.json_ranges import read_ranges
from chunkmap.storage.names import check_names
from chunkmap.storage.publishing import output_errors, publish_file
from chunkmap.storage.states import State
from chunkmap.storage.stores import FoundSet
from chunkmap.storage.text import Bounded, parse_json

__all__ = ["COMPRESSIONS", "load", "open_set", "read_json", "write", "write_json_in_stretches"]

COMPRESSIONS: Final = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".zstd": b"\x28\xb5\x2f\xfd"}
"""Endings of the names of compressed sets, and how the files begin."""

_HEAD: Final = re.compile(rb'\s*\{\s*"version"\s*:\s*1\s*,\s*"refs"\s*:\s*\{')
"""How a set begins that can be read in parts: kerchunk, fsspec and chunkmap write so."""

_LONGEST_HEAD: Final = 128

_BESIDE: Final = b'},"%b":' % BESIDE.encode()
"""What the entry begins with that follows the references. No text has this in it: quotation marks are escaped there."""

_PART: Final = 2 << 20
"""Bytes of text that are read at once."""

_BLOCK: Final = 1 << 15
"""Chunks that are printed at once."""


# ---------------------------------------------------------------------- writing


def write(refs: ReferenceSet, at: Located, *, record_size: int, zarr_format: ZarrFormat) -> None:  # noqa: ARG001 - one
    """Write a set as one file, compressed when its name says so, in place of the one that is there."""
    check_names(refs.arrays, refs.groups)
    publish_file(at, _compressed(json_pieces(refs, zarr_format), at.path))


class Written(NamedTuple):
    """An array that was written stretch by stretch."""

    meta: ArrayMeta
    chunks: int
    """How many of them."""


def write_json_in_stretches(
    arrays: Iterable[ArrayInStretches],
    groups: Mapping[str, Mapping[str, Any]],
    at: Located,
    *,
    zarr_format: ZarrFormat = 2,
    expected: State | None = None,
) -> tuple[dict[str, Written], State]:
    """The same for arrays that come stretch by stretch; gives what each turned out to be, and the state of the file.

    Documents come first in the file, and are known last: the chunks wait in a temporary file.
    """
    written: dict[str, Written] = {}
    with output_errors(at), tempfile.TemporaryFile() as waiting:
        for array in arrays:
            count = 0
            for first, chunks in array.stretches:
                count += len(chunks)
                waiting.writelines(_chunk_pieces(array.path, chunks, first, array.grid_shape, zarr_format))
            written[array.path] = Written(array.meta(), count)
        check_names(written, groups)
        heads = {path: ManifestArray(meta, ChunkManifest.empty(meta.grid_shape)) for path, (meta, _) in written.items()}
        waiting.seek(0)
        gathered = iter(lambda: waiting.read(1 << 20), b"")
        text = chain(_documents(heads, groups, zarr_format), gathered, [_end(heads, groups, zarr_format)])
        state = publish_file(at, _compressed(text, at.path), expected=expected)
    return written, state


def json_pieces(refs: ReferenceSet, zarr_format: ZarrFormat = 2) -> Iterator[bytes | memoryview]:
    """The text of the file, piece by piece. Equal sets, in the same order, give equal bytes."""
    yield from _documents(refs.arrays, refs.groups, zarr_format)
    for path, array in refs.arrays.items():
        chunks = array.manifest()
        yield from _chunk_pieces(path, chunks, 0, chunks.grid_shape, zarr_format)
    yield _end(refs.arrays, refs.groups, zarr_format)


def _end(
    arrays: Mapping[str, ManifestArray], groups: Mapping[str, Mapping[str, Any]], zarr_format: ZarrFormat
) -> bytes:
    """What follows the last reference."""
    said = orjson.dumps(beside(arrays, groups, zarr_format))[1:-1]
    return b"},%b}" % said if said else b"}}"


def _documents(
    arrays: Mapping[str, ManifestArray], groups: Mapping[str, Mapping[str, Any]], zarr_format: ZarrFormat = 2
) -> Iterator[bytes | memoryview]:
    yield b'{"version":1,"refs":{'
    comma = b""
    for key, document in documents(arrays, groups, zarr_format).items():
        yield comma + orjson.dumps(key) + b":" + orjson.dumps(json_text(document))
        comma = b","


def _chunk_pieces(
    path: str, chunks: ChunkManifest, first: int, grid_shape: tuple[int, ...], zarr_format: ZarrFormat = 2
) -> Iterator[memoryview]:
    """`,"x/0.0":["a.nc",0,100]` for every chunk, a block at a time; positions count from the cell `first`."""
    before, separator = chunk_key_parts(path, grid_shape, zarr_format)
    prefix = "," + orjson.dumps(before).decode()[:-1]
    urls = pa.array([f"[{_json_url(source)}," for source in chunks.sources], pa.string())
    inline = chunks.is_inline

    def text(rows: slice) -> memoryview:
        keys = _keys(chunks.positions()[rows].astype(np.int64) + first, grid_shape, prefix, separator)
        values = _with_odd_values(chunks, rows, inline[rows], _range_values(chunks, rows, urls))
        return _text(pc.binary_join_element_wise(*keys, *values, ""))

    blocks = [slice(start, min(start + _BLOCK, len(chunks))) for start in range(0, len(chunks), _BLOCK)]
    yield from map_ahead(text, blocks) if len(blocks) > 1 else map(text, blocks)


def _keys(cells: NDArray[np.int64], grid_shape: tuple[int, ...], prefix: str, separator: str) -> list[Any]:
    """The parts of `,"x/0.1":` for every cell of a block: what differs is an Arrow array, what does not a str."""
    if not grid_shape:
        return [f'{prefix}":']
    axes = [pa.array(axis).cast(pa.string()) for axis in np.unravel_index(cells, grid_shape)]
    return [prefix, *chain.from_iterable(zip(axes, [separator] * (len(axes) - 1) + ['":'], strict=True))]


def _range_values(chunks: ChunkManifest, rows: slice, urls: pa.Array) -> list[Any]:
    """The parts of `["a.nc",0,100]` for every chunk of a block."""
    offset, length = (pa.array(column[rows]).cast(pa.string()) for column in (chunks.offset, chunks.length))
    return [urls.take(pa.array(chunks.source[rows])), offset, ",", length, "]"]


def _with_odd_values(
    chunks: ChunkManifest, rows: slice, inline: NDArray[np.bool_], parts: Sequence[Any]
) -> Sequence[Any]:
    """The values with those put right that are no ranges: whole files, and bytes held inline."""
    odd = inline | (chunks.length[rows] == np.uint64(WHOLE_FILE))
    if not bool(odd.any()):
        return parts
    texts = [_odd_value(chunks, rows.start + row, bool(inline[row])) for row in np.flatnonzero(odd).tolist()]
    return [pc.replace_with_mask(pc.binary_join_element_wise(*parts, ""), pa.array(odd), pa.array(texts, pa.string()))]


def _odd_value(chunks: ChunkManifest, row: int, inline: bool) -> str:
    if inline:
        return orjson.dumps(encode_inline(chunks.inline_bytes(row))).decode()
    source, offset, _ = chunks.row(row)
    if offset:
        raise StorageError(f"chunk {row}: expected the whole of {source!r}, found all of it from byte {offset} on")
    return f"[{_json_url(source)}]"


def _json_url(source: str | bytes | None) -> str:
    """A URL as JSON; a file without a name is null."""
    return orjson.dumps(source or None).decode() if isinstance(source, str) else ""


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


# ---------------------------------------------------------------------- reading


def load(found: FoundSet) -> ReferenceSet:
    """Read a set from a file. Raises StorageError naming the file when it is none."""
    return read_json(found.whole(), found.url)


def open_set(found: FoundSet, *, problems: bool = True) -> ReferenceSet:  # noqa: ARG001 - as for every store
    """The same: a file has no parts that could be read by themselves."""
    return load(found)


def read_json(source: Source, url: str) -> ReferenceSet:
    """Read a set from bytes in memory."""
    try:
        with _opened(source) as file:
            refs = _read_in_parts(file, url)
        if refs is not None:
            return refs
        with _opened(source) as file, collector_at_rest():
            return _read_text(file.read(), url)
    except SourceError:
        raise
    except Unsupported as error:
        raise Unsupported(error.message, feature=error.feature, url=url) from error
    except ChunkmapError as error:
        raise StorageError(f"{url}: {error}") from error
    except (ValueError, TypeError, AttributeError, OSError, EOFError, zlib.error) as error:
        is_archival = bytes(source.read(0, min(8, source.size()))).startswith(_ARCHIVAL)
        advice = ". It is a file to scan, not a set of references" if is_archival else ""
        text = f"{url}: expected a reference set as JSON, it cannot be read: {error}{advice}"
        raise StorageError(text) from error


_ARCHIVAL: Final = (
    *(b"\x89HDF", b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x0e\x03\x13\x01", b"GRIB", b"SIMPLE  "),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\x93NUMPY", b"PK\x03\x04"),
)
"""How files of the formats that are scanned begin."""


def _read_text(text: bytes, url: str) -> ReferenceSet:
    document = parse_json(text)
    if not isinstance(document, dict):
        raise StorageError(f"expected a JSON object of references, found {str(document)[:60]!r}")
    return ReferenceSet.from_dict(document, name=url)


def _read_in_parts(file: BinaryIO, url: str) -> ReferenceSet | None:
    """Read a set whose text is `{"version": 1, "refs": {...}}`, a part at a time, so that the text and the objects in
    it are never all in memory; None for another one.

    A part is cut off after a reference. Whether the cut was right is seen by the part being JSON: inside a text or
    inside an array it would not be, because the text or the array would have no end.
    """
    gathering, part = Gathering(), bytearray(file.read(_LONGEST_HEAD))
    head = _HEAD.match(part)
    if head is None:
        return None
    del part[: head.end()]
    size = _PART
    while more := file.read(size):
        part += more
        end = part.rfind(_BESIDE)
        cut = max(part.rfind(mark, 0, len(part) if end < 0 else end) for mark in (b'],"', b'], "', b"],\n"))
        if cut < 0 or not _gathered(gathering, bytes(part[: cut + 1])):
            size = max(_PART, len(part))  # what is read between two tries doubles: a long text is not tried forever
            continue
        del part[: cut + 2]
        size = _PART
    try:
        document = orjson.loads(b'{"version":1,"refs":{' + bytes(part))
    except orjson.JSONDecodeError:
        return None  # damage is named, and NaN understood, by who reads it whole
    if document.keys() - {BESIDE} != {"version", "refs"}:
        return None
    gathering.add(document["refs"])
    gathering.add_beside(document.get(BESIDE))
    arrays, groups = gathering.finish()
    return ReferenceSet(arrays, groups, gathering.problems, name=url, zarr_format=gathering.zarr_format)


def _gathered(gathering: Gathering, text: bytes) -> bool:
    """Take in some references; whether the text is that of whole ones."""
    if (ranges := read_ranges(text)) is not None:
        gathering.add_ranges(*ranges)
        return True
    try:
        refs = orjson.loads(b"{%b}" % text)
    except orjson.JSONDecodeError:
        return False
    gathering.add(refs)
    return True


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    """The text of a file, decompressed as it is read."""
    with io.BufferedReader(FileView(source, blocks=1), _PART) as file:
        head = file.read(4)
        file.seek(0)
        if head.startswith(COMPRESSIONS[".gz"]):
            with gzip.open(cast(BinaryIO, file)) as text:
                yield cast(BinaryIO, Bounded(cast(BinaryIO, text), source.size()))
        elif head.startswith(COMPRESSIONS[".zst"]):
            with pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") as text:
                yield cast(BinaryIO, Bounded(text, source.size()))
        else:
            yield cast(BinaryIO, file)
