"""Putting a reference set to rest: as one file, or as a directory of files, here or in an object store.

That is atomic as far as the place allows. Here, everything is written beside and renamed into place, so a reader
sees the old set or the new one, and a writer that dies leaves the old one whole. An object store has no rename: one
file is one put; of a directory the `last` file goes first when it is replaced and comes back at the very end, so a
reader finds either a whole set or none.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from chunkmap.errors import StorageError
from chunkmap.io.filesystem import Located, ask

__all__ = ["Stage", "publish_file", "replacing"]

_WAITING: Final = ".chunkmap-next"
"""In an object store, where new files wait that will replace files of a set that is added to."""

_BATCH: Final = 64
"""Files that are put into an object store at once."""

_BATCH_BYTES: Final = 64 << 20
"""Bytes that wait to be put there together."""


def publish_file(at: Located, pieces: Iterable[bytes | memoryview]) -> None:
    """Write one file."""
    if not at.is_local:
        data = b"".join(pieces)
        ask(lambda: at.fs.pipe_file(at.path, data), at.url, "written")
        return
    target = Path(at.path)
    with _beside(target) as temporary:
        with temporary.open("xb") as file:
            for piece in pieces:
                file.write(piece)
            _settle(file)
        temporary.replace(target)


@contextmanager
def replacing(
    at: Located, last: str, is_set: Callable[[bytes], bool], *, keeping: Collection[str] | None = None
) -> Iterator[Stage]:
    """A directory in the making, which takes the place of the one that is there when the block ends well.

    `last` is the file that makes it a set, if `is_set` says so of its bytes. Files named in `keeping` are taken over
    from the old one: as further names of the same files where the filesystem has such, so that nothing is copied; when
    it is not None, the old set is read while the new one is made, and stays whole until the end.

    Raises StorageError rather than replace what is not a set.
    """
    at.fs.invalidate_cache(at.path)
    if at.fs.exists(at.path) and not _replaceable(at, last, is_set):
        raise StorageError(
            f"{at.url}: expected nothing there, or a reference set, but it has no {last} of one; not replaced."
            " Write to another name, or remove it first"
        )
    if not at.is_local:
        stage = _StageThere(at, last, None if keeping is None else frozenset(keeping))
        yield stage
        stage.finish()
        return
    target = Path(at.path)
    with _beside(target) as temporary:
        temporary.mkdir()
        here = _StageHere(at, replace(at, path=str(temporary)))
        here.keep(keeping or ())
        yield here
        _swap(temporary, target)


def _replaceable(at: Located, last: str, is_set: Callable[[bytes], bool]) -> bool:
    if not at.fs.isdir(at.path):
        return False
    if at.fs.exists(f"{at.path}/{last}"):
        return is_set(at.fs.cat_file(f"{at.path}/{last}"))
    return not at.fs.ls(at.path, detail=False)


class Stage(Protocol):
    """A directory in the making."""

    def put(self, files: Mapping[str, bytes]) -> None:
        """Add files, by name."""

    def file(self, name: str) -> Located:
        """Where a file goes that somebody else is about to write; workers on other machines, it may be."""


@dataclass(slots=True)
class _StageHere:
    """On this machine: written beside, and renamed when it is complete."""

    final: Located
    temporary: Located

    def put(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            publish_file(self.file(name), [data])

    def file(self, name: str) -> Located:
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

    def __init__(self, final: Located, last: str, keeping: frozenset[str] | None) -> None:
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
            ask(lambda: self.final.fs.pipe(puts), self.final.url, "written")

    def file(self, name: str) -> Located:
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
            ask(partial(fs.copy, f"{root}/{elsewhere}", f"{root}/{name}"), self.final.url, "written")
        if self.keeping is not None:
            ask(lambda: fs.pipe({f"{root}/{name}": data for name, data in self.end.items()}), self.final.url, "written")
        stale = (self.old - self.written - (self.keeping or frozenset()) - {self.last}) | set(self.waiting.values())
        if stale:
            fs.rm(sorted(f"{root}/{name}" for name in stale))
        if self.keeping is None:
            ask(lambda: fs.pipe({f"{root}/{name}": data for name, data in self.end.items()}), self.final.url, "written")


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
