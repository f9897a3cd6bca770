"""The codecs of this package: one row each. A codec is imported when the first chunk needs it.

The entry points in `pyproject.toml` list the same, for processes that never import chunkmap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple

__all__ = ["CODECS", "CODECS_BY_ID", "V3_CODECS", "Row"]

_PACKAGE: Final = "chunkmap.codecs"


class Row(NamedTuple):
    """One codec: its id, which never changes, since data at rest name it; and where it is."""

    id: str
    where: str
    """Module of this package, and class: `"deflate:DeflateCodec"`."""
    extra: str | None = None
    """The extra of chunkmap with the library that it decodes with, if it is none of chunkmap's dependencies."""

    @property
    def entry_point(self) -> str:
        """Where it is, as an entry point says it."""
        return f"{_PACKAGE}.{self.where}"

    def load(self) -> Any:
        """The class."""
        module, _, name = self.entry_point.partition(":")
        return getattr(import_module(module), name)


CODECS: Final[Sequence[Row]] = (
    Row("fill_hdf_strings", "fill_hdf_strings:FillStringsCodec"),
    Row("record_member", "record_member:RecordArrayMember"),
    Row("chunkmap.variants", "variants:ChunkmapVariants"),
    Row("deflate", "deflate:DeflateCodec"),
    Row("FITSAscii", "fits.ascii_table:AsciiTableCodec"),
    Row("FITSVarBintable", "fits.variable_table:VarArrCodec"),
    Row("fits_ascii", "fits.ascii:FitsAscii"),
    Row("fits_bits", "fits.bits:FitsBits"),
    Row("fits_image", "fits.image:FitsImage", extra="fits"),
    Row("fits_logical", "fits.logical:FitsLogical"),
    Row("fits_text", "fits.text:FitsText"),
    Row("fits_tiles", "fits.tiles:FitsTiles", extra="fits"),
    Row("fits_unsigned", "fits.unsigned:FitsUnsigned"),
    Row("fits_variable", "fits.variable:FitsVariable"),
    Row("fits_wcs", "fits.wcs:FitsWcs", extra="fits"),
    Row("grib", "grib.codec:GribCodec", extra="grib"),
    Row("record_slice", "record_slice:RecordSlice"),
    Row("hdf4_jpeg", "hdf4.jpeg:Hdf4Jpeg", extra="hdf4"),
    Row("hdf4_nbit", "hdf4.nbit:Hdf4Nbit"),
    Row("hdf4_rle", "hdf4.rle:Hdf4Rle"),
    Row("hdf4_skphuff", "hdf4.skphuff:Hdf4SkippingHuffman"),
    Row("hdf4_szip", "hdf4.szip:Hdf4Szip", extra="hdf4"),
    Row("hdf5_bitshuffle", "hdf5.bitshuffle:Hdf5Bitshuffle"),
    Row("hdf5_blosc2", "hdf5.blosc2:Hdf5Blosc2", extra="hdf5"),
    Row("hdf5_htj2k", "hdf5.images:Hdf5Htj2k", extra="hdf5"),
    Row("hdf5_float", "hdf5.float:Hdf5Float"),
    Row("hdf5_long_double", "hdf5.long_double:Hdf5LongDouble"),
    Row("hdf5_integer", "hdf5.integer:Hdf5Integer"),
    Row("hdf5_jpegls", "hdf5.images:Hdf5JpegLs", extra="hdf5"),
    Row("hdf5_lz4", "hdf5.lz4:Hdf5Lz4"),
    Row("hdf5_lzf", "hdf5.lzf:Hdf5Lzf"),
    Row("hdf5_lzo", "hdf5.lzo:Hdf5Lzo", extra="hdf5"),
    Row("hdf5_nbit", "hdf5.nbit:Hdf5Nbit"),
    Row("hdf5_scaleoffset", "hdf5.scaleoffset:Hdf5ScaleOffset"),
    Row("hdf5_shuffle", "hdf5.shuffle:Hdf5Shuffle"),
    Row("hdf5_szip", "hdf5.szip:Hdf5Szip", extra="hdf5"),
    Row("hdf5_text", "hdf5.text:Hdf5Text"),
    Row("hdf5_vbz", "hdf5.vbz:Hdf5Vbz"),
    Row("hdf5_zfp", "hdf5.zfp:Hdf5Zfp", extra="hdf5"),
    Row("imagecodecs_bitorder", "tiff.imagecodecs_ids:ImagecodecsBitorder"),
    Row("imagecodecs_ccittfax3", "tiff.ccitt:ImagecodecsCcittfax3", extra="tiff"),
    Row("imagecodecs_ccittfax4", "tiff.ccitt:ImagecodecsCcittfax4", extra="tiff"),
    Row("imagecodecs_ccittrle", "tiff.ccitt:ImagecodecsCcittrle", extra="tiff"),
    Row("imagecodecs_delta", "tiff.imagecodecs_ids:ImagecodecsDelta"),
    Row("imagecodecs_floatpred", "tiff.imagecodecs_ids:ImagecodecsFloatpred"),
    Row("imagecodecs_jpeg", "tiff.imagecodecs_ids:ImagecodecsJpeg", extra="tiff"),
    Row("imagecodecs_jpeg2k", "tiff.imagecodecs_ids:ImagecodecsJpeg2k", extra="tiff"),
    Row("imagecodecs_jpegxl", "tiff.imagecodecs_ids:ImagecodecsJpegxl", extra="tiff"),
    Row("imagecodecs_jpegxr", "tiff.imagecodecs_ids:ImagecodecsJpegxr", extra="tiff"),
    Row("imagecodecs_lerc", "tiff.imagecodecs_ids:ImagecodecsLerc", extra="tiff"),
    Row("imagecodecs_lzw", "tiff.imagecodecs_ids:ImagecodecsLzw", extra="tiff"),
    Row("imagecodecs_packbits", "tiff.imagecodecs_ids:ImagecodecsPackbits", extra="tiff"),
    Row("imagecodecs_png", "tiff.imagecodecs_ids:ImagecodecsPng", extra="tiff"),
    Row("imagecodecs_webp", "tiff.imagecodecs_ids:ImagecodecsWebp", extra="tiff"),
    Row("imagecodecs_zstd", "tiff.imagecodecs_ids:ImagecodecsZstd", extra="tiff"),
    Row("tiff_bits", "tiff.bits:TiffBits"),
    Row("tiff_float24", "tiff.bits:TiffFloat24"),
    Row("tiff_pad", "tiff.pad:TiffPad"),
    Row("zarr_cast_value", "zarr.cast_value:ZarrCastValue"),
    Row("zarr_shards", "zarr.shards:ZarrShards"),
    Row("zarr_scale_offset", "zarr.scale_offset:ZarrScaleOffset"),
)
"""Codecs of Zarr v2, which numcodecs is told of."""

V3_CODECS: Final[Sequence[Row]] = (
    Row("chunkmap.numcodecs", "zarr.numcodecs_in_v3:NumcodecsCodec"),
    Row("chunkmap.trim", "zarr.trim:TrimCodec"),
    Row("chunkmap.variants", "zarr.variants:VariantsCodec"),
    Row("imagecodecs_delta", "zarr.imagecodecs_in_v3:Delta"),
    Row("imagecodecs_floatpred", "zarr.imagecodecs_in_v3:Floatpred"),
    Row("imagecodecs_jpeg", "zarr.imagecodecs_in_v3:Jpeg"),
    Row("imagecodecs_jpeg2k", "zarr.imagecodecs_in_v3:Jpeg2k"),
    Row("imagecodecs_jpegxl", "zarr.imagecodecs_in_v3:Jpegxl"),
    Row("imagecodecs_jpegxr", "zarr.imagecodecs_in_v3:Jpegxr"),
    Row("imagecodecs_lzw", "zarr.imagecodecs_in_v3:Lzw"),
    Row("imagecodecs_packbits", "zarr.imagecodecs_in_v3:Packbits"),
    Row("imagecodecs_png", "zarr.imagecodecs_in_v3:Png"),
    Row("imagecodecs_zstd", "zarr.imagecodecs_in_v3:Zstd"),
)
"""Codecs of Zarr v3, which zarr-python is told of."""

CODECS_BY_ID: Final[Mapping[str, Row]] = {row.id: row for row in CODECS}
