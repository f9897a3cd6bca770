"""A set that was just written as JSON: its file is read when chunks are asked for, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chunkmap.errors import StorageError
from chunkmap.io import open_whole
from chunkmap.io.filesystem import locate
from chunkmap.model import ChunkManifest, ChunksElsewhere, DeferredArray, ReferenceSet
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.storage.json.reading import read_json
from chunkmap.storage.json.writing import Written
from chunkmap.storage.states import State, state_of

__all__ = ["deferred_json"]


def deferred_json(
    url: str,
    options: Mapping[str, Any] | None,
    written: Mapping[str, Written],
    groups: Mapping[str, Mapping[str, Any]],
    state: State,
    *,
    zarr_format: ZarrFormat = 2,
) -> ReferenceSet:
    """A set that was just written, whose file is read when chunks are asked for, once."""
    file = _JsonFile(url, options, state)
    arrays = {path: DeferredArray(meta, _JsonChunks(file, path, count)) for path, (meta, count, _) in written.items()}
    return ReferenceSet(arrays, groups, name=url, zarr_format=zarr_format)


class _JsonFile:
    """A file that is read when it is first needed."""

    def __init__(self, url: str, options: Mapping[str, Any] | None, state: State) -> None:
        self.url, self.options, self.state = url, options, state

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.url, self.options, self.state)

    @cached_property
    def refs(self) -> ReferenceSet:
        refs = read_json(open_whole(self.url, storage_options=self.options), self.url)
        if state_of(locate(self.url, self.options)) != self.state:
            raise StorageError(f"{self.url}: the file was replaced after this set was written. Load it again")
        return refs


@dataclass(frozen=True, slots=True)
class _JsonChunks(ChunksElsewhere):
    """The chunks of one array in a file."""

    file: _JsonFile
    path: str
    count: int

    @property
    def most_chunks(self) -> int:
        """How many there are."""
        return self.count

    def between(self, start: int, stop: int) -> ChunkManifest:
        """Those in cells `start` to `stop`."""
        return self.file.refs.arrays[self.path].between(start, stop)
