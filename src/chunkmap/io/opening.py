"""The only way in: from a URL, a path or a file object to what lies there, a `Source` or a `Folder`.

What leads into archives and compressed files is loaded with the first URL that does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from chunkmap.errors import NoSuchFile, SourceError
from chunkmap.io.beside import Allowed, Others
from chunkmap.io.file_object import FileObjectSource
from chunkmap.io.filesystem import OURS, Located, ask, limited, locate, may_be_absent
from chunkmap.io.folder import Folder, FolderBase
from chunkmap.io.head import HEAD, bare
from chunkmap.io.http_client import Permits
from chunkmap.io.local import LocalSource
from chunkmap.io.local_folder import LocalFolder
from chunkmap.io.member import MemberSource
from chunkmap.io.memory import BytesSource
from chunkmap.io.names import LINKS, WRAPPERS
from chunkmap.io.remote import RemoteSource
from chunkmap.io.remote_folder import RemoteFolder
from chunkmap.io.source import Source

if TYPE_CHECKING:
    from typing_extensions import TypeIs

__all__ = [
    "compressed_names",
    "files_beside",
    "folder_at",
    "is_far",
    "is_folder",
    "members",
    "open_any",
    "open_folder",
    "open_source",
    "open_whole",
    "whole",
]


def open_source(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    url: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    permits: Permits | None = None,
    points: bytes | None = None,
    make_points: bool = False,
) -> Source:
    """Open anything that holds bytes.

    `file` is a local path, a URL of any protocol that fsspec knows, a chain such as `tar://member.nc::s3://b/a.tar`,
    or an open binary file. `url` is what references shall call it, when that is another name. `permits` is asked of
    every URL to which a web server sends us on. `points` are the restart points of a file that is compressed as a
    whole; without them it is refused, unless one pass over it shall `make_points`. Raises SourceError when the bytes
    cannot be had.
    """
    if not isinstance(file, (str, os.PathLike)):
        return _file_object(file, url)
    path = os.fspath(file)
    name = path if url is None else url
    chain = _chain(path)
    if chain is not None:
        kind, member, outer = chain
        from chunkmap.io.archive import open_inside  # noqa: PLC0415

        archive = _outer(kind, outer, name, storage_options, permits, make_points=make_points)
        return open_inside(kind, member, archive, name, points=points, make_points=make_points)
    return _file(locate(path, storage_options, url=name, permits=permits))


def open_any(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    url: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    holds: Callable[[], Collection[str]] = tuple,
    ahead: bool = False,
) -> Source | Folder:
    """Open what lies at a URL: a file, or a folder of files. `ahead` says that its head is read next: of a server, it
    may be had with what is known of the file.

    Filesystems say which of them it is; a directory of an archive is a folder, as is a URL that ends in a slash. A web
    server says nothing of folders: where it has no file of this name, or shows a page, it is a folder if one of the
    files that `holds` gives is below it. Raises SourceError when there is neither.
    """
    if not isinstance(file, (str, os.PathLike)):
        return _file_object(file, url)
    path = os.fspath(file)
    name = path if url is None else url
    chain = _chain(path)
    if chain is not None:
        from chunkmap.io.archive_folder import member_or_folder  # noqa: PLC0415

        kind, member, outer = chain
        return member_or_folder(kind, member, _outer(kind, outer, name, storage_options, make_points=True), name)
    located = locate(path, storage_options, url=name)
    if located.is_local:
        is_directory = os.path.isdir(located.path)  # noqa: PTH112 - a Path takes three times as long
        return LocalFolder(located.path, name) if is_directory else LocalSource(located.path, name)
    return _file_or_folder(located, holds, is_folder=path.endswith("/"), ahead=HEAD if ahead else 0)


def compressed_names(url: str, *, storage_options: Mapping[str, Any] | None = None) -> list[str] | None:
    """The members of the compressed TAR archive that a chained URL leads into; None where it leads elsewhere.

    What compresses an archive is told by its first bytes, whatever it is called.
    """
    chain = _chain(url)
    if chain is None or chain[0] != "tar" or "*" in chain[2]:
        return None
    from chunkmap.io.archive import compressed_members  # noqa: PLC0415
    from chunkmap.io.compressed.stream import compression_of  # noqa: PLC0415

    outer = _outer(chain[0], chain[2], url, storage_options, make_points=True)
    frame = compression_of(outer)
    if frame is None:
        outer.close()
        return None
    archive, members = compressed_members(frame, outer, make_points=True)
    archive.close()
    return [name for name, info in members.items() if info.isreg()]


def open_folder(url: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> Folder:
    """A folder that is known to be one, whether anything is in it yet or not."""
    path = os.fspath(url)
    chain = _chain(path)
    if chain is not None and chain[0] not in WRAPPERS:
        from chunkmap.io.archive_folder import ArchiveFolder  # noqa: PLC0415

        kind, member, outer = chain
        return ArchiveFolder(kind, _outer(kind, outer, path, storage_options), member)
    return folder_at(locate(path, storage_options))


def open_whole(url: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> Source:
    """A file that is going to be read from its beginning to its end: mapped, or fetched in one request.

    Nothing is asked of it before, so a server need not know how long it is.
    """
    path = os.fspath(url)
    if _chain(path) is not None:
        return whole(open_source(path, storage_options=storage_options))
    located = locate(path, storage_options)
    if located.is_local:
        return LocalSource(located.path, path)
    data: bytes = ask(lambda: located.fs.cat_file(located.path), path)
    return BytesSource(data, path)


def whole(source: Source) -> Source:
    """The same, with all of its bytes in memory."""
    return source if source.is_in_memory else BytesSource(source.read(0, source.size()), source.url)


def files_beside(source: Source, *, allow: Sequence[str] = (), timeout: float | None = None) -> Others:
    """The files that a source may name: those below its directory, and those whose URLs begin with one of `allow`.

    The latter are opened with no options but `timeout`, unless they are on the same server: secrets go nowhere else.
    """
    open_url = partial(open_source, storage_options=limited(None, timeout), permits=Allowed(tuple(allow)).check)
    return Others(source, allow=allow, open_url=open_url)


def is_folder(lies: Source | Folder) -> TypeIs[Folder]:
    """Which of the two `open_any` gave."""
    return isinstance(lies, FolderBase)


def folder_at(located: Located) -> Folder:
    """What is below a path."""
    if located.is_local:
        return LocalFolder(located.path, located.url)
    return RemoteFolder(located.fs, located.path, located.url, engine=located.engine)


def _file_object(file: BinaryIO, url: str | None) -> Source:
    if not hasattr(file, "read"):
        raise TypeError(f"expected a path, a URL or an open binary file, found {file!r}")
    return FileObjectSource(file, "" if url is None else url)


def _file(located: Located) -> Source:
    if located.is_local:
        return LocalSource(located.path, located.url)
    return RemoteSource(located.fs, located.path, located.url, engine=located.engine)


def _file_or_folder(
    located: Located, holds: Callable[[], Collection[str]], *, is_folder: bool, ahead: int
) -> Source | Folder:
    folder = RemoteFolder(located.fs, located.path, located.url, engine=located.engine)
    if is_folder:
        return folder
    try:
        source = RemoteSource(located.fs, located.path, located.url, engine=located.engine, ahead=ahead)
    except SourceError as error:
        if isinstance(error.__cause__, IsADirectoryError) or _may_be_folder(folder, holds(), error):
            return folder
        raise
    return folder if source.is_page and _holds_any(folder, holds()) else source


def _may_be_folder(folder: RemoteFolder, holds: Collection[str], error: SourceError) -> bool:
    """Whether there is a folder where there is no file, or none that may be read."""
    if isinstance(error, NoSuchFile):
        return _holds_any(folder, holds)
    return may_be_absent(error.__cause__) and folder.shows_any(holds)


def _holds_any(folder: Folder, names: Collection[str]) -> bool:
    return any(size >= 0 for size in folder.sizes(list(names)).tolist())


def _chain(path: str) -> tuple[str, str, str] | None:
    """The links of a URL of a member: the kind of archive, the member, and the URL of the archive."""
    kind, _, rest = path.partition("://")
    if kind not in LINKS or "::" not in rest:
        return None
    member, _, outer = rest.partition("::")
    return kind, member, outer


def _outer(
    kind: str,
    outer: str,
    name: str,
    options: Mapping[str, Any] | None,
    permits: Permits | None = None,
    *,
    make_points: bool = False,
) -> Source:
    """The archive of a chain, under the name that its own link has in the name of the member."""
    inner = name.partition("::")[2] or outer
    options = _below(kind, options)
    return open_source(outer, url=inner, storage_options=options, permits=permits, make_points=make_points)


def is_far(url: str | os.PathLike[str]) -> bool:
    """Whether the bytes of a URL must be fetched, so that reading several at once saves time.

    >>> is_far("s3://bucket/a.nc"), is_far("tar://a.nc::https://host/a.tar"), is_far("file:///data/a.nc")
    (True, True, False)
    """
    protocol, found, _ = os.fspath(url).rpartition("::")[2].partition("://")
    return bool(found) and protocol not in ("file", "local")


def members(source: Source) -> dict[str, tuple[str, int, int]]:
    """The member that a source is, as `ChunkManifest.moved` takes it: nothing for a source that is no member."""
    member = bare(source)
    return {member.url: member.range_in_file()} if isinstance(member, MemberSource) else {}


def _below(kind: str, options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The options of a chain without those of its first link.

    fsspec's archives take the options of the file that holds them as `target_options`.
    """
    given = options or {}
    own = given.get(kind, given)
    if "target_options" in own:
        inner: Mapping[str, Any] = own["target_options"] or {}
        return {**{name: given[name] for name in OURS & given.keys()}, **inner}
    return {key: value for key, value in given.items() if key not in (kind, "fo", "target_protocol")}
