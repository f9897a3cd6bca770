"""The codec `chunkmap.trim` for zarr-python: of a decoded chunk, only its beginning along one axis.

Configuration: `axis`, along which a stored chunk may be longer than its cell of the grid. It stands next to the codec
`bytes`, in row-major arrays of elements of one size; see `chunkmap.model.trimming`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from zarr.abc.codec import BytesBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer

from chunkmap.model.trimming import TRIM, trim

__all__ = ["TrimCodec"]


@dataclass(frozen=True)
class TrimCodec(BytesBytesCodec):
    """Cuts decoded chunks along one axis to the length that they have in the grid."""

    axis: int

    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The codec of an entry of `codecs`."""
        return cls(int(data["configuration"]["axis"]))

    def to_dict(self) -> dict[str, Any]:
        """The entry of `codecs`."""
        return {"name": TRIM, "configuration": {"axis": self.axis}}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        """What is encoded is not longer than it counts."""
        return input_byte_length

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return self._decode_sync(chunk_data, chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        elements = chunk_data.as_numpy_array().view(np.dtype((np.void, chunk_spec.dtype.to_native_dtype().itemsize)))
        kept = trim(elements, chunk_spec.shape, self.axis)
        return chunk_spec.prototype.buffer.from_bytes(kept.tobytes())

    async def _encode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return self._encode_sync(chunk_data, chunk_spec)

    def _encode_sync(self, chunk_data: Buffer, _chunk_spec: ArraySpec) -> Buffer:
        return chunk_data
