"""The codec `hdf5_lzo`: HDF5's filter 305, the LZO compression that PyTables brings.

A stream of LZO1X (http://www.oberhumer.com/opensource/lzo/) without any header. It is decoded by lzallright, which is
written in safe Rust: damaged bytes are an error, and nothing worse.
"""

from __future__ import annotations

from typing import Any

from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.codecs.table import CODECS_BY_ID
from chunkmap.packages import require

__all__ = ["Hdf5Lzo"]


class Hdf5Lzo(Codec):  # type: ignore[misc]
    """LZO1X."""

    codec_id = "hdf5_lzo"

    def encode(self, buf: Any) -> Any:
        """Compress."""
        return _library().LZOCompressor().compress(ensure_bytes(buf))

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the chunk. Raises ValueError for a damaged stream."""
        library = _library()
        try:
            data = library.LZOCompressor.decompress(ensure_bytes(buf))
        except library.LZOError as error:
            raise ValueError(f"a stream of LZO is damaged: {error}") from error
        return ndarray_copy(data, out)


def _library() -> Any:
    return require("lzallright", CODECS_BY_ID[Hdf5Lzo.codec_id].extra, f"the codec {Hdf5Lzo.codec_id!r}")
