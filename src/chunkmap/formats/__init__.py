"""The formats that can be scanned: one row each.

A format is told from the first bytes of a file, never from its name. Its module is imported when a file needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from chunkmap.errors import FormatError, SourceError
from chunkmap.io import Source
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
        offsets=(0, *(512 << n for n in range(20))),
    ),
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
    """The format of a file. Raises SourceError for an empty file, FormatError when no format begins like this."""
    size = source.size()
    if not size:
        raise SourceError("the file is empty", url=source.url)
    head = bytes(source.read(0, min(16, size)))
    for row in FORMATS:
        for offset in row.offsets:
            if offset < size and _stands(row, source, head, offset):
                return row
    raise FormatError(
        f"expected a file of {', '.join(row.name for row in FORMATS)}, but it begins with {head!r}",
        url=source.url,
        offset=0,
    )


def _stands(row: Format, source: Source, head: bytes, offset: int) -> bool:
    if offset == 0:
        return head.startswith(row.magics)
    longest = max(map(len, row.magics))
    if offset + longest > source.size():
        return False
    return bytes(source.read(offset, longest)).startswith(row.magics)
