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

from chunkmap.codecs.deflate import content
from chunkmap.io.compressed.zstd_frame import MAGIC, content_size, is_one_frame, is_skippable

__all__ = ["bound_of", "bounded"]

# Measured on a million values in chunks of 256 kB: zlib-ng inflates 1.8 times as fast as zlib. Where there are no
# wheels of it for a machine, zlib gives the same, later. isal inflates chunks no faster.
_inflater: Final = import_module("zlib_ng.zlib_ng" if find_spec("zlib_ng") else "zlib")

_SPARE: Final = 1 << 16
_TIMES: Final = 8
"""A chunk of n bytes may be this much between two of its codecs: one widens elements, another adds a header."""

Step = Callable[[Any], Any]


_UNKNOWN: Final = 1 << 28
"""The same where a codec takes a part of what another makes, or makes objects: then little can be told."""

_KEEPING: Final = frozenset(
    {
        *("zlib", "gzip", "deflate", "bz2", "lzma", "zstd", "blosc", "lz4"),
        *("hdf5_lz4", "hdf5_lzf", "hdf5_vbz", "hdf5_blosc2"),
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
        return lambda data: content(bytes(data), most)
    told = _TOLD.get(name)
    if told is None:
        return step
    if name == "blosc":
        step = _whole(step)
    if name == "zstd":
        return lambda data: _of_frames(data, step, most)

    def asked(data: Any) -> Any:
        found = told(memoryview(data).cast("B"))
        if found is not None and found > most:
            raise _too_much(most, f"{found} bytes")
        return step(data)

    return asked


def _whole(step: Step) -> Step:
    """Blosc, which reads on behind the end of bytes that were cut short: its head says how many there must be."""

    def checked(data: Any) -> Any:
        view = memoryview(data).cast("B")
        expected = int.from_bytes(view[12:16], "little")
        if view.nbytes < max(expected, 16):
            raise EOFError(f"{view.nbytes} bytes of Blosc, which are {expected} as their head says: they are cut short")
        return step(data)

    return checked


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
    "hdf5_vbz": _number(0),
    "hdf5_blosc2": _number(30, 8, big=True),
}
"""How many bytes come out, as the head of the stored bytes says."""
