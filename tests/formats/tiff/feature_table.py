"""The table of docs/tiff.md: each feature is written by tifffile or rasterio, scanned, read, and compared.

python tests/formats/test_feature_tables.py tiff      writes the table anew
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import rasterio
import rasterio.errors
import tifffile

sys.path.insert(0, str(Path(__file__).parent))
from oracle import assert_same, by_rasterio, by_tifffile, scanned, values

PAGE = Path(__file__).parents[3] / "docs" / "tiff.md"

DATA = (np.arange(50 * 70, dtype="u2") // 7).reshape(50, 70)
COLOURS = np.stack([DATA, DATA * 2, DATA * 3], -1).astype("u1")
TILE = {"tile": (16, 32)}
STRIP = {"rowsperstrip": 16}


def one(data=DATA, **options):
    """Written by tifffile, and read by it."""
    options = {"metadata": None, "photometric": "minisblack" if data.ndim == 2 else "rgb", **TILE, **options}

    def write(path):
        tifffile.imwrite(path, data, **{k: v for k, v in options.items() if v is not None})

    return write, by_tifffile


def gdal(data=DATA, *, after=None, creation=None, **options):
    """Written by rasterio, and read by it."""
    data = data[None] if data.ndim == 2 else np.moveaxis(data, -1, 0)
    kind = creation or data.dtype.name
    profile = {"driver": "GTiff", "count": len(data), "height": data.shape[1], "width": data.shape[2], "dtype": kind}

    def write(path):
        with rasterio.open(path, "w", **profile, **options) as file:
            file.write(data)
        if after:
            after(path)

    return write, by_rasterio


def as_tifffile(writing):
    """What GDAL writes and tifffile reads: decoders of JPEG differ in how they spread chroma over pixels."""
    return writing[0], by_tifffile


def changed(tag, value, writing):
    """A file of which one tag of directory 0 is another, for what no library here writes."""
    write, _ = writing

    def rewrite(path):
        write(path)
        raw = bytearray(path.read_bytes())
        with tifffile.TiffFile(path) as file:
            at = file.pages[0].tags[tag].valueoffset
        raw[at : at + 2] = value.to_bytes(2, "little")
        path.write_bytes(raw)

    return rewrite, None


def overviews(path):
    """Half, and a quarter."""
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])


def floats(kind="f4"):
    return np.linspace(-1000, 1000, DATA.size).reshape(DATA.shape).astype(kind)


FEATURES = {
    "Layout": {
        "strips": one(tile=None, rowsperstrip=25),
        "strips, the last of which is short, not compressed": one(tile=None, **STRIP),
        "strips, the last of which is short, compressed": one(tile=None, compression="zlib", **STRIP),
        "tiles": one(),
        "tiles that hang over the edge": one(tile=(32, 32)),
        "samples side by side": one(COLOURS),
        "samples apart": one(np.moveaxis(COLOURS, -1, 0).copy(), planarconfig="separate"),
        "BigTIFF": one(bigtiff=True),
        "big-endian": one(byteorder=">"),
        "tiles with a depth": one(np.stack([DATA] * 4), tile=(2, 16, 16), volumetric=True, photometric="minisblack"),
        "tiles that are not stored": gdal(DATA * 0, tiled=True, blockxsize=16, blockysize=16, sparse_ok=True),
        "stacks of pages": one(np.stack([DATA] * 4), photometric="minisblack"),
        "SubIFDs, overviews": gdal(tiled=True, blockxsize=16, blockysize=16, after=overviews),
    },
    "Compression": {
        "none": one(),
        "Deflate": one(compression="zlib"),
        "ZSTD *": one(compression="zstd"),
        "LZMA": one(compression="lzma"),
        "LZW *": one(compression="lzw"),
        "PackBits *": one(COLOURS, compression="packbits"),
        "JPEG *": one(COLOURS, compression="jpeg"),
        "JPEG with tables, YCbCr, subsampled *": as_tifffile(
            gdal(COLOURS, compress="jpeg", photometric="ycbcr", interleave="pixel", blockysize=16)
        ),
        "JPEG 2000 *": one(COLOURS, compression="jpeg2000"),
        "JPEG XL *": one(COLOURS, compression="jpegxl"),
        "JPEG XR *": one(COLOURS, compression="jpegxr"),
        "WebP *": one(COLOURS, compression="webp"),
        "PNG *": one(COLOURS, compression="png"),
        "LERC *": gdal(floats(), compress="lerc", max_z_error=0.01),
        "LERC and Deflate *": gdal(floats(), compress="lerc_deflate"),
        "LERC and ZSTD *": gdal(floats(), compress="lerc_zstd"),
        "CCITT T.6 *": gdal((DATA % 2).astype("u1"), nbits=1, compress="ccittfax4"),
        "CCITT T.4 *": gdal((DATA % 2).astype("u1"), nbits=1, compress="ccittfax3", blockysize=13),
        "CCITT RLE *": gdal((DATA % 2).astype("u1"), nbits=1, compress="ccittrle", blockysize=13),
        "CCITT RLE/W": changed("Compression", 32771, one()),
        "old-style JPEG": changed("Compression", 6, one()),
        "SGI LogLuv": changed("Compression", 34676, one()),
        "JBIG": changed("Compression", 34661, one()),
    },
    "Predictors": {
        "2, of whole numbers": one(compression="zlib", predictor=2),
        "2, big-endian": one(compression="zlib", predictor=2, byteorder=">"),
        "2, of floats": gdal(floats(), compress="deflate", predictor=2),
        "2, of complex numbers": gdal(floats("c8"), compress="deflate", predictor=2),
        "2, of complex numbers, big-endian": gdal(floats("c8"), compress="deflate", predictor=2, endianness="big"),
        "3": one(floats(), compression="zlib", predictor=3),
        "3, big-endian": one(floats("f8"), compression="zlib", predictor=3, byteorder=">"),
        "with PackBits": one(compression="packbits", predictor=2),
    },
    "Types": {
        "whole numbers of 8, 16, 32, 64 bits": one(DATA.astype("i8")),
        "of 1 bit": one(DATA % 2 > 0, tile=None),
        "of any other count of bits": gdal(DATA, nbits=12),
        "of 24 bits, little-endian": gdal(DATA.astype("u4"), nbits=24),
        "of 24 bits, big-endian": gdal(DATA.astype("u4"), nbits=24, endianness="big"),
        "floats of 16, 32, 64 bits": one(floats("f2")),
        "floats of 24 bits": gdal(floats(), nbits=24),
        "complex": one(floats("c16")),
        "complex of whole numbers": gdal(np.round(floats()).astype("c8"), creation="complex_int16"),
        "samples of different types": changed("BitsPerSample", 16, one(COLOURS)),
    },
    "Colours": {
        "palettes: as numbers, with the table": one(
            (DATA % 256).astype("u1"), photometric="palette", colormap=np.zeros((3, 256), "u2")
        ),
        "CMYK": one(np.concatenate([COLOURS, COLOURS[..., :1]], -1), photometric="separated"),
        "alpha": one(np.concatenate([COLOURS, COLOURS[..., :1]], -1), extrasamples=["unassalpha"]),
        "YCbCr without JPEG, subsampled": changed("PhotometricInterpretation", 6, one(COLOURS)),
    },
}


def outcome(write, read):
    """`exact`, or by what name it is refused."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        path = Path(folder) / "a.tif"
        write(path)
        found = scanned(path)
        if found.problems:
            (problem,) = found.problems
            assert "image" not in found.arrays
            return f"refused: {problem.feature}"
        assert_same(values(found), read(path), kind=False)
    return "exact"


def printed():
    """The lines between the marks."""
    lines = []
    for area, features in FEATURES.items():
        lines += [f"| {area} | |", "|---|---|"]
        lines += [f"| {name} | {outcome(*feature)} |" for name, feature in features.items()]
        lines.append("")
    return "\n".join(lines).rstrip()
