"""The tags of TIFF that are looked at, under the names that their specifications give them.

TIFF 6.0: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf; the technical notes of Adobe on SubIFDs,
predictor 3 and Deflate; GeoTIFF 1.1:
https://docs.ogc.org/is/19-008r4/19-008r4.html; the private tags of GDAL and ImageJ.
"""

from typing import Final

__all__ = ["LARGE", "WANTED"]

NEW_SUBFILE_TYPE: Final = 254
SUBFILE_TYPE: Final = 255
IMAGE_WIDTH: Final = 256
IMAGE_LENGTH: Final = 257
BITS_PER_SAMPLE: Final = 258
COMPRESSION: Final = 259
PHOTOMETRIC: Final = 262
FILL_ORDER: Final = 266
DOCUMENT_NAME: Final = 269
IMAGE_DESCRIPTION: Final = 270
STRIP_OFFSETS: Final = 273
SAMPLES_PER_PIXEL: Final = 277
ROWS_PER_STRIP: Final = 278
STRIP_BYTE_COUNTS: Final = 279
X_RESOLUTION: Final = 282
Y_RESOLUTION: Final = 283
PLANAR_CONFIGURATION: Final = 284
T4_OPTIONS: Final = 292
RESOLUTION_UNIT: Final = 296
SOFTWARE: Final = 305
DATE_TIME: Final = 306
ARTIST: Final = 315
PREDICTOR: Final = 317
COLOR_MAP: Final = 320
TILE_WIDTH: Final = 322
TILE_LENGTH: Final = 323
TILE_OFFSETS: Final = 324
TILE_BYTE_COUNTS: Final = 325
SUB_IFDS: Final = 330
EXTRA_SAMPLES: Final = 338
SAMPLE_FORMAT: Final = 339
JPEG_TABLES: Final = 347
YCBCR_SUBSAMPLING: Final = 530
IMAGE_DEPTH: Final = 32997
TILE_DEPTH: Final = 32998
MODEL_PIXEL_SCALE: Final = 33550
MODEL_TIEPOINT: Final = 33922
COPYRIGHT: Final = 33432
MODEL_TRANSFORMATION: Final = 34264
GEO_KEY_DIRECTORY: Final = 34735
GEO_DOUBLE_PARAMS: Final = 34736
GEO_ASCII_PARAMS: Final = 34737
GDAL_METADATA: Final = 42112
GDAL_NODATA: Final = 42113
LERC_PARAMETERS: Final = 50674
IMAGEJ_METADATA_BYTE_COUNTS: Final = 50838

TEXTS: Final = {
    DOCUMENT_NAME: "TIFFTAG_DOCUMENTNAME",
    IMAGE_DESCRIPTION: "TIFFTAG_IMAGEDESCRIPTION",
    SOFTWARE: "TIFFTAG_SOFTWARE",
    DATE_TIME: "TIFFTAG_DATETIME",
    ARTIST: "TIFFTAG_ARTIST",
    COPYRIGHT: "TIFFTAG_COPYRIGHT",
}
"""Tags of text, under the names by which GDAL gives them as metadata."""

LARGE: Final = frozenset({STRIP_OFFSETS, STRIP_BYTE_COUNTS, TILE_OFFSETS, TILE_BYTE_COUNTS})
"""Tags with a number a chunk."""

WANTED: Final = frozenset(value for name, value in list(globals().items()) if name.isupper() and isinstance(value, int))
"""Tags whose values are read where they do not stand in the entry itself; all others may be as long as they like."""
