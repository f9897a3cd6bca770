"""How Icechunk names files and tells that they changed, and which containers of a repository hold them.

A location is a URL whose path is percent-encoded; it is read only when it begins with the prefix of one of the
repository's virtual chunk containers. fsspec's URLs of files and objects are not encoded, those of HTTP are.
Documentation: https://icechunk.io/en/stable/virtual/.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from chunkmap.errors import StorageError
from chunkmap.model import Target

__all__ = ["check_containers", "checksum_of", "containers_for", "location_of", "url_of"]

_SCHEMES: Final = {"file": "file", "local": "file", "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""Protocols of fsspec whose paths are taken literally, and what Icechunk calls them."""

_HTTP: Final = frozenset({"http", "https"})

_HTTP_STORE: Final = "icechunk.http_store()"

_SAFE: Final = "/:@!$&'()*+,;=~"
"""What stands for itself in the path of a location."""


def location_of(url: str, *, keeps_ports: bool = True) -> str:
    """What Icechunk calls a file. Raises StorageError for one that it cannot read by range.

    >>> location_of("/data/a b.nc"), location_of("s3a://bucket/100%.nc")
    ('file:///data/a%20b.nc', 's3://bucket/100%25.nc')
    """
    protocol, mark, path = url.partition("://")
    if "::" in url:
        raise StorageError(
            f"{url}: Icechunk reads no members of archives; take the references out of the archive first"
        )
    if not mark or _SCHEMES.get(protocol) == "file":
        return "file://" + quote(os.path.abspath(path if mark else url), _SAFE)  # noqa: PTH100 - a Path drops "//"
    if protocol in _HTTP:
        return _http_location(url, keeps_ports=keeps_ports)
    if protocol not in _SCHEMES:
        known = ", ".join(sorted({*_SCHEMES, *_HTTP}))
        raise StorageError(f"{url}: Icechunk does not read {protocol}://, only {known}")
    return f"{_SCHEMES[protocol]}://{quote(path, _SAFE)}"


def _http_location(url: str, *, keeps_ports: bool) -> str:
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise StorageError(f"{url}: Icechunk drops what follows the path of a URL, so it would read another one")
    if parts.port is not None and not keeps_ports:
        raise StorageError(f"{url}: Icechunk 1 drops the port of a URL, so it would ask another server; use Icechunk 2")
    return url


def url_of(location: str) -> str:
    """The URL by which fsspec opens a location.

    >>> url_of("file:///data/a%20b.nc"), url_of("https://host/a%20b.nc")
    ('file:///data/a b.nc', 'https://host/a%20b.nc')
    """
    return location if location.partition("://")[0] in _HTTP else unquote(location)


def checksum_of(location: str, target: Target) -> str | datetime | None:
    """By what Icechunk tells that a file changed: its etag, else the time of its last change, else nothing.

    Etags are used where Icechunk's request and the scan's get the same one, and the server compares it: of S3, and
    strong ones of HTTP. Times are whole seconds, rounded up: Icechunk refuses what was changed later.
    """
    protocol = location.partition("://")[0]
    if target.etag and (protocol == "s3" or (protocol in _HTTP and target.etag.startswith('"'))):
        return target.etag
    return None if target.mtime is None else datetime.fromtimestamp(math.ceil(target.mtime), UTC)


# ---------------------------------------------------------------------- containers


def check_containers(locations: Iterable[str], prefixes: Collection[str]) -> None:
    """Raise StorageError, which says what to configure, for a location that no container of the repository holds.

    Containers with encoded characters in their names hold nothing: Icechunk takes locations for theirs, and does not
    find the container when it reads.
    """
    held = tuple(prefix for prefix in prefixes if "%" not in prefix)
    for location in locations:
        if not location.startswith(held):
            prefix, store = _container(location)
            raise StorageError(
                f"{location}: no virtual chunk container of the repository holds it, only {list(held)}. Configure one"
                f" when the repository is created or reopened: config.set_virtual_chunk_container("
                f"icechunk.VirtualChunkContainer({prefix!r}, {store}))"
            )


def containers_for(locations: Collection[str]) -> dict[str, str | None]:
    """Prefix -> directory, or None for HTTP, of the containers that a new repository needs.

    Raises StorageError where a container has to be told how to reach a bucket.
    """
    here = [urlsplit(location).path for location in locations if location.startswith("file://")]
    found: dict[str, str | None] = {f"file://{directory}/": directory for directory in _directories(here)}
    for location in locations:
        prefix, store = _container(location)
        if store == _HTTP_STORE:
            found[prefix] = None
        elif not location.startswith("file://"):
            raise StorageError(
                f"{location}: how Icechunk reaches it cannot be told from here. Create the repository with a container"
                f" icechunk.VirtualChunkContainer({prefix!r}, {store}), and write to that repository"
            )
    return found


def _directories(paths: Collection[str]) -> set[str]:
    """Below each directory of the root, the deepest one that holds all files there and can be a container."""
    tops: dict[str, list[str]] = {}
    for path in paths:
        tops.setdefault(path.split("/")[1], []).append(os.path.dirname(path))  # noqa: PTH120 - encoded
    found = {_plain(os.path.commonpath(directories)) for directories in tops.values()}
    if "/" in found:
        raise StorageError(
            f"{min(paths)}: Icechunk has no container for the root of a file system, nor for a directory whose name has"
            " to be encoded; move the files into another directory"
        )
    return found


def _plain(directory: str) -> str:
    """The deepest directory above that needs no encoding, which Icechunk would not find."""
    while "%" in directory:
        directory = os.path.dirname(directory)  # noqa: PTH120 - encoded
    return directory


def _container(location: str) -> tuple[str, str]:
    """The prefix of a container that would hold a location, and the call that makes its store."""
    parts = urlsplit(location)
    if parts.scheme == "file":
        directory = _plain(os.path.dirname(parts.path))  # noqa: PTH120 - encoded
        return f"file://{directory}/", f"icechunk.local_filesystem_store({directory!r})"
    store = {"s3": "icechunk.s3_store(region=...)", "gs": "icechunk.gcs_store()"}.get(parts.scheme, _HTTP_STORE)
    return f"{parts.scheme}://{parts.netloc}/", store
