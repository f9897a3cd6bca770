"""What chunkmap knows of a stored Parquet set beyond the layout that everybody reads; others ignore these files.

`.chunkmap.json` has for each partition its number of chunks, its length and its checksum, so that a partition that was
lost or damaged is told from one in which no chunk is. `.chunkmap-targets.parq` has what was known of each file that
the references point into when it was scanned.
"""

from __future__ import annotations

import json
import re
import struct
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from operator import itemgetter
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from chunkmap.errors import StorageError
from chunkmap.model import Problem, Target
from chunkmap.storage import arrow
from chunkmap.storage.checksum import checksum
from chunkmap.storage.parquet.bounds import check_size
from chunkmap.storage.points import POINTS
from chunkmap.storage.text import parse_json

__all__ = [
    "SIDECAR",
    "TARGETS",
    "PartitionRecord",
    "PartitionRecords",
    "Sidecar",
    "belongs_to",
    "decode_targets",
    "encode_targets",
]

SIDECAR: Final = ".chunkmap.json"
"""The name of the sidecar in the root of the set."""

TARGETS: Final = ".chunkmap-targets.parq"
"""The name of the table of targets in the root of the set."""

_LAYOUT: Final = 1
_ROW: Final = struct.Struct("<4q")
"""A partition's number, its chunks, and the length and checksum of its file."""

_METADATA: Final = re.compile(rb'"metadata":(\d{1,10})\}\s*\Z')
"""The end of a sidecar."""


_FEW_TARGETS: Final = 1 << 16
_TARGETS_A_BYTE: Final = 8
"""Most rows of the table of targets: their URLs are different ones."""


class PartitionRecord(NamedTuple):
    """A partition as it was written."""

    chunks: int
    """Chunks that are in it."""
    nbytes: int
    """Length of the file."""
    crc32: int
    """CRC-32 of the file."""

    def check(self, data: bytes | None, where: str) -> bytes:
        """The bytes, when they are the ones that were written. Raises StorageError otherwise."""
        if data is None:
            raise StorageError(
                f"{where}: expected a partition of {self.chunks} chunks, but there is no such file;"
                " the set is incomplete, write it again"
            )
        if len(data) != self.nbytes or checksum(data) != self.crc32:
            raise StorageError(
                f"{where}: expected {self.nbytes} bytes with checksum {self.crc32:08x}, found {len(data)} with"
                f" {checksum(data):08x}; it is damaged, so write the set again, or it was changed by another tool,"
                f" in which case remove {SIDECAR} to trust it"
            )
        return data


class PartitionRecords(Mapping[int, PartitionRecord]):
    """The records of an array's partitions, by number, in rising order: few bytes each, as those of very many sets are
    held at one time.

    >>> records = PartitionRecords({7: (100, 9, 2), 1: (50, 8, 3)})
    >>> list(records), records[7].nbytes, records.chunks, 2 in records
    ([1, 7], 9, 150, False)
    """

    __slots__ = ("_rows",)

    def __init__(self, records: Mapping[int, Sequence[int]]) -> None:
        self._rows = b"".join(_ROW.pack(number, *records[number]) for number in sorted(records))

    def __getitem__(self, number: int) -> PartitionRecord:
        row = bisect_left(range(len(self)), number, key=self._number)
        if row == len(self) or self._number(row) != number:
            raise KeyError(number)
        return PartitionRecord(*_ROW.unpack_from(self._rows, row * _ROW.size)[1:])

    def _number(self, row: int) -> int:
        number: int = _ROW.unpack_from(self._rows, row * _ROW.size)[0]
        return number

    def __iter__(self) -> Iterator[int]:
        return map(itemgetter(0), _ROW.iter_unpack(self._rows))

    def __len__(self) -> int:
        return len(self._rows) // _ROW.size

    @property
    def chunks(self) -> int:
        """Chunks in all of them."""
        return sum(map(itemgetter(1), _ROW.iter_unpack(self._rows)))


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The content of `.chunkmap.json`."""

    version: str
    """The version of chunkmap that wrote the set."""
    partitions: Mapping[str, PartitionRecords] = field(default_factory=dict)
    """Partitions by array and number; one that is not here has no chunk in it."""
    targets: PartitionRecord | None = None
    """The table of targets, when there is one."""
    problems: tuple[Problem, ...] = ()
    """What scanning or combining could not represent."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """How the set came about, as JSON: what appending to it must know."""
    metadata: int | None = None
    """CRC-32 of the metadata that were written with it."""

    def encode(self) -> bytes:
        """The file."""
        document = {
            "layout": _LAYOUT,
            "chunkmap": self.version,
            "partitions": {
                path: {str(number): list(record) for number, record in records.items()}
                for path, records in self.partitions.items()
            },
            "targets": None if self.targets is None else list(self.targets),
            "problems": [asdict(problem) for problem in self.problems],
            **({"origin": self.origin} if self.origin else {}),
            **({} if self.metadata is None else {"metadata": self.metadata}),  # last: it is found without parsing
        }
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes, where: str) -> Sidecar:
        """Read the file. Raises StorageError when it is damaged, or of a later layout."""
        try:
            document = parse_json(data)
            if document["layout"] != _LAYOUT:
                raise StorageError(
                    f"{where}: expected layout {_LAYOUT}, found {document['layout']}; a later chunkmap wrote it"
                )
            return cls(
                version=str(document["chunkmap"]),
                partitions={
                    path: PartitionRecords({int(number): tuple(map(int, record)) for number, record in records.items()})
                    for path, records in document["partitions"].items()
                },
                targets=None if document["targets"] is None else PartitionRecord(*map(int, document["targets"])),
                problems=tuple(Problem(**problem) for problem in document["problems"]),
                origin=dict(document.get("origin") or {}),
            )
        except StorageError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, struct.error) as error:
            raise StorageError(f"{where}: expected the sidecar of a reference set, it is damaged: {error!r}") from error


def belongs_to(sidecar: bytes, metadata: bytes) -> bool:
    """Whether a sidecar was written with these metadata, as far as it says."""
    found = _METADATA.search(sidecar)
    return found is None or int(found[1]) == checksum(metadata)


def encode_targets(targets: Mapping[str, Target]) -> bytes:
    """A row for each file: url, size, etag, mtime."""
    table = pa.table(
        {
            "url": arrow.texts(list(targets)),
            "size": arrow.optional([target.size for target in targets.values()], "i8"),
            "etag": arrow.texts([target.etag for target in targets.values()]),
            "mtime": arrow.optional([target.mtime for target in targets.values()], "f8"),
            **_points(targets.values()),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", store_schema=False)
    return bytes(sink.getvalue())


def decode_targets(data: bytes, where: str) -> dict[str, Target]:
    """The targets by URL. Raises StorageError when the table is damaged."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        check_size(file.metadata, len(data), _FEW_TARGETS + _TARGETS_A_BYTE * len(data), where)
        table = file.read(use_threads=False)
        columns = [table.column(name).to_pylist() for name in ("url", "size", "etag", "mtime")]
        held = table.column(POINTS).to_pylist() if POINTS in table.column_names else [None] * len(table)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise StorageError(f"{where}: expected a table of targets, it cannot be read: {error}") from error
    return {
        url: Target(size, etag, mtime, points) for url, size, etag, mtime, points in zip(*columns, held, strict=True)
    }


def _points(targets: Collection[Target]) -> dict[str, pa.Array]:
    """The column of restart points, where any file has them."""
    if all(target.points is None for target in targets):
        return {}
    return {POINTS: pa.array([target.points for target in targets], pa.large_binary())}
