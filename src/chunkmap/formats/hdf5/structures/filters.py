"""From a filter pipeline to codecs of numcodecs and of this project: only what decodes exactly what HDF5 wrote.

Registered filters: https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np

from chunkmap.codecs import make
from chunkmap.errors import Unsupported
from chunkmap.formats.hdf5.structures.messages import Filter
from chunkmap.model import CodecConfig

__all__ = ["UnsupportedFilter", "codec_objects", "codecs_of", "decode", "encode"]

_NAMES: Final[Mapping[int, str]] = {
    32016: "fpzip",
    32017: "sz",
    32019: "jpeg",
    32024: "sz3",
    32027: "cbf",
    32028: "sperr",
}
"""Filters that no well-kept codec decodes as HDF5 frames them, without bringing the process down for damaged bytes."""

_QUANTIZERS: Final = frozenset({32022, 32023})
"""BitGroom and Granular BitRound, which zero bits when they write: what they read is as it is stored."""

_ELSEWHERE: Final[Mapping[int, str]] = {
    32017: "hdf5plugin",
    32024: "hdf5plugin",
    32028: "hdf5plugin",
}
"""The packages that bring h5py what reads the data of a filter."""

_DAMAGED: Final = (
    zlib.error,
    struct.error,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    OSError,
    EOFError,
    MemoryError,
    AssertionError,
)
"""What codecs raise for bytes that they did not write."""

_SHUFFLE, _FLETCHER32 = 2, 3
_CHECKSUM_SIZE: Final = 4
"""Bytes that fletcher32 adds to a chunk; elements of 1, 2 and 4 bytes still fill it."""

_BLOSC_COMPRESSORS: Final = ("blosclz", "lz4", "lz4hc", None, "zlib", "zstd")


class UnsupportedFilter(Unsupported):
    """A filter that no codec decodes."""


@lru_cache(maxsize=256)
def codecs_of(filters: tuple[Filter, ...], mask: int) -> tuple[CodecConfig, ...]:
    """The codecs, in the order of encoding, of chunks that were written with this filter mask.

    Raises Unsupported naming the filter that has no codec.

    >>> codecs_of((Filter(2, False, "", (8,)), Filter(1, False, "", (4,))), 0)
    ({'id': 'shuffle', 'elementsize': 8}, {'id': 'zlib', 'level': 4})
    >>> codecs_of((Filter(2, False, "", (8,)), Filter(1, False, "", (4,))), 1)
    ({'id': 'zlib', 'level': 4},)
    """
    kept = [f for number, f in enumerate(filters) if not mask >> number & 1 and f.identifier not in _QUANTIZERS]
    return tuple(_after(kept[:number], _codec(f)) for number, f in enumerate(kept))


def _after(before: Sequence[Filter], codec: CodecConfig) -> CodecConfig:
    """The codec, where filters before it may have left a chunk of another length than that of its elements."""
    if codec["id"] == "shuffle" and not all(_keeps_whole(f, codec["elementsize"]) for f in before):
        return {**codec, "id": "hdf5_shuffle"}
    if codec["id"] == "hdf5_lzf" and any(f.identifier != _SHUFFLE for f in before):
        return {"id": "hdf5_lzf", "size": None}
    return codec


def _keeps_whole(filter_: Filter, size: int) -> bool:
    """Whether a chunk of whole elements of this many bytes comes out of a filter as such."""
    adds = {_SHUFFLE: 0, _FLETCHER32: _CHECKSUM_SIZE}.get(filter_.identifier)
    return adds is not None and adds % max(size, 1) == 0


def codec_objects(filters: Sequence[Filter]) -> list[Any]:
    """The same as objects of numcodecs."""
    return [make(codec) for codec in codecs_of(tuple(filters), 0)]


def decode(codecs: Sequence[CodecConfig], data: bytes | memoryview) -> bytes:
    """The bytes of a chunk as they were before its filters. Raises Unsupported when they do not decode."""
    try:
        for codec in reversed(codecs):
            data = make(codec).decode(data)
    except _DAMAGED as error:
        raise Unsupported(f"one of its chunks does not decode: {error}", feature="damaged chunk") from error
    return _plain(data)


def encode(codecs: Sequence[CodecConfig], data: bytes) -> bytes:
    """The bytes of a chunk as its filters store them. Raises Unsupported when the filters do not take them."""
    try:
        for codec in codecs:
            data = make(codec).encode(data)
    except _DAMAGED as error:
        raise Unsupported(f"its filters do not take its chunks: {error}", feature="damaged filter") from error
    return _plain(data)


def _plain(data: Any) -> bytes:
    """What codecs give, an array or any buffer, as bytes."""
    return np.ascontiguousarray(data).tobytes() if isinstance(data, np.ndarray) else bytes(data)


def _codec(filter_: Filter) -> CodecConfig:
    if filter_.identifier in _CODECS:
        return _made(_CODECS[filter_.identifier](filter_), filter_)
    name = _NAMES.get(filter_.identifier) or filter_.name or "unnamed"
    package = _ELSEWHERE.get(filter_.identifier)
    advice = f"; with the package {package} h5py reads them, to be written anew with another" if package else ""
    raise UnsupportedFilter(
        f"its chunks are written with the filter {name!r} ({filter_.identifier}), which no Zarr codec decodes{advice}",
        feature=f"filter {name}",
    )


def _made(codec: CodecConfig, filter_: Filter) -> CodecConfig:
    """The configuration, where a codec can be made of it: the client data may describe what there is not."""
    if codec["id"] in _CHECKED:
        try:
            make(codec)
        except _DAMAGED as error:
            raise UnsupportedFilter(
                f"its filter {filter_.identifier} cannot be decoded: {error}", feature=f"filter {filter_.name}"
            ) from error
    return codec


_CHECKED: Final = frozenset({"hdf5_nbit", "hdf5_scaleoffset", "hdf5_zfp", "hdf5_bitshuffle", "hdf5_vbz"})
"""Codecs that check their configuration."""


def _value(filter_: Filter, number: int, default: int) -> int:
    return filter_.values[number] if number < len(filter_.values) else default


def _deflate(filter_: Filter) -> CodecConfig:
    return {"id": "zlib", "level": min(_value(filter_, 0, 1), 9)}


def _shuffle(filter_: Filter) -> CodecConfig:
    return {"id": "shuffle", "elementsize": _value(filter_, 0, 1)}


def _bzip2(filter_: Filter) -> CodecConfig:
    return {"id": "bz2", "level": min(max(_value(filter_, 0, 9), 1), 9)}


def _blosc(filter_: Filter) -> CodecConfig:
    """Client data: filter and Blosc version, element size, chunk size, level, shuffle, compressor."""
    number = _value(filter_, 6, 0)
    name = _BLOSC_COMPRESSORS[number] if number < len(_BLOSC_COMPRESSORS) else None
    if name is None:
        raise UnsupportedFilter(f"its chunks are compressed by Blosc's compressor {number}", feature="filter blosc")
    return {
        "id": "blosc",
        "cname": name,
        "clevel": min(_value(filter_, 4, 5), 9),
        "shuffle": min(_value(filter_, 5, 1), 2),
        "blocksize": 0,
    }


def _zstd(filter_: Filter) -> CodecConfig:
    return {"id": "zstd", "level": min(_value(filter_, 0, 3), 22)}


def _szip(filter_: Filter) -> CodecConfig:
    """Client data: options, pixels per block, bits per pixel, pixels per scanline."""
    mask, block, pixel, scanline = _first(filter_, 4)
    return {
        "id": "hdf5_szip",
        "mask": mask,
        "pixels_per_block": block,
        "bits_per_pixel": pixel,
        "pixels_per_scanline": scanline,
    }


def _lzf(filter_: Filter) -> CodecConfig:
    """Client data: version of the filter, version of LZF, bytes of a chunk; none for elements of variable length."""
    return {"id": "hdf5_lzf", "size": _value(filter_, 2, 0) or None}


def _vbz(filter_: Filter) -> CodecConfig:
    """Client data: version, bytes of an integer, whether differences are kept, level of Zstandard."""
    version, size, zigzag, level = (_value(filter_, number, default) for number, default in enumerate((0, 0, 0, 1)))
    return {"id": "hdf5_vbz", "version": version, "size": size, "zigzag": bool(zigzag), "zstd": bool(level)}


def _bitshuffle(filter_: Filter) -> CodecConfig:
    """Client data: version (2), bytes of an element, elements of a block, compression, level."""
    size = _first(filter_, 3)[2]
    return {
        "id": "hdf5_bitshuffle",
        "elementsize": size,
        "blocksize": _value(filter_, 3, 0),
        "compression": _value(filter_, 4, 0),
    }


def _first(filter_: Filter, count: int) -> tuple[int, ...]:
    """The first values of the client data, without which nothing decodes."""
    if len(filter_.values) < count:
        raise UnsupportedFilter(
            f"its filter {filter_.identifier} has {len(filter_.values)} values of client data, expected {count}",
            feature=f"filter {filter_.name or filter_.identifier}",
        )
    return filter_.values[:count]


_CODECS: Final[Mapping[int, Callable[[Filter], CodecConfig]]] = {
    1: _deflate,
    _SHUFFLE: _shuffle,
    _FLETCHER32: lambda _: {"id": "fletcher32"},
    4: _szip,
    5: lambda f: {"id": "hdf5_nbit", "parameters": list(f.values)},
    6: lambda f: {"id": "hdf5_scaleoffset", "parameters": list(f.values)},
    305: lambda _: {"id": "hdf5_lzo"},
    307: _bzip2,
    32000: _lzf,
    32001: _blosc,
    32004: lambda _: {"id": "hdf5_lz4"},
    32008: _bitshuffle,
    32013: lambda f: {"id": "hdf5_zfp", "header": list(f.values[1:])},
    32015: _zstd,
    32018: lambda _: {"id": "hdf5_jpegls"},
    32020: _vbz,
    32026: lambda _: {"id": "hdf5_blosc2"},
    32033: lambda _: {"id": "hdf5_htj2k"},
}
"""By the registered number of the filter."""
