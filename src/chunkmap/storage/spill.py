"""A reference set as one file of plain columns, of which a header can be read without the rest.

It is what a run keeps of every file that it has scanned: written once, read by stretches. It is no format of exchange,
and only the version of chunkmap that wrote a file reads it.

    MAGIC                  16 bytes with the version of the layout
    length, CRC-32         of the header, two little-endian uint64
    header                 JSON: Zarr documents, problems, targets, and where the columns of each array are
    columns                of each array: source uint32, offset uint64, length uint64, index, variant uint16; then the
                           bytes held inline
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from chunkmap.errors import StorageError
from chunkmap.io.filesystem import Located, read_range
from chunkmap.model import (
    ChunkManifest,
    ChunksElsewhere,
    DeferredArray,
    Precedent,
    Problem,
    ReferenceSet,
    Sources,
)
from chunkmap.model.dictionary import BESIDE, beside, documents, gathered
from chunkmap.model.grid import index_dtype
from chunkmap.storage.about import About
from chunkmap.storage.checksum import checksum
from chunkmap.storage.journal import Place
from chunkmap.storage.publishing import write_part
from chunkmap.storage.text import parse_json

__all__ = ["read_spill", "write_spill"]

_MAGIC: Final = b"chunkmap table\n4"
_HEAD: Final = len(_MAGIC) + 16
_GUESS: Final = 1 << 14
"""How much of a file is read at first: most headers are shorter."""


def write_spill(refs: ReferenceSet, at: Located) -> None:
    """Write a set, whole or not at all."""
    write_part(Place(at), _pieces(refs))


def _pieces(refs: ReferenceSet) -> list[bytes]:
    columns: list[bytes] = []
    described: dict[str, Any] = {}
    stop = 0
    for path, array in refs.arrays.items():
        chunks = array.manifest().compact()
        blobs = [source for source in chunks.sources if isinstance(source, bytes)]
        columns_of = chunks.source, chunks.offset, chunks.length, chunks.index, chunks.variant
        parts = [b"" if column is None else column.tobytes() for column in columns_of]
        parts += blobs
        data = b"".join(parts)
        described[path] = {
            "rows": len(chunks),
            "index": None if chunks.index is None else chunks.index.dtype.str,
            "variant": None if chunks.variant is None else chunks.variant.dtype.str,
            "sources": [
                source if isinstance(source, str) else len(source) for source in chunks.sources if source is not None
            ],
            "at": stop,
            "nbytes": len(data),
            "crc32": checksum(data),
        }
        columns.append(data)
        stop += len(data)
    header = json.dumps(
        {
            "metadata": documents(refs.arrays, refs.groups, refs.zarr_format),
            **beside(refs.arrays, refs.groups, refs.zarr_format),
            "arrays": described,
            "problems": [asdict(problem) for problem in refs.problems],
            "files": About(refs.targets).to_json()["files"],
            "name": refs.name,
        }
    ).encode()
    numbers = np.array([len(header), checksum(header)], "<u8").tobytes()
    return [_MAGIC, numbers, header, *columns]


def read_spill(at: Located, precedent: Precedent | None = None) -> ReferenceSet | None:
    """The set in a file, without its chunks, which are read when they are asked for; None when there is no file.

    One `precedent` for all the sets of a series saves reading what is the same in each.

    Raises StorageError when it is damaged.
    """
    head = read_range(at, 0, _HEAD + _GUESS)
    if head is None:
        return None
    if len(head) < _HEAD or not head.startswith(_MAGIC):
        raise StorageError(f"{at.url}: expected a table of references, found other bytes")
    length, crc32 = np.frombuffer(head, "<u8", 2, len(_MAGIC)).tolist()
    header = head[_HEAD : _HEAD + length]
    if len(header) < length:
        header += read_range(at, _HEAD + len(header), _HEAD + length) or b""
    if len(header) != length or checksum(header) != crc32:
        raise StorageError(f"{at.url}: expected a header of {length} bytes, it is damaged")
    return _decode(parse_json(header), at, _HEAD + length, precedent)


def _decode(document: Mapping[str, Any], at: Located, base: int, precedent: Precedent | None) -> ReferenceSet:
    gathering = gathered(document["metadata"], precedent, said=document.get(BESIDE))
    arrays, groups = gathering.finish()
    return ReferenceSet(
        {
            path: DeferredArray(array.meta, _Columns(at, base, array.meta.grid_shape, document["arrays"][path]))
            for path, array in arrays.items()
        },
        groups,
        tuple(Problem(**problem) for problem in document["problems"]),
        About.from_json(document).targets,
        document["name"],
        gathering.zarr_format,
    )


@dataclass(frozen=True, slots=True)
class _Columns(ChunksElsewhere):
    """Where the columns of one array are: a handle that costs little, and can be pickled."""

    at: Located
    base: int
    grid_shape: tuple[int, ...]
    described: Mapping[str, Any]

    @property
    def most_chunks(self) -> int:
        """How many there are."""
        return int(self.described["rows"])

    def between(self, start: int, stop: int) -> ChunkManifest:
        """The chunks in cells `start` to `stop`. The columns of an array are read and checked together."""
        first = self.base + self.described["at"]
        data = read_range(self.at, first, first + self.described["nbytes"]) or b""
        if len(data) != self.described["nbytes"] or checksum(data) != self.described["crc32"]:
            raise StorageError(
                f"{self.at.url}: expected {self.described['nbytes']} bytes of columns, they are damaged;"
                " remove the file, so that what it was made of is scanned again"
            )
        return self._manifest(data).between(start, stop)

    def _manifest(self, data: bytes) -> ChunkManifest:
        rows, at = self.most_chunks, 0
        columns = []
        for kind in ("<u4", "<u8", "<u8", self.described["index"], self.described["variant"]):
            columns.append(None if kind is None else np.frombuffer(data, kind, rows, at))
            at += 0 if kind is None else rows * np.dtype(kind).itemsize
        sources: list[str | bytes | None] = [None]
        for source in self.described["sources"]:
            sources.append(source if isinstance(source, str) else data[at : at + source])
            at += 0 if isinstance(source, str) else source
        source, offset, length, index, variant = columns
        assert source is not None
        assert offset is not None
        assert length is not None
        if index is not None:
            index = index.astype(index_dtype(math.prod(self.grid_shape)), copy=False)
        return ChunkManifest(self.grid_shape, Sources.of(sources), source, offset, length, index, variant)
