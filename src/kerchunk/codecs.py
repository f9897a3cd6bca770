"""kerchunk's codecs, under the names by which scripts import them."""

from numcodecs.registry import register_codec
from numcodecs.zlib import Zlib as ZlibCodec

from chunkmap.codecs.deflate import DeflateCodec
from chunkmap.codecs.fill_hdf_strings import FillStringsCodec
from chunkmap.codecs.fits.ascii_table import AsciiTableCodec
from chunkmap.codecs.fits.variable_table import VarArrCodec
from chunkmap.codecs.grib.codec import GribCodec as GRIBCodec
from chunkmap.codecs.record_member import RecordArrayMember

__all__ = [
    "AsciiTableCodec",
    "DeflateCodec",
    "FillStringsCodec",
    "GRIBCodec",
    "RecordArrayMember",
    "VarArrCodec",
    "ZlibCodec",
]

for _codec in (AsciiTableCodec, DeflateCodec, FillStringsCodec, GRIBCodec, RecordArrayMember, VarArrCodec):
    register_codec(_codec)
