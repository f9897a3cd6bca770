"""Files that a file names, found from where it lies: sources of virtual datasets, raw data, links, sidecars.

Bytes of a file may be hostile, and so may the names in it. Without being allowed to, a file leads nowhere but below the
directory in which it is itself: to no other protocol, server or bucket, and not upwards.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from chunkmap.errors import ChunkmapError, NoSuchFile, Remedy, SourceError, Unsupported
from chunkmap.io.head import bare
from chunkmap.io.local import LocalSource
from chunkmap.io.member import MemberSource
from chunkmap.io.names import ARCHIVES
from chunkmap.io.prefixes import begins, parent
from chunkmap.io.remote import RemoteSource
from chunkmap.io.source import Source

__all__ = ["Allowed", "Looked", "Others"]

Looked = Source | ChunkmapError | None
"""What comes of looking for a file: None where there is none, an error where it cannot be had or may not be."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The beginnings of URLs that were allowed, for servers that send requests on."""

    prefixes: tuple[str, ...]

    def check(self, url: str) -> None:
        """Raise SourceError, which says what to pass, for a URL that was not."""
        if not any(begins(url, prefix) for prefix in self.prefixes):
            remedy = Remedy("allow", [*self.prefixes, parent(url)])
            raise SourceError(f"not among what may be named; to allow it, pass {remedy}", url=url).helped_by(remedy)


class Others:
    """The files that a file names, and those that these name: each is opened once, and all are closed together.

    `open_url` opens what is allowed and not on the filesystem of who asks; see `chunkmap.io.files_beside`.
    """

    def __init__(
        self, root: Source, *, allow: Sequence[str] = (), open_url: Callable[[str], Source] | None = None
    ) -> None:
        if isinstance(allow, str):
            raise TypeError(f"allow is {allow!r}: expected a list of URL prefixes, [{allow!r}]")
        self._root, self._allow, self._open_far = bare(root), tuple(allow), open_url
        self._looked: dict[tuple[str, str], Looked] = {}
        self.sources: dict[str, Source] = {}
        """Those that were opened, by URL."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_known(self, asker: Source, name: str) -> bool:
        """Whether a file was looked for before."""
        return (asker.url, name) in self._looked

    def known(self, asker: Source, name: str) -> Looked:
        """What was found then."""
        return self._looked[asker.url, name]

    def look(self, asker: Source, name: str) -> Looked:
        """Look for a file, as the network and the system have it. Changes nothing: several may look side by side."""
        try:
            return self._open(bare(asker), name)
        except NoSuchFile:
            return None
        except ChunkmapError as error:
            return error

    def keep(self, asker: Source, name: str, found: Looked) -> None:
        """Remember what was found. Two names of one file are one source."""
        if found is not None and not isinstance(found, ChunkmapError):
            found = self.sources.setdefault(found.url, found)
        self._looked[asker.url, name] = found

    def confirm(self) -> None:
        """Raise SourceError where it can be told that one of them changed since it was opened."""
        for source in self.sources.values():
            source.confirm()

    def close(self) -> None:
        """Close all of them."""
        for source in self.sources.values():
            source.close()

    def _open(self, asker: Source, name: str) -> Source:
        """Raises NoSuchFile, SourceError where it may not be opened, Unsupported where nothing can be beside."""
        if "::" in name or "\0" in name or not name:
            raise SourceError(f"it names the file {name!r}, which is the name of none", url=asker.url)
        if "://" in name:
            return self._open_url(asker, name)
        if isinstance(asker, LocalSource):
            return self._open_local(asker, name)
        if isinstance(asker, RemoteSource):
            return self._open_remote(asker, name)
        if isinstance(asker, MemberSource) and "::" in asker.url:
            return self._open_member(asker, name)
        raise Unsupported(
            f"it names the file {name!r}, which cannot be looked for beside a file object, bytes, or a member of"
            " an archive that has the name of a file",
            feature="file beside",
        )

    def _open_url(self, asker: Source, url: str) -> Source:
        """By the filesystem of who asks where it is on it."""
        if _climbs(url) or not (self._is_below_root(asker, url) or self._is_allowed(url)):
            raise self._refusal(asker, url)
        if isinstance(asker, RemoteSource) and _host(url) == _host(asker.url):
            return asker.on_the_same(url)
        if self._open_far is None:
            raise self._refusal(asker, url)
        return self._open_far(url)

    def _is_below_root(self, asker: Source, url: str) -> bool:
        """Whether a URL names a file of the tree outright, as one that may be beside who asks."""
        return isinstance(asker, RemoteSource) and begins(url, _folder(self._root.url))

    def _open_local(self, asker: LocalSource, name: str) -> Source:
        """An absolute name that leads nowhere is looked for in the directory of who asks, as HDF5 has it."""
        folder = Path(asker.path).parent
        if Path(name).is_absolute() and not os.path.lexists(name):
            name = Path(name).name
        path = folder / name
        real = os.path.realpath(path)
        inside = self._is_in_tree(folder, name, real)
        if not inside and not self._is_allowed(real):
            raise self._refusal(asker, real)
        return LocalSource(path, _beside(asker.url, os.path.relpath(path, folder) if inside else name))

    def _is_in_tree(self, folder: Path, name: str, real: str) -> bool:
        """A link in the tree was made by who owns the tree, and is followed; a file cannot make one by naming it."""
        if not isinstance(self._root, LocalSource):
            return False
        tree = Path(self._root.path).parent
        if not Path(name).is_absolute() and ".." not in Path(name).parts and folder.is_relative_to(tree):
            return True
        return Path(real).is_relative_to(os.path.realpath(tree))

    def _open_remote(self, asker: RemoteSource, name: str) -> Source:
        """An absolute name is one of another machine: its last part is looked for beside who asks."""
        name = posixpath.basename(name) if posixpath.isabs(name) else name
        url = _beside(asker.url, name)
        if _climbs(url) or not (begins(url, _folder(self._root.url)) or self._is_allowed(url)):
            raise self._refusal(asker, url)
        return asker.on_the_same(url)

    def _open_member(self, asker: MemberSource, name: str) -> Source:
        """Another member of the same archive."""
        link, _, outer = asker.url.partition("::")
        kind, _, member = link.partition("://")
        name = posixpath.basename(name) if posixpath.isabs(name) else name
        path = posixpath.normpath(posixpath.join(posixpath.dirname(member), name))
        top = posixpath.dirname(self._root.url.partition("::")[0].partition("://")[2])
        if kind not in ARCHIVES or not (f"{path}/".startswith(f"{top}/" if top else "") and not _climbs(path)):
            raise self._refusal(asker, f"{kind}://{path}::{outer}")
        from chunkmap.io.archive import open_member  # noqa: PLC0415 - only beside a member

        return open_member(kind, path, asker.outer, f"{kind}://{path}::{outer}")

    def _is_allowed(self, url: str) -> bool:
        return any(begins(url, prefix) for prefix in self._allow)

    def _refusal(self, asker: Source, url: str) -> SourceError:
        """What to pass to allow it; nothing allows to climb out of an archive."""
        said = f"it names {url!r}, which is not below the directory that it is in"
        if "::" in url:
            return SourceError(said, url=asker.url)
        remedy = Remedy("allow", [*self._allow, parent(url)])
        return SourceError(f"{said}; if that is right, pass {remedy}", url=asker.url).helped_by(remedy)


def _beside(url: str, name: str) -> str:
    """The URL of a name from the directory of another; what climbs higher than there is keeps its dots."""
    protocol, separator, path = _without_query(url).rpartition("://")
    return f"{protocol}{separator}{posixpath.normpath(posixpath.join(posixpath.dirname(path), name))}"


def _folder(url: str) -> str:
    return _without_query(url).rpartition("/")[0]


def _without_query(url: str) -> str:
    return url.partition("?")[0] if url.startswith(("http://", "https://")) else url


def _host(url: str) -> tuple[str, str]:
    protocol, _, rest = url.partition("://")
    return protocol, rest.partition("/")[0]


def _climbs(url: str) -> bool:
    return ".." in unquote(url).replace("\\", "/").split("/")
