"""NumPy's own files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkmap.frontends.oracles.oracle import Original, Piece, as_file
from chunkmap.io import LocalSource

__all__ = ["oracle"]


def oracle(original: Original) -> _Npy:
    """The file."""
    return _Npy(original)


class _Npy:
    """An array that numpy has loaded: mapped where the file is local."""

    def __init__(self, original: Original) -> None:
        source = original.source
        has_values = any(len(array.manifest()) for array in original.refs.arrays.values())
        if isinstance(source, LocalSource):
            self._values = np.load(source.path, mmap_mode="r" if has_values else None)
        else:
            self._values = np.load(as_file(source))

    def read(self, piece: Piece) -> NDArray[Any] | None:
        """The one array there is."""
        return np.asarray(self._values[piece.part])

    def attributes(self, path: str) -> Mapping[str, Any]:  # noqa: ARG002 - there are none
        """None: the format has none."""
        return {}
