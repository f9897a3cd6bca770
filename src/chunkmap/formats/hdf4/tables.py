"""Vdatas as columns: an array a field, all of which point at the records that they share."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from chunkmap.errors import ChunkmapError
from chunkmap.formats.hdf4.contents import Contents, read_attributes, read_records
from chunkmap.formats.hdf4.elements import Element, locate
from chunkmap.formats.hdf4.extents import Layout, part_of
from chunkmap.formats.hdf4.layout import Stored, lay_out
from chunkmap.formats.hdf4.numbers import CHAR8, dtype_of
from chunkmap.formats.hdf4.vdata import Field, Vdata
from chunkmap.io.rounds import Parser
from chunkmap.model import ArrayMeta, CodecConfig, ManifestArray
from chunkmap.model.edits import subchunk_array

__all__ = ["table_columns", "user_tables"]

_INTERNAL: Final = ("Attr0.0", "DimVal0.0", "DimVal0.1", "SDSVar", "CoordVar", "Data0.0", "VarData0.0", "RIATTR0.0N")
_BEGINS: Final = ("_HDF_CHK_TBL", "RIATTR0.0", "RIPAL")
_CHUNK_NBYTES: Final = 4 << 20
"""A table that is longer is cut: one column of it would else bring all others along."""
ROWS: Final = "record"
_WHOLE: Final = -1
"""The number of a field that stands for the whole table."""


def user_tables(contents: Contents) -> list[Vdata]:
    """The Vdatas that users wrote, not those in which the library keeps things of its own."""
    written = [v for v in contents.vdatas.values() if v.kind not in _INTERNAL and not v.kind.startswith(_BEGINS)]
    attributes = {ref for vdata in written for _, ref in vdata.attributes()}
    return [vdata for vdata in written if vdata.ref not in attributes and vdata.nfields]


def table_columns(contents: Contents, vdata: Vdata) -> Parser[tuple[dict[str, Any], dict[str, ManifestArray]]]:
    """The attributes of a table, and its fields as arrays."""
    attributes = [(at, ref) for at, ref in vdata.attributes() if ref in contents.vdatas]
    yield from read_records(contents, [ref for _, ref in attributes])
    element = yield from locate(contents.file, vdata.data)
    columns = {}
    for number, field in enumerate(vdata.fields()):
        array = yield from _column(contents, vdata, field, element)
        columns[field.name] = array.with_meta(attrs=(yield from _attributes(contents, attributes, number)))
    whole = yield from _attributes(contents, attributes, _WHOLE)
    return ({"class": vdata.kind} if vdata.kind else {}) | whole, columns


def _attributes(contents: Contents, attributes: list[tuple[int, int]], number: int) -> Parser[dict[str, Any]]:
    return (yield from read_attributes(contents, [ref for at, ref in attributes if at == number]))


def _column(contents: Contents, vdata: Vdata, field: Field, element: Element) -> Parser[ManifestArray]:
    dtype, width = _types(field)
    nbytes = dtype.itemsize * width
    if field.offset + nbytes > vdata.record_nbytes and not vdata.by_field:
        raise contents.file.error(f"field {field.name!r} of Vdata {vdata.name!r} reaches past the end of its records")
    shape = (vdata.records,) if width == 1 else (vdata.records, width)
    codecs: tuple[CodecConfig, ...] = ()
    if vdata.by_field:
        own = part_of(element, vdata.records * field.offset, vdata.records * nbytes)
        layout = yield from _laid_out(contents, Stored(own, shape, dtype.itemsize))
    else:
        layout = yield from _of_records(contents, vdata, element)
        if nbytes != vdata.record_nbytes:
            slice_ = {"record": vdata.record_nbytes, "nbytes": nbytes, "offset": field.offset}
            codecs = ({"id": "record_slice", **slice_, "records": layout.chunk_shape[0]},)
    chunks, rows = layout.chunks, layout.chunk_shape[0]
    meta = ArrayMeta(
        shape=shape,
        chunk_shape=(rows, *(max(n, 1) for n in shape[1:])),
        dtype=dtype,
        filters=codecs,
        compressor=None,
        dims=(ROWS,) if width == 1 else (ROWS, f"{field.name}_element"),
    )
    return ManifestArray(meta, chunks.reshape_grid(meta.grid_shape))


def _types(field: Field) -> tuple[np.dtype[Any], int]:
    """Type and elements of a field; characters of one record are one text."""
    dtype = dtype_of(field.number_type)
    if field.number_type & 0xFF == CHAR8:
        return np.dtype(f"S{max(field.order, 1)}"), 1
    return dtype, max(field.order, 1)


def _of_records(contents: Contents, vdata: Vdata, element: Element) -> Parser[Layout]:
    """The chunks of the records, cut where the table is long."""
    layout = yield from _laid_out(contents, Stored(element, (vdata.records,), vdata.record_nbytes))
    rows = layout.chunk_shape[0]
    if layout.codecs or len(layout.chunks) != 1 or rows * vdata.record_nbytes <= _CHUNK_NBYTES:
        return layout
    record = np.dtype((np.void, vdata.record_nbytes))
    step = next((n for n in range(max(_CHUNK_NBYTES // vdata.record_nbytes, 1), 0, -1) if rows % n == 0), rows)
    meta = ArrayMeta(shape=(vdata.records,), chunk_shape=(rows,), dtype=record)
    cut = subchunk_array(ManifestArray(meta, layout.chunks), (step,))
    return Layout((step,), (), cut.chunks)


def _laid_out(contents: Contents, stored: Stored) -> Parser[Layout]:
    (layout,) = yield from lay_out(contents, [stored])
    if isinstance(layout, ChunkmapError):
        raise layout
    return layout
