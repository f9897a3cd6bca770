"""The codec `chunkmap.variants` for zarr-python: arrays of it are opened, and refused where chunks are read.

A group in which such an array stands is opened with it. In which way a chunk is decoded is said beside its reference,
where no codec looks: see `chunkmap.codecs.variants`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from zarr.abc.codec import BytesBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer

from chunkmap.codecs.variants import refusal
from chunkmap.model.variants import VARIANTS

__all__ = ["VariantsCodec"]


@dataclass(frozen=True)
class VariantsCodec(BytesBytesCodec):
    """Stands for the ways in which chunks of one array are decoded, and refuses to guess one."""

    configuration: Mapping[str, Any]

    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The codec of an entry of `codecs`."""
        return cls(data.get("configuration") or {})

    def to_dict(self) -> dict[str, Any]:
        """The entry of `codecs`."""
        return {"name": VARIANTS, "configuration": dict(self.configuration)}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        """Not known: as long as what is encoded."""
        return input_byte_length

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NoReturn:
        self._decode_sync(chunk_data, chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, _chunk_spec: ArraySpec) -> NoReturn:
        raise refusal(chunk_data.as_numpy_array())

    async def _encode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NoReturn:
        self._encode_sync(chunk_data, chunk_spec)

    def _encode_sync(self, chunk_data: Buffer, _chunk_spec: ArraySpec) -> NoReturn:
        raise refusal(chunk_data.as_numpy_array())
