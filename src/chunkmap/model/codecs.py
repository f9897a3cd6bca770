"""What is known of codecs by their ids: what decodes alike, though encoded differently, and what is of others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from chunkmap.model.meta import CodecConfig

__all__ = ["COMPRESSORS", "EXTRAS", "PACKAGES", "decodes_as"]

COMPRESSORS: Final = frozenset({"blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"})
"""Codecs that Zarr v2 has a place of its own for, behind all others."""

PACKAGES: Final[Mapping[str, str]] = {"gribberish": "gribberish", "grib2io": "grib2io"}
"""Codecs of other packages that sets made by them name: the package that has each, for Zarr v2 and for v3."""

EXTRAS: Final[Mapping[str, str]] = {"msgpack2": "msgpack", "pcodec": "pcodec", "zfpy": "zfpy"}
"""Codecs of numcodecs that need a package more: the extra of numcodecs that installs it."""

_ONLY_ENCODING: Final[Mapping[str, Collection[str]]] = {
    "zlib": {"level"},
    "gzip": {"level"},
    "bz2": {"level"},
    "zstd": {"level", "checksum"},
    "lz4": {"acceleration"},
    "blosc": {"cname", "clevel", "shuffle", "blocksize", "typesize"},
}
"""Codec -> what of its configuration only matters when encoding: the bytes themselves say the rest."""


def decodes_as(codec: CodecConfig) -> dict[str, Any]:
    """What of a codec's configuration decoding depends on.

    >>> decodes_as({"id": "zlib", "level": 4}) == decodes_as({"id": "zlib", "level": 9})
    True
    """
    encoding = _ONLY_ENCODING.get(codec.get("id", ""), ())
    return {key: value for key, value in codec.items() if key not in encoding}
