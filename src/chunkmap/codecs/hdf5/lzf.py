"""The codec `hdf5_lzf`: HDF5's filter 32000, the LZF compression that h5py brings.

A stream of LibLZF (http://oldhome.schmorp.de/marc/liblzf.html) without any header: where the filter knows the length of
the decoded chunk, it stands in the codec's configuration.
"""

from __future__ import annotations

import math
from typing import Any, Final

from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.codecs.imagecodecs import decoder_if_there

__all__ = ["Hdf5Lzf"]

_LONGEST_LITERAL = 32


class Hdf5Lzf(Codec):  # type: ignore[misc]
    """LZF, where `size` is the length of a decoded chunk in bytes, None where it is not known.

    >>> Hdf5Lzf(6).decode(bytes([1]) + b"ab" + bytes([0x40, 1]))
    b'ababab'
    """

    codec_id = "hdf5_lzf"

    def __init__(self, size: int | None) -> None:
        self.size = size

    def encode(self, buf: Any) -> Any:
        """A valid stream that has found nothing to compress."""
        raw = ensure_bytes(buf)
        runs = [raw[start : start + _LONGEST_LITERAL] for start in range(0, len(raw), _LONGEST_LITERAL)]
        return b"".join(bytes([len(run) - 1]) + run for run in runs)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the chunk. Raises ValueError for a damaged stream."""
        raw = ensure_bytes(buf)
        try:
            data = _decompress(raw, self.size) if self.size is None or _NATIVE is None else _NATIVE(raw, out=self.size)
        except (IndexError, RuntimeError) as error:
            raise ValueError(f"a damaged stream of LZF, which ends too early: {error}") from error
        if self.size is not None and len(data) != self.size:
            raise ValueError(f"expected {self.size} bytes from a stream of LZF, found {len(data)}")
        return ndarray_copy(data, out)


_NATIVE: Final = decoder_if_there("lzf_decode")
"""It takes a sixtieth of the time."""


def _decompress(raw: bytes, size: int | None) -> bytes:
    """Control byte below 32: so many literals and one more follow; else length (3 bits) and distance (13 bits)."""
    found, place, end = bytearray(), 0, len(raw)
    most = math.inf if size is None else size
    while place < end and len(found) <= most:
        control = raw[place]
        place += 1
        if control < 32:
            found += raw[place : place + control + 1]
            place += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += raw[place]
            place += 1
        start = len(found) - ((control & 31) << 8) - raw[place] - 1
        place += 1
        length += 2
        if start < 0:
            raise ValueError("a stream of LZF refers to bytes before its beginning")
        copied = found[start : start + length]
        if len(copied) < length:
            copied = (copied * (length // len(copied) + 1))[:length]
        found += copied
    return bytes(found)
