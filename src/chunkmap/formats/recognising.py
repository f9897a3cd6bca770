"""Telling formats by the bytes of a file, never by its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from chunkmap.errors import FormatError, SourceError, Unsupported
from chunkmap.formats.format import Format, Magic
from chunkmap.formats.pairs import header_of
from chunkmap.io import Range, Source

__all__ = ["recognise", "refuse_compressed", "refusing_compressed"]

_FIRST: Final = 16


class _Refusal(NamedTuple):
    """Files that are told, and not scanned."""

    magic: Magic
    what: str
    remedy: str


_DECOMPRESS: Final = "no range of it is a chunk. Decompress it first"

_REFUSALS: Final = (
    _Refusal(Magic(b"\x1f\x8b"), "gzip", _DECOMPRESS),
    _Refusal(Magic(b"\x1f\x9d"), "compress", _DECOMPRESS),
    _Refusal(Magic(b"BZh"), "bzip2", _DECOMPRESS),
    _Refusal(Magic(b"\xfd7zXZ\x00"), "xz", _DECOMPRESS),
    _Refusal(Magic(b"\x28\xb5\x2f\xfd"), "zstd", _DECOMPRESS),
)
"""What is asked after no format begins like a file."""


def recognise(source: Source, formats: Sequence[Format]) -> Format:
    """The format of a file: the first in the order of the rows.

    Raises SourceError for an empty file, Unsupported for a compressed one, FormatError when no format begins like this.
    One read, and one round of reads more for a file whose first bytes say nothing.
    """
    size = source.size()
    if not size:
        raise SourceError("the file is empty", url=source.url)
    head = bytes(source.read(0, min(_FIRST, size)))
    found = _begun(head, formats) or _found_inside(source, formats, size)
    if found is not None:
        return found
    _refuse_compressed(head, source.url)
    raise FormatError(
        f"expected a file of {', '.join(row.name for row in formats if row.begins)}, but it begins with"
        f" {head!r}{header_of(source.url)}",
        url=source.url,
        offset=0,
    )


@contextmanager
def refusing_compressed(source: Source) -> Iterator[None]:
    """For who knows the format, and tells nothing from the first bytes: a file that is none may be a compressed one.

    Then Unsupported is raised, by name, in the place of FormatError.
    """
    try:
        yield
    except FormatError:
        refuse_compressed(source)
        raise


def refuse_compressed(source: Source) -> None:
    """Raise Unsupported, by name, for a file that begins as a compressed one does."""
    _refuse_compressed(bytes(source.read(0, min(_FIRST, source.size()))), source.url)


def _refuse_compressed(head: bytes, url: str) -> None:
    for magic, what, remedy in _REFUSALS:
        if magic.found_in(head):
            raise Unsupported(f"it is compressed by {what}: {remedy}", feature=f"{what} file", url=url)


def _begun(head: bytes, formats: Sequence[Format]) -> Format | None:
    """The format whose magic these first bytes hold."""
    for row in formats:
        for magic in row.begins:
            if magic.found_in(head):
                return row
    return None


def _found_inside(source: Source, formats: Sequence[Format], size: int) -> Format | None:
    """The format whose magic stands further inside, as after a user block, or after bytes that belong to nothing."""
    reach = min(size, max((magic.reach for row in formats for magic in row.begins), default=0))
    probes = [
        (row, magic, offset)
        for row in formats
        for magic in row.begins
        for offset in magic.at
        if offset + len(magic.text) <= size and offset + len(magic.text) > reach
    ]
    ranges = [Range(0, reach), *(Range(offset, len(magic.text)) for _, magic, offset in probes)]
    head, *pieces = map(bytes, source.read_many(ranges))
    further = {row.name for (row, magic, _), piece in zip(probes, pieces, strict=True) if piece == magic.text}
    return next(
        (row for row in formats if row.name in further or any(magic.found_in(head) for magic in row.begins)), None
    )
