"""The formats that can be scanned: one row each.

A format is told from the first bytes of a file, never from its name. Its module is imported when a file needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from chunkmap.errors import FormatError, SourceError
from chunkmap.io import Range, Source
from chunkmap.model import ReferenceSet

__all__ = ["FORMATS", "Format", "find_format", "sniff"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format: how its files begin, and who scans them."""

    name: str
    """What users call it, in `scan(url, format=...)`."""
    magics: tuple[bytes, ...]
    """What a file may begin with."""
    module: str
    """Where its `scan(source, **options) -> ReferenceSet` lives."""
    offsets: tuple[int, ...] = (0,)
    """Where the magic may stand."""

    @property
    def scan(self) -> Callable[..., ReferenceSet]:
        """The scanner."""
        scanner: Callable[..., ReferenceSet] = import_module(self.module).scan
        return scanner


FORMATS: Final[Sequence[Format]] = (
    Format(
        "hdf5",
        (b"\x89HDF\r\n\x1a\n",),
        "chunkmap.formats.hdf5",
        # HDF5 File Format Specification, II.A: "at byte offset 0, byte offset 512, and at successive locations ...
        # each a multiple of two of the previous location"
        offsets=(0, *(512 << n for n in range(40))),
    ),
    Format("hdf4", (b"\x0e\x03\x13\x01",), "chunkmap.formats.hdf4"),
    Format("netcdf3", (b"CDF\x01", b"CDF\x02", b"CDF\x05"), "chunkmap.formats.netcdf3"),
)
"""Every format, in the order in which they are tried."""


def find_format(name: str) -> Format:
    """The format of this name. Raises ValueError naming those there are."""
    for row in FORMATS:
        if row.name == name:
            return row
    raise ValueError(f"format is {name!r}, expected one of {', '.join(row.name for row in FORMATS)}")


def sniff(source: Source) -> Format:
    """The format of a file. Raises SourceError for an empty file, FormatError when no format begins like this.

    One read, and one round of reads more for a file whose first bytes say nothing.
    """
    size = source.size()
    if not size:
        raise SourceError("the file is empty", url=source.url)
    head = bytes(source.read(0, min(16, size)))
    found = next((row for row in FORMATS if 0 in row.offsets and head.startswith(row.magics)), None)
    found = found or _found_inside(source, size)
    if found is None:
        raise FormatError(
            f"expected a file of {', '.join(row.name for row in FORMATS)}, but it begins with {head!r}",
            url=source.url,
            offset=0,
        )
    return found


def _found_inside(source: Source, size: int) -> Format | None:
    """The format whose magic stands further inside, as after a user block."""
    probes = [
        (row, Range(offset, length))
        for row in FORMATS
        for length in [max(map(len, row.magics))]
        for offset in row.offsets
        if offset and offset + length <= size
    ]
    pieces = source.read_many([place for _, place in probes])
    return next(
        (row for (row, _), piece in zip(probes, pieces, strict=True) if bytes(piece).startswith(row.magics)), None
    )
