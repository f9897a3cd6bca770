"""Zarr, as zarr-python reads the store."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import zarr
import zarr.storage
from numpy.typing import NDArray

from chunkmap.frontends.oracles.oracle import Original, Piece
from chunkmap.io import ArchiveFolder, LocalFolder

__all__ = ["oracle"]

_IN_OUR_WORDS: Final = frozenset({"_ARRAY_DIMENSIONS", "_FillValue", "_nczarr_array", "_NCZARR_ARRAY"})
"""What sets say otherwise: dimensions, and what is masked."""


def oracle(original: Original) -> _Store:
    """The store."""
    return _Store(original)


def _opened(original: Original) -> Any:
    """The store, to be read by zarr-python alone."""
    folder = original.lies
    if isinstance(folder, LocalFolder):
        return folder.path
    url = folder.url if isinstance(folder, ArchiveFolder) else original.url
    return zarr.storage.FsspecStore.from_url(url, storage_options=dict(original.storage_options or {}), read_only=True)


class _Store:
    """A store that zarr-python has opened: a group, or an array alone."""

    def __init__(self, original: Original) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # types that no specification is of yet
            self._node = zarr.open(_opened(original), mode="r")

    def read(self, piece: Piece) -> NDArray[Any] | None:
        """The values of an array."""
        found = self._at(piece.path)
        return np.asarray(found[piece.part]) if isinstance(found, zarr.Array) else None

    def attributes(self, path: str) -> Mapping[str, Any]:
        """The attributes of an array or a group."""
        found = self._at(path)
        said = {} if found is None else dict(found.attrs)
        return {name: value for name, value in said.items() if name not in _IN_OUR_WORDS}

    def _at(self, path: str) -> zarr.Array[Any] | zarr.Group | None:
        if not path:
            return self._node
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._node.get(path) if isinstance(self._node, zarr.Group) else None
