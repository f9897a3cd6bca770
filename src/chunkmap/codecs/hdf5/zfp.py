"""The codec `hdf5_zfp`: HDF5's registered filter 32013, H5Z-ZFP.

https://h5z-zfp.readthedocs.io (section "Interfaces"): the client data are the version, then the header that ZFP
writes (https://zfp.readthedocs.io, section "zfp_write_header"), and chunks are streams without it: here both are
put together again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.codecs.imagecodecs import require_imagecodecs

__all__ = ["Hdf5Zfp"]

# bits of: magic, type and shape; mode, which is short, or all ones before a long one
_BEFORE_MODE: Final = 32 + 52
_SHORT_MODE: Final = 12
_LONG_MODE: Final = 64
_BEFORE_SHAPE: Final = 32 + 4
_SHAPE: Final = 48
_PADDING: Final = 8
_LARGEST: Final = 1 << 32
_OF_BLOCK: Final = 32
_MOST_BITS: Final = (1 << 15) - 1
_RATES: Final = 1 << 11
"""Most bits of a block beside those of its elements; of what a mode says of its least length; and short modes that say
how long each block is.
"""
_MAGIC: Final = int.from_bytes(b"zfp", "little")


class Hdf5Zfp(Codec):  # type: ignore[misc]
    """ZFP. `header` is ZFP's, as the filter's client data has it, in words of 32 bits.

    A machine that is big-endian wrote words the other way round, and elements of its own order: the filter swaps them.
    """

    codec_id = "hdf5_zfp"

    def __init__(self, header: Sequence[int]) -> None:
        self.header = list(header)
        words = np.array([word & 0xFFFFFFFF for word in self.header], np.uint32)
        self._is_swapped = len(words) > 0 and int(words[0]) & 0xFFFFFF != _MAGIC
        whole = int.from_bytes((words.byteswap() if self._is_swapped else words).astype("<u4").tobytes(), "little")
        mode = whole >> _BEFORE_MODE & (1 << _SHORT_MODE) - 1
        self._bits = _BEFORE_MODE + (_LONG_MODE if mode == (1 << _SHORT_MODE) - 1 else _SHORT_MODE)
        self._header = whole & (1 << self._bits) - 1
        if whole & 0xFFFFFF != _MAGIC or len(self.header) * 32 < self._bits:
            raise ValueError(f"expected a header of ZFP, found {self.header}")

    def encode(self, buf: Any) -> Any:
        """Streams are read, never written."""
        raise NotImplementedError("streams of ZFP are read, never written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the chunk."""
        raw = ensure_bytes(buf)
        stream = self._header | int.from_bytes(raw, "little") << self._bits
        data = stream.to_bytes(len(raw) + self._bits // 8 + 1 + _PADDING, "little")
        if self._most > _LARGEST:
            raise ValueError(f"no chunk is of as many bytes as this one of ZFP: {self._most}")
        # where the stream ends too early ZFP reads on behind it
        data += bytes(max(self._most - len(data), 0))
        values = np.asarray(require_imagecodecs(self.codec_id).zfp_decode(data))
        return ndarray_copy((values.byteswap() if self._is_swapped else values).tobytes(), out)

    @property
    def _most(self) -> int:
        """Bytes of which ZFP reads no more, whatever stands there."""
        kind, ndim = self._header >> 32 & 3, (self._header >> 34 & 3) + 1
        width = _SHAPE // ndim
        shape = [(self._header >> (_BEFORE_SHAPE + n * width) & (1 << width) - 1) + 1 for n in range(ndim)]
        mode = self._header >> _BEFORE_MODE
        short, least = mode & (1 << _SHORT_MODE) - 1, (mode >> _SHORT_MODE & _MOST_BITS) + 1
        told = least if self._bits > _BEFORE_MODE + _SHORT_MODE else short + 1 if short < _RATES else 0
        bits = max(_OF_BLOCK + (1 << 2 * ndim) * ((64 if kind % 2 else 32) + 1), told)
        blocks = math.prod(-(-n // 4) for n in shape)
        return blocks * bits // 8 + _BEFORE_MODE + 2 * _PADDING
