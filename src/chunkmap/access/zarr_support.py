"""What zarr-python does not know: an array of such a type, grid or codec would keep all of its group from opening."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Final

import zarr
from zarr.core.metadata import ArrayV2Metadata
from zarr.registry import get_codec_class

from chunkmap.access.decoding import make_codec
from chunkmap.errors import Unsupported
from chunkmap.model import ArrayMeta
from chunkmap.model.codecs import PACKAGES
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.model.trimming import untrimmed
from chunkmap.model.zarr_v2 import array_document
from chunkmap.model.zarr_v3 import array_document as array_document_of_v3

__all__ = ["unknown_to_zarr"]

_FLAG: Final = "array.rectilinear_chunks"
"""The setting that makes zarr-python read chunks of several lengths, where it knows such."""


_NOT_KNOWN: Final = "zarr does not know the types or the codecs of"


def unknown_to_zarr(meta: ArrayMeta, zarr_format: ZarrFormat) -> str | None:
    """What zarr does not know, in words that the names of such arrays follow; None when it can open an array."""
    if zarr_format == 3 and any(config.get("id") == "pickle" for config in meta.codecs):
        return "the codec 'pickle' runs code that the set names, and is not run; it is that of"
    try:
        for config in untrimmed(meta).codecs:
            make_codec(config)
        if zarr_format == 2:
            return None if _is_known_in_v2(meta) else _NOT_KNOWN
        document = array_document_of_v3(meta)
    except Unsupported:
        return _missing(meta) or _NOT_KNOWN
    if meta.edges and zarr.config.get(_FLAG, None) is None:
        return (
            f"zarr {zarr.__version__} has no rectilinear chunk grids (later ones have, with zarr.config {_FLAG}), which"
            " are those of"
        )
    if meta.edges and not zarr.config.get(_FLAG):
        return f"zarr reads rectilinear chunk grids after zarr.config.set({{{_FLAG!r}: True}}) only, which are those of"
    return next(filter(None, (_unknown_codec(codec["name"]) for codec in document["codecs"])), None)


def _missing(meta: ArrayMeta) -> str | None:
    """That a package which is known to have a codec of the array is not here, if so."""
    for name in (config.get("id", "") for config in meta.codecs):
        package = PACKAGES.get(name)
        if package is not None and find_spec(package) is None:
            return f"the codec {name!r} needs the package {package} (pip install {package}), and is that of"
    return None


@cache
def _unknown_codec(name: str) -> str | None:
    try:
        get_codec_class(name)
    except KeyError:
        return f"zarr {zarr.__version__} has no codec {name!r}, which is one of"
    if name == "cast_value" and find_spec("cast_value_rs") is None:
        return f"zarr needs the package cast-value-rs for the codec {name!r}, which is one of"
    return None


def _is_known_in_v2(meta: ArrayMeta) -> bool:
    """Zarr is asked about types that it may not know; plain ones it knows."""
    dtype = meta.dtype
    is_plain = dtype.kind != "O" or any(config.get("id") in ("vlen-utf8", "vlen-bytes") for config in meta.codecs)
    is_short = not (dtype.kind in "fc" and dtype.type(0).real.itemsize > 8)
    if is_plain and is_short and dtype.names is None and dtype.itemsize:
        return True
    try:
        ArrayV2Metadata.from_dict({**array_document(meta), "attributes": {}})
    except (ValueError, TypeError, KeyError, NotImplementedError):
        return False
    return True
