"""kerchunk's codecs, under the names by which scripts import them."""

from numcodecs.zlib import Zlib as ZlibCodec

from chunkmap.codecs import DeflateCodec, FillStringsCodec, RecordArrayMember
from chunkmap.codecs import GribCodec as GRIBCodec

__all__ = ["DeflateCodec", "FillStringsCodec", "GRIBCodec", "RecordArrayMember", "ZlibCodec"]
