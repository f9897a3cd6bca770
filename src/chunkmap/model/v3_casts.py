"""The codecs `scale_offset` and `cast_value` of Zarr v3, to and from those that numcodecs is given for them.

Specifications: https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/scale_offset and `cast_value` beside
it. Both turn arrays into arrays, of the type that stands before them in the chain; numcodecs has no such thing as a
type that is handed on, so each of its configurations names its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from chunkmap.errors import Unsupported
from chunkmap.model.meta import CodecConfig
from chunkmap.model.v3_data_types import decode_data_type, encode_data_type

__all__ = ["CASTS", "decode_cast", "encode_cast", "in_order_of", "is_cast", "stored_as"]

CASTS: Final = frozenset({"cast_value", "scale_offset"})
"""Their names in Zarr v3."""

_PREFIX: Final = "zarr_"
_OWN: Final = frozenset({"id", "dtype", "stored"})
"""What of a configuration Zarr v3 says in another way."""


def is_cast(config: CodecConfig) -> bool:
    """Whether a codec of numcodecs stands for one of them."""
    return str(config["id"]).startswith(_PREFIX) and config["id"].removeprefix(_PREFIX) in CASTS


def decode_cast(name: str, configuration: Mapping[str, Any], dtype: np.dtype[Any]) -> CodecConfig:
    """What numcodecs is given for a codec that elements of `dtype` are encoded by."""
    if name == "scale_offset":
        return {"id": _PREFIX + name, "dtype": dtype.str, **configuration}
    rest = {key: value for key, value in configuration.items() if key != "data_type"}
    stored, _ = decode_data_type(configuration["data_type"])
    return {"id": _PREFIX + name, "dtype": dtype.str, "stored": stored.str, **rest}


def encode_cast(config: CodecConfig) -> dict[str, Any]:
    """The entry of `codecs`."""
    configuration = {key: value for key, value in config.items() if key not in _OWN}
    if "stored" in config:
        configuration = {"data_type": encode_data_type(np.dtype(config["stored"])), **configuration}
    return {"name": config["id"].removeprefix(_PREFIX), "configuration": configuration}


def stored_as(codecs: Sequence[CodecConfig], dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type of the elements that come out of the first codecs of a chain.

    >>> stored_as([{"id": "zarr_cast_value", "dtype": "<f4", "stored": "<i2"}], np.dtype("<f4"))
    dtype('int16')
    """
    for config in codecs:
        if "stored" in config and is_cast(config):
            dtype = np.dtype(config["stored"])
    return dtype


def in_order_of(codecs: Sequence[CodecConfig], stored: np.dtype[Any]) -> list[CodecConfig]:
    """The same codecs, whose elements are stored in the byte order of `stored`.

    Raises Unsupported where the last of them has elements in an order of its own.
    """
    if stored.str[0] != ">" or not codecs:
        return list(codecs)
    *others, last = codecs
    if "stored" not in last or not is_cast(last):
        raise Unsupported("filters of arrays before big-endian bytes are not read", feature="codecs")
    return [*others, {**last, "stored": stored.str}]
