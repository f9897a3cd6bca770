"""Every exception that chunkmap raises on purpose.

    ChunkmapError
    ├── FormatError (ValueError)              the bytes break the format's rules     .url .offset
    │   └── TruncatedFile (EOFError)          a structure reaches past the end of the bytes
    ├── Unsupported (NotImplementedError)     legal, but we cannot represent it      .feature .url
    ├── SourceError (OSError)                 the bytes cannot be had at all         .url
    │   └── NoSuchFile (FileNotFoundError)    there is nothing under that name
    ├── CombineError (ValueError)             the inputs do not fit together         .inputs
    └── StorageError (ValueError)             a stored reference set is damaged, or cannot be written

Messages have the form *where: what was expected, what was found. What to do.*
Each error keeps its parts as attributes, and pickles, so that it crosses from a worker to its client whole.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ChunkmapError",
    "CombineError",
    "FormatError",
    "NoSuchFile",
    "SourceError",
    "StorageError",
    "TruncatedFile",
    "Unsupported",
]


class ChunkmapError(Exception):
    """The root of the tree: catch it to catch everything that chunkmap refuses."""


class FormatError(ChunkmapError, ValueError):
    """The bytes of a file break the rules of its format.

    >>> print(FormatError("expected signature 'TREE', found 'XXXX'", url="s3://b/a.nc", offset=132))
    s3://b/a.nc at byte 132: expected signature 'TREE', found 'XXXX'
    """

    def __init__(self, message: str, *, url: str | None = None, offset: int | None = None) -> None:
        super().__init__(message)
        self.message, self.url, self.offset = message, url, offset

    def __str__(self) -> str:
        where = self.url or ""
        if self.offset is not None:
            where += f" at byte {self.offset}"
        return f"{where.strip()}: {self.message}" if where else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_at, (type(self), self.message, self.url, self.offset)


class TruncatedFile(FormatError, EOFError):
    """A structure of the file reaches past its end: the file was cut, or an address in it is wrong."""


class Unsupported(ChunkmapError, NotImplementedError):
    """The file is legal, but says something that references cannot express, or that is not handled yet."""

    def __init__(self, message: str, *, feature: str, url: str | None = None) -> None:
        super().__init__(message)
        self.message, self.feature, self.url = message, feature, url

    def __str__(self) -> str:
        return f"{self.url}: {self.message}" if self.url else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_unsupported, (self.message, self.feature, self.url)


class SourceError(ChunkmapError, OSError):
    """The bytes of a URL cannot be had: it does not exist, may not be read, or answers wrongly."""

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(message)
        self.message, self.url = message, url

    def __str__(self) -> str:
        return f"{self.url}: {self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_source, (type(self), self.message, self.url)


class NoSuchFile(SourceError, FileNotFoundError):
    """There is nothing under that name."""


class CombineError(ChunkmapError, ValueError):
    """Reference sets do not fit together; nothing was combined.

    `inputs` names the first of them that differ.
    """

    def __init__(self, message: str, *, inputs: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message, self.inputs = message, tuple(inputs)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_combine, (self.message, self.inputs)


class StorageError(ChunkmapError, ValueError):
    """A stored reference set is damaged or incomplete, or a set cannot be written in the form asked for."""


def _rebuild_at(kind: type[FormatError], message: str, url: str | None, offset: int | None) -> FormatError:
    return kind(message, url=url, offset=offset)


def _rebuild_unsupported(message: str, feature: str, url: str | None) -> Unsupported:
    return Unsupported(message, feature=feature, url=url)


def _rebuild_source(kind: type[SourceError], message: str, url: str) -> SourceError:
    return kind(message, url=url)


def _rebuild_combine(message: str, inputs: tuple[str, ...]) -> CombineError:
    return CombineError(message, inputs=inputs)
