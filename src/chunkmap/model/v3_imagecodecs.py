"""What the package imagecodecs decodes, in Zarr v3 under the names that it registers there, `imagecodecs_*`.

https://pypi.org/project/imagecodecs-zarr. As v3 has it, each is of one kind: it turns arrays into arrays, into bytes,
or bytes into bytes; shape and type are those of the array, where numcodecs is given them. A codec stands under such a
name only where its place in the chain, its configuration and the type of the array make it decode the same bytes;
everywhere else it is a codec of bytes under our own name, which needs none of this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from chunkmap.errors import Unsupported
from chunkmap.model.meta import ArrayMeta, CodecConfig

__all__ = ["OF_ARRAYS", "OF_BYTES", "TO_BYTES", "decode_imagecodecs", "encode_imagecodecs", "kind_of"]

OF_ARRAYS: Final = frozenset({"imagecodecs_delta"})
"""From arrays to arrays."""

_PREDICTORS: Final = frozenset({"imagecodecs_delta", "imagecodecs_floatpred"})
_PICTURES: Final[Mapping[str, Mapping[str, Any]]] = {
    "imagecodecs_jpeg": {
        "bitspersample": None,
        "tables": None,
        "header": None,
        "colorspace_data": None,
        "colorspace_jpeg": None,
    },
    "imagecodecs_jpeg2k": {},
    "imagecodecs_jpegxl": {},
    "imagecodecs_jpegxr": {},
    "imagecodecs_png": {},
}
"""Whole pictures: what a configuration may say that decoding depends on, and what it says where v3 says nothing."""

TO_BYTES: Final = frozenset({"imagecodecs_floatpred", *_PICTURES})
"""From arrays to bytes."""

OF_BYTES: Final = frozenset({"imagecodecs_lzw", "imagecodecs_packbits", "imagecodecs_zstd"})
"""From bytes to bytes."""


def kind_of(config: CodecConfig, meta: ArrayMeta) -> str | None:
    """Which of the three a codec is, `"arrays"`, `"to bytes"` or `"bytes"`, where it stands first among those that are
    left of an array's chain; None where it must not have such a name.
    """
    name = config["id"]
    if name in OF_BYTES:
        return "bytes" if len(config) == 1 else None
    if name in _PREDICTORS:
        fits = config == _predictor(name, int(config["axis"]), meta.dtype, meta.chunk_shape) and not meta.edges
        return ("arrays" if name in OF_ARRAYS else "to bytes") if fits and _is_plain(meta) else None
    if name in _PICTURES and _is_plain(meta):
        is_alike = config.keys() - {"id"} <= _PICTURES[name].keys() and config.get("header") is None
        return "to bytes" if is_alike and config.get("bitspersample") in (None, 8) else None
    return None


def _is_plain(meta: ArrayMeta) -> bool:
    """Whether arrays are rows after rows of numbers in the order of most machines."""
    return meta.order == "C" and meta.dtype.kind in "iuf" and meta.dtype.str[0] != ">"


def encode_imagecodecs(config: CodecConfig) -> dict[str, Any]:
    """The entry of `codecs`."""
    beside = {"shape", "dtype"} if config["id"] in _PREDICTORS else set[str]()
    said = {key: value for key, value in config.items() if key not in {"id", *beside} and value is not None}
    return {"name": config["id"], "configuration": said} if said else {"name": config["id"]}


def decode_imagecodecs(
    name: str, configuration: Mapping[str, Any], dtype: np.dtype[Any], chunk_shape: Sequence[int] | None
) -> CodecConfig:
    """What numcodecs is given for a codec of chunks of a shape, None where they have several.

    Raises Unsupported for what decodes to something else here.
    """
    if name in OF_BYTES:
        return {"id": name}
    if name not in _PREDICTORS:
        depends = configuration.keys() & _PICTURES[name].keys()
        return {"id": name, **_PICTURES[name], **{key: configuration[key] for key in depends}}
    if chunk_shape is None or configuration.get("dist", 1) != 1:
        raise Unsupported(f"the codec {name!r} is read in chunks of one shape, at a distance of 1", feature=name)
    return _predictor(name, int(configuration.get("axis", -1)), dtype, chunk_shape)


def _predictor(name: str, axis: int, dtype: np.dtype[Any], chunk_shape: Sequence[int]) -> CodecConfig:
    """Differences along an axis; all axes before it are one."""
    axis = axis - len(chunk_shape) if axis >= 0 else axis
    shape = [math.prod(chunk_shape[:axis]), *chunk_shape[axis:]]
    return {"id": name, "shape": shape, "dtype": dtype.str, "axis": axis, "dist": 1}
