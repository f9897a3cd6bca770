"""One page of a TIFF: what its directory says of an image, checked, and the places of its strips or tiles.

TIFF 6.0 sections 3 to 8, 10, 15, 19, 21 and 22. Pages of equal `Layout` decode alike, so that they can stand in one
array.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import TruncatedFile, Unsupported
from chunkmap.formats.tiff import tags
from chunkmap.formats.tiff.ifd import Directory, Entry
from chunkmap.formats.tiff.remembered import Remembered

__all__ = ["COMPRESSIONS", "IMAGES", "PHOTOMETRICS", "Layout", "Page", "Places", "read_page", "stored_sizes"]

COMPRESSIONS: Final[Mapping[int, str]] = {
    1: "none",
    2: "CCITT RLE",
    3: "CCITT T.4",
    4: "CCITT T.6",
    5: "LZW",
    6: "old-style JPEG",
    7: "JPEG",
    8: "Deflate",
    9: "JBIG T.85",
    10: "JBIG T.43",
    32766: "NeXT",
    32771: "CCITT RLE/W",
    32773: "PackBits",
    32809: "ThunderScan",
    32908: "Pixar film",
    32909: "Pixar log",
    32946: "Deflate",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    33007: "JPEG",
    34661: "JBIG",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv 24",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "JPEG",
    34925: "LZMA",
    34926: "ZSTD",
    34927: "WebP",
    34933: "PNG",
    34934: "JPEG XR",
    50000: "ZSTD",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
"""Schemes of compression by their number; those of one name are one scheme."""

IMAGES: Final = frozenset({"JPEG", "JPEG 2000", "LERC", "WebP", "PNG", "JPEG XR", "JPEG XL"})
"""Schemes that give back numbers of the machine's own byte order, whatever that of the file is."""

PHOTOMETRICS: Final[Mapping[int, str]] = {
    0: "MinIsWhite",
    1: "MinIsBlack",
    2: "RGB",
    3: "Palette",
    4: "Mask",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32803: "CFA",
    32844: "LogL",
    32845: "LogLuv",
    34892: "LinearRaw",
}

_SAID: Final = (
    *(tags.IMAGE_WIDTH, tags.IMAGE_LENGTH, tags.IMAGE_DEPTH, tags.TILE_WIDTH, tags.TILE_LENGTH, tags.TILE_DEPTH),
    *(tags.ROWS_PER_STRIP, tags.SAMPLES_PER_PIXEL, tags.BITS_PER_SAMPLE, tags.SAMPLE_FORMAT, tags.EXTRA_SAMPLES),
    *(tags.PLANAR_CONFIGURATION, tags.COMPRESSION, tags.PREDICTOR, tags.FILL_ORDER, tags.PHOTOMETRIC),
    *(tags.YCBCR_SUBSAMPLING, tags.JPEG_TABLES, tags.LERC_PARAMETERS, tags.T4_OPTIONS, tags.GDAL_NODATA),
)
"""Tags on which a layout depends."""

_NONE: Final[NDArray[np.uint64]] = np.empty(0, np.uint64)
_TILES: Final = tags.TILE_OFFSETS, tags.TILE_BYTE_COUNTS
_STRIPS: Final = tags.STRIP_OFFSETS, tags.STRIP_BYTE_COUNTS
_COUNTS: Final = frozenset({3, 4, 13, 16, 18})
"""Types of whole numbers without a sign, of two bytes and more."""

_LONGEST: Final = 2**31 - 1
_MOST_SAMPLES: Final = 65535
_LARGEST: Final = 2**48


class Layout(NamedTuple):
    """All on which the decoding of a page depends, and its shape."""

    shape: tuple[int, int, int]
    """Depth, length and width in pixels."""
    chunk: tuple[int, int, int]
    """The same of a tile, or of a strip."""
    tiled: bool
    """Whether it is cut into tiles, all of which are stored whole; the last strip is stored only as far as it goes."""
    samples: int
    """Numbers a pixel."""
    separate: bool
    """Whether each sample has strips or tiles of its own."""
    bits: int
    """Bits a sample."""
    sample_format: int
    """1 unsigned, 2 signed, 3 floating point, 4 undefined, 5 complex of integers, 6 complex of floats."""
    order: Literal["<", ">"]
    """Byte order of the file, `<` or `>`."""
    compression: str
    """Its scheme, by name."""
    predictor: int
    """1 none, 2 horizontal differences, 3 those of floating point."""
    fill_order: int
    """2 where the bits of each byte stand in reverse."""
    photometric: int
    """What the numbers mean, see `PHOTOMETRICS`."""
    extra_samples: tuple[int, ...]
    """What samples beyond those of the colour are: 0 unspecified, 1 alpha that is multiplied in, 2 alpha."""
    subsampling: tuple[int, int]
    """Pixels that share their chroma, of YCbCr."""
    jpeg_tables: bytes | None
    """What the streams of all strips or tiles have in common."""
    lerc: int
    """What LERC's blobs are compressed by: 0 nothing, 1 Deflate, 2 ZSTD."""
    t4_options: int
    """Of CCITT T.4: 1 where rows depend on the ones before them, 4 where they end at bytes."""
    nodata: str | None
    """The number that stands for missing data, as GDAL writes it."""

    @property
    def interleaved(self) -> int:
        """Samples that stand side by side in a strip or tile."""
        return 1 if self.separate else self.samples

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of strips or tiles: of the samples where they are separate, of depth, length and width."""
        (depth, length, width), (deep, long, wide) = self.shape, self.chunk
        return self.samples if self.separate else 1, -(-depth // deep), -(-length // long), -(-width // wide)

    @property
    def shares_chroma(self) -> bool:
        """Whether several pixels share their chroma, and are not stored as pixels."""
        return self.photometric == 6 and not self.separate and self.samples > 1 and self.subsampling != (1, 1)

    @property
    def row_nbytes(self) -> int:
        """Bytes of one row of a strip or tile: rows begin at bytes."""
        return -(-self.chunk[2] * self.interleaved * self.bits // 8)


class Page(NamedTuple):
    """One page."""

    layout: Layout
    """How it is stored."""
    offsets: NDArray[np.uint64]
    """Where each strip or tile begins, C order of the grid; 0 for one that is not stored."""
    lengths: NDArray[np.uint64]
    """How many bytes it has; 0 for one that is not stored."""
    directory: Directory
    """All that is said of it."""
    subfile: int
    """Bits: 1 an overview of another page, 2 one of several pages, 4 a mask of another page."""

    @property
    def is_overview(self) -> bool:
        """Whether it is a smaller version of another page."""
        return bool(self.subfile & 1)

    @property
    def is_mask(self) -> bool:
        """Whether it says which pixels of another page are there."""
        return bool(self.subfile & 4)


class Places:
    """Where the strips or tiles of all pages of a file are: columns that are read and looked at together."""

    def __init__(self, directories: Sequence[Directory], size: int) -> None:
        self.size = size
        """Length of the file."""
        self._stops: dict[int, tuple[int, int]] = {}
        offsets: list[Entry] = []
        lengths: list[Entry] = []
        stop = 0
        for directory in [one for parent in directories for one in (parent, *parent.children)]:
            found = _columns(directory)
            if found is not None:
                start, stop = stop, stop + found[0].length
                self._stops[directory.offset] = start, stop
                offsets.append(found[0])
                lengths.append(found[1])
        self._offsets, self._lengths = _joined(offsets), _joined(lengths)
        is_stored = np.count_nonzero(self._offsets) == stop > 0
        self.are_sound = is_stored and _end_inside(self._offsets, self._lengths, size)
        """Whether every one of them is stored, and lies inside the file."""

    def of(self, directory: Directory) -> tuple[NDArray[np.uint64], NDArray[np.uint64]] | None:
        """Offsets and lengths of a page; None where they need a closer look."""
        place = self._stops.get(directory.offset)
        if place is None or not self.are_sound:
            return None
        start, stop = place
        return self._offsets[start:stop], self._lengths[start:stop]


def _columns(directory: Directory) -> tuple[Entry, Entry] | None:
    """The tags of the offsets and lengths, where there are as many of the one as of the other."""
    entries = directory.entries
    first, second = _TILES if tags.TILE_OFFSETS in entries else _STRIPS
    offsets, lengths = entries.get(first), entries.get(second)
    if offsets is None or lengths is None or offsets.kind not in _COUNTS or lengths.kind not in _COUNTS:
        return None
    return (offsets, lengths) if offsets.length == lengths.length else None


def _joined(entries: Sequence[Entry]) -> NDArray[np.uint64]:
    """The numbers of several entries, one behind the other."""
    if len(entries) > 1 and len({entry.kind for entry in entries}) == 1:
        return np.frombuffer(b"".join([entry.data for entry in entries]), entries[0].dtype).astype(np.uint64)
    return np.concatenate([_NONE, *(entry.numbers() for entry in entries)], dtype=np.uint64)


def read_page(directory: Directory, places: Places) -> Page:
    """The page that a directory describes. Raises Unsupported for what it says that is not handled, by name."""
    layout = _layout_of(directory)
    expected = math.prod(layout.grid)
    found = places.of(directory)
    regular = layout.compression != "none" and layout.tiled == (tags.TILE_OFFSETS in directory)
    if regular and found is not None and len(found[0]) == expected:
        return Page(layout, *found, directory, _subfile(directory))
    offsets = directory.numbers(tags.TILE_OFFSETS if layout.tiled else tags.STRIP_OFFSETS)
    if not len(offsets):  # some writers of tiles use the tags of strips
        offsets = directory.numbers(tags.STRIP_OFFSETS)
    counts = directory.numbers(tags.TILE_BYTE_COUNTS)
    if not len(counts):
        counts = directory.numbers(tags.STRIP_BYTE_COUNTS)
    if len(offsets) < expected:
        raise directory.wrong(f"expected the offsets of {expected} strips or tiles, found {len(offsets)}")
    offsets = _places(directory, offsets, expected)
    if len(counts) < expected:
        counts = _counted(directory, layout, offsets, places.size)
    lengths = _inside(directory, layout, offsets, _places(directory, counts, expected), places.size)
    return Page(layout, offsets, lengths, directory, _subfile(directory))


def _read_layout(directory: Directory) -> Layout:
    number = directory.number
    samples = number(tags.SAMPLES_PER_PIXEL, 1)
    width, length = number(tags.IMAGE_WIDTH, 0), number(tags.IMAGE_LENGTH, 0)
    depth = number(tags.IMAGE_DEPTH, 1)
    if not (0 < width <= _LONGEST and 0 < length <= _LONGEST and 0 < depth <= _LONGEST):
        raise directory.wrong(f"expected a width and a length, found an image of {depth} x {length} x {width} pixels")
    if not 0 < samples <= _MOST_SAMPLES:
        raise directory.wrong(f"expected 1 to {_MOST_SAMPLES} samples a pixel, found {samples}")
    tiled, chunk = _chunk(directory, (depth, length, width))
    compression = number(tags.COMPRESSION, 1)
    subsampling = directory.numbers(tags.YCBCR_SUBSAMPLING).tolist()
    lerc = directory.numbers(tags.LERC_PARAMETERS).tolist()
    tables = directory.entries.get(tags.JPEG_TABLES)
    layout = Layout(
        shape=(depth, length, width),
        chunk=chunk,
        tiled=tiled,
        samples=samples,
        separate=number(tags.PLANAR_CONFIGURATION, 1) == 2 and samples > 1,
        bits=_same(directory, tags.BITS_PER_SAMPLE, 1, "bits per sample"),
        sample_format=_same(directory, tags.SAMPLE_FORMAT, 1, "sample formats"),
        order=directory.order,
        compression=COMPRESSIONS.get(compression, f"number {compression}"),
        predictor=number(tags.PREDICTOR, 1),
        fill_order=number(tags.FILL_ORDER, 1),
        photometric=number(tags.PHOTOMETRIC, 0),
        extra_samples=tuple(directory.numbers(tags.EXTRA_SAMPLES).tolist()),
        subsampling=(int(subsampling[0]), int(subsampling[1])) if len(subsampling) > 1 else (2, 2),
        jpeg_tables=bytes(tables.data) if tables is not None else None,
        lerc=int(lerc[1]) if len(lerc) > 1 else 0,
        t4_options=number(tags.T4_OPTIONS, 0),
        nodata=directory.text(tags.GDAL_NODATA),
    )
    if not 0 < layout.bits <= 128:
        raise directory.wrong(f"expected 1 to 128 bits a sample, found {layout.bits}")
    if layout.row_nbytes * layout.chunk[0] * layout.chunk[1] > _LARGEST:
        raise directory.wrong(f"strips or tiles of {layout.chunk} pixels are larger than any file")
    return layout


_layout_of: Final = Remembered(_SAID, _read_layout)


def _chunk(directory: Directory, shape: tuple[int, int, int]) -> tuple[bool, tuple[int, int, int]]:
    """Whether a page is cut into tiles, and the shape of a tile or a strip."""
    number = directory.number
    width, length, depth = number(tags.TILE_WIDTH, 0), number(tags.TILE_LENGTH, 0), number(tags.TILE_DEPTH, 1)
    if width or length:
        if not (0 < width <= _LONGEST and 0 < length <= _LONGEST and 0 < depth <= _LONGEST):
            raise directory.wrong(f"expected a width and a length of tiles, found {depth} x {length} x {width}")
        return True, (depth, length, width)
    rows = number(tags.ROWS_PER_STRIP, shape[1])
    return False, (1, min(rows, shape[1]) if rows > 0 else shape[1], shape[2])


def _same(directory: Directory, tag: int, default: int, what: str) -> int:
    """The value that all samples share."""
    entry = directory.entries.get(tag)
    if entry is None or entry.is_one_value():
        return directory.number(tag, default)
    found = sorted(set(directory.numbers(tag).tolist()))
    raise Unsupported(f"its {what} differ: {found}; one array has one type", feature=what, url=directory.url)


def _places(directory: Directory, numbers: NDArray[Any], expected: int) -> NDArray[np.uint64]:
    """A column of as many offsets or lengths as there are strips or tiles."""
    if numbers.dtype.kind != "u":
        raise directory.wrong(f"expected offsets and lengths without a sign, found {numbers.dtype}")
    return numbers[:expected].astype(np.uint64)


def _counted(directory: Directory, layout: Layout, offsets: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    """The lengths of strips or tiles that nothing is said of: without compression their sizes tell."""
    if layout.compression == "none":
        return np.where(offsets > 0, stored_sizes(layout), 0).astype(np.uint64)
    if len(offsets) == 1 and int(offsets[0]) < size:
        return np.array([size - int(offsets[0])], np.uint64)
    raise directory.wrong("expected the lengths of its strips or tiles (StripByteCounts), found fewer than there are")


def stored_sizes(layout: Layout) -> NDArray[np.uint64]:
    """Bytes of each strip or tile of one page without compression: those of the last strip are fewer."""
    depth, length, _ = layout.chunk
    rows = np.full(layout.grid, length * depth, np.uint64)
    if not layout.tiled:
        rows[:, :, -1, :] = layout.shape[1] - (layout.grid[2] - 1) * length
    return (rows * np.uint64(layout.row_nbytes)).reshape(-1)


def _inside(
    directory: Directory, layout: Layout, offsets: NDArray[np.uint64], lengths: NDArray[np.uint64], size: int
) -> NDArray[np.uint64]:
    """The lengths, 0 for what is not stored, no longer than what is needed. Raises FormatError for what cannot be."""
    if np.count_nonzero(offsets) < len(offsets):
        lengths = np.where(offsets == 0, 0, lengths).astype(np.uint64)
    if layout.compression == "none" and not layout.shares_chroma:
        sizes = stored_sizes(layout)
        short = np.flatnonzero((lengths > 0) & (lengths < sizes))
        if len(short):
            raise directory.wrong(
                f"expected {sizes[short[0]]} bytes in strip or tile {short[0]}, found {lengths[short[0]]}"
            )
        lengths = np.minimum(lengths, sizes)
    if _end_inside(offsets, lengths, size):
        return lengths
    outside = np.flatnonzero((lengths > 0) & ((lengths > size) | (offsets > size - np.minimum(lengths, size))))
    if len(outside):
        row = outside[0]
        raise TruncatedFile(
            f"strip or tile {row} has {lengths[row]} bytes at byte {offsets[row]}, but the file ends at byte {size};"
            " it is cut short",
            url=directory.url,
            offset=directory.offset,
        )
    return lengths


def _end_inside(offsets: NDArray[np.uint64], lengths: NDArray[np.uint64], size: int) -> bool:
    """Whether all ranges, of which there is one at least, end inside a file of this size."""
    most = np.maximum.reduce  # half of what a method of a short array takes is finding this function
    if int(most(offsets)) > size or int(most(lengths)) > size:  # of these, sums of 64 bits would say nothing
        return False
    return int(most(offsets + lengths)) <= size


def _subfile(directory: Directory) -> int:
    """Its tag NewSubfileType, or what the older SubfileType says in other numbers."""
    if tags.NEW_SUBFILE_TYPE in directory:
        return directory.number(tags.NEW_SUBFILE_TYPE, 0)
    return 1 if directory.number(tags.SUBFILE_TYPE, 1) == 2 else 0
