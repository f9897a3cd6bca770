"""What a URL says of where its bytes are, without opening anything and without fsspec."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

__all__ = [
    "ARCHIVES",
    "LINKS",
    "LOCAL",
    "PROTOCOLS",
    "WRAPPERS",
    "local_path",
    "name_in",
    "name_of",
    "path_in",
    "protocol_of",
]

LOCAL: Final = frozenset({None, "file", "local"})
"""Protocols of files on this machine."""

ARCHIVES: Final = frozenset({"zip", "tar"})
"""Kinds of archives by their protocol in a chained URL."""

PROTOCOLS: Final[Mapping[str, str]] = {"gzip": "gzip", "bzip2": "bz2", "zstd": "zstd"}
"""What compresses files as a whole, and the protocol by which a chained URL names what such a file decompresses to."""

WRAPPERS: Final[Mapping[str, str]] = {protocol: frame for frame, protocol in PROTOCOLS.items()}
"""What compresses a file, by its protocol in a chained URL; before the `::` is its name, decompressed."""

LINKS: Final = ARCHIVES | WRAPPERS.keys()
"""All protocols in a chained URL that lead into another file."""

_PREFIXES: Final = ("file://", "file:", "local://", "local:")


def name_of(thing: Any) -> str:
    """The path or URL that something is, as text. Raises TypeError where it is none.

    >>> name_of(3)
    Traceback (most recent call last):
    TypeError: expected a path or a URL, found 3
    """
    if isinstance(thing, (str, os.PathLike)):
        return os.fsdecode(thing)
    raise TypeError(f"expected a path or a URL, found {thing!r}")


def protocol_of(url: str) -> str | None:
    """The protocol of a URL, as fsspec tells it; None for a path.

    >>> protocol_of("s3://bucket/key"), protocol_of("/data/a.nc"), protocol_of("data:;base64,aGk=")
    ('s3', None, 'data')
    """
    protocol, found, _ = url.partition("://")
    if found:
        # C:// is no protocol, but the letter of a disk
        return protocol if len(protocol) > 1 else None
    return "data" if url.startswith("data:") else None


def local_path(url: str) -> str | None:
    """The path of a file on this machine, absolute, as fsspec finds it; None for a URL of another place.

    >>> local_path("file:///data/a.nc"), local_path("s3://bucket/key")
    ('/data/a.nc', None)
    """
    if "::" in url or protocol_of(url) not in LOCAL:
        return None
    if os.name != "posix":
        local: Any = import_module("fsspec.implementations.local").LocalFileSystem
        return str(local._strip_protocol(url))  # noqa: SLF001 - how fsspec finds the file
    prefix = next((p for p in _PREFIXES if url.startswith(p)), "")
    path = url.removeprefix(prefix)
    if path.startswith("~"):
        path = os.path.expanduser(path)  # noqa: PTH111 - a Path would normalise the rest
    elif not path.startswith("/"):
        path = f"{os.getcwd()}/{'' if path == '.' else path.removeprefix('./')}"  # noqa: PTH109 - as above
    return path.rstrip("/") or "/"


_ENDS: Final = (("%", "%25"), ("?", "%3F"), ("#", "%23"))
"""What ends a path in a URL of a web server, or begins an escape in it; and how it is said in a path."""


def path_in(folder: str, name: str) -> str:
    """The name of a file below a folder as it stands in the URL of the file.

    >>> path_in("https://host/a.zarr", "x?/50%/0"), path_in("s3://bucket/a.zarr", "x?/50%/0")
    ('x%3F/50%25/0', 'x?/50%/0')
    """
    if folder.startswith(_WEB):
        for letter, said in _ENDS:
            name = name.replace(letter, said)
    return name


def name_in(folder: str, path: str) -> str:
    """The name again.

    >>> name_in("https://host/a.zarr", "x%3F/50%25/0")
    'x?/50%/0'
    """
    if folder.startswith(_WEB):
        for letter, said in reversed(_ENDS):
            path = path.replace(said, letter)
    return path


_WEB: Final = ("http://", "https://")
