"""Any codec of numcodecs as a codec of Zarr v3, for zarr-python, under the name `chunkmap.numcodecs`.

The configuration is that of numcodecs, `{"id": "hdf5_lz4"}`: a codec of bytes, since whatever numcodecs gives back, its
bytes are what the codec before it wants. Text of any length, which is no bytes, comes as `vlen-utf8` writes it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Self

import numcodecs
import numpy as np
from numcodecs.vlen import VLenUTF8
from zarr.abc.codec import BytesBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer
from zarr.registry import register_codec

from chunkmap.codecs import register
from chunkmap.codecs.table import V3_CODECS
from chunkmap.errors import Unsupported
from chunkmap.model.v3_codecs import CODEC

__all__ = ["NumcodecsCodec", "register_with_zarr"]


@dataclass(frozen=True)
class NumcodecsCodec(BytesBytesCodec):
    """One codec of numcodecs, by its configuration."""

    configuration: dict[str, Any]

    is_fixed_size = False

    def __post_init__(self) -> None:
        """Raise Unsupported for a codec that would run code that the metadata name."""
        register()
        if self.configuration.get("id") == "pickle":
            raise Unsupported("the codec 'pickle' would run code that the metadata name; refused", feature="codec")

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The codec of an entry of `codecs`."""
        return cls(dict(data["configuration"]))

    def to_dict(self) -> dict[str, Any]:
        """The entry of `codecs`."""
        return {"name": CODEC, "configuration": dict(self.configuration)}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        """Not known before it is encoded."""
        raise NotImplementedError(f"the length of {input_byte_length} encoded bytes is not known beforehand")

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        decoded = numcodecs.get_codec(dict(self.configuration)).decode(chunk_data.to_bytes())
        if isinstance(decoded, np.ndarray) and decoded.dtype.kind == "O":
            decoded = VLenUTF8().encode(decoded)
        return chunk_spec.prototype.buffer.from_bytes(_as_bytes(decoded))

    async def _encode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return await asyncio.to_thread(self._encode_sync, chunk_data, chunk_spec)

    def _encode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        encoded = numcodecs.get_codec(dict(self.configuration)).encode(chunk_data.to_bytes())
        return chunk_spec.prototype.buffer.from_bytes(_as_bytes(encoded))


def register_with_zarr() -> None:
    """Make the codecs known to zarr-python, as the entry points do where the package is installed."""
    for row in V3_CODECS:
        register_codec(row.id, row.load())


def _as_bytes(data: Any) -> bytes:
    return data.tobytes() if isinstance(data, np.ndarray) else bytes(data)
