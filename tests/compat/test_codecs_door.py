"""The door `kerchunk.codecs`, and what importing `kerchunk` does."""

import subprocess
import sys

import fsspec
import numcodecs
import numpy as np

import kerchunk
import kerchunk.codecs
from chunkmap.codecs.table import CODECS_BY_ID


def test_names_are_the_codecs_themselves():
    """The door's names are the library's classes."""
    for name in ("DeflateCodec", "FillStringsCodec", "RecordArrayMember", "AsciiTableCodec", "VarArrCodec"):
        codec = getattr(kerchunk.codecs, name)
        assert codec is CODECS_BY_ID[codec.codec_id].load()


def test_importing_kerchunk_makes_its_codecs_known():
    """After `import kerchunk` alone, numcodecs finds the codecs by id."""
    code = (
        "import kerchunk, numcodecs, sys; from numcodecs.registry import codec_registry as r;"
        "assert {'deflate', 'fill_hdf_strings', 'record_member'} <= set(r);"
        "assert kerchunk.__version__; assert 'zarr' not in sys.modules and 'xarray' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_zlib_is_numcodecs_own():
    """The id `zlib` stays with numcodecs, under kerchunk's name for it too."""
    assert numcodecs.get_codec({"id": "zlib"}).__class__ is numcodecs.zlib.Zlib
    data = kerchunk.codecs.ZlibCodec().encode(np.arange(10))
    assert numcodecs.get_codec({"id": "zlib"}).decode(data) == np.arange(10).tobytes()


def test_reference_filesystems_can_be_kept():
    """One call says for all of fsspec whether reference filesystems are kept."""
    cls = fsspec.get_filesystem_class("reference")
    before = cls.cachable
    try:
        kerchunk.set_reference_filesystem_cachable()
        assert cls.cachable is True
        kerchunk.set_reference_filesystem_cachable(False)
        assert cls.cachable is False
    finally:
        cls.cachable = before
