"""Many URLs and blobs as columns: one text, and the place where each ends in it."""

from __future__ import annotations

import os.path
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import accumulate, compress, pairwise
from typing import Any, Final, cast, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["PackedSources", "Source", "encode_url"]

Source = str | bytes
"""A URL, or bytes held inline."""

_MANY_RUNS: Final = 4096
"""Ends of runs of sources, from which on they are cut out of the text byte by byte, and not run by run."""


class PackedSources(Sequence[Source]):
    """Many URLs and blobs as one text and the place where each ends; what all the URLs begin with is held once.

    >>> packed = PackedSources.of(["s3://b/x/0.0", "s3://b/x/0.1", b"held inline"])
    >>> packed[1], packed[-1], packed.prefix, packed.data
    ('s3://b/x/0.1', b'held inline', b's3://b/x/', b'0.00.1held inline')
    """

    __slots__ = ("data", "inline", "prefix", "stops")

    def __init__(
        self, prefix: bytes, data: bytes, stops: NDArray[Any], inline: NDArray[np.bool_] | None = None
    ) -> None:
        self.prefix = prefix
        """What every URL begins with, in UTF-8."""
        self.data = data
        """The rest of each URL, and the blobs, one after the other."""
        self.stops = stops.astype(np.uint32 if len(data) < 1 << 32 else np.uint64, copy=False)
        """Source -> where it ends in the data."""
        self.inline = None if inline is None or not bool(inline.any()) else inline
        """Source -> whether it is a blob; None when none is."""
        for column in (self.stops, self.inline):
            if column is not None:
                column.flags.writeable = False

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
        return type(self), (self.prefix, self.data, self.stops, self.inline)

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
        alike = self.prefix == other.prefix and len(self.data) == len(other.data) and len(self) == len(other)
        return self is other or (
            alike
            and bool((self.inline is None) == (other.inline is None))
            and np.array_equal(self.stops, other.stops)
            and (self.inline is None or np.array_equal(self.inline, np.asarray(other.inline)))
            and self.data == other.data
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def inline_nbytes(self) -> int:
        """Bytes that are held inline."""
        return 0 if self.inline is None else int((self.stops - _starts(self.stops))[self.inline].sum())

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return len(self.data) + self.stops.nbytes + (0 if self.inline is None else self.inline.nbytes)

    def bounds(self, number: int) -> tuple[int, int]:
        """Where the bytes of a source begin and end."""
        return int(self.stops[number - 1]) if number else 0, int(self.stops[number])

    def urls(self) -> list[str]:
        """All the URLs as Python strings."""
        if self.inline is None and self.data.isascii():
            prefix, text = _decode(self.prefix), self.data.decode("ascii")
            return [prefix + text[start:stop] for start, stop in pairwise([0, *self.stops.tolist()])]
        pieces: Iterable[bytes] = self._pieces()
        if self.inline is not None:
            pieces = compress(pieces, (~self.inline).tolist())
        return [_decode(self.prefix + piece) for piece in pieces]

    def kept(self, used: NDArray[np.bool_]) -> PackedSources:
        """Only some of them."""
        inline = None if self.inline is None else self.inline[used]
        starts = _starts(self.stops)
        changes = used[1:] != used[:-1]
        if int(np.count_nonzero(changes)) > _MANY_RUNS:
            lengths, rows = self.stops - starts, np.flatnonzero(used)
            data = self._bytes[np.repeat(used, lengths)].tobytes()
            return PackedSources(self.prefix, data, np.cumsum(lengths[rows], dtype=np.uint64), inline)
        edges = np.flatnonzero(np.concatenate([used[:1], changes, used[-1:]]))
        first, last = edges[::2], edges[1::2]
        spans = list(zip(starts[first].tolist(), self.stops[last - 1].tolist(), strict=True))
        lost = np.array(list(accumulate((stop - start for start, stop in spans), initial=0)), np.int64)
        lost = starts[first].astype(np.int64) - lost[:-1]
        runs = zip(first.tolist(), last.tolist(), lost.astype(self.stops.dtype), strict=True)
        stops = [self.stops[:0], *(self.stops[run:end] - less for run, end, less in runs)]
        view = memoryview(self.data)
        data = b"".join([view[start:stop] for start, stop in spans])
        return PackedSources(self.prefix, data, np.concatenate(stops), inline)

    def found(self, urls: Iterable[str]) -> list[tuple[int, str]]:
        """Number and URL of each of these URLs that is here, by columns: no other one becomes a Python string.

        >>> PackedSources.of(["s3://b/x/0.0", "s3://b/x/0.1"]).found(["s3://b/x/0.1", "s3://b/x/0.2", "s3://c"])
        [(1, 's3://b/x/0.1')]
        """
        texts = ((encode_url(url), url) for url in urls)
        tails = {text[len(self.prefix) :]: url for text, url in texts if text.startswith(self.prefix)}
        numbers = self._perhaps(tails) if tails else np.empty(0, np.intp)
        starts = _starts(self.stops)[numbers]
        spans = zip(numbers.tolist(), starts.tolist(), self.stops[numbers].tolist(), strict=True)
        pieces = ((number, self.data[start:stop]) for number, start, stop in spans)
        return [(number, tails[piece]) for number, piece in pieces if piece in tails]

    def _perhaps(self, tails: Collection[bytes]) -> NDArray[np.intp]:
        """Numbers among which are those of all URLs with these tails: of their lengths, and like them at the end."""
        lengths = np.diff(self.stops, prepend=self.stops.dtype.type(0))
        numbers = np.flatnonzero(_any_of(lengths, {len(tail) for tail in tails}))
        if self.inline is not None:
            numbers = numbers[~self.inline[numbers]]
        # From the end: the URLs of a store differ there.
        for back in range(1, min(map(len, tails)) + 1):
            if len(numbers) <= len(tails):
                break
            last = self._bytes[self.stops[numbers].astype(np.int64) - back]
            numbers = numbers[_any_of(last, {tail[-back] for tail in tails})]
        return numbers

    def beginning(self, texts: Iterable[bytes], among: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
        """For each text, which of some sources are URLs that begin with it, and with no text before it.

        >>> packed = PackedSources.of(["s3://b/x/0", "s3://b/y/0", b"s3://b/x/"])
        >>> [rows.tolist() for rows in packed.beginning([b"s3://b/y/", b"s3://"], np.ones(3, bool))]
        [[False, True, False], [True, False, False]]
        """
        left = among.copy() if self.inline is None else among & ~self.inline
        tails = None
        for text in texts:
            found = left.copy() if self.prefix.startswith(text) else np.zeros(len(self), np.bool_)
            if len(text) > len(self.prefix) and text.startswith(self.prefix):
                tails = tails or _Tails(self.data, self.stops)
                rows = tails.beginning(text[len(self.prefix) :])
                found[rows] = left[rows]
            left &= ~found
            yield found

    def moved(self, old: bytes, new: bytes) -> PackedSources:
        """URLs, all of which begin with `old`, with `new` in its place."""
        if self.prefix.startswith(old):
            return PackedSources(new + self.prefix[len(old) :], self.data, self.stops)
        cut = len(old) - len(self.prefix)
        starts = _starts(self.stops).astype(np.int64)
        kept = np.ones(len(self.data), np.bool_)
        for at in range(cut):
            kept[starts + at] = False
        stops = self.stops.astype(np.int64) - np.arange(cut, cut * (len(self) + 1), cut)
        return PackedSources(new, self._bytes[kept].tobytes(), stops)

    @property
    def _bytes(self) -> NDArray[np.uint8]:
        return np.frombuffer(self.data, np.uint8)

    def _pieces(self) -> list[bytes]:
        bounds = [0, *self.stops.tolist()]
        return [self.data[start:stop] for start, stop in pairwise(bounds)]


class _Tails:
    """Many pieces of a text, which are compared by their first byte, and then eight bytes at a time."""

    def __init__(self, data: bytes, stops: NDArray[Any]) -> None:
        self._starts = _starts(stops)
        self._lengths = stops - self._starts
        self._padded = data + bytes(8)
        self._first = np.frombuffer(self._padded, np.uint8)[self._starts]

    def beginning(self, tail: bytes) -> NDArray[np.intp]:
        """Which of them begin so: with a byte at least."""
        rows: NDArray[np.intp] = np.flatnonzero(self._first == tail[0])
        rows = rows[self._lengths[rows] >= len(tail)]
        words = np.ndarray((len(self._padded) - 7,), "<u8", self._padded, strides=(1,))  # from each byte on
        for at in range(0, len(tail), 8):
            some = tail[at : at + 8]
            mask, wanted = np.uint64((1 << 8 * len(some)) - 1), np.uint64(int.from_bytes(some, "little"))
            rows = rows[(words[self._starts[rows].astype(np.int64) + at] & mask) == wanted]
        return rows


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


def _any_of(values: NDArray[Any], wanted: Collection[int]) -> NDArray[np.bool_]:
    """Which of some values are wanted."""
    if len(wanted) == 1:
        return np.asarray(values == next(iter(wanted)))
    table = np.zeros(max(wanted) + 2, np.bool_)
    table[list(wanted)] = True
    return np.asarray(table[np.minimum(values, len(table) - 1)])


def _starts(stops: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([np.zeros(1, stops.dtype), stops[:-1]])
