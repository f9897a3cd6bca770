"""Scientific data sets: what the multi-file interface SD wrote, and what DFSD wrote before it.

HDF Specification and Developer's Guide, chapter on scientific data: DFTAG_NDG, DFTAG_SDD, DFTAG_NT and their kin; SD
describes each array by a Vgroup of the class `Var0.0`, its axes by such of `Dim0.0` and `UDim0.0`, and attributes by
Vdatas of `Attr0.0`; all of them stand in one of the class `CDF0.0`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.hdf4.contents import Contents
from chunkmap.formats.hdf4.descriptors import Key
from chunkmap.formats.hdf4.elements import Element, locate
from chunkmap.formats.hdf4.numbers import dtype_of_nt
from chunkmap.formats.hdf4.vdata import DFTAG_VH, read_attributes
from chunkmap.formats.hdf4.vgroups import DFTAG_VG, Vgroup
from chunkmap.io.rounds import Parser, Together

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
_VALUES: Final = ("Data0.0", "VarData0.0")
_MOST_AXES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Sds:
    """One array, as the file describes it."""

    name: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    dtype: np.dtype[Any]
    data: Key | None
    """The object that holds the values; None where none were ever written."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    ndg: int | None = None
    """The reference number by which Vgroups name it."""
    grows: bool = False
    """Whether its first axis is unlimited: then its data say how long it is."""
    element: Element = field(default_factory=lambda: Element(0))
    """Where the values are."""


def root_vgroup(contents: Contents) -> Vgroup | None:
    """The Vgroup that lists what SD wrote; None in a file that it never wrote to."""
    return next((vgroup for vgroup in contents.vgroups.values() if vgroup.kind == "CDF0.0"), None)


def sd_attributes(contents: Contents, root: Vgroup | None) -> Parser[dict[str, Any]]:
    """The attributes of the file."""
    return (yield from _attributes(contents, root.members if root is not None else ()))


def _attributes(contents: Contents, members: Iterable[Key]) -> Parser[dict[str, Any]]:
    refs = [ref for tag, ref in members if tag == DFTAG_VH and _kind(contents, ref) == _ATTRIBUTE]
    values = yield from read_attributes(contents.file, contents.vdatas, refs)
    return {contents.vdatas[ref].name: values[ref] for ref in refs if ref in values}


def _kind(contents: Contents, ref: int) -> str:
    vdata = contents.vdatas.get(ref)
    return "" if vdata is None else vdata.kind


def sd_sets(contents: Contents, root: Vgroup) -> Parser[list[Sds | tuple[str, Exception]]]:
    """Every array that SD wrote, in its order; a name and an error in place of one that cannot be described."""
    variables = [
        contents.vgroups[ref]
        for ref in dict.fromkeys(root.refs(DFTAG_VG))
        if ref in contents.vgroups and contents.vgroups[ref].kind == "Var0.0"
    ]
    sizes = yield from _dimension_sizes(contents, variables)
    attrs = yield Together([_attributes(contents, variable.members) for variable in variables])
    found = list[Sds | tuple[str, Exception]]()
    for variable, own in zip(variables, attrs, strict=True):
        try:
            found.append(replace(_variable(contents, variable, sizes), attrs=own))
        except (Unsupported, FormatError) as error:
            found.append((variable.name, error))
    return found


def _dimension_sizes(contents: Contents, variables: Iterable[Vgroup]) -> Parser[dict[int, int]]:
    """The length of each axis that has a Vgroup, by its reference number."""
    refs = [ref for variable in variables for ref in variable.refs(DFTAG_VG)]
    wanted = {}
    for ref in dict.fromkeys(refs):
        vgroup = contents.vgroups.get(ref)
        for number in vgroup.refs(DFTAG_VH) if vgroup is not None else ():
            if _kind(contents, number).startswith("DimVal0."):
                wanted[ref] = number
    new = [number for number in wanted.values() if _kind(contents, number) == "DimVal0.1"]
    values = yield from read_attributes(contents.file, contents.vdatas, new)
    sizes = {}
    for ref, number in wanted.items():
        value = values.get(number, contents.vdatas[number].records)  # DimVal0.0 has a record for each element
        sizes[ref] = value if isinstance(value, int) else 0
    return sizes


def _variable(contents: Contents, vgroup: Vgroup, sizes: Mapping[int, int]) -> Sds:
    axes = [
        (ref, contents.vgroups[ref])
        for ref in vgroup.refs(DFTAG_VG)
        if ref in contents.vgroups and contents.vgroups[ref].kind in ("Dim0.0", "UDim0.0")
    ]
    grows = bool(axes) and axes[0][1].kind == "UDim0.0"
    described = vgroup.first(DFTAG_SDD)
    if described is not None and described in contents.small:
        shape, number_type = _dimensions(contents, described)
    else:
        shape, number_type = tuple(sizes.get(ref, 0) for ref, _ in axes), None
    if len(axes) != len(shape):
        dims = tuple(f"{vgroup.name}_{axis}" for axis in range(len(shape)))
    else:
        dims = tuple(axis.name for _, axis in axes)
    data = vgroup.first(DFTAG_SD)
    if data is None and any(_kind(contents, ref) in _VALUES for ref in vgroup.refs(DFTAG_VH)):
        raise Unsupported("its values are in a Vdata, as before release 3.3", feature="values in a Vdata")
    ndg = vgroup.first(DFTAG_NDG)
    dtype = _dtype(contents, vgroup.first(DFTAG_NT) or number_type)
    return Sds(
        name=vgroup.name,
        shape=shape,
        dims=dims,
        dtype=dtype,
        data=data,
        ndg=ndg[1] if ndg is not None else None,
        grows=grows and bool(shape),
    )


# rank dims[rank] data_NT_tag data_NT_ref (scale_NT_tag scale_NT_ref)[rank]
def _dimensions(contents: Contents, key: Key) -> tuple[tuple[int, ...], Key]:
    data = contents.small.get(key, b"")
    rank = int.from_bytes(data[:2], "big")
    if rank > _MOST_AXES or len(data) < 6 + 4 * rank:
        raise contents.file.error(f"dimension record {key[1]} has {rank} axes and {len(data)} bytes")
    shape = struct.unpack_from(f">{rank}i", data, 2)
    if any(n < 0 for n in shape):
        raise contents.file.error(f"dimension record {key[1]} has a shape of {shape}")
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


def with_elements(contents: Contents, sets: Iterable[Sds]) -> Parser[list[Sds | tuple[str, Exception]]]:
    """The same arrays, with where their values are; the length of an unlimited axis comes from there."""
    sets = list(sets)
    elements = yield Together([_tried(contents, sds) for sds in sets])
    return [
        (sds.name, element) if isinstance(element, Exception) else _grown(replace(sds, element=element))
        for sds, element in zip(sets, elements, strict=True)
    ]


def _tried(contents: Contents, sds: Sds) -> Parser[Element | Exception]:
    if sds.data is None:
        return sds.element
    try:
        return (yield from locate(contents.file, sds.data))
    except (Unsupported, FormatError) as error:
        return error


def _grown(sds: Sds) -> Sds:
    if not sds.grows:
        return sds
    row = int(np.prod(sds.shape[1:], dtype=np.int64)) * sds.dtype.itemsize
    chunked = sds.element.chunked
    if chunked is not None:
        return replace(sds, shape=(chunked.shape[0], *sds.shape[1:]))
    return replace(sds, shape=(sds.element.length // row if row else 0, *sds.shape[1:]))
