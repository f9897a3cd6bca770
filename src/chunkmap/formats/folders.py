"""Folders of files that are one set: what is done once for all formats of folders, as `scanning` does it for files."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError
from chunkmap.formats import FORMATS, Format, find_format, holds, sniff
from chunkmap.formats.format import options_of
from chunkmap.formats.inlining import INLINE_THRESHOLD
from chunkmap.formats.names import storable
from chunkmap.io import ArchiveFolder, Folder, Range, Source, archive_kind, is_folder
from chunkmap.io.names import name_in
from chunkmap.io.rounds.folders import answered
from chunkmap.model import ChunkManifest, ReferenceSet
from chunkmap.model.edits import inline

__all__ = ["recognise_any", "recognise_folder", "scan_folder"]


def scan_folder(
    folder: Folder,
    *,
    format: str | None = None,  # noqa: A002 - the word that users know
    inline_threshold: int = INLINE_THRESHOLD,
    **options: Any,
) -> ReferenceSet:
    """The references of a folder, whose format is told from what it holds, unless it is named.

    Chunks of fewer than `inline_threshold` stored bytes are held inline; what else is given are options of the format.
    """
    found = recognise_folder(folder) if format is None else find_format(format)
    if not found.is_folder:
        raise FormatError(f"expected a file of {found.name}, found a folder of files", url=folder.url)
    module = found.load()
    scanned = storable(answered(folder, module.parse(folder, options_of(found, module, options))), folder.url)
    refs = ReferenceSet(
        scanned.arrays, scanned.groups, scanned.problems, scanned.files, folder.url, scanned.zarr_format
    )
    return inline(refs, _Fetch(folder), threshold=inline_threshold)


def recognise_any(lies: Source | Folder) -> tuple[Source | Folder, Format]:
    """What is parsed of what lies somewhere, and its format: an archive is a folder of files."""
    if is_folder(lies):
        return lies, recognise_folder(lies)
    kind = archive_kind(lies) if lies.size() else None
    if kind is None:
        return lies, sniff(lies)
    folder = ArchiveFolder(kind, lies)
    return folder, recognise_folder(folder)


def recognise_folder(folder: Folder) -> Format:
    """The format of which a folder holds a file. Raises FormatError where it holds none of any."""
    for row in FORMATS:
        if row.holds and bool((folder.sizes(row.holds) >= 0).any()):
            return row
    found = _by_members(folder) if isinstance(folder, ArchiveFolder) else None
    if found is not None:
        return found
    names = ", ".join(f"{row.name} ({', '.join(row.holds)})" for row in FORMATS if row.holds)
    raise FormatError(
        f"expected a folder of {names}, found none of these files in it. {_what_is_there(folder)}", url=folder.url
    )


def _by_members(folder: ArchiveFolder) -> Format | None:
    """The format all members of which are called as those of an archive are. Raises FormatError where there is none."""
    names = folder.listing().names
    if not names:
        raise FormatError("it is empty: there is no file in it", url=folder.url)
    for row in FORMATS:
        end = row.members
        if end is not None and all(name.endswith(end) for name in names):
            return row
    return None


def _what_is_there(folder: Folder) -> str:
    """What to scan instead: a store further inside of an archive, or the wildcard of files, for the verbs of many."""
    inside, link, archive = folder.url.partition("::")
    inside = inside.rstrip("/")
    inside += "//" if link and inside.endswith(":") else "/"
    stores, suffix = _found_in(folder.listing().names) if isinstance(folder, ArchiveFolder) else ([], ".nc")
    if stores:
        more = f", and {len(stores) - 1:,} more are in it" if len(stores) > 1 else ""
        return f"A store is further inside{more}: scan '{inside}{stores[0]}{link}{archive}'"
    below = f"{inside}{'**/' if link else ''}*{suffix}"
    return f"To scan files in it, name one, or all of a kind with scan_many or build: '{below}{link}{archive}'"


def _found_in(names: Sequence[str]) -> tuple[list[str], str]:
    """Directories that are stores, those above others first, and how most of the files are called in the end.

    >>> _found_in(["a.zarr/.zgroup", "a.zarr/x/.zarray"]), _found_in(["b/1.grib2", "b/2.grib2", "README"])
    ((['a.zarr'], ''), ([], '.grib2'))
    """
    marks = holds()
    directories = sorted({posixpath.dirname(name) for name in names if posixpath.basename(name) in marks})
    stores: list[str] = []
    for directory in directories:
        if not stores or not directory.startswith(f"{stores[-1]}/"):
            stores.append(directory)
    suffixes = Counter(posixpath.splitext(name)[1] for name in names)
    return stores, max(suffixes, key=lambda suffix: (suffixes[suffix], suffix), default="")


class _Fetch:
    """Gives the bytes of chunks that are in a folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def __call__(self, chunks: ChunkManifest, rows: NDArray[Any]) -> Sequence[bytes | memoryview]:
        ranges = list(map(Range, chunks.offset[rows].tolist(), chunks.length[rows].tolist()))
        if isinstance(self._folder, ArchiveFolder):
            return self._folder.outermost.read_many(ranges)
        folder = self._folder.url
        urls = chunks.sources.urls_of(np.asarray(chunks.source[rows]))
        names = [name_in(folder, url[len(folder) + 1 :]) for url in urls]
        return self._folder.read_ranges(names, ranges)
