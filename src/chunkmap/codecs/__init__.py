"""Codecs that references need and numcodecs does not have: one file each, under ids that never change.

numcodecs finds them by their entry points; `register` makes them known where the package is not installed.
"""

from numcodecs.registry import register_codec

from chunkmap.codecs.deflate import DeflateCodec
from chunkmap.codecs.fill_hdf_strings import FillStringsCodec
from chunkmap.codecs.record_member import RecordArrayMember

__all__ = ["DeflateCodec", "FillStringsCodec", "RecordArrayMember", "register"]


def register() -> None:
    """Make every codec of this package known to numcodecs by its id."""
    for codec in (DeflateCodec, FillStringsCodec, RecordArrayMember):
        register_codec(codec)
