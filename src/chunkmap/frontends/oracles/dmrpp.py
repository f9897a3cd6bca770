"""DMR++, whose granule h5py reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from chunkmap.frontends.oracles.hdf5 import Hdf5
from chunkmap.frontends.oracles.oracle import Original, Piece

__all__ = ["oracle"]


def oracle(original: Original) -> _Granule:
    """The granule that the document is of."""
    return _Granule(original)


class _Granule:
    """The file that the references of a document lead to; none where all values stand in the document."""

    def __init__(self, original: Original) -> None:
        named = [url for array in original.refs.arrays.values() for url in array.manifest().urls]
        self._file = Hdf5(original.open(named[0]), original) if named else None

    def read(self, piece: Piece) -> NDArray[Any] | None:
        """The values that the granule has under the same path."""
        return None if self._file is None else self._file.read(piece)

    def attributes(self, path: str) -> Mapping[str, Any]:  # noqa: ARG002 - no two servers write the same ones
        """None: servers add attributes to those of the granule, and change them."""
        return {}
