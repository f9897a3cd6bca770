"""Scientific data sets: what the multi-file interface SD wrote, and what DFSD wrote before it.

HDF Specification and Developer's Guide, chapter on scientific data: DFTAG_NDG, DFTAG_SDD, DFTAG_NT and their kin; SD
describes each array by a Vgroup of the class `Var0.0`, its axes by such of `Dim0.0` and `UDim0.0`, and attributes by
Vdatas of `Attr0.0`; all of them stand in one of the class `CDF0.0`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.errors import ChunkmapError, FormatError, Unsupported
from chunkmap.formats.hdf4.contents import Contents, attributes_of, read_records
from chunkmap.formats.hdf4.descriptors import Key
from chunkmap.formats.hdf4.elements import Element, locate_all
from chunkmap.formats.hdf4.numbers import dtype_of_nt
from chunkmap.formats.hdf4.vdata import DFTAG_VH
from chunkmap.formats.hdf4.vgroups import DFTAG_VG, Vgroup
from chunkmap.io.rounds import Parser

__all__ = [
    "DFTAG_NDG",
    "DFTAG_NT",
    "DFTAG_SD",
    "DFTAG_SDD",
    "Sds",
    "describe",
    "root_vgroup",
    "sd_attributes",
    "sd_sets",
    "with_elements",
]

DFTAG_NT, DFTAG_SDD, DFTAG_SD, DFTAG_NDG = 106, 701, 702, 720
_ATTRIBUTE: Final = "Attr0.0"
_LENGTH: Final = "DimVal0.1"
_VALUES: Final = ("Data0.0", "VarData0.0")
_AXES: Final = ("Dim0.0", "UDim0.0")
_MOST_AXES: Final = 32


class Sds(NamedTuple):
    """One array, as the file describes it."""

    name: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    dtype: np.dtype[Any]
    data: Key | None
    """The object that holds the values; None where none were ever written."""
    attrs: Mapping[str, Any] = MappingProxyType({})
    ndg: int | None = None
    """The reference number by which Vgroups name it."""
    grows: bool = False
    """Whether its first axis is unlimited: then its data say how long it is."""
    element: Element = Element(0)
    """Where the values are."""
    unwritten: bytes | None = None
    """What elements read as that were never written; None where that is the default of their type."""


def root_vgroup(contents: Contents) -> Vgroup | None:
    """The Vgroup that lists what SD wrote; None in a file that it never wrote to."""
    return next((vgroup for vgroup in contents.vgroups.values() if vgroup.kind == "CDF0.0"), None)


def sd_attributes(contents: Contents, root: Vgroup | None) -> dict[str, Any]:
    """The attributes of the file."""
    refs = [] if root is None else root.refs(DFTAG_VH)
    return attributes_of(contents, [ref for ref in refs if contents.kind(ref) == _ATTRIBUTE])


def sd_sets(contents: Contents, root: Vgroup) -> Parser[list[Sds | tuple[str, Exception]]]:
    """Every array that SD wrote, in its order; a name and an error in place of one that cannot be described."""
    variables = [
        contents.vgroups[ref]
        for ref in dict.fromkeys(root.refs(DFTAG_VG))
        if ref in contents.vgroups and contents.vgroups[ref].kind == "Var0.0"
    ]
    members = [_members(contents, variable) for variable in variables]
    if any(own.described not in contents.small for own in members):
        yield from read_records(contents, [v.ref for v in contents.vdatas.values() if v.kind == _LENGTH])
    found = list[Sds | tuple[str, Exception]]()
    for variable, own in zip(variables, members, strict=True):
        try:
            found.append(_variable(contents, variable.name, own))
        except (Unsupported, FormatError) as error:
            found.append((variable.name, error))
    return found


class _Members(NamedTuple):
    """What belongs to one array."""

    axes: list[Vgroup]
    attributes: list[int]
    """The Vdatas that hold them."""
    first: dict[int, int]
    """Of each tag the first reference number."""

    @property
    def described(self) -> Key:
        """The record of its dimensions."""
        return DFTAG_SDD, self.first.get(DFTAG_SDD, -1)


def _members(contents: Contents, vgroup: Vgroup) -> _Members:
    vdatas, vgroups, own = contents.vdatas, contents.vgroups, _Members([], [], {})
    for tag, ref in vgroup.members:
        if tag == DFTAG_VH:
            vdata = vdatas.get(ref)
            if vdata is not None and vdata.kind == _ATTRIBUTE:
                own.attributes.append(ref)
            elif vdata is not None and vdata.kind in _VALUES:
                own.first.setdefault(tag, ref)
        elif tag == DFTAG_VG:
            axis = vgroups.get(ref)
            if axis is not None and axis.kind in _AXES:
                own.axes.append(axis)
        else:
            own.first.setdefault(tag, ref)
    return own


def _variable(contents: Contents, name: str, own: _Members) -> Sds:
    axes, first = own.axes, own.first
    if own.described in contents.small:
        shape, number_type = _dimensions(contents, own.described)
    else:
        shape, number_type = _lengths(contents, axes), None
    if len(axes) != len(shape):
        dims = tuple(f"{name}_{axis}" for axis in range(len(shape)))
    else:
        dims = tuple([axis.name for axis in axes])
    if DFTAG_SD not in first and DFTAG_VH in first:
        raise Unsupported("its values are in a Vdata, as before release 3.3", feature="values in a Vdata")
    return Sds(
        name=name,
        shape=shape,
        dims=dims,
        dtype=_dtype(contents, (DFTAG_NT, first[DFTAG_NT]) if DFTAG_NT in first else number_type),
        data=(DFTAG_SD, first[DFTAG_SD]) if DFTAG_SD in first else None,
        attrs=attributes_of(contents, own.attributes),
        ndg=first.get(DFTAG_NDG),
        grows=bool(shape) and bool(axes) and axes[0].kind == "UDim0.0",
    )


def _lengths(contents: Contents, axes: Iterable[Vgroup]) -> tuple[int, ...]:
    """The lengths of axes as their own Vgroups have them: the value of `DimVal0.1`, or a record for each element."""
    lengths = []
    for axis in axes:
        ref = next((ref for ref in axis.refs(DFTAG_VH) if contents.kind(ref).startswith("DimVal0.")), None)
        if ref is None:
            lengths.append(0)
            continue
        vdata, value = contents.vdatas[ref], None
        if vdata.kind == _LENGTH:
            value = attributes_of(contents, [ref]).get(vdata.name)
        value = vdata.records if value is None else value
        lengths.append(max(value, 0) if isinstance(value, int) else 0)
    return tuple(lengths)


# rank dims[rank] data_NT_tag data_NT_ref (scale_NT_tag scale_NT_ref)[rank]
def _dimensions(contents: Contents, key: Key | None) -> tuple[tuple[int, ...], Key]:
    data = contents.small.get(key, b"") if key is not None else b""
    rank = int.from_bytes(data[:2], "big")
    if rank > _MOST_AXES or len(data) < 6 + 4 * rank:
        raise contents.file.error(f"a dimension record has {rank} axes and {len(data)} bytes")
    shape = struct.unpack_from(f">{rank}i", data, 2)
    if rank and min(shape) < 0:
        raise contents.file.error(f"a dimension record has a shape of {shape}")
    tag, ref = struct.unpack_from(">HH", data, 2 + 4 * rank)
    return shape, (tag, ref)


def describe(contents: Contents, dimensions: Key, number_type: Key | None) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array: its number type may stand beside its dimensions, or be named by them."""
    shape, named = _dimensions(contents, dimensions)
    return shape, _dtype(contents, number_type or named)


def _dtype(contents: Contents, key: Key | None) -> np.dtype[Any]:
    element = contents.small.get(key, b"") if key is not None else b""
    if len(element) < 4:
        raise contents.file.error("an array has no number type")
    return dtype_of_nt(element)


def with_elements(contents: Contents, sets: Sequence[Sds]) -> Parser[list[Sds | tuple[str, Exception]]]:
    """The same arrays, with where their values are; the length of an unlimited axis comes from there."""
    written = [sds for sds in sets if sds.data is not None]
    elements = iter((yield from locate_all(contents.file, [sds.data for sds in written if sds.data is not None])))
    return [sds if sds.data is None else _located(sds, next(elements)) for sds in sets]


def _located(sds: Sds, element: Element | ChunkmapError) -> Sds | tuple[str, Exception]:
    if isinstance(element, ChunkmapError):
        return sds.name, element
    if not sds.grows:
        return sds._replace(element=element)
    row = math.prod(sds.shape[1:]) * sds.dtype.itemsize
    rows = element.chunked.shape[0] if element.chunked is not None else element.length // row if row else 0
    return sds._replace(element=element, shape=(rows, *sds.shape[1:]))
