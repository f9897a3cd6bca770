"""Filesystems of fsspec, asynchronous or not, as its reader of references wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fsspec
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

__all__ = ["filesystems", "with_mode"]


def filesystems(fs: Any, *, asynchronous: bool) -> Any:
    """A filesystem, or those of several protocols, as fsspec's reader of references wants them."""
    if fs is None:
        return None
    if not isinstance(fs, Mapping):
        return with_mode(fs, asynchronous=asynchronous)
    opened = {name: fsspec.filesystem(name, **one) if isinstance(one, Mapping) else one for name, one in fs.items()}
    opened.setdefault(None, fsspec.filesystem("file"))
    return {name: with_mode(one, asynchronous=asynchronous) for name, one in opened.items()}


def with_mode(fs: Any, *, asynchronous: bool) -> Any:
    """The filesystem as an asynchronous one, or not: another instance where the one given is of the other mode."""
    if not isinstance(fs, AsyncFileSystem):
        return AsyncFileSystemWrapper(fs, asynchronous=True) if asynchronous else fs
    if fs.asynchronous == asynchronous:
        return fs
    if isinstance(fs, AsyncFileSystemWrapper):
        return AsyncFileSystemWrapper(fs.sync_fs, asynchronous=asynchronous)
    return type(fs)(*fs.storage_args, **{**fs.storage_options, "asynchronous": asynchronous})
