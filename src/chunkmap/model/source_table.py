"""Interning sources: while a manifest is put together, each URL or blob gets one number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.packed_sources import PackedSources, Source
from chunkmap.model.sources import MANY, Block, Sources

__all__ = ["SourceTable"]


class SourceTable:
    """Gives each URL or blob one number, counted from 1.

    >>> table = SourceTable()
    >>> table.number("a.nc"), table.number("b.nc"), table.number("a.nc")
    (1, 2, 1)
    >>> tuple(table.sources)
    (None, 'a.nc', 'b.nc')
    """

    def __init__(self) -> None:
        self._numbers: dict[Source, int] = {}
        self._stop = 1
        """The next number, but for those given to single sources."""
        self._packed: list[tuple[int, int, PackedSources]] = []
        """Packed sources that were taken in whole: how many single ones came before, their first number, and they."""
        self._known: dict[tuple[bytes, bytes], list[tuple[int, PackedSources]]] = {}
        """First numbers of these, by the text of which they are pieces."""

    def number(self, source: Source) -> int:
        """The number of `source`, new if it was not met before."""
        return self._numbers.setdefault(source, len(self._numbers) + self._stop)

    def numbers(self, sources: Sequence[Source | None]) -> NDArray[np.uint32]:
        """Old number -> new number, for the table of a manifest.

        Packed sources are known again as a whole only; a URL of them that comes singly too gets a second number.
        """
        few = sources.few if isinstance(sources, Sources) else sources
        if few is not None:
            return np.array([0 if s is None else self.number(s) for s in few], np.uint32)
        assert isinstance(sources, Sources)
        return np.concatenate([self._of_block(block) for block in sources.blocks])

    def _of_block(self, block: Sequence[Source | None]) -> NDArray[np.uint32]:
        if not isinstance(block, PackedSources):
            return np.array([0 if s is None else self.number(s) for s in block], np.uint32)
        alike = self._known.setdefault((block.prefix, block.data), [])
        for first, known in alike:
            if known == block:
                return np.arange(first, first + len(known), dtype=np.uint32)
        first = len(self._numbers) + self._stop
        alike.append((first, block))
        self._packed.append((len(self._numbers), first, block))
        self._stop += len(block)
        return np.arange(first, first + len(block), dtype=np.uint32)

    @property
    def sources(self) -> Sources:
        """The table, ready for a manifest; many sources are packed."""
        if not self._packed:
            return Sources.of((None, *self._numbers))
        single, done = iter(self._numbers), 0
        blocks: list[Block] = [(None,)]
        for before, _, packed in self._packed:
            blocks += [_run(list(islice(single, before - done))), packed]
            done = before
        blocks.append(_run(list(single)))
        return Sources.joined(blocks)


def _run(sources: list[Source]) -> Block:
    return tuple(sources) if len(sources) < MANY else PackedSources.of(sources)
