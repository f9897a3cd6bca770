"""Images that are compressed tile by tile, which stand in a binary table: a tile is a row.

Specification: https://fits.gsfc.nasa.gov/fits_standard.html, version 4.0, section 10.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.codecs.fits.decoders import ALGORITHMS
from chunkmap.codecs.fits.dither import METHODS
from chunkmap.codecs.fits.tiles import COMPRESSED, GZIPPED, PLAIN, TILE, pack_tiles
from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.fits.cards import Header
from chunkmap.formats.fits.columns import SIZES, Column, binary_columns
from chunkmap.formats.fits.hdus import Unit
from chunkmap.formats.fits.heap import Rows, heap_of, read_rows
from chunkmap.formats.fits.images import BITPIX, Values, values_of_image
from chunkmap.formats.fits.records import Records
from chunkmap.io.rounds import Parser
from chunkmap.io.source import Source
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Sources

__all__ = ["TilesHeader", "image_attributes", "is_compressed", "tiled_image", "tiles_header", "whole_image"]

_CHUNK_NBYTES: Final = 1 << 20
_MOST_AXES: Final = 32
_MOST_PIXELS: Final = 1 << 31
_ROOM: Final = 64 << 10
_TYPES: Final = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_STORED: Final = {COMPRESSED: "COMPRESSED_DATA", GZIPPED: "GZIP_COMPRESSED_DATA", PLAIN: "UNCOMPRESSED_DATA"}
_OF_TABLE: Final = re.compile(
    r"XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|CHECKSUM|DATASUM|TFIELDS|THEAP|T(TYPE|FORM|UNIT|DIM|NULL|SCAL|ZERO|DISP)\d+"
    r"|Z(IMAGE|CMPTYPE|TILE\d+|NAME\d+|VAL\d+|QUANTIZ|DITHER0|SCALE|ZERO|TENSION|SIMPLE|EXTEND|PCOUNT|GCOUNT|BLANK)"
)
_OF_IMAGE: Final = re.compile(r"Z(BITPIX|NAXIS\d*|DATASUM)")
_CHECKSUM: Final = "ZHECKSUM"  # its first letter is replaced, as a keyword has eight


class TilesHeader(NamedTuple):
    """What the header of a compressed image says of it."""

    bitpix: int
    shape: tuple[int, ...]
    tile: tuple[int, ...]
    algorithm: str
    parameters: dict[str, Any]
    quantized: str | None
    seed: int


def is_compressed(header: Header) -> bool:
    """Whether a binary table holds an image."""
    return header.get("ZIMAGE") is True


def image_attributes(header: Header) -> dict[str, Any]:
    """The cards that are the image's own, under the keywords that they had before it was compressed."""
    found = {key: value for key, value in header.attributes().items() if not _OF_TABLE.fullmatch(key)}
    found = {key[1:] if _OF_IMAGE.fullmatch(key) else key: value for key, value in found.items()}
    return {"CHECKSUM" if key == _CHECKSUM else key: value for key, value in found.items()}


def tiles_header(header: Header, url: str, at: int) -> TilesHeader:
    """Raises FormatError or Unsupported for what is no compressed image."""
    bitpix, ndim = header.integer("ZBITPIX"), header.integer("ZNAXIS")
    if bitpix is None or bitpix not in BITPIX or ndim is None or not 0 < ndim <= _MOST_AXES:
        raise FormatError(
            f"expected ZBITPIX of a number and ZNAXIS of 1 to {_MOST_AXES}, found {bitpix} and {ndim}",
            url=url,
            offset=at,
        )
    lengths = [header.integer(f"ZNAXIS{axis}") or 0 for axis in range(ndim, 0, -1)]
    tile = [header.integer(f"ZTILE{axis}", lengths[-1] if axis == 1 else 1) or 0 for axis in range(ndim, 0, -1)]
    if min(*lengths, *tile) < 1 or prod(tile) > _MOST_PIXELS:
        raise FormatError(f"expected an image in tiles, found one of {lengths} in tiles of {tile}", url=url, offset=at)
    algorithm, method = header.text("ZCMPTYPE"), header.text("ZQUANTIZ") or METHODS[1]
    unknown = _unknown(header, bitpix, algorithm, method)
    if unknown:
        raise Unsupported(unknown, feature="tile compression", url=url)
    return TilesHeader(
        bitpix,
        tuple(lengths),
        tuple(min(t, n) for t, n in zip(tile, lengths, strict=True)),
        algorithm,
        _parameters(header),
        method,
        header.integer("ZDITHER0", 0) or 0,
    )


def _unknown(header: Header, bitpix: int, algorithm: str, method: str) -> str:
    """What is not known of a compression, or not alike by all; nothing of one that is read."""
    if algorithm not in ALGORITHMS:
        return f"the algorithm {algorithm!r} is not known"
    if algorithm == "PLIO_1" and bitpix == 16 and header.number("BZERO", 0.0) == 2**15:
        return "unsigned numbers of 16 bits by PLIO_1: astropy reads them otherwise than CFITSIO, which writes them"
    return "" if method in METHODS else f"real numbers quantized by {method!r}"


def _parameters(header: Header) -> dict[str, Any]:
    """The algorithm's own: pairs of ZNAMEn and ZVALn."""
    found, number = {}, 1
    while (name := header.text(f"ZNAME{number}")) and number < 1000:
        value = header.get(f"ZVAL{number}")
        if type(value) in {int, float}:
            found[name.upper()] = value
        number += 1
    return found


def tiled_image(unit: Unit, source: Source, chunk_nbytes: int | None) -> Parser[ManifestArray]:
    """The array of a compressed image, without attributes but for those of its values."""
    url, header = source.url, unit.header
    about = tiles_header(header, url, unit.at)
    columns = binary_columns(header)
    if isinstance(columns, str):
        raise FormatError(columns, url=url, offset=unit.at)
    named = {column.name: column for column in columns}
    if "NULL_PIXEL_MASK" in named:
        raise Unsupported("undefined pixels stand in a mask of their own", feature="ZMASKCMP", url=url)
    grid = tuple(-(-n // t) for n, t in zip(about.shape, about.tile, strict=True))
    records = Records.of(url, unit.data, unit.shape[1], unit.shape[0], None)
    if records.count != prod(grid):
        raise FormatError(
            f"expected a row for each of {prod(grid)} tiles, found {records.count}", url=url, offset=unit.at
        )
    rows = yield from read_rows(records, columns)
    scales = about.bitpix < 0 and ("ZSCALE" in named or header.get("ZSCALE") is not None)
    about = about._replace(quantized=about.quantized if scales else None)
    letter = named["UNCOMPRESSED_DATA"].of if "UNCOMPRESSED_DATA" in named else ""
    plain = _TYPES.get(letter, BITPIX[about.bitpix])
    has_blank = about.bitpix < 0 and ("ZBLANK" in named or header.get("ZBLANK") is not None)
    found = _Image(about, grid, _tiles(unit, rows, named, url), plain, has_blank, header, source)
    return found.in_chunks(chunk_nbytes or _CHUNK_NBYTES)


def whole_image(unit: Unit, url: str) -> ManifestArray:
    """The same as one chunk, which holds the header as well: nothing in its metadata belongs to this file alone."""
    about = tiles_header(unit.header, url, unit.at)
    values = _values(about, unit.header)
    meta = ArrayMeta(
        shape=about.shape,
        chunk_shape=about.shape,
        dtype=values.dtype,
        filters=(*values.filters, {"id": "fits_image", "shape": list(about.shape), "bitpix": about.bitpix}),
        fill_value=values.fill_value,
        attrs=values.attrs,
    )
    chunks = ChunkManifest.single(url, unit.at, unit.data + unit.nbytes - unit.at, len(about.shape))
    return ManifestArray(meta, chunks)


def _values(about: TilesHeader, header: Header) -> Values:
    """How the numbers that come out of tiles become values."""
    null = header.integer("BLANK", header.integer("ZBLANK")) if about.bitpix > 0 else None
    return values_of_image(about.bitpix, header, null)


def _tiles(unit: Unit, rows: Rows, named: Mapping[str, Column], url: str) -> dict[str, NDArray[Any]]:
    """The table of tiles as columns, see `TILE`, each with its place in the file."""
    header, count = unit.header, len(rows.table)
    kind, length, place = np.zeros(count, "u1"), np.zeros(count, "<u8"), np.zeros(count, "<u8")
    start, stop = heap_of(unit, url)
    left = np.ones(count, np.bool_)
    for number, name in _STORED.items():
        column = named.get(name)
        if column is None or column.code not in "PQ":
            continue
        pairs, size = rows.descriptors(column), SIZES.get(column.of, 1)
        here = left & (pairs[:, 0] > 0)
        lengths, starts = pairs[here, 0], pairs[here, 1]
        if len(lengths) and (
            starts.min() < 0 or lengths.max() > stop or (starts + lengths * size).max() > stop - start
        ):
            raise FormatError("a tile lies outside the heap", url=url, offset=unit.at)
        kind[here], length[here] = number, lengths * size
        place[here] = unit.data + start + starts
        left &= ~here
    if left.any():
        raise FormatError(f"tile {int(np.flatnonzero(left)[0])} of an image has no data", url=url, offset=unit.at)
    found = {"start": place, "length": length, "kind": kind}
    for field, name, letters in (("scale", "ZSCALE", "ED"), ("zero", "ZZERO", "ED"), ("blank", "ZBLANK", "BIJK")):
        column = named.get(name)
        if column is not None and column.code in letters:
            found[field] = rows.numbers(column.offset, _TYPES[column.code])[:, 0].astype(TILE[field])
        else:
            default = {"scale": 1.0, "zero": 0.0}.get(field)
            value = header.integer(name, 0) or 0 if default is None else header.number(name, default)
            found[field] = np.broadcast_to(np.array(value, TILE[field]), count)
    return found


class _Image(NamedTuple):
    """A compressed image whose tiles are known."""

    about: TilesHeader
    grid: tuple[int, ...]
    tiles: Mapping[str, NDArray[Any]]
    plain: str
    has_blank: bool
    header: Header
    source: Source

    def in_chunks(self, nbytes: int) -> ManifestArray:
        """The array, in chunks of as many tiles as make so many bytes of pixels."""
        about, group = self.about, (1,) * len(self.grid)
        wanted = _together(self.grid, prod(about.tile) * abs(about.bitpix) // 8, nbytes)
        spans = self._spans(wanted)
        if spans is None:
            spans = self._spans(group)
        else:
            group = wanted
        assert spans is not None
        return self._placed(group, *spans)

    def _spans(self, group: Sequence[int]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]] | None:
        """Of each chunk the first tile, the first byte and the length; None where chunks hold much besides tiles."""
        first = _first_tiles(self.grid, group)
        starts = self.tiles["start"].astype(np.int64)
        begin = np.minimum.reduceat(starts, first)
        length = np.maximum.reduceat(starts + self.tiles["length"].astype(np.int64), first) - begin
        held = np.add.reduceat(self.tiles["length"].astype(np.int64), first)
        if max(group) > 1 and bool((length > 2 * held + _ROOM).any()):
            return None
        return first, begin, length

    def _placed(
        self, group: Sequence[int], first: NDArray[Any], begin: NDArray[Any], length: NDArray[Any]
    ) -> ManifestArray:
        """The array, with chunks all of different lengths: each as long as it must be, or a little longer."""
        about = self.about
        order = np.argsort(length, kind="stable")
        steps = np.arange(len(order))
        longer = np.empty_like(length)
        longer[order] = np.maximum.accumulate(length[order] - steps) + steps
        begin = np.minimum(begin, self.source.size() - longer)
        if len(begin) and begin.min() < 0:
            raise Unsupported("more tiles than bytes", feature="tile compression", url=self.source.url)
        start = self.tiles["start"]
        inside = start - np.repeat(begin, np.diff(first, append=len(start))).astype(np.uint64)
        values = _values(about, self.header)
        chunk = tuple(g * t for g, t in zip(group, about.tile, strict=True))
        config = {
            "id": "fits_tiles",
            "algorithm": about.algorithm,
            "bitpix": about.bitpix,
            "shape": list(about.shape),
            "tile": list(about.tile),
            "chunk": list(chunk),
            "parameters": about.parameters,
            "quantized": about.quantized,
            "seed": about.seed,
            "has_blank": self.has_blank,
            "plain": self.plain,
            "table": pack_tiles(longer.astype(np.uint64), first, {**self.tiles, "start": inside}),
        }
        meta = ArrayMeta(
            shape=about.shape,
            chunk_shape=chunk,
            dtype=values.dtype,
            filters=(*values.filters, config),
            fill_value=values.fill_value,
            attrs=values.attrs,
        )
        columns = (np.ones(len(first), np.uint32), begin.astype(np.uint64), longer.astype(np.uint64))
        return ManifestArray(meta, ChunkManifest(meta.grid_shape, Sources((None, self.source.url)), *columns))


def _together(grid: Sequence[int], nbytes: int, wanted: int) -> tuple[int, ...]:
    """How many tiles make a chunk along each axis: neighbours in the file, the fastest axis first.

    >>> _together((10, 4), 100, 1000), _together((10, 4), 100, 250)
    ((2, 4), (1, 2))
    """
    group = [1] * len(grid)
    for axis in reversed(range(len(grid))):
        group[axis] = max(min(grid[axis], wanted // nbytes), 1)
        nbytes *= group[axis]
        if group[axis] < grid[axis]:
            break
    return tuple(group)


def _first_tiles(grid: Sequence[int], group: Sequence[int]) -> NDArray[np.int64]:
    """The number of the first tile of each chunk. Those of a chunk follow one another."""
    chunks = [np.arange(0, n, g) for n, g in zip(grid, group, strict=True)]
    return np.ravel_multi_index(np.meshgrid(*chunks, indexing="ij"), grid).ravel().astype(np.int64)
