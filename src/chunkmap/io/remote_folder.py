"""What lies below a URL that fsspec opens: the keys of an object store, files in memory, a tree behind HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import SourceError
from chunkmap.io.engines import Engine
from chunkmap.io.filesystem import ask, is_absent, may_be_absent, named
from chunkmap.io.folder import FolderBase, Listing, check_name
from chunkmap.io.names import path_in
from chunkmap.io.remote import CONCURRENCY, RemoteSource
from chunkmap.io.retrying import is_transient
from chunkmap.io.source import Range, Source

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

__all__ = ["RemoteFolder"]

T = TypeVar("T")

_LISTERS: Final = 32
"""Directories that are listed at once: a store gives a thousand keys an answer, one answer after the other."""

_MOST_AT_ONCE: Final = 4096
"""Files of which a call of fsspec is told at once."""


class RemoteFolder(FolderBase):
    """A path of an fsspec filesystem, and what is below it."""

    def __init__(self, fs: AbstractFileSystem, path: str, url: str, *, engine: Engine | None = None) -> None:
        self.url, self._engine = url.rstrip("/"), engine
        self._fs, self._path = fs, path.rstrip("/")
        protocol = (fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol
        self._can_list = not {"http", "https"} & set(protocol)

    def listing(self, below: str = "") -> Listing | None:
        """Directory by directory until there are enough to be listed at once. What HTTP servers say is no listing."""
        if not self._can_list:
            return None
        root = f"{self._path}/{check_name(below.rstrip('/'), self.url)}" if below else self._path
        files, directories = list[_Column](), [root]
        with ThreadPoolExecutor(_LISTERS) as pool:
            while directories and len(directories) < _LISTERS:
                levels = list(pool.map(self._level, directories))
                files += [level for level, _ in levels]
                directories = [path for _, found in levels for path in found]
            files += pool.map(self._tree, directories)
        names = list(chain.from_iterable(names for names, _ in files))
        sizes = np.concatenate([sizes for _, sizes in files]) if files else np.empty(0, np.int64)
        order = sorted(range(len(names)), key=names.__getitem__)
        skip = len(root) + 1
        return Listing([names[at][skip:] for at in order], sizes[np.array(order, np.intp)])

    def _level(self, directory: str) -> tuple[_Column, list[str]]:
        """The files in one directory, and the directories in it."""
        found: list[Mapping[str, Any]] = self._found(lambda: self._fs.ls(directory, detail=True), directory, [])
        inside = [info for info in found if info["name"].rstrip("/") != directory]
        return _column(inside), [info["name"].rstrip("/") for info in inside if info["type"] == "directory"]

    def _tree(self, directory: str) -> _Column:
        """The files below a directory."""
        found: Mapping[str, Mapping[str, Any]] = self._found(
            lambda: self._fs.find(directory, detail=True), directory, {}
        )
        return _column(found.values())

    def _found(self, call: Callable[[], T], directory: str, nothing: T) -> T:
        self._fs.invalidate_cache(directory)
        try:
            return ask(call, self.url)
        except FileNotFoundError:
            return nothing
        finally:
            self._fs.invalidate_cache(directory)  # of a million keys fsspec would keep a dictionary each

    def open(self, name: str) -> Source:
        """Asked for its size."""
        return RemoteSource(self._fs, self._at(name), f"{self.url}/{path_in(self.url, name)}", engine=self._engine)

    def read_many(self, names: Sequence[str], *, optional: bool = False) -> list[bytes | None]:
        """Many at once; those that fail for a moment are asked for again."""

        def read(paths: list[str]) -> list[Any]:
            found: list[Any] = self._fs.cat_ranges(paths, None, None, on_error="return", batch_size=CONCURRENCY)
            return found

        return [
            self._unless_absent(name, data, optional=optional)
            for name, data in zip(names, self._each(list(map(self._at, names)), read), strict=True)
        ]

    def _unless_absent(self, name: str, data: Any, *, optional: bool) -> bytes | None:
        if isinstance(data, BaseException):
            if is_absent(data) or (optional and may_be_absent(data)):
                return None
            raise named(data, f"{self.url}/{name}") from data
        content: bytes = data
        return content

    def read_ranges(self, names: Sequence[str], ranges: Sequence[Range]) -> list[memoryview]:
        """Many at once; those that fail for a moment are asked for again."""
        wanted = [(self._at(name), *found) for name, found in zip(names, ranges, strict=True)]

        def read(some: list[tuple[str, int, int]]) -> list[Any]:
            paths, starts, lengths = zip(*some, strict=True)
            stops = [start + length for start, length in zip(starts, lengths, strict=True)]
            blocks: list[Any] = self._fs.cat_ranges(
                list(paths), list(starts), stops, on_error="return", batch_size=CONCURRENCY
            )
            return blocks

        return [
            self._whole_range(name, found, data)
            for name, found, data in zip(names, ranges, self._each(wanted, read), strict=True)
        ]

    def _whole_range(self, name: str, wanted: Range, data: Any) -> memoryview:
        url = f"{self.url}/{name}"
        if isinstance(data, BaseException):
            raise named(data, url) from data
        if len(data) != wanted.length:
            raise SourceError(
                f"asked for {wanted.length} bytes at byte {wanted.offset}, the server sent {len(data)};"
                " it does not serve ranges, or the file has changed",
                url=url,
            )
        return memoryview(data)

    def sizes(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Many asked for at once."""
        found = self._each(list(map(self._at, names)), self._infos)
        return np.fromiter(
            (self._size(name, info) for name, info in zip(names, found, strict=True)), np.int64, len(names)
        )

    def shows_any(self, names: Iterable[str]) -> bool:
        """Whether one of the files can be seen, asked once: what fails is not seen."""
        return any(not isinstance(info, BaseException) for info in self._infos(list(map(self._at, names))))

    def _infos(self, paths: list[str]) -> list[Any]:
        for path in paths:
            self._fs.invalidate_cache(path)
        if self._fs.async_impl:
            sync: Any = import_module("fsspec.asyn").sync  # loaded with the filesystem
            return list(sync(self._fs.loop, _gathered, [self._fs._info], paths))  # noqa: SLF001 - fsspec's way
        with ThreadPoolExecutor(_LISTERS) as pool:
            return list(pool.map(self._info, paths))

    def _info(self, path: str) -> Any:
        try:
            return self._fs.info(path)
        except Exception as error:  # noqa: BLE001 - judged by who asked
            return error

    def _size(self, name: str, info: Any) -> int:
        if isinstance(info, BaseException):
            if is_absent(info) or (isinstance(info, FileNotFoundError) and may_be_absent(info)):
                return -1
            raise named(info, f"{self.url}/{name}") from info
        if info.get("type") == "directory":
            return -1
        if info.get("size") is None:
            raise SourceError("the server does not say how long it is", url=f"{self.url}/{name}")
        return int(info["size"])

    def _each(self, items: list[Any], call: Callable[[list[Any]], list[Any]]) -> list[Any]:
        """What a call gives for each item, a few thousand at a time: what fails for a moment is asked for again."""
        out: list[Any] = []
        for start in range(0, len(items), _MOST_AT_ONCE):
            some = items[start : start + _MOST_AT_ONCE]
            results: list[Any] = [None] * len(some)
            waiting = list(range(len(some)))

            def attempt(some: list[Any] = some, results: list[Any] = results, waiting: list[int] = waiting) -> None:
                for at, result in zip(waiting, call([some[at] for at in waiting]), strict=True):
                    results[at] = result
                waiting[:] = [at for at in waiting if _passes(results[at])]
                if waiting:
                    raise results[waiting[0]]

            ask(attempt, self.url)
            out += results
        return out

    def _at(self, name: str) -> str:
        return f"{self._path}/{path_in(self._path, check_name(name, self.url))}"


_Column = tuple[list[str], NDArray[np.int64]]
"""Paths of files and their sizes."""


def _passes(result: Any) -> bool:
    return isinstance(result, BaseException) and is_transient(result)


def _column(infos: Iterable[Mapping[str, Any]]) -> _Column:
    files = [info for info in infos if info["type"] != "directory" and not info["name"].endswith("/")]
    sizes = (-1 if info.get("size") is None else int(info["size"]) for info in files)
    return [info["name"] for info in files], np.fromiter(sizes, np.int64, len(files))


async def _gathered(info: list[Any], paths: list[str]) -> list[Any]:
    """What a filesystem knows of each path, or what it raised."""
    from asyncio import Semaphore, gather  # noqa: PLC0415 - only where there is a loop

    gate = Semaphore(CONCURRENCY)

    async def one(path: str) -> Any:
        async with gate:
            return await info[0](path)

    return await gather(*map(one, paths), return_exceptions=True)
