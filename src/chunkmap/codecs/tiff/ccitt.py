"""The codecs `imagecodecs_ccittrle`, `imagecodecs_ccittfax3`, `imagecodecs_ccittfax4`: facsimiles, one bit a pixel.

TIFF 6.0 sections 10 and 11; ITU-T recommendations T.4 and T.6. The ids are those of the package imagecodecs, which
decodes the streams since its version 2026.3.6, which the extra asks for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.codecs.imagecodecs import require_decoder

__all__ = ["ImagecodecsCcittfax3", "ImagecodecsCcittfax4", "ImagecodecsCcittrle"]


class _Facsimile(Codec):  # type: ignore[misc]
    """Pixels as bytes, 0 or 1; rows that a short strip does not have are 0."""

    function = ""

    def __init__(self, *, height: int, width: int) -> None:
        self.height, self.width = int(height), int(width)

    def encode(self, buf: Any) -> Any:
        """Images are read, never written."""
        raise NotImplementedError(f"the codec {self.codec_id!r} reads images, it does not write them")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The pixels, row by row."""
        decoder = require_decoder(self.codec_id, self.function)
        found = decoder(ensure_bytes(buf), height=self.height, width=self.width, **self.own)
        return ndarray_copy(np.ascontiguousarray(found), out)

    @property
    def own(self) -> dict[str, Any]:
        """What else the decoder is told."""
        return {}


class ImagecodecsCcittrle(_Facsimile):
    """Modified Huffman: every row by itself, from a byte on."""

    codec_id = "imagecodecs_ccittrle"
    function = "ccittrle_decode"


class ImagecodecsCcittfax3(_Facsimile):
    """Group 3. `t4options` is what the tag of that name says: 1 two-dimensional, 4 fill bits before the end of rows."""

    codec_id = "imagecodecs_ccittfax3"
    function = "ccittfax3_decode"

    def __init__(self, *, height: int, width: int, t4options: int = 0) -> None:
        super().__init__(height=height, width=width)
        self.t4options = int(t4options)

    @property
    def own(self) -> dict[str, Any]:
        """The options."""
        return {"t4options": self.t4options}


class ImagecodecsCcittfax4(_Facsimile):
    """Group 4: every row by the one before it."""

    codec_id = "imagecodecs_ccittfax4"
    function = "ccittfax4_decode"
