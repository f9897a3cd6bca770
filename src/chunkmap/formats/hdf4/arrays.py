"""Arrays of a reference set: of an array as the file describes it, and of where its values are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from chunkmap.errors import ChunkmapError
from chunkmap.formats.hdf4.contents import Contents
from chunkmap.formats.hdf4.extents import Layout
from chunkmap.formats.hdf4.layout import Stored, lay_out
from chunkmap.formats.hdf4.numbers import default_fill
from chunkmap.formats.hdf4.sds import Sds
from chunkmap.io.rounds import Parser
from chunkmap.model import ArrayMeta, ManifestArray
from chunkmap.model.wording import counted

__all__ = ["STORED_OFFSET", "Calibration", "arrays_of", "as_cf", "as_scalar"]

STORED_OFFSET: Final = "hdf4_add_offset"
"""The attribute that keeps the offset of the file where it was converted."""

Calibration = Literal["hdf4", "cf"]


class _Fill(NamedTuple):
    value: Any
    keeps_attribute: bool
    problem: str = ""


def arrays_of(
    contents: Contents, sets: Sequence[Sds], calibration: Calibration
) -> Parser[list[tuple[ManifestArray, str] | ChunkmapError]]:
    """Arrays, each with what is not as it should be (an empty text when all is); an error for one that cannot be."""
    layouts = yield from lay_out(contents, [Stored(sds.element, sds.shape, sds.dtype.itemsize) for sds in sets])
    return [
        layout if isinstance(layout, ChunkmapError) else _array(sds, layout, calibration)
        for sds, layout in zip(sets, layouts, strict=True)
    ]


def _array(sds: Sds, layout: Layout, calibration: Calibration) -> tuple[ManifestArray, str]:
    fill = _settle_fill(layout, sds)
    attrs = dict(sds.attrs)
    if not fill.keeps_attribute:
        attrs.pop("_FillValue", None)
    meta = ArrayMeta(
        shape=sds.shape,
        chunk_shape=layout.chunk_shape,
        dtype=sds.dtype,
        filters=layout.codecs[:-1],
        compressor=layout.codecs[-1] if layout.codecs else None,
        fill_value=fill.value,
        dims=sds.dims,
        attrs=as_cf(attrs) if calibration == "hdf4" else attrs,
    )
    return ManifestArray(meta, layout.chunks), fill.problem


def as_cf(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Calibration as CF has it: HDF4 takes the offset off before it scales, CF adds it afterwards.

    >>> as_cf({"scale_factor": 0.5, "add_offset": 10.0})
    {'scale_factor': 0.5, 'add_offset': -5.0, 'hdf4_add_offset': 10.0}
    """
    out = dict(attrs)
    offset, scale = attrs.get("add_offset"), attrs.get("scale_factor", 1.0)
    if isinstance(offset, (int, float)) and isinstance(scale, (int, float)) and offset:
        out |= {"add_offset": -float(scale) * offset, STORED_OFFSET: offset}
    return out


def _settle_fill(layout: Layout, sds: Sds) -> _Fill:
    """What missing chunks read as, and what is masked: Zarr v2 has one word for both."""
    dtype, attribute = sds.dtype, sds.attrs.get("_FillValue")
    stored = sds.unwritten if layout.fill is None else layout.fill
    masked = as_scalar(attribute, dtype)
    keeps = attribute is not None and masked is None
    if len(layout.chunks) == layout.chunks.size:
        return _Fill(masked, keeps)
    if stored is not None:
        native = np.frombuffer(stored, dtype)[0]
        native = bytes(native) if dtype.kind == "S" else native
    else:
        native = default_fill(dtype) if masked is None else masked
    if masked is None:  # a zero that nobody gave is no missing data: without a fill value, Zarr reads it too
        return _Fill(native or None if dtype.kind == "S" or sds.unwritten is not None else native, keeps)
    if native == masked or (native != native and masked != masked):
        return _Fill(masked, keeps_attribute=False)
    missing = layout.chunks.size - len(layout.chunks)
    text = f"{counted(missing, 'chunk', 'was')} never written and read as {native!r}, which is masked too"
    return _Fill(native, keeps_attribute=True, problem=text)


def as_scalar(value: Any, dtype: np.dtype[Any]) -> Any:
    """A value of an attribute in the type of the array; None where it is none of that type."""
    if dtype.kind == "S":
        return value.encode("latin-1", "replace") if isinstance(value, str) and len(value) == 1 else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    native = dtype.newbyteorder("=")
    if dtype.kind in "iu":
        limits = np.iinfo(native)
        if value != int(value) or not limits.min <= value <= limits.max:
            return None
    scalar = native.type(value)
    return None if isinstance(value, int) and scalar != value else scalar
