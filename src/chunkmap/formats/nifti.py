"""NIfTI-1 and NIfTI-2: one image of up to seven axes behind a header of fixed places.

Specification: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h and
https://nifti.nimh.nih.gov/pub/dist/doc/nifti2.h. Voxels stand with the first axis fastest, so arrays are of order F,
shaped as the header says, as nibabel gives them. What the numbers mean (`scl_slope`, `scl_inter`) are CF attributes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.blocks import block, cut
from chunkmap.formats.format import Scanned
from chunkmap.io import Source
from chunkmap.io.rounds import Parser, Window, windowed
from chunkmap.model import ArrayMeta, Problem

__all__ = ["Options", "parse"]

_DIMS: Final = ("x", "y", "z", "t", "u", "v", "w")
"""The axes in the order of `dim[1]` to `dim[7]`: three of space, one of time, the others without a meaning."""

_MOST_EXTENSIONS: Final = 16 << 20
"""Bytes before the voxels that are looked at for extensions."""

_TEXT_CODES: Final = frozenset({4, 6, 44})
"""Extensions whose content is text, as registered at nifti.nimh.nih.gov: XML of AFNI, a comment, XML of others."""

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
_REFUSED: Final[Mapping[int, str]] = {1: "single bits", 1536: "floats of 128 bits", 2048: "complex numbers of 256 bits"}

_SPACE: Final[Mapping[int, str]] = {1: "m", 2: "mm", 3: "um"}
_TIME: Final[Mapping[int, str]] = {8: "s", 16: "ms", 24: "us", 32: "Hz", 40: "ppm", 48: "rad/s"}


class _Layout(NamedTuple):
    """Where a version of the header has its fields: name -> offset and type."""

    size: int
    """Of the header, which is its first field."""
    magics: tuple[bytes, bytes]
    """Of an image with its header in one file, and of a header whose image is in another."""
    magic_at: int
    fields: Mapping[str, tuple[int, str]]


# struct nifti_1_header
_NIFTI1: Final = _Layout(
    348,
    (b"n+1\0", b"ni1\0"),
    344,
    {
        "dim": (40, "8i2"),
        "intent_code": (68, "i2"),
        "datatype": (70, "i2"),
        "pixdim": (76, "8f4"),
        "vox_offset": (108, "f4"),
        "scl_slope": (112, "f4"),
        "scl_inter": (116, "f4"),
        "xyzt_units": (123, "u1"),
        "cal_max": (124, "f4"),
        "cal_min": (128, "f4"),
        "toffset": (136, "f4"),
        "descrip": (148, "S80"),
        "aux_file": (228, "S24"),
        "qform_code": (252, "i2"),
        "sform_code": (254, "i2"),
        "quatern": (256, "3f4"),
        "qoffset": (268, "3f4"),
        "srow": (280, "12f4"),
        "intent_name": (328, "S16"),
    },
)
# struct nifti_2_header
_NIFTI2: Final = _Layout(
    540,
    (b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n"),
    4,
    {
        "datatype": (12, "i2"),
        "dim": (16, "8i8"),
        "pixdim": (104, "8f8"),
        "vox_offset": (168, "i8"),
        "scl_slope": (176, "f8"),
        "scl_inter": (184, "f8"),
        "cal_max": (192, "f8"),
        "cal_min": (200, "f8"),
        "toffset": (216, "f8"),
        "descrip": (240, "S80"),
        "aux_file": (320, "S24"),
        "qform_code": (344, "i4"),
        "sform_code": (348, "i4"),
        "quatern": (352, "3f8"),
        "qoffset": (376, "3f8"),
        "srow": (400, "12f8"),
        "xyzt_units": (500, "i4"),
        "intent_code": (504, "i4"),
        "intent_name": (508, "S16"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be chosen."""

    name: str = "image"
    """What the array is called: the file does not say."""
    chunk_nbytes: int | None = None
    """Cut the image along its slowest axes into equal chunks of at most so many bytes; None: a chunk a volume."""


class _Header(NamedTuple):
    """What the header says."""

    layout: _Layout
    order: str
    """Byte order of the file, `<` or `>`."""
    values: Mapping[str, Any]
    is_pair: bool
    """Whether the image is in another file."""
    extensions: tuple[Mapping[str, Any], ...]


def parse(source: Source, options: Options) -> Parser[Scanned]:
    """The one image of a file. Raises Unsupported for types that numpy does not have."""
    header: _Header = yield from windowed(lambda window: _read(window, source), source)
    if header.is_pair:
        raise Unsupported(
            "the header of a pair, whose image is in a file of its own (.img)", feature="NIfTI pair", url=source.url
        )
    meta, problems = _meta(header, options.name, source)
    array = block(source, _first(header, source), meta, what=f"the image {meta.shape}")
    volume = math.prod(meta.shape[:3]) * meta.dtype.itemsize
    array = cut(array, options.chunk_nbytes or max(volume, 1))
    return Scanned({options.name: array}, {"": _attributes(header)}, problems)


def _read(window: Window, source: Source) -> _Header:
    head = window.take(0, 8)
    layout, order = _layout(bytes(head), source)
    data = window.take(0, layout.size)
    magic = bytes(data[layout.magic_at : layout.magic_at + len(layout.magics[0])])
    if magic not in layout.magics:
        raise FormatError(f"expected one of {layout.magics}, found {magic!r}", url=source.url, offset=layout.magic_at)
    values = {name: _field(data, place, order) for name, place in layout.fields.items()}
    is_pair = magic == layout.magics[1]
    stop = source.size() if is_pair else int(values["vox_offset"]) if math.isfinite(values["vox_offset"]) else 0
    return _Header(layout, order, values, is_pair, tuple(_extensions(window, layout, order, stop, source)))


def _layout(head: bytes, source: Source) -> tuple[_Layout, str]:
    """Version and byte order, told by the size of the header, "MUST be 348" or "MUST be 540"."""
    for order in "<>":
        size = int.from_bytes(head[:4], "little" if order == "<" else "big")
        for layout in (_NIFTI1, _NIFTI2):
            if size == layout.size:
                return layout, order
    raise FormatError(f"expected a header of 348 or 540 bytes, it begins with {head[:4]!r}", url=source.url, offset=0)


def _field(data: memoryview, place: tuple[int, str], order: str) -> Any:
    """A number, a list of numbers, or text up to its first NUL."""
    offset, kind = place
    if kind.startswith("S"):
        return bytes(data[offset : offset + int(kind[1:])]).partition(b"\0")[0].decode("latin-1")
    count, dtype = (int(kind[:-2]), kind[-2:]) if len(kind) > 2 else (1, kind)
    values = np.frombuffer(data, np.dtype(f"{order}{dtype}"), count, offset).tolist()
    return values if len(kind) > 2 else values[0]


def _first(header: _Header, source: Source) -> int:
    """The first byte of the voxels. A writer that leaves it 0 means the first place where they may stand."""
    least, found = header.layout.size + 4, header.values["vox_offset"]
    if not math.isfinite(found) or found != int(found) or (found and found < least):
        raise FormatError(f"expected voxels from byte {least} on, vox_offset is {found}", url=source.url)
    return int(found) or least


def _extensions(window: Window, layout: _Layout, order: str, stop: int, source: Source) -> Iterator[Mapping[str, Any]]:
    """Blocks between header and voxels: `esize`, `ecode` and content; the first of four bytes says whether any come."""
    place, stop = layout.size + 4, min(stop, source.size(), layout.size + _MOST_EXTENSIONS)
    if source.size() < place or not bytes(window.take(layout.size, 4))[0]:
        return
    while place + 8 <= stop:
        size, code = np.frombuffer(window.take(place, 8), f"{order}i4").tolist()
        if size < 8 or place + size > stop:
            return  # readers of NIfTI pass over what is no extension
        content = bytes(window.take(place + 8, size - 8))
        text = content.rstrip(b"\0").decode("utf-8", "backslashreplace") if code in _TEXT_CODES else None
        yield {"code": code, "nbytes": size - 8} | ({} if text is None else {"text": text})
        place += size


def _meta(header: _Header, name: str, source: Source) -> tuple[ArrayMeta, tuple[Problem, ...]]:
    values = header.values
    ndim, *lengths = values["dim"]
    if not 1 <= ndim <= 7 or any(n < 0 for n in lengths[:ndim]):
        raise FormatError(f"expected 1 to 7 axes and their lengths, dim is {values['dim']}", url=source.url)
    shape = tuple(lengths[:ndim])
    kind = values["datatype"]
    if kind not in _TYPES:
        what = _REFUSED.get(kind, f"type number {kind}, which the format does not define")
        raise Unsupported(f"its voxels are {what}", feature="NIfTI datatype", url=source.url)
    dtype = np.dtype(_TYPES[kind]).newbyteorder(header.order)
    scale, problems = _scale(values, dtype, name, source)
    meta = ArrayMeta(
        shape=shape,
        chunk_shape=tuple(max(n, 1) for n in shape),
        dtype=dtype,
        order="F" if ndim > 1 else "C",
        dims=_DIMS[:ndim],
        attrs=scale,
    )
    return meta, problems


def _scale(
    values: Mapping[str, Any], dtype: np.dtype[Any], name: str, source: Source
) -> tuple[dict[str, float], tuple[Problem, ...]]:
    """Slope and intercept as CF attributes.

    "If the scl_slope field is nonzero, then each voxel value in the dataset should be scaled as y = scl_slope * x +
    scl_inter"; not for RGB. A slope that is no number is none, as nibabel has it, and so is its intercept; an intercept
    that is no number beside a slope that is one is an error.
    """
    slope, inter = values["scl_slope"], values["scl_inter"]
    if not math.isfinite(slope) or slope == 0 or dtype.names is not None:
        return {}, ()
    if not math.isfinite(inter):
        raise FormatError(f"scl_slope is {slope}, but scl_inter is {inter}", url=source.url)
    if (slope, inter) == (1, 0):
        return {}, ()
    if dtype.kind == "c":
        message = f"values are {slope} times what is stored, plus {inter}: readers do not scale complex numbers"
        return {}, (Problem(name, "scale of complex numbers", message, source.url),)
    return {"scale_factor": slope, "add_offset": inter}, ()


def _attributes(header: _Header) -> dict[str, Any]:
    """What the header says besides, under its own names; matrices from indices to space, as lists of rows."""
    values = header.values
    ndim = min(max(values["dim"][0], 1), 7)
    kept = ("descrip", "aux_file", "intent_code", "intent_name", "qform_code", "sform_code", "cal_min", "cal_max")
    found = {key: values[key] for key in (*kept, "toffset")} | {"pixdim": values["pixdim"][: ndim + 1]}
    units = values["xyzt_units"]
    found |= {"space_units": _SPACE.get(units & 7, "unknown"), "time_units": _TIME.get(units & 56, "unknown")}
    if values["qform_code"] > 0:
        found["qform"] = _qform(values)
    if values["sform_code"] > 0:
        srow = values["srow"]
        found["sform"] = [srow[:4], srow[4:8], srow[8:], [0.0, 0.0, 0.0, 1.0]]
    if header.extensions:
        found["extensions"] = [dict(extension) for extension in header.extensions]
    return found


def _qform(values: Mapping[str, Any]) -> list[list[float]]:
    """The matrix of method 2: a rotation by the unit quaternion [a, b, c, d], steps of pixdim, then an offset."""
    b, c, d = values["quatern"]
    a = math.sqrt(max(1.0 - (b * b + c * c + d * d), 0.0))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    qfac = -1.0 if values["pixdim"][0] < 0 else 1.0
    steps: Sequence[float] = [values["pixdim"][1], values["pixdim"][2], qfac * values["pixdim"][3]]
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.array(steps)
    matrix[:3, 3] = values["qoffset"]
    rows: list[list[float]] = matrix.tolist()
    return rows
