"""The walk over a file: its header-and-data units, each of which says only where the next one begins.

Specification: https://fits.gsfc.nasa.gov/fits_standard.html, version 4.0, sections 3 and 4.4.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from chunkmap.errors import FormatError, TruncatedFile
from chunkmap.formats.fits.cards import BLOCK, CARD, Header, Known, find_end, read_cards
from chunkmap.io.rounds import Hint, Parser, Span
from chunkmap.io.source import Source
from chunkmap.model import Problem

__all__ = ["Unit", "Walk", "walk"]

_AHEAD: Final = 64 << 10
_LONGEST_HEADER: Final = 64 << 20
_MOST_UNITS: Final = 1 << 20
_MOST_AXES: Final = 999
_BITPIX: Final = (8, 16, 32, 64, -32, -64)
_LONGEST_PERIOD: Final = 8
_FIRST_GUESSES, _MOST_GUESSES = 8, 512


@dataclass(frozen=True, slots=True)
class Unit:
    """One header-and-data unit (HDU)."""

    number: int
    """Its place in the file, 0 for the primary one."""
    at: int
    """The first byte of its header."""
    data: int
    """The first byte of its data."""
    nbytes: int
    """How many bytes of data there are by the header, without padding."""
    bitpix: int
    """Bits of an element, negative for real numbers."""
    shape: tuple[int, ...]
    """Length of each axis, the slowest first."""
    header: Header
    """Its cards."""

    @property
    def kind(self) -> str:
        """The type of an extension; empty for the primary unit."""
        return self.header.text("XTENSION") if self.number else ""

    @property
    def is_groups(self) -> bool:
        """Whether it is a structure of random groups (section 6)."""
        return not self.number and bool(self.shape) and self.shape[-1] == 0 and self.header.get("GROUPS") is True

    @property
    def stop(self) -> int:
        """Where the next unit begins."""
        return self.data + -(-self.nbytes // BLOCK) * BLOCK


class Walk(NamedTuple):
    """What there is in a file."""

    units: list[Unit]
    problems: list[Problem]


def walk(source: Source) -> Parser[Walk]:
    """All units of a file.

    Raises FormatError where the first is none. What is wrong with a later one is a problem, and ends the walk.
    """
    units: list[Unit] = []
    guesses, known = _Guesses(), Known()
    at, size = 0, source.size()
    if not size:
        raise FormatError("expected a FITS file, it is empty", url=source.url, offset=0)
    while at < size:
        hints = guesses.ahead(at, units)
        if hints:
            yield Hint(hints)
        try:
            unit = yield from _unit(source, at, units, known)
        except FormatError as error:
            if not units:
                raise
            return Walk(units, [Problem("", "HDU", f"{error.message}; it and what follows is left out", source.url)])
        if unit is None:
            return Walk(units, (yield from _junk(source, at)))
        units.append(unit)
        at = unit.stop
        if len(units) == _MOST_UNITS:
            raise FormatError(f"expected at most {_MOST_UNITS} HDUs", url=source.url, offset=at)
    return Walk(units, _cut_short(source, units[-1]))


def _cut_short(source: Source, last: Unit) -> list[Problem]:
    """What there is to say of a file that ends within what pads its last unit: others may have followed.

    Some writers leave out the padding, all of it. Data that are not all there are a problem of their own.
    """
    end = last.data + last.nbytes
    if source.size() in (last.stop, end) or (last.nbytes and source.size() < end):
        return []
    message = f"the file ends at byte {source.size()}, before the last HDU ends at byte {last.stop}; others may be lost"
    return [Problem("", "file cut short", message, source.url)]


def _junk(source: Source, at: int) -> Parser[list[Problem]]:
    """What there is to say of bytes that are no HDU: nothing where they are padding."""
    length = min(BLOCK, source.size() - at)
    raw = yield Span(at, length, length)
    if not bytes(raw).strip(b"\0 "):
        return []
    message = f"byte {at} begins no HDU; what follows is left out"
    return [Problem("", "bytes after the last HDU", message, source.url)]


def _unit(source: Source, at: int, units: Sequence[Unit], known: Known) -> Parser[Unit | None]:
    """The unit at a place; None when what stands there is no extension."""
    size, number = source.size(), len(units)
    most, length, seen = size - at, min(BLOCK, size - at), 0
    like = units[-1].data - units[-1].at if units else BLOCK
    while True:
        ahead = yield Span(at, length, max(length, min(_AHEAD, most)))
        raw = bytes(ahead[: max(length, like)])  # a header is mostly as long as the one before it
        end = find_end(raw, seen)
        if end is None:
            raw = bytes(ahead)
            end = find_end(raw, seen)
        if not seen and not raw.startswith((b"XTENSION", b"SIMPLE  ") if not number else b"XTENSION"):
            if not number:
                raise FormatError(f"expected a FITS file, it begins with {raw[:8]!r}", url=source.url, offset=at)
            return None
        if end is not None:
            break
        if len(raw) >= min(most, _LONGEST_HEADER):
            raise TruncatedFile(f"the header of HDU {number} has no card END", url=source.url, offset=at)
        seen = len(raw) // CARD * CARD
        length = min(most, max(2 * len(raw), len(raw) + BLOCK), _LONGEST_HEADER)
    header = read_cards(raw[:end], known)
    bitpix, shape, nbytes = _layout(header, source.url, at)
    return Unit(number, at, at + -(-(end + CARD) // BLOCK) * BLOCK, nbytes, bitpix, shape, header)


def _layout(header: Header, url: str, at: int) -> tuple[int, tuple[int, ...], int]:
    """BITPIX, the axes, and the bytes of data: |BITPIX| x GCOUNT x (PCOUNT + NAXIS1 x NAXIS2 ...) / 8 (4.4.1)."""
    bitpix, naxis = header.integer("BITPIX"), header.integer("NAXIS")
    if bitpix not in _BITPIX:
        raise FormatError(f"expected BITPIX of 8, 16, 32, 64, -32 or -64, found {bitpix}", url=url, offset=at)
    if naxis is None or not 0 <= naxis <= _MOST_AXES:
        raise FormatError(f"expected NAXIS of 0 to {_MOST_AXES}, found {header.get('NAXIS')!r}", url=url, offset=at)
    found = [header.integer(f"NAXIS{axis}") for axis in range(naxis, 0, -1)]
    axes = [n for n in found if n is not None and n >= 0]
    pcount, gcount = header.integer("PCOUNT", 0), header.integer("GCOUNT", 1)
    if len(axes) < naxis or pcount is None or gcount is None or min(pcount, gcount) < 0:
        raise FormatError(
            f"expected axes, PCOUNT and GCOUNT of 0 or more, found {found}, {header.get('PCOUNT')!r}"
            f" and {header.get('GCOUNT')!r}",
            url=url,
            offset=at,
        )
    if not axes:
        return bitpix, (), 0
    grouped = axes[-1] == 0 and header.get("GROUPS") is True
    cells = math.prod(axes[:-1] if grouped else axes)
    is_simple = "SIMPLE" in header.values and not grouped
    return bitpix, tuple(axes), abs(bitpix) // 8 * (cells if is_simple else gcount * (pcount + cells))


class _Guesses:
    """Where further headers may stand: instruments write units of the same sizes over and over."""

    def __init__(self) -> None:
        self._until, self._many = 0, _FIRST_GUESSES

    def ahead(self, at: int, units: Sequence[Unit]) -> list[Span]:
        """Headers to fetch together with the one at `at`; none where they were asked for already."""
        if at < self._until or len(units) < 3:
            return []
        period = _period([unit.stop - unit.at for unit in units[-2 * _LONGEST_PERIOD :]])
        if not period:
            return []
        spans = []
        for number in range(self._many):
            like = units[number % period - period]
            spans.append(Span(at, like.data - like.at, like.data - like.at))
            at += like.stop - like.at
        self._until, self._many = at, min(4 * self._many, _MOST_GUESSES)
        return spans


def _period(sizes: Sequence[int]) -> int:
    """After how many units the sizes repeat; 0 when they do not."""
    for period in range(1, _LONGEST_PERIOD + 1):
        if len(sizes) >= 2 * period and sizes[-period:] == sizes[-2 * period : -period]:
            return period
    return 0
