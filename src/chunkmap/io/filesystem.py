"""fsspec, met at one place: from a URL to a filesystem and a path on it, and calls to it that are tried again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar

from chunkmap.errors import ChunkmapError, NoSuchFile, SourceError
from chunkmap.io.engines import Engine, check_engine
from chunkmap.io.http_client import TIMEOUT, Permits, get_client
from chunkmap.io.names import local_path, name_of
from chunkmap.io.retrying import causes, is_transient, not_http, remarks, status_of, with_retries
from chunkmap.io.s3_answers import compare_ranges
from chunkmap.io.system import read_part
from chunkmap.settings import settings

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

__all__ = [
    "OURS",
    "Located",
    "ask",
    "is_absent",
    "is_there",
    "limited",
    "locate",
    "may_be_absent",
    "named",
    "read_range",
    "reason",
]

T = TypeVar("T")

OURS: Final = frozenset({"timeout", "engine"})
"""Options that are ours, of any filesystem: what they say is no reason to ask fsspec for files of this machine."""


@dataclass(frozen=True, slots=True)
class Located:
    """A path of a filesystem, under the URL by which its user knows it."""

    url: str
    """The name in messages and references."""
    path: str
    """The path as the filesystem has it, without a slash at its end."""
    given: AbstractFileSystem | None = field(default=None, repr=False)
    """The filesystem; None for that of this machine, which is made when it is asked for."""
    options: Mapping[str, Any] | None = field(default=None, repr=False)
    """What the caller said of it."""
    engine: Engine | None = None
    """What fetches ranges of its files; None for the fastest that keeps every promise."""

    def file(self, name: str) -> Located:
        """A file below it."""
        return replace(self, url=f"{self.url.rstrip('/')}/{name}", path=f"{self.path}/{name}")

    @property
    def fs(self) -> AbstractFileSystem:
        """The filesystem."""
        return _fsspec().filesystem("file") if self.given is None else self.given

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, where files are mapped and a rename is atomic."""
        if self.given is None:
            return True
        protocol = self.given.protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else protocol)


def limited(
    options: Mapping[str, Any] | None, timeout: float | None, engine: Engine | None = None
) -> Mapping[str, Any] | None:
    """Options of a filesystem with a limit in seconds, and an engine, where they are given.

    >>> limited({"anon": True}, 5), limited(None, None)
    ({'anon': True, 'timeout': 5}, None)
    """
    if options is not None and not isinstance(options, Mapping):
        raise TypeError(f"expected options of a filesystem as a mapping, such as {{'anon': True}}, found {options!r}")
    if check_engine(engine) is not None:
        options = {**(options or {}), "engine": engine}
    if timeout is None:
        return options
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ValueError(f"timeout is {timeout!r}, expected seconds, more than 0")
    return {**(options or {}), "timeout": timeout}


def locate(
    path: str | os.PathLike[str],
    storage_options: Mapping[str, Any] | None = None,
    *,
    url: str | None = None,
    permits: Permits | None = None,
) -> Located:
    """The filesystem of a URL, and the path on it. Raises SourceError when no filesystem knows it.

    `permits` is asked of every URL to which a web server sends us on.
    """
    path = name_of(path)
    name = path if url is None else url
    given = dict(storage_options or {})
    own = None if given.keys() - OURS else local_path(path)
    if own is not None:
        check_engine(given.get("engine"))
        _check_name(own, name)
        return Located(name, own, options=storage_options)
    given = {**{key: value for key, value in settings().items() if key in OURS}, **given}
    engine = check_engine(given.pop("engine", None))
    try:
        fs, inner = _fsspec().core.url_to_fs(path, **_with_limits(path, given, permits))
    except (ValueError, ImportError, OSError, TypeError) as error:
        raise SourceError(f"cannot be opened: {error}", url=name) from error
    if isinstance(getattr(fs, "retries", None), int):
        fs.retries = 1  # s3fs: who asks tries again, for longer, and as the server says
    compare_ranges(fs)
    # What is permitted goes for redirects too, and only fsspec shows them.
    by = engine if permits is None else "fsspec"
    return Located(name, inner.rstrip("/") or "/", fs, storage_options, by)


def _check_name(path: str, url: str) -> None:
    """Raise SourceError for what is no name of a file on any system."""
    try:
        found = b"\0" in os.fsencode(path)
    except UnicodeEncodeError:
        found = True
    if found:
        raise SourceError("cannot be opened: this cannot be the name of a file", url=ascii(url)[1:-1])


def _fsspec() -> Any:
    """fsspec, which takes longer to import than most files to scan: those of this machine are read without it."""
    return import_module("fsspec")


def ask(call: Callable[[], T], url: str, doing: str = "read") -> T:
    """Make a call to a filesystem, again where what it raises may pass; what it raises at last names the URL."""
    try:
        return with_retries(call)
    except ChunkmapError:
        raise
    except Exception as error:
        raise named(error, url, doing) from error


def is_there(located: Located, doing: str = "read") -> bool:
    """Whether there is anything, asked anew. Raises SourceError where that cannot be told."""
    try:
        if located.is_local:
            ask(lambda: os.lstat(located.path), located.url, doing)
            return True
        located.fs.invalidate_cache(located.path)
        ask(lambda: located.fs.info(located.path), located.url, doing)
    except NoSuchFile:
        return False
    return True


def read_range(located: Located, start: int, stop: int) -> bytes | None:
    """Some bytes of a file, fewer where it ends; None when there is no such file."""
    try:
        if located.is_local:
            return read_part(located.path, start, stop)
        data: bytes = ask(lambda: located.fs.cat_file(located.path, start=start, end=stop), located.url)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise error if isinstance(error, SourceError) else named(error, located.url) from error
    return data


_ANSWERS: Final = {
    400: "the server does not understand the request (400 Bad Request)",
    401: "may not be {doing} without credentials (401 Unauthorized); give them in storage_options",
    403: "may not be {doing}: the server forbids it (403 Forbidden)",
    410: "was removed for good (410 Gone)",
    416: "the file has fewer bytes than were asked for (416 Range Not Satisfiable); it has changed",
    451: "is withheld for legal reasons (451 Unavailable For Legal Reasons)",
    501: "the server cannot do what is asked of it (501 Not Implemented)",
}
"""What is said of answers that will be no other one."""

_ABSENT: Final = {"written": "cannot be written: there is no such folder or bucket, or not any more"}
"""What is said of what is not there, where that is no file."""


def named(error: BaseException, url: str, doing: str = "read") -> SourceError:
    """What a filesystem raised, as our own error."""
    for cause in causes(error):
        if isinstance(cause, SourceError):
            return copy(cause)  # what was caused by it is not to be its cause as well
    status = status_of(error)
    if any(type(cause).__name__ == "TooManyRedirects" for cause in causes(error)):
        return SourceError("is redirected in a circle, or too often", url=url)
    if status in _ANSWERS:
        kind = NoSuchFile if status == 410 else SourceError
        return kind(not_http(error) or _ANSWERS[status].format(doing=doing), url=url)
    if isinstance(error, FileNotFoundError):
        if is_absent(error):
            return NoSuchFile(_ABSENT.get(doing, "there is no such file (404, or no such key)"), url=url)
        return SourceError(f"cannot be {doing}: {reason(error.__cause__ or error)}{_tries(error)}", url=url)
    if isinstance(error, PermissionError):
        return SourceError(f"may not be {doing}: {error}", url=url)
    if isinstance(error, IsADirectoryError):
        return SourceError("expected a file, found a directory", url=url)
    return SourceError(f"cannot be {doing}: {reason(error)}{_tries(error)}", url=url)


def is_absent(error: BaseException) -> bool:
    """Whether an error says that there is no such file, and not that it could not be told."""
    if any(isinstance(cause, _NO_WORD) and not isinstance(cause, NoSuchFile) for cause in causes(error)):
        return False
    return isinstance(error, FileNotFoundError) and status_of(error) in (None, 404, 410) and not is_transient(error)


_NO_WORD: Final = (SourceError, ArithmeticError, AttributeError, TypeError, ValueError)
"""What fsspec turns into a missing file when it asks a web server for one, and is no word of the server: where it sends
us on to is no URL, say.
"""


def may_be_absent(error: BaseException | None) -> bool:
    """Whether an error is what an object store that may not be listed says of a file that is not there."""
    return any(isinstance(cause, PermissionError) for cause in causes(error)) or status_of(error) == 403


def reason(error: BaseException) -> str:
    """Why a call failed, in a few words."""
    status, text = getattr(error, "status", None), getattr(error, "message", None)
    if status:
        return f"the server answered {status} {text or ''}".strip()
    silent = "; nothing came for as long as `timeout` allows" if isinstance(error, TimeoutError) else ""
    return f"{type(error).__name__}: {error}{silent}"


def _tries(error: BaseException) -> str:
    found = remarks(error)
    return f" ({found})" if found else ""


def _with_limits(path: str, options: Mapping[str, Any], permits: Permits | None) -> Mapping[str, Any]:
    """Options for fsspec with our client, and with limits of time where its own are none or far too long."""
    protocol = path.rpartition("::")[2].partition("://")[0]
    if protocol in ("http", "https") and "::" not in path:
        given = {key: value for key, value in options.items() if key not in ("timeout", "cookies")}
        ours = {key: options[key] for key in ("timeout", "cookies") if key in options}
        if permits is not None:
            ours["permits"] = permits
        client = {**ours, **(options.get("client_kwargs") or {})}
        return {"get_client": get_client, **given, **({"client_kwargs": client} if client else {})}
    if protocol in ("s3", "s3a") and "::" not in path:
        given = {key: value for key, value in options.items() if key != "timeout"}
        limit = options.get("timeout", TIMEOUT)
        ours = {"connect_timeout": limit, "read_timeout": limit, "retries": {"max_attempts": 0}}
        return {**given, "config_kwargs": {**ours, **(options.get("config_kwargs") or {})}}
    return options
