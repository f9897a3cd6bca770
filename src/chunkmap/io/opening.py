"""From a URL, a path or a file object to a `Source`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, BinaryIO

import fsspec

from chunkmap.errors import SourceError
from chunkmap.io.archive import ARCHIVES, MemberSource, open_member
from chunkmap.io.file_object import FileObjectSource
from chunkmap.io.http_client import get_client
from chunkmap.io.local import LocalSource
from chunkmap.io.remote import RemoteSource
from chunkmap.io.source import Source

__all__ = ["is_far", "members", "open_source"]


def open_source(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    url: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Source:
    """Open anything that holds bytes.

    `file` is a local path, a URL of any protocol that fsspec knows, a chain such as `tar://member.nc::s3://b/a.tar`,
    or an open binary file. `url` is what references shall call it, when that is another name. Raises SourceError
    when the bytes cannot be had.
    """
    if not isinstance(file, (str, os.PathLike)):
        return FileObjectSource(file, "" if url is None else url)
    path = os.fspath(file)
    name = path if url is None else url
    kind, rest = path.partition("://")[::2]
    if kind in ARCHIVES and "::" in rest:
        member, _, outer = rest.partition("::")
        outer_name = name.partition("::")[2] or outer
        archive = open_source(outer, url=outer_name, storage_options=_below(kind, storage_options))
        return open_member(kind, member, archive, name)
    try:
        fs, inner = fsspec.core.url_to_fs(path, **_with_client(path, storage_options or {}))
    except (ValueError, ImportError, OSError, TypeError) as error:
        raise SourceError(f"cannot be opened: {error}", url=name) from error
    if "local" in _protocols(fs) or "file" in _protocols(fs):
        return LocalSource(inner, name)
    return RemoteSource(fs, inner, name)


def is_far(url: str | os.PathLike[str]) -> bool:
    """Whether the bytes of a URL must be fetched, so that reading several at once saves time.

    >>> is_far("s3://bucket/a.nc"), is_far("tar://a.nc::https://host/a.tar"), is_far("file:///data/a.nc")
    (True, True, False)
    """
    protocol, found, _ = os.fspath(url).rpartition("::")[2].partition("://")
    return bool(found) and protocol not in ("file", "local")


def members(source: Source) -> dict[str, tuple[str, int, int]]:
    """The member that a source is, as `ChunkManifest.moved` takes it: nothing for a source that is no member."""
    return {source.url: source.range_in_file()} if isinstance(source, MemberSource) else {}


def _with_client(path: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Options for fsspec, with the client for HTTP unless the caller brings one."""
    return {"get_client": get_client, **options} if path.startswith(("http://", "https://")) else options


def _below(kind: str, options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The options of a chain without those of its first link.

    fsspec's archives take the options of the file that holds them as `target_options`.
    """
    given = options or {}
    own = given.get(kind, given)
    if "target_options" in own:
        inner: Mapping[str, Any] = own["target_options"] or {}
        return inner
    return {key: value for key, value in given.items() if key not in (kind, "fo", "target_protocol")}


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)
