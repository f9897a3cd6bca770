"""Whether what is at rest under a name is still what was there before: how a writer knows that it was the only one."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import NoReturn

from chunkmap.errors import NoSuchFile, OtherWriter
from chunkmap.io.filesystem import Located, ask, named
from chunkmap.io.retrying import status_of, with_retries

__all__ = ["State", "check_state", "replace_file", "state_of"]

State = tuple[object, ...]
"""What the filesystem says of some files: another one when any of them was replaced."""


def state_of(at: Located, names: Collection[str] = ()) -> State:
    """The state of a file, or of a directory by some files in it."""
    return tuple(_of(at, f"{at.path}/{name}" if name else at.path) for name in names or ("",))


def check_state(at: Located, before: State, names: Collection[str] = ()) -> None:
    """Raise OtherWriter where it is not the state any more that was there before."""
    if state_of(at, names) != before:
        _refuse(at)


def _refuse(at: Located) -> NoReturn:
    raise OtherWriter(
        f"{at.url}: another writer replaced the set while this one was at work, or reading it; nothing was"
        " changed. Run it again"
    )


def replace_file(at: Located, data: bytes, expected: State | None) -> None:
    """Put a file of an object store in place of the one whose state is `expected`, where it is: in S3 by one request.

    Elsewhere the state is looked at just before.
    """
    only: dict[str, object] = {}
    if expected is not None:
        at.fs.invalidate_cache(at.path)
        if "s3" in at.fs.protocol and expected != (None,):
            only = {"IfMatch": ask(lambda: at.fs.info(at.path), at.url)["ETag"], "chunksize": len(data) + 1}
        check_state(at, expected)
    try:
        with_retries(lambda: at.fs.pipe_file(at.path, data, **only))
    except Exception as error:
        if status_of(error) not in (404, 412) or not only:
            raise named(error, at.url, "written") from error
        if ask(lambda: at.fs.cat_file(at.path), at.url) != data:  # else only the answer to our own put was lost
            _refuse(at)


def _of(at: Located, path: str) -> object:
    try:
        if at.is_local:
            found = os.stat(path)  # noqa: PTH116 - `path` is text
            return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
        at.fs.invalidate_cache(path)
        return ask(lambda: at.fs.checksum(path), at.url)
    except (FileNotFoundError, NotADirectoryError, NoSuchFile):
        return None
