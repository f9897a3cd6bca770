"""Chunks of a reference set beside what the format's own library reads from the files.

Where in a file a chunk is, is found out by scanning the file anew: the range of bytes says which chunk of which array
it is there. What is compared is what is stored, before any scale, mask or unit of time is applied.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from contextlib import ExitStack
from functools import cached_property
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from chunkmap.access.fetching import Fetcher
from chunkmap.access.verifying import Chunk, Finding
from chunkmap.errors import ChunkmapError, FormatError, NotInstalled
from chunkmap.formats import holds
from chunkmap.formats.folders import recognise_any
from chunkmap.formats.scanning import scan
from chunkmap.frontends.oracles import Oracle, Original, Piece, find_oracle
from chunkmap.frontends.oracles.difference import attribute_differences, difference, holds_references
from chunkmap.frontends.oracles.wherefrom import WhereFrom
from chunkmap.io import open_any
from chunkmap.model import ArrayMeta, ReferenceSet
from chunkmap.model.variants import as_variant

__all__ = ["Originals"]

_OPEN: Final = 16
"""Files that are held open."""

Cell = tuple[str, int]
"""A path, and a position in the grid."""


class Originals:
    """The files of a set, each opened when a chunk of it is compared."""

    def __init__(self, refs: ReferenceSet, fetcher: Fetcher) -> None:
        self._refs, self._fetcher = refs, fetcher
        self._where = WhereFrom(refs, fetcher)
        self._opened: OrderedDict[str, _Opened | str] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._opened:
            self._close_oldest()

    def compare(self, chunk: Chunk) -> tuple[bool, str] | None:
        """None when a chunk is what the library reads; else whether that is wrong, and what was found."""
        reason = "held inline, so which file it came from is not known"
        for url in self._files_of(chunk):
            original = self._original(url)
            if isinstance(original, str):
                reason = original
                continue
            misplaced = original.misplaced(chunk)
            if misplaced is not None:
                return True, misplaced
            cell = original.cell(chunk)
            if not isinstance(cell, str):
                return original.compare(chunk, *cell)
            reason = cell
        return False, f"not compared: {reason}"

    def attributes(self) -> list[Finding]:
        """What the library says of arrays and groups, and the set does not; of a set which is the scan of one file."""
        if self._where.only is None:
            return []
        original = self._original(self._where.only)
        if isinstance(original, str):
            return []
        ours = {"": {}, **self._refs.groups}
        ours |= {path: array.meta.attrs for path, array in self._refs.arrays.items()}
        known = original.refs.arrays.keys() | original.refs.groups.keys() | {""}
        return [
            Finding(path, message)
            for path, attrs in ours.items()
            if path in known
            for message in attribute_differences(attrs, original.oracle.attributes(path))
        ]

    def _files_of(self, chunk: Chunk) -> list[str]:
        if chunk.url is not None:
            return self._where.of(chunk.url, chunk.offset)
        return [] if self._where.only is None else [self._where.only]

    def _original(self, url: str) -> _Opened | str:
        if url not in self._opened:
            try:
                self._opened[url] = _open(url, self._fetcher, self._refs)
            except NotInstalled:  # who asks for a comparison must not take its absence for success
                raise
            except ChunkmapError as error:
                self._opened[url] = str(error)
            if len(self._opened) > _OPEN:
                self._close_oldest()
        self._opened.move_to_end(url)
        return self._opened[url]

    def _close_oldest(self) -> None:
        _, original = self._opened.popitem(last=False)
        if isinstance(original, _Opened):
            original.close.close()


def _open(url: str, fetcher: Fetcher, compared: ReferenceSet) -> _Opened | str:
    """Scan a file as it was for a set, and open it with its library; else why that cannot be."""
    resolved, options = fetcher.resolved(url), fetcher.storage_options
    fetcher.trust.check(resolved)
    opened = open_any(resolved, url=url, storage_options=options, holds=holds)
    try:
        lies, row = recognise_any(opened)
    except FormatError:
        return f"nothing in {url} tells a format, as in plain elements (raw): no library says what it holds"
    how: dict[str, Any] = {"shards": "whole"} if row.name == "zarr" and _has_whole_shards(compared) else {}
    refs = scan(resolved, storage_options=options, inline_threshold=0, **how)
    find = find_oracle(row)
    if find is None:
        return f"no library is known here that reads {row.name}"
    close = ExitStack()
    try:
        oracle = find(Original(lies, resolved, refs, fetcher.source, options, close))
    except ChunkmapError:
        raise
    except Exception as error:  # noqa: BLE001 - libraries raise what they like
        return f"the library of the format cannot open {url}: {type(error).__name__}: {error}"
    return _Opened(refs, oracle, close)


def _has_whole_shards(refs: ReferenceSet) -> bool:
    """Whether an array was scanned with the option that leaves shards as they are."""
    return any(codec["id"] == "zarr_shards" for array in refs.arrays.values() for codec in array.meta.codecs)


class _Opened:
    """A file, scanned and opened by its library."""

    def __init__(self, refs: ReferenceSet, oracle: Oracle, close: ExitStack) -> None:
        self.refs, self.oracle, self.close = refs, oracle, close

    @cached_property
    def _cells(self) -> dict[tuple[str, int, int], list[Cell]]:
        """Range -> the cells whose chunks it holds: columns of a table share theirs."""
        cells = defaultdict(list)
        for path, array in self.refs.arrays.items():
            chunks = array.manifest()
            for reference, position in zip(chunks.rows(), chunks.positions().tolist(), strict=True):
                if isinstance(reference.source, str):
                    cells[reference.source, reference.offset, reference.length].append((path, position))
        return cells

    def cell(self, chunk: Chunk) -> Cell | str:
        """Where in the file a chunk is, or why that is not known."""
        array = self.refs.arrays.get(chunk.path)
        if array is not None and _same_grid(array.meta, chunk.meta):
            return chunk.path, chunk.position  # it is not misplaced
        if chunk.url is None:
            return "held inline, in an array that is not as it is in the file"
        found = self._cells.get((chunk.url, chunk.offset, chunk.length), [])
        if len(found) > 1:
            found = [cell for cell in found if cell[0] == chunk.path] or [
                cell for cell in found if self._is_like(cell[0], chunk)
            ]
        if len(found) == 1:
            return found[0]
        where = f"{chunk.length} bytes at byte {chunk.offset}"
        if found:
            return f"{len(found)} arrays of the file have the {where}"
        return f"no chunk of the file is {where}, it is a part of one or of none"

    def _is_like(self, path: str, chunk: Chunk) -> bool:
        """Whether an array has the name, and decodes to the type, of the one that a chunk is of."""
        meta = self.refs.arrays[path].meta
        names = path.rpartition("/")[2], chunk.path.rpartition("/")[2]
        return names[0] == names[1] and (meta.dtype, meta.codecs) == (chunk.meta.dtype, chunk.meta.codecs)

    def misplaced(self, chunk: Chunk) -> str | None:
        """What is wrong with a chunk that stands at another place of an array which is, in shape and chunks, that of
        the file; None when nothing is, or when the array is another one, as that of a combined set.
        """
        array = self.refs.arrays.get(chunk.path)
        if chunk.url is None or array is None or not _same_grid(array.meta, chunk.meta):
            return None
        chunks = array.manifest()
        row = chunks.row_at(chunk.position)
        found = None if row is None else chunks.row(row)
        if found is not None and (found.offset, found.length) == (chunk.offset, chunk.length):
            return None
        there = "there is none" if found is None else f"it is {found.length} bytes at byte {found.offset}"
        return f"its bytes are {chunk.length} at byte {chunk.offset}, in the file {there}"

    def compare(self, chunk: Chunk, path: str, position: int) -> tuple[bool, str] | None:
        """None when the values of a chunk are those of a cell of the file; else whether that is wrong, and why."""
        meta = self.refs.arrays[path].meta
        piece = self._piece(path, meta, position)
        part = piece.part
        is_cut = bool(chunk.meta.edges) and chunk.values.shape == tuple(p.stop - p.start for p in part)
        if meta.chunk_shape != chunk.values.shape and not is_cut:
            return True, f"chunks of {chunk.values.shape}, in the file they are {meta.chunk_shape}"
        inside = tuple(slice(0, p.stop - p.start) for p in part)
        ours = chunk.values[inside] if part else chunk.values
        try:
            theirs = self.oracle.read(piece)
        except Exception as error:  # noqa: BLE001 - libraries raise what they like, and the report says it
            return True, f"the library of the format cannot read it: {type(error).__name__}: {error}"
        if theirs is None:
            return False, f"not compared: the library of the format has nothing that is {path}"
        if holds_references(theirs):
            return False, f"not compared: {path} holds references, and h5py does not say as text what they point to"
        found = difference(ours, as_variant(chunk.meta, meta, theirs))
        return None if found is None else (True, f"{found}, in {path} of the file")

    def _piece(self, path: str, meta: ArrayMeta, position: int) -> Piece:
        chunks = self.refs.arrays[path].manifest()
        row, part = chunks.row_at(position), _part(meta, position)
        if row is None:
            return Piece(path, meta, part, None, 0, 0)
        source, offset, length = chunks.row(row)
        return Piece(path, meta, part, source if isinstance(source, str) else None, offset, length)


def _same_grid(a: ArrayMeta, b: ArrayMeta) -> bool:
    return (a.shape, a.chunks) == (b.shape, b.chunks)


def _part(meta: ArrayMeta, cell: int) -> tuple[slice, ...]:
    coord = np.unravel_index(cell, meta.grid_shape) if meta.ndim else ()
    return meta.elements_of_chunk([int(n) for n in coord])
