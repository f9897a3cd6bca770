"""Folders of files that are one set: what is done once for all formats of folders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from numpy.typing import NDArray

from chunkmap.formats import zarr
from chunkmap.io import ArchiveFolder, Folder, Range, Source, archive_kind
from chunkmap.io.folder import FolderBase
from chunkmap.model import ChunkManifest, ReferenceSet
from chunkmap.model.edits import inline

__all__ = ["HOLDS", "as_folder", "scan_folder"]

HOLDS = (".zmetadata", ".zgroup", ".zarray", "zarr.json")
"""Files of which a folder that can be scanned holds one."""


def as_folder(opened: Source | Folder) -> Folder | None:
    """What was opened as a folder: an archive is one; None for any other file."""
    if isinstance(opened, FolderBase):
        return cast("Folder", opened)
    source = cast("Source", opened)
    kind = archive_kind(source) if source.size() else None
    return None if kind is None else ArchiveFolder(kind, source)


def scan_folder(folder: Folder, *, inline_threshold: int, **options: Any) -> ReferenceSet:
    """The references of a folder; chunks of fewer than `inline_threshold` stored bytes are held inline."""
    refs = zarr.scan(folder, **options)
    return inline(refs, _Fetch(folder), threshold=inline_threshold)


class _Fetch:
    """Gives the bytes of chunks that are in a folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def __call__(self, chunks: ChunkManifest, rows: NDArray[Any]) -> Sequence[bytes | memoryview]:
        ranges = list(map(Range, chunks.offset[rows].tolist(), chunks.length[rows].tolist()))
        if isinstance(self._folder, ArchiveFolder):
            return self._folder.outermost.read_many(ranges)
        prefix = len(self._folder.url) + 1
        names = [url[prefix:] for url in chunks.sources.urls_of(chunks.source[rows])]
        return self._folder.read_ranges(names, ranges)
