"""Partitions that were read, kept for whoever asks for a chunk in them next."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from chunkmap.model import ChunkManifest

__all__ = ["PartitionCache"]

_NBYTES: Final = 64 << 20


class PartitionCache:
    """The partitions of a set that were used last, by array and number, in at most so many bytes.

    Safe to use from many threads, of which one reads what several ask for. Pickles empty.
    """

    def __init__(self, nbytes: int = _NBYTES) -> None:
        self._nbytes = nbytes
        self._kept: OrderedDict[tuple[str, int], ChunkManifest] = OrderedDict()
        self._lock = threading.Lock()
        self._reading: dict[tuple[str, int], threading.Lock] = {}
        self._total = 0
        self._numbers: dict[str, list[int]] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._nbytes,)

    def get(self, path: str, number: int, read: Callable[[], ChunkManifest]) -> ChunkManifest:
        """A partition that is kept, or that is read now."""
        key = (path, number)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            reading = self._reading.setdefault(key, threading.Lock())
        with reading:
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            chunks = read()
            with self._lock:
                self._keep(key, chunks)
                self._reading.pop(key, None)
        return chunks

    def numbers(self, path: str, find: Callable[[], list[int]]) -> list[int]:
        """The numbers of the partitions of an array that have a file, found once."""
        if path not in self._numbers:
            self._numbers[path] = find()
        return self._numbers[path]

    def _keep(self, key: tuple[str, int], chunks: ChunkManifest) -> None:
        """Keep a partition, and let go of those not used for longest."""
        self._kept[key] = chunks
        self._total += _cost(chunks)
        while self._total > self._nbytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._total -= _cost(oldest)


def _cost(chunks: ChunkManifest) -> int:
    """Bytes of memory, with the text of the URLs."""
    return chunks.nbytes + chunks.sources.nbytes
