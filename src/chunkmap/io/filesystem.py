"""fsspec, met at one place: from a URL to a filesystem and a path on it, and calls to it that are tried again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from fsspec.spec import AbstractFileSystem

from chunkmap.errors import ChunkmapError, NoSuchFile, SourceError
from chunkmap.io.http_client import get_client
from chunkmap.io.retrying import is_transient, with_retries

__all__ = ["Located", "ask", "locate", "may_be_absent", "named", "read_range", "reason"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Located:
    """A path of a filesystem, under the URL by which its user knows it."""

    url: str
    """The name in messages and references."""
    path: str
    """The path as the filesystem has it, without a slash at its end."""
    fs: AbstractFileSystem = field(repr=False)
    """The filesystem."""
    options: Mapping[str, Any] | None = field(default=None, repr=False)
    """What the caller said of it."""

    def file(self, name: str) -> Located:
        """A file below it."""
        return replace(self, url=f"{self.url.rstrip('/')}/{name}", path=f"{self.path}/{name}")

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, where files are mapped and a rename is atomic."""
        protocol = self.fs.protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else protocol)


def locate(
    path: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None, *, url: str | None = None
) -> Located:
    """The filesystem of a URL, and the path on it. Raises SourceError when no filesystem knows it."""
    path = os.fspath(path)
    name = path if url is None else url
    options = storage_options or {}
    if path.startswith(("http://", "https://")):
        options = {"get_client": get_client, **options}
    try:
        fs, inner = fsspec.core.url_to_fs(path, **options)
    except (ValueError, ImportError, OSError, TypeError) as error:
        raise SourceError(f"cannot be opened: {error}", url=name) from error
    return Located(name, inner.rstrip("/") or "/", fs, storage_options)


def ask(call: Callable[[], T], url: str, doing: str = "read") -> T:
    """Make a call to a filesystem, again where what it raises may pass; what it raises at last names the URL."""
    try:
        return with_retries(call)
    except ChunkmapError:
        raise
    except Exception as error:
        raise named(error, url, doing) from error


def read_range(located: Located, start: int, stop: int) -> bytes | None:
    """Some bytes of a file, fewer where it ends; None when there is no such file."""
    try:
        if located.is_local:
            with Path(located.path).open("rb") as file:
                file.seek(start)
                return file.read(stop - start)
        data: bytes = ask(lambda: located.fs.cat_file(located.path, start=start, end=stop), located.url)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise error if isinstance(error, SourceError) else named(error, located.url) from error
    return data


def named(error: BaseException, url: str, doing: str = "read") -> SourceError:
    """What a filesystem raised, as our own error."""
    if isinstance(error, FileNotFoundError):
        if is_transient(error):
            return SourceError(f"cannot be {doing}: {reason(error.__cause__ or error)}", url=url)
        return NoSuchFile("there is no such file (404, or no such key)", url=url)
    if isinstance(error, PermissionError):
        return SourceError(f"may not be {doing}: {error}", url=url)
    if isinstance(error, IsADirectoryError):
        return SourceError("expected a file, found a directory", url=url)
    return SourceError(f"cannot be {doing}: {reason(error)}", url=url)


def may_be_absent(error: BaseException | None) -> bool:
    """Whether an error is what an object store that may not be listed says of a file that is not there."""
    return isinstance(error, PermissionError) or getattr(error, "status", None) == 403


def reason(error: BaseException) -> str:
    """Why a call failed, in a few words."""
    status, text = getattr(error, "status", None), getattr(error, "message", None)
    return f"the server answered {status} {text or ''}".strip() if status else f"{type(error).__name__}: {error}"
