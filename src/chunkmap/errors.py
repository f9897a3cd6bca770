"""Every exception that chunkmap raises on purpose.

    ChunkmapError
    ├── FormatError (ValueError)              the bytes break the format's rules     .url .offset
    │   └── TruncatedFile (EOFError)          a structure reaches past the end of the bytes
    ├── Unsupported (NotImplementedError)     legal, but we cannot represent it      .feature .url
    │   └── NotInstalled (ImportError)        a package of an extra is missing
    ├── SourceError (OSError)                 the bytes cannot be had at all         .url
    │   └── NoSuchFile (FileNotFoundError)    there is nothing under that name
    ├── CombineError (ValueError)             the inputs do not fit together         .inputs
    └── StorageError (ValueError)             a stored reference set is damaged, or cannot be written
        └── OtherWriter                       somebody else wrote the set meanwhile

Two warnings have data as well: `SkippedFiles` and `NotPortable`.

Messages have the form *where: what was expected, what was found. What to do.*
Each error keeps its parts as attributes, and pickles, so that it crosses from a worker to its client whole. What to do
is data as well: a `Remedy` is an argument that would help, which every front end spells in its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

__all__ = [
    "ChunkmapError",
    "CombineError",
    "FormatError",
    "NoSuchFile",
    "NoSuchOption",
    "NotInstalled",
    "NotPortable",
    "OtherWriter",
    "Remedy",
    "SkippedFiles",
    "SourceError",
    "StorageError",
    "TruncatedFile",
    "Unsupported",
    "respelled",
]


@dataclass(frozen=True, slots=True)
class Remedy:
    """An argument that would help, spelled by `str` as the library has it; `...` is what the caller must know.

    >>> print(Remedy("coo_map", {"time": "cf:time"}), Remedy("coo_map", {"x": ...}), Remedy("split", True))
    coo_map={'time': 'cf:time'} coo_map={'x': ...} split=True
    >>> print(Remedy("waive", "units"))
    waive 'units'
    """

    argument: str
    value: Any = None
    """What to give; None where the argument is only named."""

    def __str__(self) -> str:
        if self.argument == "waive":
            return f"waive {self.value!r}"
        return self.argument if self.value is None else f"{self.argument}={_spelled(self.value)}"


def _spelled(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {_spelled(item)}' for key, item in value.items())}}}"
    return "..." if value is ... else repr(value)


def respelled(message: str, remedies: Iterable[Remedy], spell: Callable[[Remedy], str]) -> str:
    """A message whose remedies are spelled in another way.

    >>> respelled("pass split=True", [Remedy("split", True)], lambda remedy: f"--{remedy.argument}")
    'pass --split'
    """
    for text, remedy in sorted(((str(r), r) for r in remedies), key=lambda pair: -len(pair[0])):
        message = message.replace(text, spell(remedy))
    return message


class ChunkmapError(Exception):
    """The root of the tree: catch it to catch everything that chunkmap refuses."""

    remedies: tuple[Remedy, ...] = ()
    """Arguments that would help, as the message spells them."""

    def helped_by(self, *remedies: Remedy) -> Self:
        """The same error, which knows what would help."""
        self.remedies = remedies
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, vars(self))


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


class NoSuchOption(TypeError):
    """An option that the format of a file does not have: the call is wrong, not the file."""


class TruncatedFile(FormatError, EOFError):
    """A structure of the file reaches past its end: the file was cut, or an address in it is wrong."""


class Unsupported(ChunkmapError, NotImplementedError):
    """The file is legal, but says something that references cannot express, or that is not handled yet."""

    def __init__(self, message: str, *, feature: str, url: str | None = None) -> None:
        super().__init__(message)
        self.message, self.feature, self.url = message, feature, url

    def of(self, path: str) -> Unsupported:
        """The same refusal, which names the array that it is about."""
        return Unsupported(f"{path}: {self.message}", feature=self.feature, url=self.url).helped_by(*self.remedies)

    def __str__(self) -> str:
        return f"{self.url}: {self.message}" if self.url else self.message


class NotInstalled(Unsupported, ImportError):
    """A package that is no dependency is needed, and not there. `feature` is its name."""


class SourceError(ChunkmapError, OSError):
    """The bytes of a URL cannot be had: it does not exist, may not be read, or answers wrongly."""

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(message)
        self.message, self.url = message, url

    def __str__(self) -> str:
        return f"{self.url}: {self.message}"


class NoSuchFile(SourceError, FileNotFoundError):
    """There is nothing under that name."""


class CombineError(ChunkmapError, ValueError):
    """Reference sets do not fit together; nothing was combined.

    `inputs` names the first of them that differ.
    """

    def __init__(self, message: str, *, inputs: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message, self.inputs = message, tuple(inputs)


class StorageError(ChunkmapError, ValueError):
    """A stored reference set is damaged or incomplete, or a set cannot be written in the form asked for."""


class OtherWriter(StorageError):
    """Another writer wrote, or is writing, the set that was to be written; nothing was changed."""


class SkippedFiles(UserWarning):
    """Files were left out because they cannot be scanned: `errors` has the error of each, which names it."""

    def __init__(self, errors: Sequence[ChunkmapError], files: int) -> None:
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
        super().__init__(f"{len(errors)} of {files} files were skipped: {'; '.join(map(str, errors[:3]))}{more}")
        self.errors = tuple(errors)


class NotPortable(UserWarning):
    """A set was written to be portable, and some readers do not decode some arrays: `arrays` has for each the readers,
    and why not.

    >>> print(NotPortable({"x": {"GDAL": "the codec lz4"}, "y": {"GDAL": "the codec lz4"}}))
    2 arrays are not for every reader: x (GDAL: the codec lz4); y (GDAL: the codec lz4)
    """

    def __init__(self, arrays: Mapping[str, Mapping[str, str]]) -> None:
        self.arrays = {path: dict(readers) for path, readers in arrays.items()}
        said = [f"{path} ({'; '.join(map(': '.join, readers.items()))})" for path, readers in self.arrays.items()]
        more = f"; and {len(said) - 10} more" if len(said) > 10 else ""
        count = f"{len(said):,} arrays are" if len(said) != 1 else "1 array is"
        super().__init__(f"{count} not for every reader: {'; '.join(said[:10])}{more}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.arrays,)


def _rebuild(kind: type[ChunkmapError], args: tuple[Any, ...], parts: Mapping[str, Any]) -> ChunkmapError:
    """An error as it was before it was pickled."""
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(parts)
    return error
