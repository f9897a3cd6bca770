"""The codec `zarr_shards`: a whole shard of Zarr v3, for numcodecs.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html. Its configuration is
that of `sharding_indexed`, with what v3 leaves to the array: the shape of a shard, its data type and its fill value.
zarr-python decodes it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import zarr
from numcodecs.abc import Codec
from zarr.core.buffer.cpu import Buffer
from zarr.storage import MemoryStore

from chunkmap.model.v3_shards import SHARDS, sharding

__all__ = ["ZarrShards"]

_MOST: Final = 1 << 32
"""Elements of a shard."""


class ZarrShards(Codec):  # type: ignore[misc]
    """One shard: bytes to the elements in it, those of chunks that it does not hold being the fill value."""

    codec_id = SHARDS

    def __init__(self, shape: Sequence[int], data_type: Any, fill_value: Any, **configuration: Any) -> None:
        if math.prod(shape) > _MOST:
            raise ValueError(f"a shard of shape {list(shape)} has too many elements")
        self.shape, self.data_type, self.fill_value = list(shape), data_type, fill_value
        self.configuration = configuration

    def get_config(self) -> dict[str, Any]:
        """The configuration, as metadata hold it."""
        own = {"id": self.codec_id, "shape": self.shape, "data_type": self.data_type, "fill_value": self.fill_value}
        return {**own, **self.configuration}

    def _array(self, shard: bytes) -> Any:
        """The shard as the only one of an array in memory."""
        document = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": self.shape,
            "data_type": self.data_type,
            "fill_value": self.fill_value,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": self.shape}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "codecs": [sharding(self.configuration)],
            "attributes": {},
        }
        key = "/".join(["c", *("0" for _ in self.shape)])
        files = {"zarr.json": json.dumps(document).encode(), key: shard}
        return zarr.open_array(MemoryStore({name: Buffer.from_bytes(data) for name, data in files.items()}), mode="r")

    def encode(self, buf: Any) -> bytes:
        """Shards are read, not written."""
        raise NotImplementedError("shards are written by zarr")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """A shard to its elements."""
        values = np.ascontiguousarray(self._array(bytes(buf))[...])
        values = values.astype(values.dtype.newbyteorder("<"), copy=False)
        if out is None:
            return values
        np.copyto(np.frombuffer(out, values.dtype).reshape(values.shape), values)
        return out
