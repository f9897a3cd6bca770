"""Shards of Zarr v3 that are kept whole: one codec, that from a shard makes the elements of the chunks in it.

In the words of numcodecs it has to say what v3 leaves to the array: the shape of a shard, its data type and its fill
value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chunkmap.errors import Unsupported
from chunkmap.model.v3_data_types import named

__all__ = ["SHARDING", "SHARDS", "sharding", "with_shape"]

SHARDING: Final = "sharding_indexed"
SHARDS: Final = "zarr_shards"
"""The codec of numcodecs."""

_OF_THE_ARRAY: Final = frozenset({"id", "shape", "data_type", "fill_value"})


def sharding(config: Mapping[str, Any]) -> dict[str, Any]:
    """The codec of v3, of that of numcodecs."""
    configuration = {name: value for name, value in config.items() if name not in _OF_THE_ARRAY}
    return {"name": SHARDING, "configuration": configuration}


def with_shape(document: Mapping[str, Any]) -> Sequence[Any]:
    """The codecs of an array, of which the one of shards says what the array says.

    Raises KeyError for shards that do not say what is in them, Unsupported where shards are of several shapes, or are
    encoded before they are shards.
    """
    codecs = list(document["codecs"])
    if not codecs or all(named(codec)[0] != SHARDING for codec in codecs):
        return codecs
    name, configuration = named(codecs[0])
    grid, own = named(document["chunk_grid"])
    if name != SHARDING or grid != "regular":
        what = "of several shapes" if name == SHARDING else f"encoded by {name!r} before they are shards"
        raise Unsupported(f"its shards are {what}, and so are not read whole", feature=SHARDING)
    for key in ("chunk_shape", "codecs", "index_codecs"):
        if key not in configuration:
            raise KeyError(key)
    more = {"shape": list(own["chunk_shape"])} | {key: document[key] for key in ("data_type", "fill_value")}
    return [{"name": SHARDING, "configuration": {**configuration, **more}}, *codecs[1:]]
