"""What is made of a file, made once for all files of a series.

They say the same, byte for byte, and differ in where their tiles are: only those are read anew. Files of which more
than that has to be looked at (without compression, with missing tiles, SubIFDs, or a table of colours) have no plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.formats.format import Scanned
from chunkmap.formats.tiff import tags
from chunkmap.formats.tiff.ifd import Directory
from chunkmap.formats.tiff.pages import Page, Places
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Sources

__all__ = ["Plan", "Plans", "Series", "series_of"]

_MOST_PAGES: Final = 64
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
        if directory.children or tags.COLOR_MAP in entries or directory.number(tags.COMPRESSION, 1) == 1:
            return None
        said.append(directory.said)
        said += [bytes(entries[tag].data) for tag in directory.longer]
    return None if sum(map(len, said)) > _LONG else (*said, *options)


class _Stored(NamedTuple):
    """An array whose chunks are the tiles of a page."""

    meta: ArrayMeta
    grid_shape: tuple[int, ...]
    page: int


class Plan(NamedTuple):
    """The set of a file, without where its tiles are."""

    scanned: Scanned
    stored: Mapping[str, _Stored]

    @classmethod
    def of(
        cls, scanned: Scanned, stored: Mapping[str, Sequence[Page]], directories: Sequence[Directory]
    ) -> Plan | None:
        """The plan of a set, whose arrays `stored` are of these pages; None where there is more to it."""
        if scanned.problems or any(len(pages) > 1 for pages in stored.values()):
            return None
        numbers = {directory.offset: number for number, directory in enumerate(directories)}
        found = {
            path: _Stored(array.meta, array.chunks.grid_shape, numbers[stored[path][0].directory.offset])
            for path, array in scanned.arrays.items()
            if path in stored
        }
        bare = {path: ManifestArray(one.meta, ChunkManifest.empty(one.grid_shape)) for path, one in found.items()}
        return cls(scanned._replace(arrays={**scanned.arrays, **bare}), found)

    def filled(self, url: str, directories: Sequence[Directory], places: Places) -> Scanned:
        """The set of another file of the series."""
        arrays, sources = dict(self.scanned.arrays), Sources((None, url))
        for path, (meta, grid_shape, page) in self.stored.items():
            columns = places.of(directories[page])
            assert columns is not None
            offsets, lengths = columns
            chunks = ChunkManifest(grid_shape, sources, np.ones(len(offsets), np.uint32), offsets, lengths)
            arrays[path] = ManifestArray(meta, chunks)
        groups = {path: dict(attrs) for path, attrs in self.scanned.groups.items()}
        return self.scanned._replace(arrays=arrays, groups=groups)


class Plans:
    """Those of the latest series."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[Any, Plan] = {}

    def get(self, series: Series | None) -> Plan | None:
        """The plan of a series, if there is one."""
        return None if series is None else self._known.get(series)

    def keep(self, series: Series, plan: Plan | None) -> None:
        """Keep a plan, where there is one; the oldest makes room for it."""
        if plan is None:
            return
        while len(self._known) >= self._most:
            self._known.pop(next(iter(self._known)), None)
        self._known[series] = plan
