"""Many URLs and blobs as columns: one text, and the place where each begins and ends in it.

Some of them, and all of them under another directory, are other columns over the same text: it is never put together
anew as long as a good part of it is used.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, Final, cast, overload

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.matching import Pieces

__all__ = ["PackedSources", "Source", "encode_url"]

Source = str | bytes
"""A URL, or bytes held inline."""

_UNUSED: Final = 4
"""How many times longer than what is used of it the text may be that is held."""


class PackedSources(Sequence[Source]):
    """Many URLs and blobs as pieces of one text; what all the URLs begin with is held once.

    >>> packed = PackedSources.of(["s3://b/x/0.0", "s3://b/x/0.1", b"held inline"])
    >>> packed[1], packed[-1], packed.prefix, packed.data
    ('s3://b/x/0.1', b'held inline', b's3://b/x/', b'0.00.1held inline')
    """

    __slots__ = ("data", "inline", "prefix", "starts", "stops")

    def __init__(
        self,
        prefix: bytes,
        data: bytes,
        stops: NDArray[Any],
        inline: NDArray[np.bool_] | None = None,
        starts: NDArray[Any] | None = None,
    ) -> None:
        self.prefix = prefix
        """What every URL begins with, in UTF-8."""
        self.data = data
        """The rest of each URL, and the blobs, and perhaps bytes that are of none."""
        column: Any = np.uint32 if len(data) < 1 << 32 else np.uint64
        if starts is None:
            edges = np.zeros(len(stops) + 1, column)
            edges[1:] = stops
            starts, stops = edges[:-1], edges[1:]
        self.stops = stops.astype(column, copy=False)
        """Source -> where it ends in the data."""
        self.starts = starts.astype(column, copy=False)
        """Source -> where it begins; by default where the one before it ends."""
        self.inline = None if inline is None or not bool(inline.any()) else inline
        """Source -> whether it is a blob; None when none is."""
        for each in (self.starts, self.stops, self.inline):
            if each is not None:
                each.flags.writeable = False

    @classmethod
    def of(cls, sources: Sequence[Source]) -> PackedSources:
        """Those of a list."""
        kinds = set(map(type, sources))
        if kinds == {str}:
            return cls._of_urls(cast("Sequence[str]", sources))
        inline = np.fromiter((isinstance(source, bytes) for source in sources), np.bool_, len(sources))
        prefix = _common_directory([encode_url(source) for source in sources if isinstance(source, str)])
        pieces = [source if isinstance(source, bytes) else encode_url(source)[len(prefix) :] for source in sources]
        return cls(prefix, b"".join(pieces), _stops(pieces), inline)

    @classmethod
    def _of_urls(cls, urls: Sequence[str]) -> PackedSources:
        text = "\0" + "\0".join(urls)
        if not text.isascii() or text.count("\0") != len(urls):
            pieces = [encode_url(url) for url in urls]
            prefix = _common_directory(pieces)
            return cls(prefix, b"".join([p[len(prefix) :] for p in pieces]), _stops(pieces, len(prefix)))
        directory = _common_directory(urls)
        names = text.replace("\0" + directory, "")
        return cls(encode_url(directory), names.encode("ascii"), _stops(urls, len(directory)))

    def __reduce__(self) -> tuple[object, ...]:
        starts = None if self._is_dense else self.starts
        return type(self), (self.prefix, self.data, self.stops, self.inline, starts)

    def __len__(self) -> int:
        return len(self.stops)

    @overload
    def __getitem__(self, number: int) -> Source: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Source]: ...
    def __getitem__(self, number: int | slice) -> Source | Sequence[Source]:
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(len(self)))]
        start, stop = self.bounds(range(len(self))[number])
        piece = self.data[start:stop]
        held = self.inline is not None and bool(self.inline[number])
        return piece if held else _decode(self.prefix + piece)

    def __iter__(self) -> Iterator[Source]:
        if self.inline is None:
            yield from self.urls()
            return
        for piece, inline in zip(self._pieces(), self.inline.tolist(), strict=True):
            yield piece if inline else _decode(self.prefix + piece)

    def __eq__(self, other: object) -> bool:
        """The same ones in the same order, packed alike."""
        if not isinstance(other, PackedSources):
            return NotImplemented
        if self is other:
            return True
        if self.prefix != other.prefix or len(self) != len(other) or (self.inline is None) != (other.inline is None):
            return False
        if self.inline is not None and not np.array_equal(self.inline, np.asarray(other.inline)):
            return False
        if np.array_equal(self.starts, other.starts) and np.array_equal(self.stops, other.stops):
            if self.data == other.data:
                return True
        elif not np.array_equal(self._lengths, other._lengths):
            return False
        return self._text() == other._text()

    __hash__ = None  # type: ignore[assignment]

    @property
    def inline_nbytes(self) -> int:
        """Bytes that are held inline."""
        return 0 if self.inline is None else int(self._lengths[self.inline].sum(dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        columns = self.stops.nbytes * (1 if self._is_dense else 2)
        return len(self.data) + columns + (0 if self.inline is None else self.inline.nbytes)

    def bounds(self, number: int) -> tuple[int, int]:
        """Where the bytes of a source begin and end."""
        return int(self.starts[number]), int(self.stops[number])

    def urls(self) -> list[str]:
        """All the URLs as Python strings."""
        if self.inline is None and self.data.isascii():
            prefix, text = _decode(self.prefix), self.data.decode("ascii")
            return [prefix + text[start:stop] for start, stop in self._spans()]
        pieces: Iterable[bytes] = self._pieces()
        if self.inline is not None:
            pieces = compress(pieces, (~self.inline).tolist())
        return [_decode(self.prefix + piece) for piece in pieces]

    def kept(self, rows: NDArray[Any] | slice) -> PackedSources:
        """Only some of them, by their numbers, by a mask or a slice."""
        inline = None if self.inline is None else self.inline[rows]
        return PackedSources(self.prefix, self.data, self.stops[rows], inline, self.starts[rows]).without_unused()

    def without_unused(self) -> PackedSources:
        """The same over a shorter text, where much of it is of none."""
        used = int(self._lengths.sum(dtype=np.int64))
        if len(self.data) <= _UNUSED * used + 1024:
            return self
        first, last = int(self.starts.min(initial=len(self.data))), int(self.stops.max(initial=0))
        if last - first <= _UNUSED * used:
            less = self.stops.dtype.type(first)
            return PackedSources(self.prefix, self.data[first:last], self.stops - less, self.inline, self.starts - less)
        return PackedSources(self.prefix, self._text(), np.cumsum(self._lengths, dtype=np.uint64), self.inline)

    def _text(self) -> bytes:
        """The pieces one after the other."""
        if self._is_dense:
            return self.data[: int(self.stops[-1])] if len(self) else b""
        lengths = self._lengths.astype(np.int64)
        stops = np.cumsum(lengths)
        from_there = self.starts.astype(np.int64) - (stops - lengths)
        places = np.arange(int(stops[-1]) if len(stops) else 0) + np.repeat(from_there, lengths)
        text: bytes = self._bytes[places].tobytes()
        return text

    def found(self, urls: Iterable[str]) -> list[tuple[int, str]]:
        """Number and URL of each of these URLs that is here, by columns: no other one becomes a Python string.

        >>> PackedSources.of(["s3://b/x/0.0", "s3://b/x/0.1"]).found(["s3://b/x/0.1", "s3://b/x/0.2", "s3://c"])
        [(1, 's3://b/x/0.1')]
        """
        texts = ((encode_url(url), url) for url in urls)
        tails = {text[len(self.prefix) :]: url for text, url in texts if text.startswith(self.prefix)}
        numbers, which = self._pieces_of_text.equal(list(tails))
        if self.inline is not None:
            is_url = ~self.inline[numbers]
            numbers, which = numbers[is_url], which[is_url]
        asked = list(tails.values())
        return [(number, asked[key]) for number, key in zip(numbers.tolist(), which.tolist(), strict=True)]

    def beginning(self, texts: Sequence[bytes], among: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
        """For each text, the numbers of those sources that are URLs which begin with it, and with no longer one.

        >>> packed = PackedSources.of(["s3://b/x/0", "s3://b/y/0", b"s3://b/x/"])
        >>> [rows.tolist() for rows in packed.beginning([b"s3://b/y/", b"s3://"], np.ones(3, bool))]
        [[1], [0]]
        """
        left = among.copy() if self.inline is None else among & ~self.inline
        found = [np.empty(0, np.intp)] * len(texts)
        longer = [n for n, text in enumerate(texts) if text.startswith(self.prefix) and text != self.prefix]
        rows, which = self._pieces_of_text.beginning([texts[n][len(self.prefix) :] for n in longer], left)
        for n, some in zip(longer, _sorted_apart(rows, which, len(longer)), strict=True):
            found[n] = some
        left[rows] = False
        of_all = [n for n, text in enumerate(texts) if self.prefix.startswith(text)]
        if of_all:
            found[max(of_all, key=lambda n: len(texts[n]))] = np.flatnonzero(left)
        return found

    def moved(self, old: bytes, new: bytes) -> PackedSources:
        """URLs, all of which begin with `old`, with `new` in its place."""
        if self.prefix.startswith(old):
            return PackedSources(new + self.prefix[len(old) :], self.data, self.stops, None, self.starts)
        cut = self.starts.dtype.type(len(old) - len(self.prefix))
        return PackedSources(new, self.data, self.stops, None, self.starts + cut).without_unused()

    @property
    def _pieces_of_text(self) -> Pieces:
        return Pieces(self.data, self.starts, self.stops)

    @property
    def _bytes(self) -> NDArray[np.uint8]:
        return np.frombuffer(self.data, np.uint8)

    @property
    def _is_dense(self) -> bool:
        """Whether the first begins with the text, and each where the one before it ends: then one column says both."""
        is_one_column = self.starts.base is not None and self.starts.base is self.stops.base
        return is_one_column and (not len(self) or not self.starts[0])

    @property
    def _lengths(self) -> NDArray[Any]:
        lengths: NDArray[Any] = self.stops - self.starts
        return lengths

    def _spans(self) -> Iterator[tuple[int, int]]:
        return zip(self.starts.tolist(), self.stops.tolist(), strict=True)

    def _pieces(self) -> list[bytes]:
        return [self.data[start:stop] for start, stop in self._spans()]


def encode_url(url: str) -> bytes:
    """The URL in UTF-8; names of files that are no UTF-8 come as lone surrogates, and stay."""
    return url.encode("utf-8", "surrogatepass")


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")


def _common_directory(urls: Sequence[Any]) -> Any:
    """What all begin with, up to its last `/`."""
    if not urls:
        return b""
    common = os.path.commonprefix([min(urls), max(urls)])  # noqa: RUF071 - up to a slash, and of URLs
    return common[: common.rfind("/" if isinstance(common, str) else b"/") + 1]


def _stops(pieces: Sequence[Source], less: int = 0) -> NDArray[np.uint64]:
    """Where each piece ends when they stand one after the other, each without so many bytes."""
    lengths = np.fromiter(map(len, pieces), np.int64, len(pieces)) - less
    return np.cumsum(lengths).astype(np.uint64)


def _sorted_apart(rows: NDArray[np.intp], which: NDArray[np.intp], count: int) -> list[NDArray[np.intp]]:
    """For each of some keys, the rows that have it."""
    keys = which.astype(np.min_scalar_type(count))  # few bytes are sorted at once
    order = np.argsort(keys, kind="stable")
    return np.split(rows[order], np.searchsorted(keys[order], np.arange(1, count))) if count else []
