"""Scientific data sets of the single-file interface DFSD: groups of tags, before there were Vgroups.

HDF Specification and Developer's Guide, chapter on scientific data: DFTAG_NDG (and DFTAG_SDG before it) lists what
belongs to one array. Names are those that the library makes up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.hdf4.contents import Contents
from chunkmap.formats.hdf4.descriptors import Key
from chunkmap.formats.hdf4.elements import Element
from chunkmap.formats.hdf4.sds import DFTAG_NDG, DFTAG_NT, DFTAG_SD, DFTAG_SDD, Sds, describe
from chunkmap.formats.hdf4.texts import read_text
from chunkmap.formats.hdf4.vdata import json_value

__all__ = ["dfsd_sets"]

DFTAG_SDG, DFTAG_SDS, DFTAG_SDM, DFTAG_SDC, DFTAG_CAL, DFTAG_FV = 700, 703, 707, 708, 731, 732
_TEXTS: Final[Mapping[int, str]] = {704: "long_name", 705: "units", 706: "format"}
_CALIBRATION: Final = np.dtype(
    [("scale_factor", ">f8"), ("scale_factor_err", ">f8"), ("add_offset", ">f8"), ("add_offset_err", ">f8"),
     ("calibrated_nt", ">i4")]
)  # fmt: skip


def dfsd_sets(contents: Contents) -> list[Sds | tuple[str, Exception]]:
    """Every array that DFSD wrote, and the scales of its axes; a name and an error for one that is not understood."""
    groups = [(DFTAG_NDG, ref) for ref in contents.file.refs(DFTAG_NDG)]
    known = {key for group in groups for key in contents.pairs(group) if key[0] == DFTAG_SD}
    groups += [
        (DFTAG_SDG, ref)
        for ref in contents.file.refs(DFTAG_SDG)
        if not known.intersection(contents.pairs((DFTAG_SDG, ref)))
    ]
    found, axes = list[Sds | tuple[str, Exception]](), 0
    for group in groups:
        members = dict(reversed(contents.pairs(group)))
        if DFTAG_SDD not in members:
            continue
        name = f"Data-Set-{group[1]}"
        try:
            sets = _sets(contents, members, name, axes, group[1])
        except (Unsupported, FormatError) as error:
            found.append((name, error))
            continue
        axes += len(sets[-1].shape)
        found += sets
    return found


def _sets(contents: Contents, members: Mapping[int, int], name: str, first_axis: int, ref: int) -> list[Sds]:
    """The scales of an array, and the array itself."""
    number_type: Key | None = (DFTAG_NT, members[DFTAG_NT]) if DFTAG_NT in members else None
    shape, dtype = describe(contents, (DFTAG_SDD, members[DFTAG_SDD]), number_type)
    dims = tuple(f"fakeDim{first_axis + axis}" for axis in range(len(shape)))
    own, of_axes = _texts(contents, members, len(shape))
    data = (DFTAG_SD, members[DFTAG_SD]) if DFTAG_SD in members else None
    array = Sds(name=name, shape=shape, dims=dims, dtype=dtype, data=data, ndg=ref)
    attrs = own | _values(contents, members, dtype)
    return [*_scales(contents, members, array, of_axes), array._replace(attrs=attrs)]


def _texts(contents: Contents, members: Mapping[int, int], rank: int) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Labels, units and formats: of the data, and of each axis."""
    own, of_axes = dict[str, str](), [dict[str, str]() for _ in range(rank)]
    for tag, attribute in _TEXTS.items():
        data = contents.small.get((tag, members[tag]), b"") if tag in members else b""
        texts = [read_text(text) for text in data.split(b"\0")]
        for place, text in zip([own, *of_axes], texts, strict=False):
            if text:
                place[attribute] = text
    if DFTAG_SDC in members:
        text = read_text(contents.small.get((DFTAG_SDC, members[DFTAG_SDC]), b"").split(b"\0")[0])
        own |= {"coordsys": text} if text else {}
    return own, of_axes


def _values(contents: Contents, members: Mapping[int, int], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Largest and smallest value, calibration and fill value."""
    attrs = dict[str, Any]()
    extremes = _read(contents, members, DFTAG_SDM, dtype, 2)
    if extremes is not None:
        attrs |= {"valid_max": json_value(extremes[:1]), "valid_min": json_value(extremes[1:])}
    calibration = _read(contents, members, DFTAG_CAL, _CALIBRATION, 1)
    if calibration is not None:
        attrs |= {name: calibration[0][name].item() for name in _CALIBRATION.names or ()}
    fill = _read(contents, members, DFTAG_FV, dtype, 1)
    if fill is not None:
        attrs |= {"_FillValue": json_value(fill)}
    return attrs


def _read(contents: Contents, members: Mapping[int, int], tag: int, dtype: np.dtype[Any], count: int) -> Any:
    data = contents.small.get((tag, members[tag]), b"") if tag in members else b""
    if len(data) < count * dtype.itemsize or dtype.kind == "S":
        return None
    return np.frombuffer(data, dtype, count=count)


# is_scale[rank], and for each axis that has one, its values
def _scales(contents: Contents, members: Mapping[int, int], array: Sds, attrs: list[dict[str, str]]) -> list[Sds]:
    key = (DFTAG_SDS, members.get(DFTAG_SDS, 0))
    entry, data = contents.file.find(key), contents.small.get(key, b"")
    rank = len(array.shape)
    if entry is None or entry.special or len(data) < rank:
        return []
    found, place = [], rank
    for axis, size in enumerate(array.shape):
        if not data[axis]:
            continue
        nbytes = size * array.dtype.itemsize
        found.append(
            Sds(
                name=array.dims[axis],
                shape=(size,),
                dims=(array.dims[axis],),
                dtype=array.dtype,
                data=None,
                attrs=attrs[axis],
                element=Element(nbytes, ((entry.offset + place, nbytes),)),
            )
        )
        place += nbytes
    return found
