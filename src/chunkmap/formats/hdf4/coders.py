"""How compressed elements are coded, and the codecs that decode them.

HDF Specification and Developer's Guide, "compressed elements": a model, a coder, and what the coder was told.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from chunkmap.codecs import make
from chunkmap.errors import FormatError, Unsupported
from chunkmap.model import CodecConfig

__all__ = ["IMAGE_JPEG", "IMAGE_RLE", "Coder", "codecs_of", "decode", "inflate", "read_coder"]

NONE, RLE, NBIT, SKPHUFF, DEFLATE, SZIP = 0, 1, 2, 3, 4, 5
IMAGE_RLE: Final = 11
"""Run-length coding of old images: DFTAG_RLE, which is no coder of elements."""
IMAGE_JPEG: Final = 15
"""JPEG, which the library has for images alone: DFTAG_JPEG5."""
_NAMES: Final[Mapping[int, str]] = {6: "arithmetic", 7: "JPEG of numbers", 12: "IMCOMP"}


class Coder(NamedTuple):
    """A coder and its parameters, in the order of the file."""

    kind: int
    parameters: tuple[int, ...] = ()


_PARAMETERS: Final[Mapping[int, str]] = {
    NBIT: ">iHHii",  # number type, sign extension, fill with ones, start bit, number of bits
    SKPHUFF: ">I",  # bytes of an element
    DEFLATE: ">H",  # level
    SZIP: ">IIIBB",  # pixels, pixels a scanline, options, bits a pixel, pixels a block
}


def read_coder(header: bytes) -> Coder:
    """From the model on: model, coder, and the parameters of the coder."""
    _, kind = struct.unpack_from(">HH", header)
    return Coder(kind, struct.unpack_from(_PARAMETERS[kind], header, 4) if kind in _PARAMETERS else ())


def codecs_of(  # noqa: C901 - a table of coders
    coder: Coder | None, element: int, nbytes: int
) -> tuple[CodecConfig, ...]:
    """The codecs of chunks of so many decoded bytes. Raises Unsupported for a coder that nothing decodes."""
    if coder is None or coder.kind == NONE:
        return ()
    given = coder.parameters
    if coder.kind == RLE:
        return ({"id": "hdf4_rle", "nbytes": nbytes},)
    if coder.kind == IMAGE_RLE:
        return ({"id": "hdf4_rle", "nbytes": nbytes, "image": True},)
    if coder.kind == NBIT:
        _, sign, ones, start, bits = given
        if not (0 <= start < 8 * element and 0 < bits <= start + 1):
            raise FormatError(f"expected bits of an element of {element} bytes, found {bits} from bit {start} on")
        config = {"itemsize": element, "start_bit": start, "bits": bits}
        return ({"id": "hdf4_nbit", **config, "sign_extend": bool(sign), "fill_one": bool(ones), "nbytes": nbytes},)
    if coder.kind == SKPHUFF:
        if not 0 < given[0] <= 64:
            raise FormatError(f"expected skipping Huffman coding of 1 to 64 bytes an element, found {given[0]}")
        return ({"id": "hdf4_skphuff", "skip": given[0], "nbytes": nbytes},)
    if coder.kind == DEFLATE:
        return ({"id": "zlib", "level": min(given[0], 9)},)
    if coder.kind == SZIP:
        _, scanline, mask, bits, block = given
        config = {"mask": mask, "pixels_per_block": block, "bits_per_pixel": bits, "pixels_per_scanline": scanline}
        return ({"id": "hdf4_szip", **config, "nbytes": nbytes},)
    if coder.kind == IMAGE_JPEG:
        return ({"id": "hdf4_jpeg"},)
    name = _NAMES.get(coder.kind, f"number {coder.kind}")
    raise Unsupported(f"the compression {name} is not decoded", feature="compression")


def inflate(coder: Coder, data: bytes, nbytes: int) -> bytes:
    """Decode now: metadata, and what is held inline."""
    return decode(codecs_of(coder, _nbit_size(coder) if coder.kind == NBIT else 1, nbytes), data, nbytes)


def decode(codecs: Sequence[CodecConfig], data: bytes, nbytes: int) -> bytes:
    """Undo codecs now. What is deflated gives no more bytes than it is said to have."""
    out: Any = data
    try:
        for config in reversed(codecs):
            if config["id"] == "zlib":
                out = zlib.decompressobj().decompress(out, max(nbytes, 1))
            else:
                out = make(config).decode(out)
    except (ValueError, RuntimeError, EOFError, OSError, zlib.error) as error:
        raise FormatError(f"a compressed element cannot be decoded: {error}") from error
    return bytes(out)


def _nbit_size(coder: Coder) -> int:
    return {20: 1, 21: 1, 22: 2, 23: 2, 24: 4, 25: 4}.get(coder.parameters[0] & 0xFF, 1)
