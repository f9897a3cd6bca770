"""What is made of a file, made once for all files of a series.

They say the same, byte for byte, and differ in where their tiles are: only those are read anew. Files of which more
than that has to be looked at (without compression, with missing tiles, SubIFDs, or a table of colours) have no plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.formats.format import Scanned
from chunkmap.formats.tiff import tags
from chunkmap.formats.tiff.ifd import Directory
from chunkmap.formats.tiff.pages import Page, Places
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Sources

__all__ = ["Plan", "Plans", "Series", "series_of"]

_MOST_PAGES: Final = 64
_FIRST: Final[NDArray[np.uint32]] = np.ones(1, np.uint32)
_LONG: Final = 16 << 10
"""Bytes that a file says of itself, of which no plan is kept when they are more."""

Series = tuple[object, ...]
"""What tells files of one series from others."""


def series_of(directories: Sequence[Directory], places: Places, *options: object) -> Series | None:
    """The series of a file, for what is made with these options; None where each file is for itself."""
    if not places.are_sound or len(directories) > _MOST_PAGES:
        return None
    said: list[bytes] = []
    for directory in directories:
        entries = directory.entries
        said.append(directory.said)
        said += [bytes(entries[tag].data) for tag in directory.longer]
    return None if sum(map(len, said)) > _LONG else (*said, *options)


def _is_for_itself(directory: Directory) -> bool:
    """Whether more of a directory has to be looked at than it says of itself, and where its tiles are."""
    is_plain = directory.number(tags.COMPRESSION, 1) == 1
    return is_plain or tags.SUB_IFDS in directory or tags.COLOR_MAP in directory


class _Stored(NamedTuple):
    """An array whose chunks are the tiles of a page."""

    meta: ArrayMeta
    grid_shape: tuple[int, ...]
    page: int


def _are_columns_of(array: ManifestArray, columns: tuple[NDArray[np.uint64], NDArray[np.uint64]]) -> bool:
    """Whether the chunks of an array are the tiles of a page as they stand."""
    chunks, (offsets, lengths) = array.chunks, columns
    return np.array_equal(chunks.offset, offsets) and np.array_equal(chunks.length, lengths)


class Plan(NamedTuple):
    """The set of a file, without where its tiles are."""

    scanned: Scanned
    stored: Mapping[str, _Stored]

    @classmethod
    def of(
        cls,
        scanned: Scanned,
        stored: Mapping[str, Sequence[Page]],
        directories: Sequence[Directory],
        places: Places,
    ) -> Plan | None:
        """The plan of a set, whose arrays `stored` are of these pages; None where there is more to it."""
        if scanned.problems or any(map(_is_for_itself, directories)):
            return None
        numbers = {directory.offset: number for number, directory in enumerate(directories)}
        found = {}
        for path, pages in stored.items():
            array, first = scanned.arrays[path], pages[0].directory
            columns = places.of(first)
            if len(pages) > 1 or columns is None or not _are_columns_of(array, columns):
                return None
            found[path] = _Stored(array.meta, array.chunks.grid_shape, numbers[first.offset])
        bare = {path: ManifestArray(one.meta, ChunkManifest.empty(one.grid_shape)) for path, one in found.items()}
        groups = {path: dict(attrs) for path, attrs in scanned.groups.items()}  # of this set, others may be changed
        return cls(scanned._replace(arrays={**scanned.arrays, **bare}, groups=groups), found)

    def filled(self, url: str, directories: Sequence[Directory], places: Places) -> Scanned:
        """The set of another file of the series."""
        arrays, sources, numbers = dict(self.scanned.arrays), Sources((None, url)), _FIRST
        for path, (meta, grid_shape, page) in self.stored.items():
            columns = places.of(directories[page])
            assert columns is not None
            offsets, lengths = columns
            if len(offsets) > len(numbers):
                numbers = np.ones(len(offsets), np.uint32)
            chunks = ChunkManifest(grid_shape, sources, numbers[: len(offsets)], offsets, lengths)
            arrays[path] = ManifestArray(meta, chunks)
        groups = {path: dict(attrs) for path, attrs in self.scanned.groups.items()}
        return Scanned(arrays, groups)


class Plans:
    """Those of the latest series."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, Lock()
        self._known: dict[Any, Plan] = {}

    def get(self, series: Series | None) -> Plan | None:
        """The plan of a series, if there is one."""
        return None if series is None else self._known.get(series)

    def keep(self, series: Series, plan: Plan | None) -> None:
        """Keep a plan, where there is one; the oldest makes room for it."""
        if plan is None:
            return
        with self._lock:
            while len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            self._known[series] = plan
