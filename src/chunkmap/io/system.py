"""What not every system has: locks, reading at a place, directories that can be opened; and what is done without."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows
    _flock = None
else:
    _flock = fcntl.flock

__all__ = [
    "close",
    "is_free",
    "lock",
    "open_directory",
    "open_to_read",
    "pread",
    "pread_into",
    "read_part",
    "read_whole",
    "settle_directory",
    "share",
]

_LONG_DEAD: Final = 86_400.0
"""Seconds after which what cannot be locked is taken for what the dead left."""

_BLOCK: Final = 1 << 24

_at_a_place = threading.Lock()


def open_to_read(path: str | os.PathLike[str]) -> int:
    """A file, to be read at places: in a third of the time that an object for it takes. On most systems it may be a
    directory. Nobody is waited for who would write into it, where it is a pipe.
    """
    return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))


def _pread(file: int, length: int, offset: int) -> bytes:
    with _at_a_place:
        os.lseek(file, offset, os.SEEK_SET)
        return os.read(file, length)


pread: Final[Callable[[int, int, int], bytes]] = getattr(os, "pread", _pread)
"""Some bytes of a file (its number, how many, from where) that others read too; fewer where it ends."""


def pread_into(file: int, room: memoryview, offset: int) -> int:
    """The same, into memory that is there for them; how many there were."""
    if hasattr(os, "preadv"):
        return os.preadv(file, [room], offset)
    data = pread(file, len(room), offset)
    room[: len(data)] = data
    return len(data)


def read_whole(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a file, which is opened only for that."""
    file = open_to_read(path)
    try:
        size = os.fstat(file).st_size
        data = os.read(file, size + 1)
        if len(data) == size:
            return data
        return data + b"".join(iter(lambda: os.read(file, _BLOCK), b""))  # more than a call gives, or it grew
    finally:
        os.close(file)


def read_part(path: str | os.PathLike[str], start: int, stop: int) -> bytes:
    """Some bytes of a file that is opened only for them, fewer where it ends."""
    file = open_to_read(path)
    try:
        data = pread(file, stop - start, start)
        while len(data) < stop - start and (more := pread(file, stop - start - len(data), start + len(data))):
            data += more  # a call gives 2 GB
        return data
    finally:
        os.close(file)


def open_directory(path: str | os.PathLike[str]) -> int | None:
    """A directory, to be locked or settled; None where the system opens none."""
    with suppress(PermissionError):
        return os.open(path, os.O_RDONLY)
    return None


def close(file: int | None) -> None:
    """Close what was opened."""
    if file is not None:
        os.close(file)


def lock(file: int | None, *, wait: bool) -> bool:
    """Have a file or a directory for oneself until it is closed, or the process ends; whether that came about."""
    if _flock is None or file is None:
        return False
    try:
        _flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # somebody else has it, or the filesystem knows no locks
        return False
    return True


def share(file: int) -> int | None:
    """The same file once more, with which its lock lives on; None where there are no locks."""
    return None if _flock is None else os.dup(file)


def is_free(path: str, changed: float) -> bool:
    """Whether no living process has locked what lies there; without locks, whether it is old."""
    if _flock is None:
        return time.time() - changed > _LONG_DEAD
    file = open_to_read(path)
    try:
        return lock(file, wait=False)
    finally:
        os.close(file)


def settle_directory(path: Path) -> None:
    """The names in a directory are on the disk, as far as the system knows such a thing."""
    file = open_directory(path)
    try:
        if file is not None:
            with suppress(OSError):
                os.fsync(file)
    finally:
        close(file)
