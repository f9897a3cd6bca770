"""Datasets whose elements lie elsewhere in the file: text and sequences of variable length, and references.

A decoder of chunks cannot follow them, so what they lead to is brought into the chunks, which are held inline: text as
`vlen-utf8`, sequences as `vlen-array`, references as the paths of what they refer to. Records with text in
them become packed records, the text as long as the longest, sequences as their length and so many elements as the
longest has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.codecs import make
from chunkmap.codecs.hdf5.padding import nul_padded
from chunkmap.errors import Unsupported
from chunkmap.formats.filling import fill_missing
from chunkmap.formats.hdf5.stored import Stored, chunk_bytes, is_own
from chunkmap.formats.hdf5.structures.datatype import Datatype, plain_bytes, require_dtype
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.filters import decode
from chunkmap.formats.hdf5.structures.global_heap import heap_references, read_heap_objects
from chunkmap.formats.hdf5.structures.references import read_references, reference_text
from chunkmap.formats.hdf5.structures.text_members import texts_in
from chunkmap.formats.text import text_of
from chunkmap.io.rounds import Parser
from chunkmap.model import ChunkManifest, CodecConfig
from chunkmap.model.records import unlike

__all__ = ["VLEN_UTF8", "Embedded", "embed"]

VLEN_UTF8: Final[CodecConfig] = {"id": "vlen-utf8"}

_LONGEST_FILL: Final = 1 << 20
"""Elements of a chunk of fill values."""

_MOST_MEMBERS: Final = 1000
"""Members of a packed record that one member of a record may become."""

_MOST_RECORDS: Final = 16 << 20
"""Bytes of records with text that are held inline."""

Contents = Sequence[bytes]
"""Chunks as HDF5 stores them, without filters."""

Encoder = Callable[[File, Contents], Parser[list[bytes]]]
"""From stored chunks to encoded ones."""


class Embedded(NamedTuple):
    """Chunks that hold their values, and how."""

    dtype: np.dtype[Any]
    codecs: tuple[CodecConfig, ...]
    chunks: ChunkManifest


@dataclass(frozen=True, slots=True)
class _Member:
    """A plain member of a record, however deep it stands."""

    name: str
    offset: int
    datatype: Datatype


def embed(file: File, stored: Stored, datatype: Datatype, native: bytes | None, *, empty: bool) -> Parser[Embedded]:
    """The chunks of a dataset with its values in them. `empty` gives text and sequences up: they are all empty."""
    if empty and datatype.is_vlen and datatype.is_string:
        return Embedded(np.dtype(object), (VLEN_UTF8,), ChunkManifest.empty(stored.chunks.grid_shape))
    if not is_own(file, stored.chunks):
        raise Unsupported("its elements lie in the heaps of other files", feature=datatype.lacks)
    rows = list(range(len(stored.chunks)))
    raw = yield from chunk_bytes(file, stored.chunks, rows)
    contents = [decode(stored.codecs, data) for data in raw]
    if empty:
        contents = [_without_text(content, datatype) for content in contents]
        native = None if native is None else _without_text(native, datatype)
    if _becomes_records(datatype):
        return (yield from _embed_records(file, stored, contents, datatype, native))
    dtype, codec, encoder, always = _encoding(datatype)
    chunks, elements = stored.chunks, math.prod(stored.chunk_shape)
    if rows:
        chunks = chunks.with_inline(np.arange(len(chunks)), (yield from encoder(file, contents)))
    if len(chunks) < chunks.size and (always or (native is not None and any(native))):
        own = native or bytes(datatype.size)
        count = min(elements, _LONGEST_FILL) * datatype.size // len(own)
        (blob,) = yield from encoder(file, [own * count])
        filled = fill_missing(chunks, blob) if elements <= _LONGEST_FILL else None
        if filled is None:
            raise Unsupported("too much of it was never written to hold its fill value inline", feature="fill value")
        chunks = filled
    return Embedded(dtype, (codec,), chunks)


def _encoding(datatype: Datatype) -> tuple[np.dtype[Any], CodecConfig, Encoder, bool]:
    """Dtype, codec and encoder; whether missing chunks read as something else than what is nothing here."""
    dtype = np.dtype(object)
    if datatype.reference:
        return dtype, VLEN_UTF8, _reference_encoder(datatype), False
    if datatype.is_vlen and datatype.is_string:
        return dtype, VLEN_UTF8, _encode_text, False
    base = datatype.base
    if datatype.is_vlen and base is not None and _is_number(base):
        return dtype, _vlen_array_of(require_dtype(base)), _sequence_encoder(base), True
    raise Unsupported(f"its type, {datatype.lacks}, has no counterpart in Zarr", feature=datatype.lacks)


def _becomes_records(datatype: Datatype) -> bool:
    """Whether elements are records already, or are laid out as such."""
    return bool(datatype.members) or _is_laid_out(datatype)


def _is_laid_out(datatype: Datatype) -> bool:
    """Whether elements are sequences of what is no number: each becomes a record of its length and its elements."""
    return datatype.is_vlen and not datatype.is_string and datatype.base is not None and not _is_number(datatype.base)


def _is_number(datatype: Datatype) -> bool:
    return datatype.dtype is not None and datatype.dtype.kind in "iufb" and datatype.bits is None


def _without_text(content: bytes, datatype: Datatype) -> bytes:
    """The same elements, with all that leads into a heap leading nowhere."""
    elements = np.frombuffer(content, np.uint8).reshape(-1, datatype.size).copy()
    for member in _members(datatype, "", 0):
        if member.datatype.needs_heap and not member.datatype.reference:
            elements[:, member.offset : member.offset + member.datatype.size] = 0
    return elements.tobytes()


def _encode_text(file: File, contents: Contents) -> Parser[list[bytes]]:
    """Stored elements to text, chunk by chunk."""
    found = yield from _heap_objects(file, contents)
    return [_vlen_utf8([text_of(o.split(b"\0")[0]) for o in objects]) for objects in found]


def _reference_encoder(datatype: Datatype) -> Encoder:
    """From references to the paths of objects."""

    def encoder(file: File, contents: Contents) -> Parser[list[bytes]]:
        targets = iter((yield from read_references(file, datatype, b"".join(contents))))
        texts = [[reference_text(next(targets), file.paths) for _ in range(len(c) // datatype.size)] for c in contents]
        return list(map(_vlen_utf8, texts))

    return encoder


def _vlen_utf8(texts: list[str]) -> bytes:
    return bytes(make(VLEN_UTF8).encode(np.array(texts, object)))


def _sequence_encoder(base: Datatype) -> Encoder:
    dtype = require_dtype(base)

    def encoder(file: File, contents: Contents) -> Parser[list[bytes]]:
        found = yield from _heap_objects(file, contents, base.size)
        return [_vlen_array([np.frombuffer(o, dtype) for o in objects], dtype) for objects in found]

    return encoder


def _vlen_array_of(dtype: np.dtype[Any]) -> CodecConfig:
    return {"id": "vlen-array", "dtype": dtype.str}


def _vlen_array(sequences: list[NDArray[Any]], dtype: np.dtype[Any]) -> bytes:
    elements = np.empty(len(sequences), object)
    for place, sequence in enumerate(sequences):
        elements[place] = sequence
    return bytes(make(_vlen_array_of(dtype)).encode(elements))


def _heap_objects(file: File, contents: Contents, size: int = 1) -> Parser[list[list[bytes]]]:
    """What each element of each chunk leads to, cut to its length in elements of `size` bytes."""
    references = [heap_references(file, data) for data in contents]
    objects = yield from read_heap_objects(file, [r for group in references for r in group])
    found = [[bytes(next(objects)[: r.size * size]) for r in group] for group in references]
    for group, pieces in zip(references, found, strict=True):
        for reference, piece in zip(group, pieces, strict=True):
            if size > 1 and len(piece) != reference.size * size and reference.address not in (0, file.undefined):
                raise file.error(f"expected {reference.size * size} bytes in the global heap", reference.address)
    return found


def _embed_records(
    file: File, stored: Stored, contents: list[bytes], datatype: Datatype, native: bytes | None
) -> Parser[Embedded]:
    """Records with text: each member is taken out, text is looked up, and all is packed anew, without gaps."""
    members: list[_Member] = []
    taken: set[str] = set()
    for member in _members(datatype, "", 0):
        members.append(replace(member, name=unlike(member.name, taken)))
        taken.add(members[-1].name)
    missing = len(stored.chunks) < stored.chunks.size
    filled = missing and native is not None and any(native)
    parts = [*contents, native] if filled and native is not None else contents
    columns: dict[str, list[NDArray[Any]]] = {}
    for member in members:
        columns |= yield from _columns(file, parts or [b""], member, datatype.size)
    dtype = np.dtype([(name, np.result_type(*column)) for name, column in columns.items()])
    count = math.prod(stored.chunk_shape) * datatype.size // len(native or bytes(datatype.size))
    if (len(contents) + 1) * count * dtype.itemsize > _MOST_RECORDS:
        raise Unsupported("its records with text in them are too many to hold inline", feature="compound with text")
    blobs = []
    for number, part in enumerate(parts):
        records = np.zeros(len(part) // datatype.size, dtype)
        for name, column in columns.items():
            records[name] = column[number]
        blobs.append(records.tobytes())
    chunks = stored.chunks
    if contents:
        chunks = chunks.with_inline(np.arange(len(chunks)), blobs[: len(contents)])
    if filled:
        whole = fill_missing(chunks, blobs[-1] * count)
        if whole is None:
            raise Unsupported("too much of it was never written to hold its fill value inline", feature="fill value")
        chunks = whole
    return Embedded(dtype, (), chunks)


def _members(datatype: Datatype, name: str, offset: int) -> Iterator[_Member]:
    """The plain members, in the order of the type; those of arrays and of records in records are laid flat."""
    if datatype.shape and datatype.base is not None:
        for number, index in enumerate(np.ndindex(*datatype.shape)):
            if number > _MOST_MEMBERS:
                raise Unsupported(f"arrays of more than {_MOST_MEMBERS} beside text", feature="compound with text")
            at = offset + number * datatype.base.size
            yield from _members(datatype.base, f"{name}[{','.join(map(str, index))}]", at)
        return
    if not datatype.members or (datatype.dtype is not None and datatype.dtype.names is None):
        yield _Member(name, offset, datatype)
        return
    for inner, start, member in datatype.members:
        yield from _members(member, f"{name}.{inner}" if name else inner, offset + start)


def _columns(file: File, parts: Contents, member: _Member, size: int) -> Parser[dict[str, list[NDArray[Any]]]]:
    """What the packed records have of one member, for each chunk."""
    datatype = member.datatype
    pieces = [
        np.frombuffer(p, np.uint8).reshape(-1, size)[:, member.offset : member.offset + datatype.size] for p in parts
    ]
    raw = [np.ascontiguousarray(piece).tobytes() for piece in pieces]
    if datatype.reference:
        targets = iter((yield from read_references(file, datatype, b"".join(raw))))
        paths = [
            [reference_text(next(targets), file.paths).encode() for _ in range(len(r) // datatype.size)] for r in raw
        ]
        return {member.name: _texts(paths)}
    if datatype.is_vlen and datatype.is_string:
        found = yield from _heap_objects(file, raw)
        return {member.name: _texts([[o.split(b"\0")[0] for o in objects] for objects in found])}
    if datatype.is_vlen and datatype.base is not None and _is_number(datatype.base):
        return _sequences(member.name, datatype.base, (yield from _heap_objects(file, raw, datatype.base.size)))
    if _is_laid_out(datatype) and datatype.base is not None:
        found = yield from _heap_objects(file, raw, datatype.base.size)
        return (yield from _sequences_laid_out(file, found, member.name, datatype.base))
    dtype = require_dtype(datatype)
    padded = texts_in(datatype)
    if padded:
        raw = [nul_padded(piece, datatype.size, padded) for piece in raw]
    return {member.name: [np.frombuffer(plain_bytes(datatype, piece), dtype) for piece in raw]}


def _texts(chunks: list[list[bytes]]) -> list[NDArray[Any]]:
    """Text as long as the longest."""
    longest = max(1, *(len(text) for texts in chunks for text in texts), 1)
    return [np.array(texts, f"S{longest}") for texts in chunks]


def _sequences(name: str, base: Datatype, chunks: list[list[bytes]]) -> dict[str, list[NDArray[Any]]]:
    """Sequences as their length, and as many elements as the longest has; those that are not there are 0."""
    dtype = require_dtype(base)
    lengths, longest = _lengths(name, base, chunks)
    tables = []
    for sequences in chunks:
        padded = b"".join(held.ljust(longest * base.size, b"\0") for held in sequences)
        tables.append(np.frombuffer(padded, dtype).reshape(len(sequences), longest))
    columns = {f"{name}[{at}]": [np.ascontiguousarray(table[:, at]) for table in tables] for at in range(longest)}
    return {_length_of(name): lengths, **columns}


def _length_of(name: str) -> str:
    return f"{name}.length" if name else "length"


def _lengths(name: str, base: Datatype, chunks: list[list[bytes]]) -> tuple[list[NDArray[Any]], int]:
    """How many elements each sequence has, and the longest."""
    lengths = [np.array([len(held) // base.size for held in sequences], np.int64) for sequences in chunks]
    longest = max(int(own.max(initial=0)) for own in lengths)
    if longest > _MOST_MEMBERS:
        where = f"its member {name!r} has" if name else "it has"
        raise Unsupported(
            f"{where} sequences of up to {longest} elements, more than {_MOST_MEMBERS} in a record",
            feature="sequence of variable length",
        )
    return lengths, longest


def _sequences_laid_out(
    file: File, chunks: list[list[bytes]], name: str, base: Datatype
) -> Parser[dict[str, list[NDArray[Any]]]]:
    """Sequences of what is no number, as `_sequences` has those of numbers: their elements may lie elsewhere again."""
    lengths, longest = _lengths(name, base, chunks)
    columns = {_length_of(name): lengths}
    for at in range(longest):
        span = slice(at * base.size, (at + 1) * base.size)
        parts = [b"".join(held[span].ljust(base.size, b"\0") for held in sequences) for sequences in chunks]
        for member in _members(base, f"{name}[{at}]", 0):
            columns |= yield from _columns(file, parts, member, base.size)
            if len(columns) > _MOST_MEMBERS:
                raise Unsupported(
                    f"its sequences have more than {_MOST_MEMBERS} members", feature="sequence of variable length"
                )
    return columns
