"""Steps of decoding that are worth doing faster than numcodecs does them; all others are numcodecs', within bounds.

Measured on a million values in chunks of 256 kB: putting the bytes of 4-byte elements together with shifts is 3 times
as fast as `numcodecs.Shuffle`. It lets other threads run, as inflating does. Where imagecodecs is installed, its
libdeflate inflates chunks of 128 kB in 0.7 of the time that zlib-ng takes, and TIFF's predictors are undone in a third.
What is only copied from there is inflated into memory that each thread keeps, and the last codec is undone straight
into the array that is read, where the whole chunk goes there.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.access.bounds import Landing, bounded, landing
from chunkmap.codecs import make
from chunkmap.errors import Unsupported
from chunkmap.model.codecs import EXTRAS, PACKAGES
from chunkmap.packages import require

__all__ = ["Step", "Steps", "make_codec", "make_step", "make_steps"]

Step = Callable[[Any], Any]
"""Encoded bytes -> bytes or an array, one codec undone."""


class Steps(NamedTuple):
    """What undoes all codecs of a chunk, one after the other."""

    first: Sequence[Step]
    """All but the last."""
    last: Step | None
    """The last one; None where there is no codec."""
    land: Landing | None = None
    """The last one straight into an array; None where it has no such way."""


_JOINED: Final[Mapping[Any, np.dtype[Any]]] = {2: np.dtype("<u2"), 4: np.dtype("<u4"), 8: np.dtype("<u8")}


_TAKE_VIEWS: Final = ("chunkmap.", "numcodecs.", "imagecodecs.")
"""Packages whose codecs take whatever holds bytes; of others, some take nothing but `bytes`."""


_HAS_IMAGECODECS: Final = find_spec("imagecodecs") is not None


_LARGEST: Final = 16 << 20
"""Bytes of a chunk for which memory is kept. A set may say that its chunks have any number of them."""


_MOST_INFLATED: Final = 1032
"""Bytes that deflate makes of one, at the most."""


class _Memory(threading.local):
    """What each thread inflates into, chunk after chunk: taking it anew costs a third of inflating."""

    def __init__(self, nbytes: int) -> None:
        self.block = bytearray(nbytes)


def make_steps(
    configs: Sequence[Mapping[str, Any]], most: int, likely: int | None = None, *, passing: bool = False
) -> Steps:
    """How to undo codecs, given in the order of decoding; see `make_step`.

    With `passing`, what comes out may be overwritten when the same thread decodes its next chunk.
    """
    if not configs:
        return Steps((), None)
    steps = [make_step(config, most, likely) for config in configs]
    if passing and likely and likely <= _LARGEST and _inflates(configs[0]):
        steps[0] = _inflating(make_step(configs[0], most), likely, _Memory(likely))
    return Steps(steps[:-1], steps[-1], _landing(configs[-1]))


def _landing(config: Mapping[str, Any]) -> Landing | None:
    """How to undo a codec straight into an array."""
    if _is_fast(config):
        fast = _LANDINGS.get(config["id"])
        return None if fast is None else fast(config)
    return landing(config, make_codec(config).decode)


def make_step(config: Mapping[str, Any], most: int, likely: int | None = None) -> Step:
    """How to undo one codec, where that makes no more than `most` bytes; `likely` is how many it probably makes.

    Raises Unsupported when there is no such codec here.

    >>> import zlib
    >>> bytes(make_step({"id": "zlib"}, 3)(zlib.compress(b"abc")))
    b'abc'
    """
    if _is_fast(config):
        return _FAST[config["id"]](config)
    codec = make_codec(config)
    takes_views = type(codec).__module__.startswith(_TAKE_VIEWS)
    step = bounded(config, codec.decode if takes_views else _of_bytes(codec), most)
    return _inflating(step, likely) if likely and _inflates(config) else step


def _inflates(config: Mapping[str, Any]) -> bool:
    return _HAS_IMAGECODECS and config.get("id") == "zlib"


def _is_fast(config: Mapping[str, Any]) -> bool:
    """Whether a codec is undone here, and not by numcodecs."""
    if config.get("id") == "shuffle":
        size = config.get("elementsize", 4)
        return type(size) is int and size in _JOINED and sys.byteorder == "little"
    try:
        return _HAS_IMAGECODECS and config["id"] in _FAST and np.dtype(config["dtype"]).isnative
    except (KeyError, TypeError, ValueError):  # of what is no type numcodecs says so
        return False


def make_codec(config: Mapping[str, Any]) -> Any:
    """The codec of numcodecs. Raises Unsupported when there is no such codec here."""
    try:
        return make(config)
    except (ValueError, TypeError, ImportError, KeyError) as error:
        name = config.get("id", "")
        package = f"'numcodecs[{EXTRAS[name]}]'" if name in EXTRAS else PACKAGES.get(name)
        remedy = f"install its package: pip install {package}" if package else "is the package that has it installed?"
        raise Unsupported(f"the codec {dict(config)} cannot be made: {error}; {remedy}", feature="codec") from error


def _of_bytes(codec: Any) -> Step:
    """How a codec of another package decodes."""
    return lambda data: codec.decode(bytes(data) if isinstance(data, (bytearray, memoryview)) else data)


def _unshuffling(config: Mapping[str, Any]) -> Step:
    """HDF5's shuffle undone: all first bytes, all second bytes... -> elements."""
    dtype = _JOINED[config.get("elementsize", 4)]

    def unshuffle(data: Any) -> NDArray[Any]:
        planes = _planes(data, dtype)
        return _joined(planes, np.empty(planes.shape[1:], dtype)).view(np.uint8)  # the codec before takes bytes

    return unshuffle


def _unshuffling_into(config: Mapping[str, Any]) -> Landing:
    """The same into an array."""
    dtype = _JOINED[config.get("elementsize", 4)]

    def land(data: Any, place: NDArray[Any]) -> bool:
        planes = _planes(data, dtype)
        if place.dtype.itemsize != dtype.itemsize or place.size != planes.shape[1]:
            return False
        _joined(planes.reshape(-1, *place.shape), place.view(dtype))
        return True

    return land


def _planes(data: Any, dtype: np.dtype[Any]) -> NDArray[np.uint8]:
    """The first bytes of all elements, the second ones..."""
    planes = np.frombuffer(data, np.uint8)
    if len(planes) % dtype.itemsize:
        raise ValueError(f"{len(planes)} bytes are no whole number of elements of {dtype.itemsize} bytes")
    return planes.reshape(dtype.itemsize, -1)


def _joined(planes: NDArray[np.uint8], place: NDArray[Any]) -> NDArray[Any]:
    """The elements of which these are the bytes, the lowest first."""
    place[...] = planes[-1]
    for plane in planes[-2::-1]:
        np.left_shift(place, 8, out=place)
        np.bitwise_or(place, plane, out=place)
    return place


def _inflating(step: Step, likely: int, memory: _Memory | None = None) -> Step:
    """By libdeflate, which must know how much comes out; where that is more, or what is wrong is to be said, `step`."""
    package = require("imagecodecs", "tiff", "inflating")

    def inflate(data: Any) -> Any:
        if likely > _MOST_INFLATED * memoryview(data).nbytes:
            return step(data)  # it cannot be that much, and no memory is taken for it
        try:
            return package.deflate_decode(data, out=likely if memory is None else memory.block)
        except RuntimeError:
            return step(data)

    return inflate


def _adding(config: Mapping[str, Any]) -> Step:
    """TIFF's predictor 2: each number is the difference from the one before it in its row."""
    package = require("imagecodecs", "tiff", "TIFF's predictor 2")
    shape, dtype, axis = tuple(config["shape"]), np.dtype(config["dtype"]), int(config.get("axis", -1))
    return lambda data: package.delta_decode(np.frombuffer(data, dtype).reshape(shape), axis=axis)


def _adding_into(config: Mapping[str, Any]) -> Landing:
    """The same into an array."""
    package = require("imagecodecs", "tiff", "TIFF's predictor 2")
    shape, dtype, axis = tuple(config["shape"]), np.dtype(config["dtype"]), int(config.get("axis", -1))
    long = [n for n in shape if n > 1]

    def land(data: Any, place: NDArray[Any]) -> bool:
        if place.dtype.itemsize != dtype.itemsize or [n for n in place.shape if n > 1] != long:
            return False
        # axes of one element come and go without a copy
        package.delta_decode(np.frombuffer(data, dtype).reshape(shape), axis=axis, out=place.view(dtype).reshape(shape))
        return True

    return land


def _joining(config: Mapping[str, Any]) -> Step:
    """TIFF's predictor 3: each byte of a row, which has the first bytes of all its floats first, is a difference."""
    package = require("imagecodecs", "tiff", "TIFF's predictor 3")
    shape, dtype, axis = tuple(config["shape"]), np.dtype(config["dtype"]), int(config.get("axis", -1))
    samples = shape[-1] if axis == -2 else 1
    width, joined = shape[axis] * samples, np.dtype(f"u{dtype.itemsize}")

    def join(data: Any) -> NDArray[Any]:
        rows = np.frombuffer(data, np.uint8).reshape(-1, width * dtype.itemsize // samples, samples)
        planes = package.delta_decode(rows, axis=1).reshape(-1, dtype.itemsize, width)
        values = _joined(planes[:, ::-1].swapaxes(0, 1), np.empty((len(planes), width), joined))
        floats: NDArray[Any] = values.view(dtype)
        return floats.reshape(shape)

    return join


_FAST: Final[Mapping[Any, Callable[[Mapping[str, Any]], Step]]] = {
    "shuffle": _unshuffling,
    "imagecodecs_delta": _adding,
    "imagecodecs_floatpred": _joining,
}
_LANDINGS: Final[Mapping[Any, Callable[[Mapping[str, Any]], Landing]]] = {
    "shuffle": _unshuffling_into,
    "imagecodecs_delta": _adding_into,
}
