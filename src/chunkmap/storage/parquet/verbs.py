"""The verbs of sets in Parquet, as its row in `STORES` has them."""

from __future__ import annotations

from dataclasses import replace

from chunkmap.io.filesystem import Located
from chunkmap.model import ReferenceSet
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.storage.parquet.reading import PartitionedSet
from chunkmap.storage.parquet.writing import write_parquet
from chunkmap.storage.stores import FoundSet

__all__ = ["load", "open_set", "write"]


def load(found: FoundSet) -> ReferenceSet:
    """The set in memory."""
    return PartitionedSet(found).load()


def open_set(found: FoundSet, *, problems: bool = True) -> ReferenceSet:
    """The set without its chunks, which are read when they are asked for."""
    return PartitionedSet(found).deferred(problems=problems)


def write(refs: ReferenceSet, at: Located, *, record_size: int, zarr_format: ZarrFormat) -> None:  # noqa: ARG001 - v2
    """Write a set in place of the one that is there. Raises StorageError before anything is changed."""
    plain = {path: array.without_background() for path, array in refs.arrays.items()}
    write_parquet(replace(refs, arrays=plain), at, record_size=record_size)
