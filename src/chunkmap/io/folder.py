"""Files under one name: a directory, the keys of an object store, what lies below a URL, the members of an archive.

A folder knows nothing of formats. Names in it are relative and have `/` between their parts; one that would lead out
of the folder is refused, as names come from files that nobody vouches for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import NoSuchFile, SourceError
from chunkmap.io.source import Closing, Range, Source
from chunkmap.model import Target

__all__ = ["Folder", "FolderBase", "Listing", "Renamed", "Within", "check_name"]


class Within(NamedTuple):
    """Where files are that are ranges of another one: the members of an archive."""

    url: str
    """The outermost file."""
    starts: NDArray[np.int64]
    """The first byte of each in it; -1 for one that is compressed, so that no range holds its bytes."""
    packed: NDArray[np.int64]
    """Of each a row: first byte and length of a member of ZIP with its local header, as the codec `deflate` decodes it,
    stored or deflated; a length of 0 where it cannot."""

    def rows(self, first: int, stop: int) -> Within:
        """The same of some of the files, one after the other."""
        return Within(self.url, self.starts[first:stop], self.packed[first:stop])


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder, sorted by name: nothing is held of each but its name and a row in columns.

    >>> listing = Listing(["a/0", "a/1", "b"], np.array([4, 4, 9]))
    >>> listing.below("a").names, listing.below("a").sizes.tolist()
    (['0', '1'], [4, 4])
    """

    names: list[str]
    """Below what was listed."""
    sizes: NDArray[np.int64]
    """Bytes of each; -1 where that is not told."""
    within: Within | None = None
    """The file that all of them are ranges of; None where each is a file of its own."""
    mtimes: NDArray[np.float64] | None = None
    """When each was changed, seconds since 1970-01-01 UTC; None where that is not told."""

    def __len__(self) -> int:
        return len(self.names)

    def below(self, directory: str) -> Listing:
        """The files below a directory."""
        if not directory:
            return self
        prefix = directory.rstrip("/") + "/"
        first = bisect_left(self.names, prefix)
        stop = bisect_left(self.names, prefix[:-1] + chr(ord("/") + 1), first)
        within = None if self.within is None else self.within.rows(first, stop)
        names = [name[len(prefix) :] for name in self.names[first:stop]]
        mtimes = None if self.mtimes is None else self.mtimes[first:stop]
        return Listing(names, self.sizes[first:stop], within, mtimes)

    def target(self, row: int) -> Target:
        """What is known of a file of its own."""
        size = int(self.sizes[row])
        mtime = None if self.mtimes is None else float(self.mtimes[row])
        return Target(size=size if size >= 0 else None, mtime=mtime)


class Folder(Protocol):
    """Files somewhere, by name."""

    @property
    def url(self) -> str:
        """Its name, as references begin with it; without a slash at its end."""

    def listing(self, below: str = "") -> Listing | None:
        """All files, in whatever directory below; None where nothing can be listed: over HTTP.

        One call, which asks for many directories at once. A directory that is not there has no files.
        """

    def open(self, name: str) -> Source:
        """A file, to be read by range. Raises NoSuchFile when there is none."""

    def read_many(self, names: Sequence[str], *, optional: bool = False) -> list[bytes | None]:
        """The whole of each file, many fetched at once; None for one that is not there.

        With `optional`, one that may not be read is not there either: that is what object stores say of a missing file
        to those who may not list them.
        """

    def read_ranges(self, names: Sequence[str], ranges: Sequence[Range]) -> list[memoryview]:
        """A range of each file, many fetched at once. A file may be named more than once."""

    def read_into(self, names: Sequence[str], ranges: Sequence[Range], into: Sequence[memoryview]) -> None:
        """The same, each range into memory that is there for it."""

    def sizes(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Bytes of each file, many asked for at once; -1 for one that is not there."""

    def target(self) -> Target:
        """What is known of the folder as it is now: of an archive, its file; else nothing."""

    def close(self) -> None:
        """Give back what is held open."""


class FolderBase(Closing):
    """What folders share."""

    def target(self) -> Target:
        """Nothing, unless a folder is one file."""
        return Target()

    def read_ranges(self, names: Sequence[str], ranges: Sequence[Range]) -> list[memoryview]:
        """A range of each file."""
        raise NotImplementedError

    def read_into(self, names: Sequence[str], ranges: Sequence[Range], into: Sequence[memoryview]) -> None:
        """A range of each file, into memory that is there for it."""
        for piece, room in zip(self.read_ranges(names, ranges), into, strict=True):
            room[:] = piece


class Renamed(FolderBase):
    """A folder of which some files lie under other names in it, until somebody moves them to their own."""

    def __init__(self, folder: Folder, names: Mapping[str, str]) -> None:
        self.url, self._folder, self._names = folder.url, folder, names

    def listing(self, below: str = "") -> Listing | None:
        """Under their own names, as far as they can be listed."""
        found = self._folder.listing(below)
        if found is None:
            return None
        prefix = f"{below.rstrip('/')}/" if below else ""
        more = {name.removeprefix(prefix) for name in self._names if name.startswith(prefix)} - set(found.names)
        names = sorted([*found.names, *more])
        sizes = dict(zip(found.names, found.sizes.tolist(), strict=True))
        return Listing(names, np.array([sizes.get(name, -1) for name in names], np.int64))

    def open(self, name: str) -> Source:
        """By its other name, if it has one."""
        try:
            return self._folder.open(self._names.get(name, name))
        except NoSuchFile:
            return self._folder.open(name)

    def read_many(self, names: Sequence[str], *, optional: bool = False) -> list[bytes | None]:
        """By their other names."""
        found = self._folder.read_many([self._names.get(name, name) for name in names], optional=optional)
        moved = [at for at, data in enumerate(found) if data is None and names[at] in self._names]
        if moved:
            own = self._folder.read_many([names[at] for at in moved], optional=optional)
            for at, data in zip(moved, own, strict=True):
                found[at] = data
        return found

    def read_ranges(self, names: Sequence[str], ranges: Sequence[Range]) -> list[memoryview]:
        """By their other names."""
        try:
            return self._folder.read_ranges([self._names.get(name, name) for name in names], ranges)
        except NoSuchFile:
            return self._folder.read_ranges(names, ranges)

    def sizes(self, names: Sequence[str]) -> NDArray[np.int64]:
        """By their other names."""
        found = self._folder.sizes([self._names.get(name, name) for name in names])
        return np.where(found >= 0, found, self._folder.sizes(names)) if bool((found < 0).any()) else found


def check_name(name: str, url: str) -> str:
    """The name, unless it would lead out of the folder. Raises SourceError then.

    >>> check_name("a/0.0", "s3://bucket/a.zarr")
    'a/0.0'
    """
    if not name or name.startswith("/") or "\0" in name or "\\" in name or ".." in name.split("/"):
        raise SourceError(f"{name!r} is not the name of a file in a folder", url=url)
    return name
