"""The sources of a manifest, by number: URLs, and blobs of bytes that are held inline.

Most manifests name few files, and have a tuple of them. Where there is a URL for every chunk, as in a Zarr store, a
million Python strings would be larger than the columns, and every question would walk over them: there they are one
text, and the place where each ends in it.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, compress, starmap
from typing import Any, Final, cast, overload

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.packed_sources import PackedSources, Source, encode_url

__all__ = ["MANY", "Block", "Sources", "same_sources"]

Block = tuple[Source | None, ...] | PackedSources
"""Some sources of a table, one after the other."""

MANY: Final = 2048
"""Sources from which on a table of them is packed."""


class Sources(Sequence[Source | None]):
    """The table of sources of a manifest. Read-only; number 0 stands for "no chunk", and is None.

    >>> sources = Sources.of((None, "a.nc", b"held inline"))
    >>> sources[1], len(sources), sources.inline.tolist(), sources == (None, "a.nc", b"held inline")
    ('a.nc', 3, [False, False, True], True)
    """

    __slots__ = ("_inline", "_stops", "blocks")

    blocks: tuple[Block, ...]
    """Parts of the table one after the other; the first is a tuple that begins with None."""

    def __init__(self, *blocks: Block) -> None:
        self.blocks = blocks
        self._inline: NDArray[np.bool_] | None = None
        self._stops = list(accumulate(map(len, blocks)))
        """Where each block ends."""

    @classmethod
    def of(cls, sources: Sequence[Source | None]) -> Sources:
        """The table of a sequence that begins with None, packed where that pays."""
        if isinstance(sources, Sources):
            return sources
        few = tuple(sources)
        return cls(few) if len(few) < MANY else cls((None,), PackedSources.of(cast("tuple[Source, ...]", few[1:])))

    @classmethod
    def packed(cls, prefix: str, names: bytes, stops: NDArray[Any]) -> Sources:
        """The table of URLs that are a prefix, and names that stand one after the other in a text: URL 1 is the first.

        >>> Sources.packed("s3://b/", b"x/0x/1", np.array([3, 6]))[2]
        's3://b/x/1'
        """
        return cls((None,), PackedSources(encode_url(prefix), names, stops))

    @classmethod
    def joined(cls, blocks: Iterable[Block]) -> Sources:
        """Blocks one after the other, of which the first begins with None; few that follow one another are one."""
        some: list[Block] = []
        for block in blocks:
            last = some[-1] if some else None
            if isinstance(block, tuple) and isinstance(last, tuple):
                some[-1] = (*last, *block)
            elif len(block):
                some.append(block)
        return cls(*some)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), self.blocks

    @property
    def few(self) -> tuple[Source | None, ...] | None:
        """All of them, where nothing is packed."""
        only = self.blocks[0]
        return only if len(self.blocks) == 1 and isinstance(only, tuple) else None

    def __len__(self) -> int:
        return self._stops[-1]

    @overload
    def __getitem__(self, number: int) -> Source | None: ...
    @overload
    def __getitem__(self, number: slice) -> tuple[Source | None, ...]: ...
    def __getitem__(self, number: int | slice) -> Source | tuple[Source | None, ...] | None:
        if isinstance(number, slice):
            return tuple(self)[number]
        block, at = self._find(number)
        return block[at]

    def _find(self, number: int) -> tuple[Block, int]:
        """The block that a source is in, and its number there."""
        if len(self.blocks) == 1:
            return self.blocks[0], number
        if number < 0:
            number += len(self)
        at = min(bisect_right(self._stops, number), len(self.blocks) - 1)
        return self.blocks[at], number - (self._stops[at - 1] if at else 0)

    def __iter__(self) -> Iterator[Source | None]:
        return chain.from_iterable(self.blocks)

    def __eq__(self, other: object) -> bool:
        """The same ones in the same order; a tuple of them is equal too."""
        if self is other:
            return True
        if isinstance(other, Sources):
            return self.blocks == other.blocks or (
                (self.few is None or other.few is None)
                and len(self) == len(other)
                and all(starmap(operator.eq, zip(self, other, strict=True)))
            )
        return len(self) == len(other) and tuple(self) == other if isinstance(other, tuple) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Sources: {len(self.urls)} urls, {int(np.count_nonzero(self.inline))} held inline>"

    @property
    def inline(self) -> NDArray[np.bool_]:
        """Source -> whether it is bytes that are held inline."""
        if self._inline is None:
            self._inline = np.concatenate([_inline_column(block) for block in self.blocks])
            self._inline.flags.writeable = False
        return self._inline

    @property
    def urls(self) -> Sequence[str]:
        """The URLs, in order; of a packed table, each becomes a Python string when it is asked for."""
        few = self.few
        return tuple([s for s in few if isinstance(s, str)]) if few is not None else _Urls(self)

    @property
    def inline_nbytes(self) -> int:
        """Bytes that are held inline."""
        return sum(map(_inline_nbytes, self.blocks))

    @property
    def nbytes(self) -> int:
        """Bytes of memory, about."""
        packed = sum(block.nbytes for block in self.blocks if isinstance(block, PackedSources))
        plain = (source for block in self.blocks if isinstance(block, tuple) for source in block)
        return packed + sum(len(source) + 64 for source in plain if source is not None)

    def inline_range(self, number: int, start: int, stop: int) -> bytes:
        """A range of the bytes that a source is. Raises TypeError for a URL."""
        block, at = self._find(number)
        if isinstance(block, PackedSources) and block.inline is not None and bool(block.inline[at]):
            first, last = block.bounds(at)
            return block.data[min(first + start, last) : min(first + stop, last)]
        source = block[at]
        if not isinstance(source, bytes):
            raise TypeError(f"{source!r} is not inline data")
        return source[start:stop]

    def urls_of(self, numbers: NDArray[Any]) -> list[str]:
        """The URLs of some numbers, in their order."""
        few = self.few
        if few is not None:
            return [str(few[number]) for number in numbers.tolist()]
        if len(numbers) < len(self) // 8:
            return [str(self[number]) for number in numbers.tolist()]
        every = list(self)
        return [str(every[number]) for number in numbers.tolist()]

    def with_blob(self, blob: bytes) -> Sources:
        """One more source, the last: bytes that are held inline."""
        return Sources.joined([*self.blocks, (blob,)])

    def kept(self, used: NDArray[np.bool_]) -> tuple[Sources, NDArray[np.uint32]]:
        """Only the sources that are used, beside None; and old number -> new number."""
        used = used.copy()
        used[0] = True
        numbers = (np.cumsum(used, dtype=np.uint32) - np.uint32(1)) * used
        blocks: list[Block] = []
        stop = 0
        for block in self.blocks:
            start, stop = stop, stop + len(block)
            some = used[start:stop]
            if not isinstance(block, PackedSources):
                blocks.append(tuple(compress(block, some.tolist())))
            elif int(np.count_nonzero(some)) >= MANY:
                blocks.append(block.kept(some))
            else:
                blocks.append(tuple([block[number] for number in np.flatnonzero(some).tolist()]))
        return Sources.joined(blocks), numbers

    def renamed(self, rename: Callable[[str], str]) -> tuple[Sources, NDArray[np.uint32]]:
        """Each URL passed through a function; and old number -> new number, as some may become the same."""
        renamed: list[Source | None] = []
        for block in self.blocks:
            if isinstance(block, PackedSources) and block.inline is None:
                renamed += map(rename, block.urls())
            else:
                renamed += [rename(source) if isinstance(source, str) else source for source in block]
        return _interned(renamed)

    def replaced(self, urls: Mapping[int, str]) -> tuple[Sources, NDArray[np.uint32]]:
        """The URLs of some numbers replaced by others; and old number -> new number.

        Where few of many are, the old ones stay in the table.
        """
        if self.few is not None or len(urls) > MANY:
            return _interned([urls.get(number, source) for number, source in enumerate(self)])
        new = dict.fromkeys(urls.values())
        stop = {url: len(self) + n for n, url in enumerate(new)}
        numbers = np.arange(len(self), dtype=np.uint32)
        for number, url in urls.items():
            numbers[number] = stop[url]
        return Sources.joined([*self.blocks, tuple(new)]), numbers

    def found(self, urls: Collection[str]) -> list[tuple[int, str]]:
        """Number and URL of each of the URLs that are in the table; of a packed one, no other URL is looked at."""
        found: list[tuple[int, str]] = []
        stop = 0
        for block in self.blocks:
            start, stop = stop, stop + len(block)
            if isinstance(block, PackedSources):
                found += [(start + number, url) for number, url in block.found(urls)]
            else:
                found += [(start + n, s) for n, s in enumerate(block) if isinstance(s, str) and s in urls]
        return found

    def __contains__(self, source: object) -> bool:
        return bool(self.found([source])) if isinstance(source, str) else super().__contains__(source)


class _Urls(Sequence[str]):
    """The URLs of a packed table, of which none is a Python string before it is asked for."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._numbers = np.flatnonzero(~sources.inline)[1:]

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[str]: ...
    def __getitem__(self, number: int | slice) -> str | Sequence[str]:
        if isinstance(number, slice):
            return self._sources.urls_of(self._numbers[number])
        return str(self._sources[int(self._numbers[number])])

    def __iter__(self) -> Iterator[str]:
        return (source for source in self._sources if isinstance(source, str))

    def __contains__(self, url: object) -> bool:
        return isinstance(url, str) and url in self._sources

    def index(self, url: str, start: int = 0, stop: int | None = None) -> int:
        """Where a URL stands the first time, between two places. Raises ValueError where it does not."""
        places = range(len(self))[start:stop]
        found = [place for place in self._places(url) if place in places]
        if not found:
            raise ValueError(f"{url!r} is not among the URLs")
        return found[0]

    def count(self, url: str) -> int:
        """How many times a URL stands among them."""
        return len(self._places(url))

    def _places(self, url: str) -> list[int]:
        numbers = [number for number, _ in self._sources.found([url])]
        return [int(place) for place in np.searchsorted(self._numbers, numbers)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (tuple, list, _Urls)):
            return NotImplemented
        if isinstance(other, _Urls) and self._sources.blocks == other._sources.blocks:
            return True
        return len(self) == len(other) and all(starmap(operator.eq, zip(self, other, strict=True)))

    __hash__ = None  # type: ignore[assignment]


def same_sources(mine: Sources, numbers: NDArray[np.uint32], theirs: Sources, others: NDArray[np.uint32]) -> bool:
    """Whether the numbers of one table mean what those of another one do, URL by URL."""
    if mine == theirs and np.array_equal(numbers, others):
        return True
    if mine.few is None and theirs.few is None:
        return mine.urls_of(numbers) == theirs.urls_of(others)
    known: dict[Source | None, int] = {}
    first, second = (np.array([known.setdefault(s, len(known)) for s in table]) for table in (mine, theirs))
    return np.array_equal(first[numbers], second[others])


def _interned(sources: Sequence[Source | None]) -> tuple[Sources, NDArray[np.uint32]]:
    """A table of each source once; and for each of those given, its number."""
    once = dict.fromkeys(sources)
    if len(once) == len(sources):
        return Sources.of(sources), np.arange(len(sources), dtype=np.uint32)
    known = dict(zip(once, range(len(once)), strict=True))
    return Sources.of(tuple(once)), np.fromiter(map(known.__getitem__, sources), np.uint32, len(sources))


def _inline_column(block: Block) -> NDArray[np.bool_]:
    if isinstance(block, PackedSources):
        return np.zeros(len(block), np.bool_) if block.inline is None else block.inline
    return np.array([isinstance(source, bytes) for source in block], np.bool_)


def _inline_nbytes(block: Block) -> int:
    if isinstance(block, PackedSources):
        return block.inline_nbytes
    return sum([len(source) for source in block if isinstance(source, bytes)])
