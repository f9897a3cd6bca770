"""Filesystems of fsspec, asynchronous or not, as its reader of references wants them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import fsspec
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from fsspec.implementations.reference import ReferenceFileSystem
from zarr.storage import FsspecStore

__all__ = ["StoreOfGroups", "filesystems", "with_mode"]


class StoreOfGroups(FsspecStore):
    """zarr's store over a filesystem of references, in which groups are found in groups: zarr's own asks for `//a`,
    which that filesystem does not know, so that `xarray.open_datatree` shows nothing below `/a`.
    """

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """The names of what stands directly below."""
        if not isinstance(self.fs, ReferenceFileSystem):
            async for name in super().list_dir(prefix):
                yield name
            return
        directory = "/".join(part for part in (self.path.strip("/"), prefix.strip("/")) if part)
        try:
            paths = self.fs.ls(directory, detail=False)
        except FileNotFoundError:
            return
        for path in paths:
            yield path.rpartition("/")[2]


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
