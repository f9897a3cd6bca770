"""kerchunk's codecs, under the names by which scripts import them."""

from numcodecs.zlib import Zlib as ZlibCodec

from chunkmap.codecs import AsciiTableCodec, DeflateCodec, FillStringsCodec, RecordArrayMember, VarArrCodec

__all__ = ["AsciiTableCodec", "DeflateCodec", "FillStringsCodec", "RecordArrayMember", "VarArrCodec", "ZlibCodec"]
