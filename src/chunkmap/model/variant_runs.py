"""The variants of chunks as text in JSON: from which cell of the grid on, in C order, chunks are of which variant.

Files follow one another along an axis, so that such runs are few. Cells without a chunk are of any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from chunkmap.errors import StorageError
from chunkmap.model.array import ManifestArray
from chunkmap.model.manifest import ChunkManifest
from chunkmap.model.meta import ArrayMeta
from chunkmap.model.variants import variants_of

__all__ = ["RUNS", "Runs", "runs_of", "with_runs"]

RUNS: Final = "variants"
"""What the entry of a set that says them is called."""


class Runs:
    """Gathers the runs of one array, of which chunks come in rising order.

    >>> runs = Runs()
    >>> chunks = ChunkManifest((3,), source=np.ones(3, np.uint32), offset=np.zeros(3, np.uint64),
    ...                        length=np.ones(3, np.uint64), variant=np.array([0, 4, 4], np.uint16))
    >>> runs.add(chunks, 0), runs.add(chunks, 3), runs.to_json()
    (None, None, [[0, 1, 3, 4], [0, 4, 0, 4]])
    """

    def __init__(self) -> None:
        self._first: list[int] = []
        self._variant: list[int] = []

    def add(self, chunks: ChunkManifest, first: int) -> None:
        """Take in chunks, whose positions count from the cell `first`."""
        if not len(chunks):
            return
        variant, starts = chunks.variants(slice(1)), np.zeros(1, np.int64)
        if chunks.variant is not None:
            starts = np.append(0, np.flatnonzero(np.diff(chunks.variant)) + 1)
            variant = chunks.variant
        cells = (starts if chunks.index is None else chunks.index[starts].astype(np.int64)) + first
        for start, number in zip(cells.tolist(), variant[starts].tolist(), strict=True):
            if not self._variant or self._variant[-1] != number:
                self._first.append(start)
                self._variant.append(number)

    def to_json(self) -> list[list[int]]:
        """The first cells of the runs, and the variant of each."""
        return [self._first, self._variant]


def runs_of(arrays: Mapping[str, ManifestArray], gathered: Mapping[str, Runs] | None = None) -> dict[str, Any]:
    """The entry that says of which variants the chunks of arrays are; none where none of them has several.

    `gathered` are the runs of arrays whose chunks have gone by.
    """
    found = {}
    for path, array in arrays.items():
        if len(variants_of(array.meta)) > 1:
            runs = Runs() if gathered is None else gathered[path]
            if gathered is None:
                runs.add(array.manifest(), 0)
            found[path] = runs.to_json()
    return {RUNS: found} if found else {}


def with_runs(path: str, meta: ArrayMeta, chunks: ChunkManifest, said: Mapping[str, Any]) -> ChunkManifest:
    """The chunks of an array with the variants that are said of them, by path.

    Raises StorageError where that is not said: which variant a chunk is of is not guessed.
    """
    table = variants_of(meta)
    if len(table) < 2 or not len(chunks):
        return chunks
    try:
        first, variant = (np.array(column, np.int64) for column in said[path])
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise StorageError(
            f"{path}: its chunks are encoded in {len(table)} ways, and the set does not say which chunk in which: what"
            " chunkmap had written beside the references is lost. Write the set again with chunkmap"
        ) from error
    run = np.searchsorted(first, chunks.positions(), "right") - 1
    wrong = first.ndim != 1 or first.shape != variant.shape or bool((np.diff(first) <= 0).any()) or int(run.min()) < 0
    if wrong or int(variant.min()) < 0 or int(variant.max()) >= len(table):
        raise StorageError(f"{path}: it is said wrongly which of its chunks are encoded in which of {len(table)} ways")
    return replace(chunks, variant=variant[run].astype(np.uint16))
