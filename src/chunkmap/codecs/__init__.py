"""Codecs that references need and numcodecs does not have: one file each, under ids that never change.

numcodecs finds them by their entry points; `register` makes them known where the package is not installed.
"""

from typing import Final

from numcodecs.registry import register_codec

from chunkmap.codecs.deflate import DeflateCodec
from chunkmap.codecs.fill_hdf_strings import FillStringsCodec
from chunkmap.codecs.fits_ascii import FitsAscii
from chunkmap.codecs.fits_ascii_table import AsciiTableCodec
from chunkmap.codecs.fits_bits import FitsBits
from chunkmap.codecs.fits_image import FitsImage
from chunkmap.codecs.fits_logical import FitsLogical
from chunkmap.codecs.fits_text import FitsText
from chunkmap.codecs.fits_tiles import FitsTiles
from chunkmap.codecs.fits_unsigned import FitsUnsigned
from chunkmap.codecs.fits_variable import FitsVariable
from chunkmap.codecs.fits_variable_table import VarArrCodec
from chunkmap.codecs.fits_wcs import FitsWcs
from chunkmap.codecs.hdf4_jpeg import Hdf4Jpeg
from chunkmap.codecs.hdf4_nbit import Hdf4Nbit
from chunkmap.codecs.hdf4_rle import Hdf4Rle
from chunkmap.codecs.hdf4_skphuff import Hdf4SkippingHuffman
from chunkmap.codecs.hdf4_szip import Hdf4Szip
from chunkmap.codecs.hdf5_bitshuffle import Hdf5Bitshuffle
from chunkmap.codecs.hdf5_blosc2 import Hdf5Blosc2
from chunkmap.codecs.hdf5_float import Hdf5Float
from chunkmap.codecs.hdf5_images import Hdf5Htj2k, Hdf5JpegLs
from chunkmap.codecs.hdf5_integer import Hdf5Integer
from chunkmap.codecs.hdf5_lz4 import Hdf5Lz4
from chunkmap.codecs.hdf5_lzf import Hdf5Lzf
from chunkmap.codecs.hdf5_nbit import Hdf5Nbit
from chunkmap.codecs.hdf5_scaleoffset import Hdf5ScaleOffset
from chunkmap.codecs.hdf5_shuffle import Hdf5Shuffle
from chunkmap.codecs.hdf5_szip import Hdf5Szip
from chunkmap.codecs.hdf5_text import Hdf5Text
from chunkmap.codecs.hdf5_zfp import Hdf5Zfp
from chunkmap.codecs.imagecodecs_ids import (
    ImagecodecsBitorder,
    ImagecodecsDelta,
    ImagecodecsFloatpred,
    ImagecodecsJpeg,
    ImagecodecsJpeg2k,
    ImagecodecsJpegxl,
    ImagecodecsJpegxr,
    ImagecodecsLerc,
    ImagecodecsLzw,
    ImagecodecsPackbits,
    ImagecodecsPng,
    ImagecodecsWebp,
    ImagecodecsZstd,
)
from chunkmap.codecs.record_member import RecordArrayMember
from chunkmap.codecs.record_slice import RecordSlice
from chunkmap.codecs.tiff_bits import TiffBits, TiffFloat24
from chunkmap.codecs.tiff_pad import TiffPad
from chunkmap.codecs.zarr_cast_value import ZarrCastValue
from chunkmap.codecs.zarr_scale_offset import ZarrScaleOffset

__all__ = [
    "AsciiTableCodec",
    "DeflateCodec",
    "FillStringsCodec",
    "FitsAscii",
    "FitsBits",
    "FitsImage",
    "FitsLogical",
    "FitsText",
    "FitsTiles",
    "FitsUnsigned",
    "FitsVariable",
    "FitsWcs",
    "Hdf4Jpeg",
    "Hdf4Nbit",
    "Hdf4Rle",
    "Hdf4SkippingHuffman",
    "Hdf4Szip",
    "Hdf5Bitshuffle",
    "Hdf5Blosc2",
    "Hdf5Float",
    "Hdf5Htj2k",
    "Hdf5Integer",
    "Hdf5JpegLs",
    "Hdf5Lz4",
    "Hdf5Lzf",
    "Hdf5Nbit",
    "Hdf5ScaleOffset",
    "Hdf5Shuffle",
    "Hdf5Szip",
    "Hdf5Text",
    "Hdf5Zfp",
    "ImagecodecsBitorder",
    "ImagecodecsDelta",
    "ImagecodecsFloatpred",
    "ImagecodecsJpeg",
    "ImagecodecsJpeg2k",
    "ImagecodecsJpegxl",
    "ImagecodecsJpegxr",
    "ImagecodecsLerc",
    "ImagecodecsLzw",
    "ImagecodecsPackbits",
    "ImagecodecsPng",
    "ImagecodecsWebp",
    "ImagecodecsZstd",
    "RecordArrayMember",
    "RecordSlice",
    "TiffBits",
    "TiffFloat24",
    "TiffPad",
    "VarArrCodec",
    "ZarrCastValue",
    "ZarrScaleOffset",
    "register",
]

_CODECS: Final = (
    AsciiTableCodec,
    DeflateCodec,
    FillStringsCodec,
    FitsAscii,
    FitsBits,
    FitsImage,
    FitsLogical,
    FitsText,
    FitsTiles,
    FitsUnsigned,
    FitsVariable,
    FitsWcs,
    Hdf4Jpeg,
    Hdf4Nbit,
    Hdf4Rle,
    Hdf4SkippingHuffman,
    Hdf4Szip,
    Hdf5Bitshuffle,
    Hdf5Blosc2,
    Hdf5Float,
    Hdf5Htj2k,
    Hdf5Integer,
    Hdf5JpegLs,
    Hdf5Lz4,
    Hdf5Lzf,
    Hdf5Nbit,
    Hdf5ScaleOffset,
    Hdf5Shuffle,
    Hdf5Szip,
    Hdf5Text,
    Hdf5Zfp,
    ImagecodecsBitorder,
    ImagecodecsDelta,
    ImagecodecsFloatpred,
    ImagecodecsJpeg,
    ImagecodecsJpeg2k,
    ImagecodecsJpegxl,
    ImagecodecsJpegxr,
    ImagecodecsLerc,
    ImagecodecsLzw,
    ImagecodecsPackbits,
    ImagecodecsPng,
    ImagecodecsWebp,
    ImagecodecsZstd,
    RecordArrayMember,
    TiffBits,
    TiffFloat24,
    TiffPad,
    RecordSlice,
    VarArrCodec,
    ZarrCastValue,
    ZarrScaleOffset,
)


def register() -> None:
    """Make every codec of this package known to numcodecs by its id."""
    for codec in _CODECS:
        register_codec(codec)
