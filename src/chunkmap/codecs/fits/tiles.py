"""The codec `fits_tiles`: chunks of an image of FITS that is compressed tile by tile.

FITS standard 4.0, section 10.1. What a decoder must know of a tile besides its bytes (its shape at the edge of the
image, the scale of real numbers, the number that begins its dither) stands in a table of the codec. A codec is not told
which chunk it is handed, so no two chunks of an array are of one length, and the length tells them apart.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy
from numpy.typing import NDArray

from chunkmap.codecs.fits.decoders import ALGORITHMS, decode_tile
from chunkmap.codecs.fits.dither import METHODS, real_numbers

__all__ = ["COMPRESSED", "GZIPPED", "PLAIN", "TILE", "FitsTiles", "pack_tiles"]

COMPRESSED, GZIPPED, PLAIN = 0, 1, 2
"""How a tile is stored: by the algorithm of the image, or because that did not serve, by gzip or as it is."""

TILE: Final = np.dtype(
    [("start", "<u8"), ("length", "<u8"), ("kind", "u1"), ("scale", "<f8"), ("zero", "<f8"), ("blank", "<i8")]
)
"""One tile: where it is in its chunk, how it is stored, and what turns its integers into real numbers."""

_LEVEL: Final = 1  # others make the table little smaller, and take many times as long
_CHUNK: Final = np.dtype([("length", "<u8"), ("first", "<u8")])
_TYPES: Final = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


def pack_tiles(lengths: NDArray[np.uint64], first: NDArray[np.int64], tiles: Mapping[str, NDArray[Any]]) -> str:
    """The table as text: the length of each chunk and its first tile, then all tiles, a column for each field of
    `TILE`. There may be a million of them, so that no more than one column is held twice.
    """
    packer = zlib.compressobj(_LEVEL)
    sizes = np.array([len(lengths), len(tiles["start"])], "<u8")
    columns = [sizes, lengths.astype("<u8"), first.astype("<u8"), *(tiles[name] for name in TILE.names or ())]
    pieces = [packer.compress(column.tobytes()) for column in columns]
    return base64.b64encode(b"".join([*pieces, packer.flush()])).decode()


class FitsTiles(Codec):  # type: ignore[misc]
    """Decodes the tiles of a chunk and puts them together.

    `shape` is that of the image, `tile` of its tiles, `chunk` of its chunks; `quantized` is the method by which real
    numbers became integers, None where they did not. `plain` is the type of numbers in tiles that are not compressed.
    `table` comes from `pack_tiles`.
    """

    codec_id = "fits_tiles"

    def __init__(
        self,
        *,
        algorithm: str,
        bitpix: int,
        shape: Sequence[int],
        tile: Sequence[int],
        chunk: Sequence[int],
        table: str,
        parameters: Mapping[str, Any] | None = None,
        quantized: str | None = None,
        seed: int = 0,
        has_blank: bool = False,
        plain: str = ">f4",
    ) -> None:
        if algorithm not in ALGORITHMS or bitpix not in _TYPES or (quantized or METHODS[0]) not in METHODS:
            raise ValueError(f"there are no tiles {algorithm} of {bitpix} bits, quantized {quantized}")
        self.algorithm, self.bitpix, self.parameters = algorithm, bitpix, dict(parameters or {})
        self.shape, self.tile, self.chunk = list(shape), list(tile), list(chunk)
        self.table, self.quantized, self.seed = table, quantized, seed
        self.has_blank, self.plain = has_blank, plain

    def encode(self, buf: Any) -> Any:
        """The table is made once, of a whole file."""
        raise NotImplementedError("tiles of FITS images are read, never written")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The pixels of the chunk, zero beyond the edge of the image. Raises ValueError for bytes of no chunk."""
        raw = ensure_bytes(buf)
        lengths, tiles = _unpacked(self.table)
        if len(raw) not in lengths:
            raise ValueError(f"expected the bytes of a chunk of tiles, found {len(raw)} bytes")
        first, stop = lengths[len(raw)]
        image = np.zeros(self.chunk, _TYPES[self.bitpix])
        grid = [-(-n // t) for n, t in zip(self.shape, self.tile, strict=True)]
        origin = None
        for number in range(first, stop):
            cell = np.unravel_index(number, grid)
            start = [int(c) * t for c, t in zip(cell, self.tile, strict=True)]
            if origin is None:
                origin = [s // n * n for s, n in zip(start, self.chunk, strict=True)]
            shape = [min(t, n - s) for t, n, s in zip(self.tile, self.shape, start, strict=True)]
            place = tuple(slice(s - o, s - o + n) for s, o, n in zip(start, origin, shape, strict=True))
            image[place] = self._tile(raw, tiles[number], shape, number).reshape(shape)
        return ndarray_copy(image.tobytes(), out)

    def _tile(self, raw: bytes, tile: Any, shape: Sequence[int], number: int) -> NDArray[Any]:
        """The pixels of one tile, flat."""
        start, kind = int(tile["start"]), int(tile["kind"])
        stored = raw[start : start + int(tile["length"])]
        is_real = self.bitpix < 0
        if kind == PLAIN:
            return np.frombuffer(stored, self.plain, prod(shape))
        if kind == GZIPPED:
            return decode_tile(stored, "GZIP_1", {}, shape, is_real=is_real)
        is_quantized = self.quantized is not None
        found = decode_tile(stored, self.algorithm, self.parameters, shape, is_real=is_real and not is_quantized)
        if self.quantized is None:
            return found
        values = real_numbers(found, float(tile["scale"]), float(tile["zero"]), self.quantized, number + self.seed)
        if self.has_blank:
            values[found == tile["blank"]] = np.nan
        return values


@lru_cache(maxsize=64)
def _unpacked(table: str) -> tuple[dict[int, tuple[int, int]], NDArray[Any]]:
    """For each length of a chunk its tiles, first and stop; and all tiles."""
    raw = zlib.decompress(base64.b64decode(table))
    counts, at = np.frombuffer(raw, "<u8", 2).tolist(), 16
    arrays = []
    for count, dtype in zip(counts, (_CHUNK, TILE), strict=True):
        rows = np.empty(count, dtype)
        for name in dtype.names or ():
            kind = dtype[name]
            rows[name] = np.frombuffer(raw, kind, count, at)
            at += count * kind.itemsize
        arrays.append(rows)
    chunks, tiles = arrays
    stops = [*chunks["first"].tolist()[1:], len(tiles)]
    spans = zip(chunks["first"].tolist(), stops, strict=True)
    return dict(zip(chunks["length"].tolist(), spans, strict=True)), tiles
