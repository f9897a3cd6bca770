"""A directory on this machine."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import NoSuchFile, SourceError
from chunkmap.io.folder import FolderBase, Listing, check_name
from chunkmap.io.local import LocalSource
from chunkmap.io.source import Range, Source, check_range

__all__ = ["LocalFolder"]

_WALKERS: Final = 8
"""Directories that are listed at once where the filesystem is slow: one over a network."""

_SLOW: Final = 1e-5
"""Seconds for a file: what is at hand takes a part of that, and threads would be in each other's way."""

_PATIENCE: Final = 200
"""So many files in time say nothing yet of how slow it is."""

_TOGETHER: Final = 32
"""Directories that one thread lists, at the most, before others are given what it found below them."""

_Seen = tuple[tuple[int, int], ...]


class LocalFolder(FolderBase):
    """A directory. `url` is what references call it; the path may be another."""

    def __init__(self, path: str | os.PathLike[str], url: str | None = None) -> None:
        self.path = os.fspath(path).rstrip("/") or "/"
        """Where it is, whatever references call it."""
        self.url = (os.fspath(path) if url is None else url).rstrip("/")

    def listing(self, below: str = "") -> Listing:
        """Links are followed; one that leads to a directory above it is refused."""
        root = f"{self.path}/{check_name(below.rstrip('/'), self.url)}" if below else self.path
        try:
            found = list(_walk(root))
        except OSError as error:
            raise SourceError(f"cannot be listed: {error}", url=self.url) from error
        names = [name for directory in found for name in directory.names]
        sizes = np.concatenate([np.frombuffer(directory.sizes, np.int64) for directory in found])
        mtimes = np.concatenate([np.frombuffer(directory.mtimes, np.float64) for directory in found])
        order = sorted(range(len(names)), key=names.__getitem__)
        rows = np.array(order, np.intp)
        return Listing([names[at] for at in order], sizes[rows], mtimes=mtimes[rows])

    def open(self, name: str) -> Source:
        """Mapped into memory."""
        return LocalSource(self._path(name), f"{self.url}/{name}")

    def read_many(self, names: Sequence[str], *, optional: bool = False) -> list[bytes | None]:
        """One after the other."""
        return [self._read(name, optional=optional) for name in names]

    def _read(self, name: str, *, optional: bool) -> bytes | None:
        try:
            return Path(self._path(name)).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except PermissionError as error:
            if optional:
                return None
            raise self._failed(name, error) from error
        except OSError as error:
            raise self._failed(name, error) from error

    def read_ranges(self, names: Sequence[str], ranges: Sequence[Range]) -> list[memoryview]:
        """One after the other."""
        rooms = [memoryview(bytearray(max(wanted.length, 0))) for wanted in ranges]
        self.read_into(names, ranges, rooms)
        return [room.toreadonly() for room in rooms]

    def read_into(self, names: Sequence[str], ranges: Sequence[Range], into: Sequence[memoryview]) -> None:
        """One after the other."""
        for name, wanted, room in zip(names, ranges, into, strict=True):
            self._range(name, wanted, room)

    def _range(self, name: str, wanted: Range, room: memoryview) -> None:
        """By plain calls of the system: a shard is opened for a few bytes of it, and there are many."""
        try:
            file = os.open(self._path(name), os.O_RDONLY)
        except FileNotFoundError as error:
            raise NoSuchFile("there is no such file", url=f"{self.url}/{name}") from error
        except OSError as error:
            raise self._failed(name, error) from error
        try:
            found = os.preadv(file, [room], wanted.offset) if wanted.offset >= 0 <= wanted.length else -1
            if found != wanted.length or wanted.offset < 0:
                check_range(f"{self.url}/{name}", os.fstat(file).st_size, *wanted)
                self._long(file, wanted.offset, room)
        except OSError as error:
            raise self._failed(name, error) from error
        finally:
            os.close(file)

    @staticmethod
    def _long(file: int, offset: int, room: memoryview) -> None:
        """A range of more bytes than one call gives."""
        done = 0
        while done < len(room):
            found = os.preadv(file, [room[done:]], offset + done)
            if not found:
                raise OSError("it was cut short while it was read")
            done += found

    def sizes(self, names: Sequence[str]) -> NDArray[np.int64]:
        """One after the other."""
        return np.fromiter((self._size(name) for name in names), np.int64, len(names))

    def _size(self, name: str) -> int:
        try:
            return os.stat(self._path(name)).st_size  # noqa: PTH116 - ten times as fast as a Path, and there are many
        except (FileNotFoundError, NotADirectoryError):
            return -1
        except OSError as error:
            raise self._failed(name, error) from error

    def _path(self, name: str) -> str:
        return f"{self.path}/{check_name(name, self.url)}"

    def _failed(self, name: str, error: OSError) -> SourceError:
        return SourceError(f"cannot be read: {error.strerror or error}", url=f"{self.url}/{name}")


class _Directory(NamedTuple):
    """What is in one directory."""

    names: list[str]
    """Files, below the root."""
    sizes: array[int]
    mtimes: array[float]
    below: list[str]
    """Directories, below the root."""
    seen: _Seen
    """Which directory it is, and which are above it, as the filesystem numbers them."""


def _walk(root: str) -> Iterator[_Directory]:
    """The directories of a tree: one after the other, until that proves slow; then many at once."""
    waiting: list[tuple[str, _Seen]] = [("", ())]
    spent, most = 0.0, 0.0
    while waiting:
        started = perf_counter()
        directory = _list(root, *waiting.pop())
        spent += perf_counter() - started
        most += _SLOW * (len(directory.names) + 1)
        waiting += [(name, directory.seen) for name in directory.below]
        yield directory
        if spent > max(most, _PATIENCE * _SLOW) and len(waiting) > 1:
            yield from _walk_together(root, waiting)
            return


def _walk_together(root: str, waiting: Sequence[tuple[str, _Seen]]) -> Iterator[_Directory]:
    with ThreadPoolExecutor(_WALKERS) as pool:
        coming = _submitted(pool, root, waiting)
        while coming:
            done, coming = wait(coming, return_when=FIRST_COMPLETED)
            found = [directory for future in done for directory in future.result()]
            coming |= _submitted(pool, root, [(name, seen.seen) for seen in found for name in seen.below])
            yield from found


def _submitted(
    pool: ThreadPoolExecutor, root: str, waiting: Sequence[tuple[str, _Seen]]
) -> set[Future[list[_Directory]]]:
    """Directories to be listed, some of them by one thread where there are many."""
    some = min(max(len(waiting) // (4 * _WALKERS), 1), _TOGETHER)
    return {pool.submit(_list_some, root, waiting[start : start + some]) for start in range(0, len(waiting), some)}


def _list_some(root: str, directories: Sequence[tuple[str, _Seen]]) -> list[_Directory]:
    return [_list(root, *directory) for directory in directories]


def _list(root: str, directory: str, above: _Seen) -> _Directory:
    path, prefix = (f"{root}/{directory}", f"{directory}/") if directory else (root, "")
    files, below = _Directory([], array("q"), array("d"), [], above), list[str]()
    try:
        found = os.stat(path)  # noqa: PTH116 - there may be many
        itself = (found.st_dev, found.st_ino)
        if itself in above:
            raise OSError(f"{path} leads to a directory above it")
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir():
                    below.append(prefix + entry.name)
                else:
                    _add(entry, prefix, files)
    except (FileNotFoundError, NotADirectoryError):
        if directory:
            raise
        return files
    return files._replace(below=below, seen=(*above, itself))


def _add(entry: os.DirEntry[str], prefix: str, files: _Directory) -> None:
    """Add a file with its size and time. One that went meanwhile, or a link that leads nowhere, is no file."""
    try:
        found = entry.stat()
    except FileNotFoundError:
        return
    files.names.append(prefix + entry.name)
    files.sizes.append(found.st_size)
    files.mtimes.append(found.st_mtime)
