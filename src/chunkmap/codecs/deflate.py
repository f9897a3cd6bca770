"""The codec `deflate`: a whole compressed member of a ZIP archive, its local header included.

Specification: APPNOTE.TXT 4.3.7 (local file header) and 4.4.5 (compression method 8),
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT; the data are those of RFC 1951.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.errors import FormatError

__all__ = ["DeflateCodec"]

# local file header signature, version, flags, compression method, time, date, crc, sizes, lengths of name and extra
_LOCAL_HEADER: Final = struct.Struct("<4s4xH16xHH")
_DEFLATED: Final = 8


class DeflateCodec(Codec):  # type: ignore[misc]
    """Inflates a member of a ZIP archive, given with its local header; what follows the member is not looked at."""

    codec_id = "deflate"

    def encode(self, buf: Any) -> Any:
        """Nothing is ever written into an archive."""
        raise NotImplementedError("members of ZIP archives are read, never written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the member. Raises FormatError when they are no deflated member, or are cut short."""
        raw = ensure_bytes(buf)
        if len(raw) < _LOCAL_HEADER.size or raw[:4] != b"PK\x03\x04":
            raise FormatError(f"expected the local header of a ZIP member (PK 3 4), found {raw[:4]!r}")
        _, method, name, extra = _LOCAL_HEADER.unpack_from(raw)
        if method != _DEFLATED:
            raise FormatError(f"expected a deflated ZIP member (method 8), found method {method}")
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = inflater.decompress(raw[_LOCAL_HEADER.size + name + extra :])
        except zlib.error as error:
            raise FormatError(f"a ZIP member cannot be inflated: {error}") from error
        if not inflater.eof:
            raise FormatError(f"a ZIP member of {len(raw)} bytes ends before its data do")
        return ndarray_copy(data, out)
