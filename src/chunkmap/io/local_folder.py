"""A directory on this machine."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from time import perf_counter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import NoSuchFile, SourceError
from chunkmap.io.folder import FolderBase, Listing, check_name
from chunkmap.io.local import LocalSource
from chunkmap.io.source import Range, Source, check_range
from chunkmap.io.system import open_to_read, pread_into, read_whole

__all__ = ["LocalFolder"]

_WALKERS: Final = 8
"""Directories that are listed at once where the filesystem is slow: one over a network."""

_SLOW: Final = 1e-5
"""Seconds for a file: what is at hand takes a part of that, and threads would be in each other's way."""

_SLOW_DIRECTORY: Final = 1e-4
"""The same for a directory, which is opened and closed."""

_PATIENCE: Final = 5e-3
"""Seconds that say nothing yet of how slow it is."""

_TOGETHER: Final = 32
"""Directories that one thread lists, at the most, before others are given what it found below them."""

_HELD_OPEN: Final = os.scandir in os.supports_fd
"""Whether the system has such a thing as a directory that is held open."""

_DIRECTORY: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)

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
        pieces = list(_in_order(found))
        names = [name for directory, rows in pieces for name in directory.names[rows]]
        sizes = np.concatenate([directory.sizes[rows] for directory, rows in pieces])
        mtimes = np.concatenate([directory.mtimes[rows] for directory, rows in pieces])
        return Listing(names, sizes, mtimes=mtimes)

    def open(self, name: str) -> Source:
        """Mapped into memory."""
        return LocalSource(self._path(name), f"{self.url}/{name}")

    def read_many(self, names: Sequence[str], *, optional: bool = False) -> list[bytes | None]:
        """One after the other."""
        return [self._read(name, optional=optional) for name in names]

    def _read(self, name: str, *, optional: bool) -> bytes | None:
        try:
            return read_whole(self._path(name))
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
            file = open_to_read(self._path(name))
        except FileNotFoundError as error:
            raise NoSuchFile("there is no such file", url=f"{self.url}/{name}") from error
        except OSError as error:
            raise self._failed(name, error) from error
        try:
            found = pread_into(file, room, wanted.offset) if wanted.offset >= 0 <= wanted.length else -1
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
            found = pread_into(file, room[done:], offset + done)
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

    path: str
    """Below the root."""
    names: list[str]
    """Files, below the root, sorted."""
    sizes: NDArray[np.int64]
    mtimes: NDArray[np.float64]
    below: list[str]
    """Directories, below the root."""
    seen: _Seen
    """Which directory it is, and which are above it, as the filesystem numbers them."""


def _in_order(found: Sequence[_Directory]) -> Iterator[tuple[_Directory, slice]]:
    """The files of a tree in the order of their names: what is below a directory stands together, where its name and a
    slash come among the files beside it.
    """
    directories = {directory.path: directory for directory in found}
    stack = [_steps(directories[""])]
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
        elif not isinstance(step, str):
            yield step
        elif directories[step].below:
            stack.append(_steps(directories[step]))
        else:
            yield directories[step], slice(None)


def _steps(directory: _Directory) -> Iterator[str | tuple[_Directory, slice]]:
    """The files of a directory, and the directories between them."""
    done = 0
    for below in sorted(directory.below, key="{}/".format):
        stop = bisect_left(directory.names, f"{below}/", done)
        if stop > done:
            yield directory, slice(done, stop)
        yield below
        done = stop
    yield directory, slice(done, len(directory.names))


def _walk(root: str) -> Iterator[_Directory]:
    """The directories of a tree: one after the other, until that proves slow; then many at once."""
    waiting: list[tuple[str, _Seen]] = [("", ())]
    spent, most = 0.0, 0.0
    while waiting:
        started = perf_counter()
        directory = _list(root, *waiting.pop())
        spent += perf_counter() - started
        most += _SLOW_DIRECTORY + _SLOW * len(directory.names)
        waiting += [(name, directory.seen) for name in directory.below]
        yield directory
        if spent > max(most, _PATIENCE) and len(waiting) > 1:
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
    """What is in a directory. It is held open: the system then looks for each file in it, and not from the root on."""
    path, prefix = (f"{root}/{directory}", f"{directory}/") if directory else (root, "")
    names, below, sizes, mtimes = list[str](), list[str](), array("q"), array("d")
    seen = above
    where: int | str | None = None
    try:
        where = os.open(path, _DIRECTORY) if _HELD_OPEN else path
        found = os.stat(where)  # noqa: PTH116 - there may be many
        seen = (*above, (found.st_dev, found.st_ino))
        if seen[-1] in above:
            raise OSError(f"{path} leads to a directory above it")
        with os.scandir(where) as entries:
            for entry in entries:
                if entry.is_dir():
                    below.append(prefix + entry.name)
                    continue
                try:
                    found = entry.stat()
                except FileNotFoundError:  # it went meanwhile, or is a link that leads nowhere: no file
                    continue
                names.append(prefix + entry.name)
                sizes.append(found.st_size)
                mtimes.append(found.st_mtime)
    except (FileNotFoundError, NotADirectoryError):
        if directory:
            raise
    finally:
        if isinstance(where, int):
            os.close(where)
    return _Directory(directory, *_sorted(names, sizes, mtimes), below, seen)


def _sorted(
    names: list[str], sizes: array[int], mtimes: array[float]
) -> tuple[list[str], NDArray[np.int64], NDArray[np.float64]]:
    """Files in the order of their names; what a directory with one of them needs no work for."""
    size, mtime = np.frombuffer(sizes, np.int64), np.frombuffer(mtimes, np.float64)
    if len(names) < 2:
        return names, size, mtime
    order = sorted(range(len(names)), key=names.__getitem__)
    rows = np.array(order, np.intp)
    return list(map(names.__getitem__, order)), size[rows], mtime[rows]
