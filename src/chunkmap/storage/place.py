"""Where a reference set is at rest: one file, or a directory of files, here or in an object store.

Publishing is atomic as far as the place allows. Here, everything is written beside and renamed into place, so a reader
sees the old set or the new one, and a writer that dies leaves the old one whole. An object store has no rename: one
file is one put; of a directory the `last` file goes first when it is replaced and comes back at the very end, so a
reader finds either a whole set or none.
"""

from __future__ import annotations

import ctypes
import io
import os
import secrets
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, TypeVar

import fsspec
from fsspec.spec import AbstractFileSystem

from chunkmap.errors import ChunkmapError, SourceError, StorageError

__all__ = ["Place", "Stage", "find_place"]

_T = TypeVar("_T")

_WAITING: Final = ".chunkmap-next"
"""In an object store, where new files wait that will replace files of a set that is added to."""

_BATCH: Final = 64
"""Files that are fetched from, or put into, an object store at once."""

_BATCH_BYTES: Final = 64 << 20
"""Bytes that wait to be put there together."""


@dataclass(frozen=True, slots=True)
class Place:
    """A path of a filesystem, under the URL by which its user knows it."""

    url: str
    """The name in messages."""
    path: str
    """The path as the filesystem has it, without a slash at its end."""
    fs: AbstractFileSystem = field(repr=False)
    """The filesystem."""
    options: Mapping[str, Any] | None = field(default=None, repr=False)
    """What the filesystem was made with."""

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, where a rename is atomic."""
        protocol = self.fs.protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def is_directory(self) -> bool:
        """Whether there is a directory; a directory of an object store is there when anything is in it."""
        return bool(self.ask(lambda: self.fs.isdir(self.path)))

    def read(self, name: str = "") -> bytes | None:
        """All bytes of the file, or of a file in the directory; None when there is no such file."""
        path = f"{self.path}/{name}" if name else self.path
        try:
            data: bytes = self.ask(lambda: self.fs.cat_file(path))
        except FileNotFoundError:
            return None
        return data

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The file, to be read from its beginning; one that is elsewhere is fetched whole.

        Raises SourceError when there is no such file.
        """
        if self.is_local:
            try:
                file: BinaryIO = Path(self.path).open("rb")  # noqa: SIM115 - closed below
            except FileNotFoundError as error:
                raise SourceError("there is no such file", url=self.url) from error
            except OSError as error:
                raise SourceError(f"cannot be read: {error.strerror or error}", url=self.url) from error
        else:
            data = self.read()
            if data is None:
                raise SourceError("there is no such file", url=self.url)
            file = io.BytesIO(data)
        with file:
            yield file

    def read_if_any(self, name: str) -> bytes | None:
        """The same for a file that need not be there: object stores that may not be listed say of one that is not
        there that it may not be read.
        """
        try:
            return self.read(name)
        except SourceError as error:
            cause = error.__cause__
            if isinstance(cause, PermissionError) or getattr(cause, "status", None) == 403:
                return None
            raise

    def head(self, length: int) -> bytes:
        """The first bytes of the file. Raises SourceError when there is no such file."""
        try:
            data: bytes = self.ask(lambda: self.fs.cat_file(self.path, start=0, end=length))
        except FileNotFoundError as error:
            raise SourceError("there is no such file", url=self.url) from error
        return data

    def range(self, start: int, stop: int) -> bytes | None:
        """Some bytes of the file, fewer where it ends; None when there is no such file."""
        try:
            if self.is_local:
                with Path(self.path).open("rb") as file:
                    file.seek(start)
                    return file.read(stop - start)
            data: bytes = self.ask(lambda: self.fs.cat_file(self.path, start=start, end=stop))
        except FileNotFoundError:
            return None
        return data

    def read_many(self, names: Sequence[str]) -> Iterator[bytes | None]:
        """The bytes of files in the directory, many fetched at once; None for each that is not there."""
        if self.is_local:
            yield from map(self.read, names)
            return
        for some in _batches(names):
            paths = [f"{self.path}/{name}" for name in some]
            found = self.ask(lambda paths=paths: self.fs.cat(paths, on_error="return"))
            for path in paths:
                data = found[path]
                if isinstance(data, Exception) and not isinstance(data, FileNotFoundError):
                    raise SourceError(f"cannot be read: {data}", url=f"{self.url}: {path}") from data
                yield None if isinstance(data, Exception) else data

    def names(self, directory: str) -> set[str]:
        """The names of what is in a directory below; nothing when it is not there."""
        self.fs.invalidate_cache(f"{self.path}/{directory}")
        try:
            found = self.ask(lambda: self.fs.ls(f"{self.path}/{directory}", detail=False))
        except FileNotFoundError:
            return set()
        return {str(path).rstrip("/").rpartition("/")[2] for path in found}

    def publish_file(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Write one file."""
        if not self.is_local:
            self.ask(lambda: self.fs.pipe_file(self.path, b"".join(pieces)))
            return
        target = Path(self.path)
        with _beside(target) as temporary:
            with temporary.open("xb") as file:
                for piece in pieces:
                    file.write(piece)
                _settle(file)
            temporary.replace(target)

    @contextmanager
    def replacing(self, last: str, *, keeping: Collection[str] | None = None) -> Iterator[Stage]:
        """A directory in the making, which takes the place of the one that is there when the block ends well.

        `last` is the file that makes it a set. Files named in `keeping` are taken over from the old one: as further
        names of the same files where the filesystem has such, so that nothing is copied; when it is not None, the old
        set is read while the new one is made, and stays whole until the end.

        Raises StorageError rather than replace what is not a set.
        """
        self.fs.invalidate_cache(self.path)
        if self.fs.exists(self.path) and not self._replaceable(last):
            raise StorageError(
                f"{self.url}: expected nothing there, or a reference set, but it has no {last}; not replaced."
                " Write to another name, or remove it first"
            )
        if not self.is_local:
            stage = _StageThere(self, last, None if keeping is None else frozenset(keeping))
            yield stage
            stage.finish()
            return
        target = Path(self.path)
        with _beside(target) as temporary:
            temporary.mkdir()
            here = _StageHere(self, replace(self, path=str(temporary)))
            here.keep(keeping or ())
            yield here
            _swap(temporary, target)

    def file(self, name: str) -> Place:
        """A file in the directory."""
        return replace(self, url=f"{self.url}/{name}", path=f"{self.path}/{name}")

    def put(self, data: bytes) -> None:
        """Write one file of a directory in the making: whole or not at all, and once more if need be."""
        self.publish_file([data])

    def _replaceable(self, last: str) -> bool:
        if not self.fs.isdir(self.path):
            return False
        return bool(self.fs.exists(f"{self.path}/{last}")) or not self.fs.ls(self.path, detail=False)

    def ask(self, call: Any) -> Any:
        """Make a call to the filesystem; what it raises becomes a SourceError that names the place."""
        try:
            return call()
        except (FileNotFoundError, ChunkmapError):
            raise
        except Exception as error:
            raise SourceError(f"cannot be read or written: {type(error).__name__}: {error}", url=self.url) from error


class Stage(Protocol):
    """A directory in the making."""

    def put(self, files: Mapping[str, bytes]) -> None:
        """Add files, by name."""

    def file(self, name: str) -> Place:
        """Where a file goes that somebody else is about to write; workers on other machines, it may be."""


@dataclass(slots=True)
class _StageHere:
    """On this machine: written beside, and renamed when it is complete."""

    final: Place
    temporary: Place

    def put(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            self.file(name).put(data)

    def file(self, name: str) -> Place:
        return self.temporary.file(name)

    def keep(self, names: Iterable[str]) -> None:
        for name in names:
            new = Path(self.temporary.path, name)
            new.parent.mkdir(parents=True, exist_ok=True)
            try:
                new.hardlink_to(Path(self.final.path, name))
            except OSError:  # a filesystem without hard links
                shutil.copy2(Path(self.final.path, name), new)


class _StageThere:
    """In an object store: written where it belongs, that which makes it a set at the very end.

    Where files are kept, the old set stays whole until then: files that replace old ones wait under another name.
    """

    def __init__(self, final: Place, last: str, keeping: frozenset[str] | None) -> None:
        self.final, self.last, self.keeping = final, last, keeping
        prefix = f"{final.path}/"
        found = final.fs.find(final.path) if final.fs.exists(final.path) else []
        self.old = {path.removeprefix(prefix) for path in found}
        self.waiting: dict[str, str] = {}
        self.written: set[str] = set()
        self.puts: dict[str, bytes] = {}
        self.end: dict[str, bytes] = {}

    def put(self, files: Mapping[str, bytes]) -> None:
        self.end |= {name: data for name, data in files.items() if name == self.last}
        self.puts |= {self.file(name).path: data for name, data in files.items() if name != self.last}
        if len(self.puts) >= _BATCH or sum(map(len, self.puts.values())) > _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        puts, self.puts = self.puts, {}
        if puts:
            self.final.ask(lambda: self.final.fs.pipe(puts))

    def file(self, name: str) -> Place:
        if self.keeping is None and self.last in self.old:
            self.final.fs.rm_file(f"{self.final.path}/{self.last}")
            self.old.discard(self.last)
        self.written.add(name)
        if self.keeping is not None and name in self.old:
            self.waiting[name] = f"{_WAITING}/{name}"
        return self.final.file(self.waiting.get(name, name))

    def finish(self) -> None:
        """Put everything in its place, then that which makes it a set; then remove what is left over."""
        fs, root = self.final.fs, self.final.path
        self._flush()
        for name, elsewhere in self.waiting.items():
            self.final.ask(lambda name=name, elsewhere=elsewhere: fs.copy(f"{root}/{elsewhere}", f"{root}/{name}"))
        if self.keeping is not None:
            self.final.ask(lambda: fs.pipe({f"{root}/{name}": data for name, data in self.end.items()}))
        stale = (self.old - self.written - (self.keeping or frozenset()) - {self.last}) | set(self.waiting.values())
        if stale:
            fs.rm(sorted(f"{root}/{name}" for name in stale))
        if self.keeping is None:
            self.final.ask(lambda: fs.pipe({f"{root}/{name}": data for name, data in self.end.items()}))


def find_place(url: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None) -> Place:
    """The filesystem and the path of a URL. Raises SourceError when no filesystem knows it."""
    name = os.fspath(url)
    try:
        fs, path = fsspec.core.url_to_fs(name, **(storage_options or {}))
    except (ValueError, ImportError) as error:
        raise SourceError(f"cannot be opened: {error}", url=name) from error
    return Place(name, path.rstrip("/"), fs, storage_options)


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    while some := list(islice(rest, _BATCH)):
        yield some


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A name beside the target that nobody has; what stands there afterwards is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        yield temporary
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def _settle(file: BinaryIO) -> None:
    """The bytes are on the disk before the name is."""
    file.flush()
    os.fsync(file.fileno())


def _swap(new: Path, target: Path) -> None:
    """Put the new directory in place of the old, which ends up under the new one's name."""
    if not target.exists():
        new.rename(target)
    elif not _exchange(new, target):
        old = new.with_suffix(".old")
        target.rename(old)
        new.rename(target)
        old.rename(new)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names at once, where the system can: Linux, `renameat2(2)` with RENAME_EXCHANGE."""
    if not sys.platform.startswith("linux"):
        return False
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    here, exchange = -100, 2
    return call is not None and call(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0
