"""What a codec may make of stored bytes: no more than a chunk can hold, seen before the memory is taken.

Compressed bytes are a program for how much memory is used: a hundred of them may say a gigabyte. Codecs that say how
much comes out are asked first; the others are undone no further than the bound.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.io.compressed.zstd_frame import MAGIC, content_size, is_one_frame, is_skippable

__all__ = ["Landing", "bound_of", "bounded", "landing"]

# Measured on a million values in chunks of 256 kB: zlib-ng inflates 1.8 times as fast as zlib. Where there are no
# wheels of it for a machine, zlib gives the same, later. isal inflates chunks no faster.
_inflater: Final = import_module("zlib_ng.zlib_ng" if find_spec("zlib_ng") else "zlib")

_SPARE: Final = 1 << 16
_TIMES: Final = 8
"""A chunk of n bytes may be this much between two of its codecs: one widens elements, another adds a header."""

Step = Callable[[Any], Any]

Landing = Callable[[Any, NDArray[Any]], bool]
"""A step into an array of the type and the shape of a chunk. Gives whether it can; else the array is as it was."""

_UNKNOWN: Final = 1 << 28
"""The same where a codec takes a part of what another makes, or makes objects: then little can be told."""

_KEEPING: Final = frozenset(
    {
        *("zlib", "gzip", "deflate", "bz2", "lzma", "zstd", "blosc", "lz4"),
        *("hdf5_lz4", "hdf5_lzf", "hdf5_vbz", "hdf5_blosc2", "hdf5_bitshuffle", "hdf5_szip"),
        *("shuffle", "hdf5_shuffle", "delta", "fixedscaleoffset", "quantize", "bitround", "astype", "packbits"),
        *("crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"),
    }
)
"""Codecs that make about as many bytes as a chunk has, or fewer."""


def bound_of(nbytes: int, codecs: Iterable[Mapping[str, Any]], *, objects: bool = False) -> int:
    """Most bytes that any codec of a chunk of so many bytes may make.

    >>> bound_of(100, [{"id": "zlib"}])
    66336
    """
    told = not objects and all(config.get("id") in _KEEPING for config in codecs)
    return _TIMES * nbytes + (_SPARE if told else _UNKNOWN)


def bounded(config: Mapping[str, Any], step: Step, most: int) -> Step:
    """A step of decoding that makes no more than `most` bytes. Raises ValueError where it would."""
    name = str(config.get("id"))
    if name in _STREAMS:
        return lambda data: _inflated(lambda: _STREAMS[name](config), data, most)
    if name == "deflate":
        from chunkmap.codecs.deflate import content  # noqa: PLC0415 - a codec, which loads numcodecs

        return lambda data: content(bytes(data), most)
    told = _told(config)
    if told is None:
        return step
    if name == "zstd":
        return lambda data: _of_frames(data, step, most)

    def asked(data: Any) -> Any:
        view = memoryview(data).cast("B")
        found = told(view)
        if found is not None and found > most:
            raise _too_much(most, f"{found} bytes")
        if name == "blosc":
            _check_whole(view)
        return step(data)

    return asked


def landing(config: Mapping[str, Any], decode: Callable[[Any, NDArray[np.uint8]], Any]) -> Landing | None:
    """A codec undone straight into the array that is read, which must have just the bytes that the head says.

    None for a codec that does not say it, or that only copies to there.
    """
    name, told = str(config.get("id")), _told(config)
    if name not in _INTO or told is None:
        return None

    def land(data: Any, place: NDArray[Any]) -> bool:
        view = memoryview(data).cast("B")
        if not place.flags.c_contiguous or told(view) != place.nbytes:
            return False
        if name == "blosc":
            _check_whole(view)
        decode(view, place.reshape(-1).view(np.uint8))
        return True

    return land


def _told(config: Mapping[str, Any]) -> Callable[[memoryview], int | None] | None:
    """What reads how many bytes come out; bitshuffle says it where something compresses what is shuffled."""
    name = str(config.get("id"))
    return None if name == "hdf5_bitshuffle" and not config.get("compression") else _TOLD.get(name)


def _check_whole(view: memoryview) -> None:
    """Blosc reads on behind the end of bytes that were cut short: its head says how many there must be."""
    expected = int.from_bytes(view[12:16], "little")
    if view.nbytes < max(expected, 16):
        raise EOFError(f"{view.nbytes} bytes of Blosc, which are {expected} as their head says: they are cut short")


def _inflated(new: Callable[[], Any], data: Any, most: int) -> bytes:
    """All that streams, one after the other, make of data, if it is not too much; what follows the last is padding."""
    stream = new()
    out: bytes = stream.decompress(data, most + 1)
    while len(out) <= most and stream.eof and stream.unused_data[:4].startswith(_BEGINNINGS):
        data, stream = stream.unused_data, new()
        out += stream.decompress(data, most + 1 - len(out))
    if len(out) > most:
        raise _too_much(most, f"more than {most}")
    if not stream.eof:
        raise EOFError("the compressed bytes end before their stream does")
    return out


def _of_frames(data: Any, step: Step, most: int) -> Any:
    """Zstandard: one frame that says how long its content is; all else is undone as a stream, as far as it may be."""
    view = memoryview(data).cast("B")
    found = content_size(view)
    is_stream = found is None and (bytes(view[:4]) == MAGIC or is_skippable(bytes(view[:4])))
    if is_stream or (found is not None and found <= most and not is_one_frame(view)):
        pa: Any = import_module("pyarrow")  # when a chunk needs it
        with pa.CompressedInputStream(pa.py_buffer(view), "zstd") as stream:
            out: bytes = stream.read(most + 1)
        if len(out) > most:
            raise _too_much(most, f"more than {most}")
        return out
    if found is not None and found > most:
        raise _too_much(most, f"{found} bytes")
    return step(data)


def _too_much(most: int, found: str) -> ValueError:
    return ValueError(f"expected no more than {most} bytes of a codec, found {found}: a chunk cannot hold them")


def _lzma(config: Mapping[str, Any]) -> Any:
    return lzma.LZMADecompressor(
        format=config.get("format", lzma.FORMAT_XZ),
        filters=config.get("filters") if config.get("format") == lzma.FORMAT_RAW else None,
    )


_BEGINNINGS: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zX")
"""How a further stream begins: gzip, bzip2, xz."""

_STREAMS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "bz2": lambda _config: bz2.BZ2Decompressor(),
    "gzip": lambda _config: zlib.decompressobj(wbits=31),
    "lzma": _lzma,
    "zlib": lambda _config: _inflater.decompressobj(),
}


def _number(at: int, size: int = 4, *, big: bool = False) -> Callable[[memoryview], int | None]:
    def read(data: memoryview) -> int | None:
        found = bytes(data[at : at + size])
        return int.from_bytes(found, "big" if big else "little") if len(found) == size else None

    return read


_TOLD: Final[Mapping[str, Callable[[memoryview], int | None]]] = {
    "zstd": content_size,
    "blosc": _number(4),
    "lz4": _number(0),
    "hdf5_lz4": _number(0, 8, big=True),
    "hdf5_bitshuffle": _number(0, 8, big=True),
    "hdf5_vbz": _number(0),
    "hdf5_szip": _number(0),
    "hdf5_blosc2": _number(30, 8, big=True),
}
"""How many bytes come out, as the head of the stored bytes says."""

_INTO: Final = frozenset({"zstd", "blosc", "lz4", "hdf5_lz4", "hdf5_bitshuffle"})
"""Those of them that can be undone into memory that is there."""
