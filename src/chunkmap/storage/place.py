"""Taking the place of what is there, on this machine: what is new gets its name by one exchange of two names.

Where names cannot be exchanged, the old one makes way under a name by which readers, and the next writer, find it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from chunkmap.io.system import close, lock, open_directory

__all__ = ["alone_in", "bring_back", "keep_rights", "set_aside", "swap"]

_ASIDE: Final = ".old"
"""How the name of a set ends that makes way."""


@contextmanager
def alone_in(directory: Path) -> Iterator[bool]:
    """Alone among the writers into a directory, as far as its filesystem knows locks; whether it does."""
    file = open_directory(directory)
    try:
        yield lock(file, wait=True)
    finally:
        close(file)


def keep_rights(old: Path, new: Path) -> None:
    """Give what takes the place of another its mode, and as far as that is allowed its owner and group."""
    try:
        found = old.stat()
    except FileNotFoundError:
        return
    own = new.stat()
    if (own.st_uid, own.st_gid) != (found.st_uid, found.st_gid):
        for path in [new, *new.rglob("*")]:
            _give(path, found.st_uid, found.st_gid)
    new.chmod(stat.S_IMODE(found.st_mode))


def _give(path: Path, owner: int, group: int) -> None:
    """A file to an owner and a group; to the group alone where only that may be done."""
    for one in (owner, -1):
        with suppress(PermissionError, AttributeError):  # Windows has no such owners
            os.chown(path, one, group)
            return


def swap(new: Path, target: Path) -> None:
    """Put the new directory in place of the old, which ends up under the new one's name. To be called when alone."""
    if not target.exists():
        new.rename(target)
    elif not _exchange(new, target):
        old = new.with_suffix(_ASIDE)  # readers find it there, should this process end between the renames
        target.rename(old)
        new.rename(target)
        old.rename(new)
        for left in _asides(target):  # by one that ended after the second of them
            shutil.rmtree(left, ignore_errors=True)


def set_aside(target: Path) -> Path | None:
    """The set that was there, where its writer died when it had made way and the new one had not come."""
    if os.path.exists(target):  # noqa: PTH110 - also of a name that is too long
        return None
    return max(_asides(target), default=None)


def bring_back(target: Path) -> None:
    """Have it under its name again."""
    if set_aside(target) is None:
        return
    with alone_in(target.parent):  # else the writer lives, and is between the two renames
        aside = set_aside(target)
        if aside is not None:
            aside.rename(target)


def _asides(target: Path) -> list[Path]:
    begin = f".{target.name}."
    with suppress(OSError):
        return [Path(e.path) for e in os.scandir(target.parent) if e.name.startswith(begin) and e.name.endswith(_ASIDE)]
    return []


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names at once, where the system can: Linux, `renameat2(2)` with RENAME_EXCHANGE."""
    if not sys.platform.startswith("linux"):
        return False
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    here, exchange = -100, 2
    return call is not None and call(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0
