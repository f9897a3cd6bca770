"""NumPy's archives of its own files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chunkmap.frontends.oracles.oracle import Original, Piece, as_file
from chunkmap.io import ArchiveFolder

__all__ = ["oracle"]


def oracle(original: Original) -> _Npz:
    """The archive."""
    return _Npz(original)


class _Npz:
    """Arrays by name, each of which numpy loads whole when it is asked for."""

    def __init__(self, original: Original) -> None:
        archive = cast("ArchiveFolder", original.lies)
        self._arrays = original.close.enter_context(np.load(as_file(archive.archive)))
        self._last: tuple[str, NDArray[Any]] | None = None

    def read(self, piece: Piece) -> NDArray[Any] | None:
        """The values of an array."""
        if piece.path not in self._arrays:
            return None
        if self._last is None or self._last[0] != piece.path:
            self._last = piece.path, self._arrays[piece.path]
        return np.asarray(self._last[1][piece.part])

    def attributes(self, path: str) -> Mapping[str, Any]:  # noqa: ARG002 - there are none
        """None: the format has none."""
        return {}
