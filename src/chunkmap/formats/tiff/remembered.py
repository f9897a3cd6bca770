"""What directories say by a few of their tags, made once for all that say the same.

Overviews, pages of a stack, and files of a series differ in where their tiles are, and in little else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, Generic, Literal, TypeVar

from chunkmap.errors import ChunkmapError
from chunkmap.formats.tiff.ifd import DTYPES, Directory, Entry

__all__ = ["Remembered"]

T = TypeVar("T")

_LONG: Final = 4 << 10
"""Bytes of tags that are not worth remembering."""
_MOST: Final = 256

_Said = tuple[tuple[int, int, bytes], ...]
"""Tags, the types of their values, and these."""


class Remembered(Generic[T]):
    """A function of directories that looks at some of their tags. What it gives is shared, and must not be changed."""

    def __init__(self, tags: Sequence[int], read: Callable[[Directory], T]) -> None:
        self._tags, self._read = frozenset(tags), read
        known: Any = lru_cache(_MOST)(self._read_again)
        self._known: Callable[[Literal["<", ">"], _Said], T] = known

    def __call__(self, directory: Directory) -> T:
        """What the function gives for a directory."""
        wanted = self._tags
        said = tuple(
            [(tag, entry.kind, bytes(entry.data)) for tag, entry in directory.entries.items() if tag in wanted]
        )
        if sum([len(data) for _, _, data in said]) > _LONG:
            return self._read(directory)
        try:
            return self._known(directory.order, said)
        except ChunkmapError:
            return self._read(directory)  # which says where in the file it is wrong

    def _read_again(self, order: Literal["<", ">"], said: _Said) -> T:
        dtypes = DTYPES[order]
        return self._read(Directory("", 0, order, {t: Entry(kind, dtypes[kind], data, 0) for t, kind, data in said}))
