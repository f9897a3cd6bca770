"""Putting a reference set to rest: as one file, or as a directory of files, here or in an object store.

Here, everything is written beside and renamed into place, so a reader sees the old set or the new one, and a writer
that dies leaves the old one whole. An object store has no rename: one file is one put, and a directory is published by
a journal (see there). What is written beside is locked while its writer lives; the next writer removes what is not.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from chunkmap.errors import ChunkmapError, StorageError
from chunkmap.io.filesystem import Located, ask, is_there, named
from chunkmap.io.system import close, is_free, lock, open_directory, settle_directory, share
from chunkmap.storage.journal import Place, StageThere, create, is_unfinished
from chunkmap.storage.place import alone_in, bring_back, keep_rights, swap
from chunkmap.storage.states import State, check_state, replace_file, state_of

__all__ = [
    "Stage",
    "clear_leftovers",
    "directory_beside",
    "hold",
    "output_errors",
    "publish_file",
    "replacing",
    "text_errors",
    "write_part",
]

_YOUNG: Final = 1.0
"""Seconds in which what was just made may not be locked yet, where directories cannot be."""


def publish_file(at: Located, pieces: Iterable[bytes | memoryview], *, expected: State | None = None) -> State:
    """Write one file, in place of the one that is there; gives its state.

    Raises StorageError where that is not the `expected` one any more, SourceError when it cannot be written.
    """
    if not at.is_local:
        with text_errors(at):
            data = b"".join(pieces)
        replace_file(at, data, expected)
        return state_of(at)
    target = Path(os.path.realpath(at.path))
    with output_errors(at), text_errors(at), _beside(target) as temporary, _held_file(temporary) as file:
        with file:
            for piece in pieces:
                file.write(piece)
            _settle(file)
        keep_rights(target, temporary)
        state = state_of(replace(at, path=str(temporary)))
        with alone_in(target.parent):
            if expected is not None:
                check_state(at, expected)
            temporary.replace(target)
        settle_directory(target.parent)
    return state


def write_part(place: Place, pieces: Iterable[bytes | memoryview]) -> None:
    """Write a file of a directory in the making, whole or not at all: two workers may do so at once."""
    at = place.at
    if not at.is_local:
        data = b"".join(pieces)
        if place.beside is not None:
            create(place, data)
        else:
            ask(lambda: at.fs.pipe_file(at.path, data), at.url, "written")
        return
    target = Path(at.path)
    with output_errors(at):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
        try:
            with temporary.open("xb") as file:
                for piece in pieces:
                    file.write(piece)
                _settle(file)
            temporary.replace(target)
        finally:
            with suppress(OSError):  # it goes with the directory
                temporary.unlink(missing_ok=True)


@contextmanager
def replacing(
    at: Located,
    last: str,
    is_set: Callable[[bytes], bool],
    *,
    keeping: Collection[str] | None = None,
    expected: tuple[State, Collection[str]] | None = None,
) -> Iterator[Stage]:
    """A directory in the making, which takes the place of the one that is there when the block ends well.

    `last` is the file that makes it a set, if `is_set` says so of its bytes. Files named in `keeping` are taken over
    from the old one: as further names of the same files where the filesystem has such, so that nothing is copied.
    The old set stays whole until the end.

    Raises StorageError rather than replace what is not a set, or not the one any more whose state was `expected`.
    """
    if at.is_local:
        at = replace(at, path=os.path.realpath(at.path))
        bring_back(Path(at.path))
    if is_there(at, "written") and not _replaceable(at, last, is_set):
        raise StorageError(
            f"{at.url}: expected nothing there, or a reference set, but it has no {last} of one; not replaced."
            " Write to another name, or remove it first"
        )
    if not at.is_local:
        stage = StageThere(at, last, keeping or (), expected)
        with text_errors(at):
            yield stage
        stage.finish()
        return
    with directory_beside(at, expected) as temporary:
        here = _StageHere(at, temporary)
        with output_errors(at):
            here.keep(keeping or ())
        with text_errors(at):
            yield here


@contextmanager
def directory_beside(at: Located, expected: tuple[State, Collection[str]] | None = None) -> Iterator[Located]:
    """A directory on this machine, beside the place that it takes when the block ends well; what is there now stays
    whole until then, whatever it is.

    Raises StorageError where that is not the one any more whose state was `expected`.
    """
    target = Path(os.path.realpath(at.path))
    with _beside(target, at) as temporary:
        with output_errors(at):
            held = _new_directory(temporary)
        try:
            yield replace(at, path=str(temporary))
            with output_errors(at):
                keep_rights(target, temporary)
                _put_in_place(at, temporary, target, expected)
        finally:
            close(held)


def _put_in_place(at: Located, temporary: Path, target: Path, expected: tuple[State, Collection[str]] | None) -> None:
    """Put the directory that is complete in the place of the old one."""
    for directory, _, _ in os.walk(temporary):
        settle_directory(Path(directory))
    with alone_in(target.parent):
        if expected is not None:
            check_state(at, *expected)
        swap(temporary, target)
    settle_directory(target.parent)


def _replaceable(at: Located, last: str, is_set: Callable[[bytes], bool]) -> bool:
    """Whether what is there is a set, or nothing that anybody would miss."""
    end = at.file(last)
    if at.is_local:
        if not Path(at.path).is_dir():
            return False
        if is_there(end):
            return is_set(ask(Path(end.path).read_bytes, end.url))
        return not ask(lambda: list(Path(at.path).iterdir()), at.url)
    fs = at.fs
    if ask(lambda: fs.info(at.path), at.url)["type"] != "directory":
        return False
    if is_there(end):
        return is_set(ask(lambda: fs.cat_file(end.path), end.url))
    return not ask(lambda: fs.ls(at.path, detail=False), at.url) or is_unfinished(at)


class Stage(Protocol):
    """A directory in the making."""

    def put(self, files: Mapping[str, bytes]) -> None:
        """Add files, by name."""

    def place(self, name: str) -> Place:
        """Where a file goes that somebody else is about to write; workers on other machines, it may be."""


@dataclass(slots=True)
class _StageHere:
    """On this machine: written beside, and renamed when it is complete."""

    final: Located
    temporary: Located

    def put(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            write_part(self.place(name), [data])

    def place(self, name: str) -> Place:
        return Place(self.temporary.file(name))

    def keep(self, names: Iterable[str]) -> None:
        for name in names:
            new = Path(self.temporary.path, name)
            new.parent.mkdir(parents=True, exist_ok=True)
            try:
                new.hardlink_to(Path(self.final.path, name))
            except OSError:  # a filesystem without hard links
                shutil.copy2(Path(self.final.path, name), new)


@contextmanager
def _beside(target: Path, at: Located | None = None) -> Iterator[Path]:
    """A name beside the target that nobody has; what stands there afterwards is removed, as is what the dead left."""
    if at is None:
        target.parent.mkdir(parents=True, exist_ok=True)
    else:
        with output_errors(at):
            target.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(target.parent, f".{target.name}.", ".tmp")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        yield temporary
    finally:
        with suppress(OSError):  # what cannot be removed now goes with the next run
            if os.path.isdir(temporary):  # noqa: PTH112 - also of a name that is too long
                shutil.rmtree(temporary)
            elif os.path.lexists(temporary):
                temporary.unlink()


@contextmanager
def _held_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that nobody can take for one of the dead, from before it is locked until the block ends, although
    it is closed in between.
    """
    with alone_in(path.parent):
        file = path.open("xb")
        hold(file.fileno())
        held = share(file.fileno())
    try:
        yield file
    finally:
        close(held)


def _new_directory(path: Path) -> int | None:
    """A new directory that nobody can take for one of the dead, not even before it is locked."""
    with alone_in(path.parent):
        path.mkdir()
        held = open_directory(path)
        hold(held)
    return held


def hold(file: int | None) -> None:
    """Lock what is written, so that others see that its writer lives; the lock ends with the process."""
    lock(file, wait=False)  # in a filesystem without locks nobody can take it for dead either


def clear_leftovers(directory: Path, begin: str, end: str) -> None:
    """Remove what writers left beside their output that were killed: what no living process holds."""
    with suppress(OSError):  # what cannot be listed or removed disturbs nobody
        left = [entry for entry in os.scandir(directory) if entry.name.startswith(begin) and entry.name.endswith(end)]
        if not left:
            return
        with alone_in(directory) as alone:  # nobody is between making what is seen and locking it
            dead = [entry for entry in left if _is_dead(entry, 0.0 if alone else _YOUNG)]
        for entry in dead:
            _remove(entry)


def _remove(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        Path(entry.path).unlink(missing_ok=True)


def _is_dead(entry: os.DirEntry[str], age: float) -> bool:
    """Whether it is of such an age, and no living process has it."""
    with suppress(FileNotFoundError):  # its writer was just done
        changed = entry.stat(follow_symlinks=False).st_mtime
        return time.time() - changed >= age and not entry.is_symlink() and is_free(entry.path, changed)
    return False


@contextmanager
def output_errors(at: Located) -> Iterator[None]:
    """What the system says of an output, a full or read-only disk, as our own error."""
    try:
        yield
    except ChunkmapError:
        raise
    except (OSError, RecursionError) as error:  # that comes of a thousand directories to be made
        raise named(error, at.url, "written") from error


@contextmanager
def text_errors(at: Located) -> Iterator[None]:
    """Text that no set can hold, such as the name of a file in bytes that are no UTF-8, as our own error."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise StorageError(
            f"{at.url}: cannot be written: {error.object[:200]!r} is no text that UTF-8 can hold; rename the file, or"
            " what is called so"
        ) from error


def _settle(file: BinaryIO) -> None:
    """The bytes are on the disk before the name is."""
    file.flush()
    os.fsync(file.fileno())
