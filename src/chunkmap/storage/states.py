"""Whether what is at rest under a name is still what was there before: how a writer knows that it was the only one."""

from __future__ import annotations

import os
from collections.abc import Collection

from chunkmap.errors import NoSuchFile, OtherWriter
from chunkmap.io.filesystem import Located, ask

__all__ = ["State", "check_state", "state_of"]

State = tuple[object, ...]
"""What the filesystem says of some files: another one when any of them was replaced."""


def state_of(at: Located, names: Collection[str] = ()) -> State:
    """The state of a file, or of a directory by some files in it."""
    return tuple(_of(at, f"{at.path}/{name}" if name else at.path) for name in names or ("",))


def check_state(at: Located, before: State, names: Collection[str] = ()) -> None:
    """Raise OtherWriter where it is not the state any more that was there before."""
    if state_of(at, names) != before:
        raise OtherWriter(
            f"{at.url}: another writer replaced the set while this one was at work, or reading it; nothing was"
            " changed. Run it again"
        )


def _of(at: Located, path: str) -> object:
    try:
        if at.is_local:
            found = os.stat(path)  # noqa: PTH116 - `path` is text
            return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
        at.fs.invalidate_cache(path)
        return ask(lambda: at.fs.checksum(path), at.url)
    except (FileNotFoundError, NotADirectoryError, NoSuchFile):
        return None
