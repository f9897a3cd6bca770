"""The codecs `hdf5_jpegls` and `hdf5_htj2k`: chunks that are pictures, HDF5's registered filters 32018 and 32033.

https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md (FCIDECOMP, JPEG-LS; HTJ2K,
high-throughput JPEG 2000). The stream says all that its decoder needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.codecs.imagecodecs import require_decoder, require_imagecodecs

__all__ = ["Hdf5Htj2k", "Hdf5JpegLs"]

_SCAN, _END = b"\xff\xda", b"\xff\xd9"
"""Markers of JPEG-LS: coded data begin, a picture ends."""


class _Picture(Codec):  # type: ignore[misc]
    """Chunks that are pictures."""

    def encode(self, buf: Any) -> Any:
        """Pictures are read, never written."""
        raise NotImplementedError("pictures are read, never written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the chunk."""
        return ndarray_copy(np.asarray(self._decode(ensure_bytes(buf))).tobytes(), out)

    def _decode(self, raw: bytes) -> Any:
        raise NotImplementedError


class Hdf5JpegLs(_Picture):
    """JPEG-LS, as FCIDECOMP writes it: the axis of 2 to 4 components comes first."""

    codec_id = "hdf5_jpegls"

    def _decode(self, raw: bytes) -> Any:
        # within coded data no FF is followed by D9; without that end CharLS may look for its bits for ten seconds
        if _END not in raw[max(raw.find(_SCAN), 0) :]:
            raise ValueError(f"JPEG-LS: expected the end of a picture (FF D9), found {len(raw):,} bytes without it")
        found = np.asarray(require_imagecodecs(self.codec_id).jpegls_decode(raw))
        return found if found.ndim < 3 else np.moveaxis(found, -1, 0)


class Hdf5Htj2k(_Picture):
    """High-throughput JPEG 2000."""

    codec_id = "hdf5_htj2k"

    def _decode(self, raw: bytes) -> Any:
        return require_decoder(self.codec_id, "htj2k_decode")(raw)
