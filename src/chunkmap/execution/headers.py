"""The headers of many inputs: their metadata in memory, their tables where there is room for them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Final

from chunkmap.io.filesystem import Located, locate
from chunkmap.io.system import close, open_directory
from chunkmap.model import ArrayMeta, ManifestArray, ReferenceSet
from chunkmap.storage.place import alone_in
from chunkmap.storage.publishing import clear_leftovers, hold, output_errors
from chunkmap.storage.spill import read_spill, write_spill

__all__ = ["Headers", "headers_beside"]

_HELD: Final = 128 << 20
"""Bytes of tables that are held in memory before the next ones are put aside."""

_KINDS: Final = 4
"""How many kinds of metadata of one array are looked through: files differ in few ways, or in every one."""


class Headers:
    """Takes sets, and gives them back as headers: their chunks come when they are asked for.

    Metadata that are the same in many sets are held once. Tables are held in memory up to `held` bytes; the others
    are put into files of a directory, which the caller removes when all is done.
    """

    def __init__(self, directory: str, held: int) -> None:
        self._directory, self._free = directory, held
        self._numbers = count()
        self._metas: dict[str, list[ArrayMeta]] = {}

    def take(self, refs: ReferenceSet) -> ReferenceSet:
        """The header of a set."""
        nbytes = sum(array.nbytes for array in refs.arrays.values())
        if nbytes > self._free:
            at = locate(f"{self._directory}/{next(self._numbers)}.table")
            write_spill(refs, at)
            found = read_spill(at)
            assert found is not None
            refs = found
        else:
            self._free -= nbytes
        return replace(refs, arrays={path: self._shared(path, array) for path, array in refs.arrays.items()})

    def _shared(self, path: str, array: ManifestArray) -> ManifestArray:
        """The array with metadata that others have too."""
        known = self._metas.setdefault(path, [])
        meta = next((meta for meta in known if meta is array.meta or meta == array.meta), None)
        if meta is not None:
            return array if meta is array.meta else array.under(meta)
        if len(known) < _KINDS:
            known.append(array.meta)
        return array


@contextmanager
def headers_beside(out: Located) -> Iterator[Headers]:
    """Headers whose tables are put aside beside the output, where the workers that write it can reach them."""
    parent = Path(out.path).parent if out.is_local else None
    with output_errors(out):
        if parent is not None:
            parent.mkdir(parents=True, exist_ok=True)
            clear_leftovers(parent, ".chunkmap-", ".tmp")
        alone = nullcontext() if parent is None else alone_in(parent)
        with alone:  # until it is locked nobody may look for the dead
            directory = tempfile.mkdtemp(prefix=".chunkmap-", suffix=".tmp", dir=parent)
            held = open_directory(directory)
            hold(held)
    try:
        yield Headers(directory, _HELD)
    finally:
        close(held)
        shutil.rmtree(directory, ignore_errors=True)  # what cannot be removed goes with the next run
