"""From a header to references: one image of up to seven axes, in the same file or in the one beside it.

Voxels stand with the first axis fastest, so arrays are of order F, shaped as the header says, as nibabel gives them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chunkmap.errors import FormatError, NoSuchFile, Unsupported
from chunkmap.formats.blocks import block, cut
from chunkmap.formats.format import Scanned
from chunkmap.formats.names import check_name
from chunkmap.formats.nifti.attributes import attributes_of, scale_of
from chunkmap.formats.nifti.header import Header, read_header
from chunkmap.formats.pairs import file_name, found_beside, with_suffix
from chunkmap.io import Source
from chunkmap.io.rounds import Found, Parser, windowed
from chunkmap.model import ArrayMeta, Problem

__all__ = ["Options", "parse"]

_DIMS: Final = ("x", "y", "z", "t", "u", "v", "w")
"""The axes in the order of `dim[1]` to `dim[7]`: three of space, one of time, the others without a meaning."""

_RGB: Final = [("R", "u1"), ("G", "u1"), ("B", "u1")]
_TYPES: Final[Mapping[int, Any]] = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    32: "c8",
    64: "f8",
    128: _RGB,
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
    1792: "c16",
    2304: [*_RGB, ("A", "u1")],
}
_OF_ANALYZE: Final = frozenset({2, 4, 8, 16, 32, 64, 128})
_REFUSED: Final[Mapping[int, str]] = {1: "single bits", 1536: "floats of 128 bits", 2048: "complex numbers of 256 bits"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be chosen."""

    name: str = "image"
    """What the array is called: the file does not say."""
    chunk_nbytes: int | None = None
    """Cut the image along its slowest axes into equal chunks of at most so many bytes; None: a chunk a volume."""


def parse(source: Source, options: Options) -> Parser[Scanned]:
    """The one image of a file, or of the file beside it. Raises Unsupported for types that numpy does not have."""
    check_name(options.name)
    header: Header = yield from windowed(lambda window: read_header(window, source), source)
    meta, problems = _meta(header, options.name, source)
    url, size, files = source.url, source.size(), {}
    if header.is_pair:
        image: Found = yield from _image(source)
        url, size, files = image.url, image.target.size or 0, {image.url: image.target}
    array = block(url, size, _first(header, source), meta, what=f"the image {meta.shape}")
    volume = math.prod(meta.shape[:3]) * meta.dtype.itemsize
    array = cut(array, max(volume, 1) if options.chunk_nbytes is None else options.chunk_nbytes)
    return Scanned({options.name: array}, {"": attributes_of(header)}, problems, files)


def _image(source: Source) -> Parser[Found]:
    """The file that the header of a pair is about: that of its own name, with the suffix .img."""
    name = with_suffix(file_name(source.url), ".img")
    found = yield from found_beside([name])
    if found:
        return found[0]
    packed = yield from found_beside([f"{name}.gz"])
    if packed:
        raise Unsupported(
            f"its image is in {packed[0].url}, which is compressed: no range of it is a chunk. Decompress it first",
            feature="gzip file",
            url=source.url,
        )
    raise NoSuchFile(f"it is the header of a pair, whose image {name!r} is not beside it", url=source.url)


def _first(header: Header, source: Source) -> int:
    """The first byte of the voxels. A writer that leaves it 0 means the first place where they may stand."""
    least = 0 if header.is_pair else header.layout.size + 4
    found = header.values["vox_offset"]
    if not math.isfinite(found) or found != int(found) or (found and found < least):
        raise FormatError(f"expected voxels from byte {least} on, vox_offset is {found}", url=source.url)
    return int(found) or least


def _meta(header: Header, name: str, source: Source) -> tuple[ArrayMeta, tuple[Problem, ...]]:
    values = header.values
    ndim, *lengths = values["dim"]
    if not 1 <= ndim <= 7 or any(n < 0 for n in lengths[:ndim]):
        raise FormatError(f"expected 1 to 7 axes and their lengths, dim is {values['dim']}", url=source.url)
    shape = tuple(lengths[:ndim])
    kind = values["datatype"]
    if kind not in (_OF_ANALYZE if header.is_analyze else _TYPES):
        what = _REFUSED.get(kind, f"type number {kind}, which the format does not define")
        raise Unsupported(f"its voxels are {what}", feature="NIfTI datatype", url=source.url)
    dtype = np.dtype(_TYPES[kind]).newbyteorder(header.order)
    scale, problems = scale_of(header, dtype, name, source)
    meta = ArrayMeta(
        shape=shape,
        chunk_shape=tuple(max(n, 1) for n in shape),
        dtype=dtype,
        order="F" if ndim > 1 else "C",
        dims=_DIMS[:ndim],
        attrs=scale,
    )
    return meta, problems
