"""Codecs under the ids `imagecodecs_*`, by which tifffile, kerchunk and their kin write what TIFF stores.

The ids and their configurations are those that the package imagecodecs has frozen
(https://pypi.org/project/imagecodecs-numcodecs). Differences and the order of bits are undone by numpy; all others
decode with the package imagecodecs, which has them faster than any. Only decoding is here.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ensure_contiguous_ndarray, ndarray_copy
from numpy.typing import NDArray

from chunkmap.codecs.imagecodecs import require_decoder, require_imagecodecs

__all__ = [
    "ImagecodecsBitorder",
    "ImagecodecsDelta",
    "ImagecodecsFloatpred",
    "ImagecodecsJpeg",
    "ImagecodecsJpeg2k",
    "ImagecodecsJpegxl",
    "ImagecodecsJpegxr",
    "ImagecodecsLerc",
    "ImagecodecsLzw",
    "ImagecodecsPackbits",
    "ImagecodecsPng",
    "ImagecodecsWebp",
    "ImagecodecsZstd",
]

_REVERSED: Final = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]


class _ReadOnly(Codec):  # type: ignore[misc]
    """A codec whose configuration is kept as it stands: what matters only for encoding is passed over."""

    def __init__(self, **configuration: Any) -> None:
        self.configuration = configuration

    def encode(self, buf: Any) -> Any:
        """Images are read, never written."""
        raise NotImplementedError(f"the codec {self.codec_id!r} reads images, it does not write them")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The decoded numbers."""
        return ndarray_copy(self._decode(buf), out)

    def _decode(self, buf: Any) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The configuration as it was given."""
        return {"id": self.codec_id, **self.configuration}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Codec:
        """The codec of a configuration."""
        return cls(**config)


class _ByPackage(_ReadOnly):
    """A codec that the package decodes, by a function of its own that needs nothing but the bytes."""

    function = ""

    def _decode(self, buf: Any) -> Any:
        return require_decoder(self.codec_id, self.function)(ensure_bytes(buf))


def _by_package(name: str, what: str) -> type[_ByPackage]:
    """The codec `imagecodecs_<name>`, whose function has its name too."""
    own = {"codec_id": f"imagecodecs_{name}", "function": f"{name}_decode", "__doc__": what, "__module__": __name__}
    return type(f"Imagecodecs{name.capitalize()}", (_ByPackage,), own)


ImagecodecsLzw = _by_package("lzw", "LZW, TIFF 6.0 section 13.")
ImagecodecsPackbits = _by_package("packbits", "PackBits, TIFF 6.0 section 9.")
ImagecodecsZstd = _by_package("zstd", "Zstandard; a frame need not say how long it is.")
ImagecodecsJpeg2k = _by_package("jpeg2k", "JPEG 2000.")
ImagecodecsJpegxl = _by_package("jpegxl", "JPEG XL.")
ImagecodecsJpegxr = _by_package("jpegxr", "JPEG XR.")
ImagecodecsPng = _by_package("png", "PNG.")


class ImagecodecsWebp(_ReadOnly):
    """WebP. With `hasalpha`, pixels of a stream without alpha are opaque."""

    codec_id = "imagecodecs_webp"

    def _decode(self, buf: Any) -> Any:
        package = require_imagecodecs(self.codec_id)
        return package.webp_decode(ensure_bytes(buf), hasalpha=self.configuration.get("hasalpha"))


class ImagecodecsLerc(_ReadOnly):
    """LERC. What a blob masks is NaN, as libtiff reads it, where the numbers are floats."""

    codec_id = "imagecodecs_lerc"

    def _decode(self, buf: Any) -> Any:
        values, mask = require_imagecodecs(self.codec_id).lerc_decode(ensure_bytes(buf), masks=True)
        if mask is None or values.dtype.kind != "f":
            return values
        valid = np.asarray(mask, np.bool_)
        values[~valid if valid.shape == values.shape else ~valid.reshape(values.shape[: valid.ndim])] = np.nan
        return values


class ImagecodecsJpeg(_ReadOnly):
    """JPEG. `tables` (text: base64) are what all streams have in common; colour spaces are TIFF's numbers."""

    codec_id = "imagecodecs_jpeg"

    def _decode(self, buf: Any) -> Any:
        own = self.configuration
        return require_imagecodecs(self.codec_id).jpeg_decode(
            ensure_bytes(buf),
            bitspersample=own.get("bitspersample"),
            tables=_raw(own.get("tables")),
            header=_raw(own.get("header")),
            colorspace=own.get("colorspace_jpeg"),
            outcolorspace=own.get("colorspace_data"),
        )


def _raw(value: str | bytes | None) -> bytes | None:
    return base64.b64decode(value) if isinstance(value, str) else value


class ImagecodecsBitorder(_ReadOnly):
    """Bytes whose bits stand in reverse, TIFF's FillOrder 2."""

    codec_id = "imagecodecs_bitorder"

    def _decode(self, buf: Any) -> Any:
        return _REVERSED[ensure_contiguous_ndarray(buf).view(np.uint8).reshape(-1)]


class _Differences(_ReadOnly):
    """Numbers of which each is stored as the difference from the one before it, in rows of their own."""

    def __init__(
        self, shape: Sequence[int] | None = None, dtype: str | None = None, axis: int = -1, dist: int = 1, **others: Any
    ) -> None:
        if shape is None or dtype is None or dist != 1:
            raise ValueError(f"the codec {self.codec_id!r} needs a shape and a dtype, and knows only a distance of 1")
        super().__init__(shape=list(shape), dtype=str(dtype), axis=int(axis), dist=1, **others)
        self._shape, self._dtype, self._axis = tuple(map(int, shape)), np.dtype(dtype), int(axis)


class ImagecodecsDelta(_Differences):
    """TIFF's predictor 2, horizontal differences: TIFF 6.0 section 14."""

    codec_id = "imagecodecs_delta"

    def _decode(self, buf: Any) -> Any:
        native = self._dtype.newbyteorder("=")
        values = np.frombuffer(ensure_contiguous_ndarray(buf), self._dtype).reshape(self._shape)
        whole: NDArray[Any] = np.add.accumulate(values.astype(native, copy=False), axis=self._axis, dtype=native)
        return whole.astype(self._dtype, copy=False)


class ImagecodecsFloatpred(_Differences):
    """TIFF's predictor 3: the bytes of a row by their significance, as differences (Adobe Photoshop TIFF note 3)."""

    codec_id = "imagecodecs_floatpred"

    def _decode(self, buf: Any) -> Any:
        size = self._dtype.itemsize
        samples = self._shape[-1] if self._axis == -2 else 1
        width = self._shape[self._axis] * samples
        rows = np.frombuffer(ensure_contiguous_ndarray(buf), np.uint8).reshape(-1, width * size // samples, samples)
        planes = np.add.accumulate(rows, axis=1, dtype=np.uint8).reshape(-1, size, width)
        if self._dtype.str[0] == "<":
            planes = planes[:, ::-1]
        values = np.ascontiguousarray(planes.transpose(0, 2, 1))
        return values.view(self._dtype).reshape(self._shape)
