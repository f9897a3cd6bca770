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

__all__ = ["DeflateCodec", "content"]

# local file header signature, version, flags, compression method, time, date, crc, sizes, lengths of name and extra
_LOCAL_HEADER: Final = struct.Struct("<4s2xHH4xI8xHH")
_STORED: Final = 0
_DEFLATED: Final = 8
_AFTERWARDS: Final = 1 << 3
"""The flag that checksum and sizes follow the data, and are 0 in the header."""


class DeflateCodec(Codec):  # type: ignore[misc]
    """Gives the bytes of a member of a ZIP archive, which stands with its local header, deflated or stored as it is."""

    codec_id = "deflate"

    def encode(self, buf: Any) -> Any:
        """Nothing is ever written into an archive."""
        raise NotImplementedError("members of ZIP archives are read, never written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the member. Raises FormatError when they are no such member, cut short or damaged."""
        return ndarray_copy(content(ensure_bytes(buf)), out)


def content(raw: bytes, most: int | None = None) -> bytes:
    """The bytes of a member, at most so many, else ValueError is raised; what follows its deflated data is not looked
    at.
    """
    if len(raw) < _LOCAL_HEADER.size or raw[:4] != b"PK\x03\x04":
        raise FormatError(f"expected the local header of a ZIP member (PK 3 4), found {raw[:4]!r}")
    _, flags, method, checksum, name, extra = _LOCAL_HEADER.unpack_from(raw)
    stored = raw[_LOCAL_HEADER.size + name + extra :]
    if method == _DEFLATED:
        data = _inflated(stored, most)
    elif method == _STORED:
        data = stored
    else:
        raise FormatError(f"expected a stored or deflated ZIP member (method 0 or 8), found method {method}")
    if most is not None and len(data) > most:
        raise ValueError(f"expected no more than {most} bytes of a ZIP member, found more: a chunk cannot hold them")
    if not flags & _AFTERWARDS and zlib.crc32(data) != checksum:
        raise FormatError("a ZIP member is damaged: its checksum is that of other bytes")
    return data


def _inflated(data: bytes, most: int | None) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        found = inflater.decompress(data, 0 if most is None else most + 1)
    except zlib.error as error:
        raise FormatError(f"a ZIP member cannot be inflated: {error}") from error
    if not inflater.eof and (most is None or len(found) <= most):
        raise FormatError(f"a ZIP member of {len(data)} bytes ends before its data do")
    return found
