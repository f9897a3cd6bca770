"""The codec `fill_hdf_strings`: strings of variable length in HDF5, which are stored as 16-byte references to a heap.

The heap is not within reach of a decoder, so its strings stand in the codec's configuration, by reference, or are
given up for one constant.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy
from numpy.typing import NDArray

from chunkmap.codecs.record_member import record_dtype

__all__ = ["FillStringsCodec"]


class FillStringsCodec(Codec):  # type: ignore[misc]
    """Puts strings in the place of references to a heap.

    `id_map` is a mapping of references to strings, or the one value that stands for every string. In records, every
    member of text is a reference.

    >>> FillStringsCodec("|S16", id_map={"a" * 16: "hello"}).decode(b"a" * 16)
    array(['hello'], dtype=object)
    """

    codec_id = "fill_hdf_strings"

    def __init__(self, dtype: Any, id_map: Mapping[str, str] | str | None = None) -> None:
        self.dtype = ast.literal_eval(dtype) if isinstance(dtype, str) and dtype.startswith("[") else dtype
        self.id_map = id_map
        self._stored = record_dtype(self.dtype)
        self._strings = (
            {key.rstrip("\0"): value for key, value in id_map.items()} if isinstance(id_map, Mapping) else None
        )

    def encode(self, buf: Any) -> Any:
        """Nothing is ever written into a heap."""
        raise NotImplementedError("references to an HDF5 heap are read, never written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The strings, or the records with strings in them. Raises ValueError for a reference not in the map."""
        stored = ensure_contiguous_ndarray(buf).view("u1").view(self._stored)
        filled = self._fill(stored) if self._stored.names is None else self._fill_records(stored)
        return ndarray_copy(filled, out)

    def _fill_records(self, stored: NDArray[Any]) -> NDArray[Any]:
        texts = {name for name in stored.dtype.names or () if stored.dtype[name].kind in "SU"}
        filled = np.empty(
            stored.shape, [(name, "O" if name in texts else stored.dtype[name]) for name in stored.dtype.names or ()]
        )
        for name in stored.dtype.names or ():
            filled[name] = self._fill(stored[name]) if name in texts else stored[name]
        return filled

    def _fill(self, references: NDArray[Any]) -> NDArray[Any]:
        filled = np.empty(references.shape, object)
        if self._strings is None:
            filled[...] = self.id_map
        else:
            filled.reshape(-1)[:] = [self._string(reference) for reference in references.ravel().tolist()]
        return filled

    def _string(self, reference: bytes | str) -> str:
        assert self._strings is not None
        key = reference if isinstance(reference, str) else _text(reference)
        if key not in self._strings:
            raise ValueError(f"there is no string for the reference {reference!r} in the codec's id_map")
        return self._strings[key]


def _text(reference: bytes) -> str:
    try:
        return reference.decode("utf-8")
    except UnicodeDecodeError:
        return reference.decode("latin-1")
