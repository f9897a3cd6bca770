"""The codecs `imagecodecs_*` of Zarr v3 for zarr-python: imagecodecs' own where it has them, else these.

imagecodecs has them since 2026, for Python 3.12 and newer (https://pypi.org/project/imagecodecs-zarr). Both decode the
same bytes; zarr-python warns where two packages have a codec of one name, so each name leads to one class.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, Self

import numcodecs
import numpy as np
from numcodecs.compat import ensure_contiguous_ndarray
from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer

from chunkmap.codecs import register
from chunkmap.model.v3_imagecodecs import OF_ARRAYS, OF_BYTES, TO_BYTES, decode_imagecodecs

__all__ = ["ImagecodecsOfArrays", "ImagecodecsOfBytes", "ImagecodecsToBytes"]


@dataclass(frozen=True)
class _Codec:
    """What numcodecs decodes under the same name."""

    name: str
    configuration: Mapping[str, Any] = field(default_factory=dict)

    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The codec of an entry of `codecs`."""
        register()
        return cls(str(data["name"]), dict(data.get("configuration") or {}))

    def to_dict(self) -> dict[str, Any]:
        """The entry of `codecs`."""
        said = dict(self.configuration)
        return {"name": self.name, "configuration": said} if said else {"name": self.name}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        """Not known before it is encoded."""
        raise NotImplementedError(f"the length of {input_byte_length} encoded bytes is not known beforehand")

    def decoded(self, data: Any, spec: ArraySpec) -> Any:
        """What numcodecs makes of it."""
        dtype = spec.dtype.to_native_dtype()
        config = decode_imagecodecs(self.name, self.configuration, dtype, spec.shape)
        return numcodecs.get_codec(dict(config)).decode(data)

    def as_array(self, data: Any, spec: ArraySpec) -> NDBuffer:
        """The same as the array of a chunk."""
        numbers = ensure_contiguous_ndarray(self.decoded(data, spec)).view(spec.dtype.to_native_dtype())
        return spec.prototype.nd_buffer.from_numpy_array(numbers.reshape(spec.shape))

    async def _encode_single(self, *_: Any) -> Any:
        raise NotImplementedError(f"the codec {self.name!r} is only read here; imagecodecs for Python 3.12 writes it")


class ImagecodecsOfArrays(_Codec, ArrayArrayCodec):
    """From arrays to arrays."""

    async def _decode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        numbers = np.ascontiguousarray(chunk_data.as_numpy_array())
        return await asyncio.to_thread(self.as_array, numbers, chunk_spec)


class ImagecodecsToBytes(_Codec, ArrayBytesCodec):
    """From arrays to bytes."""

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self.as_array, chunk_data.to_bytes(), chunk_spec)


class ImagecodecsOfBytes(_Codec, BytesBytesCodec):
    """From bytes to bytes."""

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        found = await asyncio.to_thread(self.decoded, chunk_data.to_bytes(), chunk_spec)
        return chunk_spec.prototype.buffer.from_bytes(bytes(found))


_KINDS: Final = (
    (OF_ARRAYS, ImagecodecsOfArrays),
    (TO_BYTES, ImagecodecsToBytes),
    (OF_BYTES, ImagecodecsOfBytes),
)
_OURS: Final = {name.removeprefix("imagecodecs_").capitalize(): own for names, own in _KINDS for name in names}


def __getattr__(name: str) -> Any:
    """The class for the codec `imagecodecs_<name>`."""
    if name not in _OURS:
        raise AttributeError(name)
    with suppress(ImportError):
        found = getattr(import_module("imagecodecs.zarr"), name, None)
        if found is not None:
            return found
    return _OURS[name]
