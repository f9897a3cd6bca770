"""HDF-EOS2: the grids, swaths and points of a file, and which of its arrays are their fields.

HDF-EOS Library User's Guide for HDF-EOS2, volume 1: a structure is a Vgroup of the class GRID, SWATH or POINT, whose
fields stand in Vgroups inside it; the attribute `StructMetadata.0` describes them in ODL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chunkmap.formats.hdf4.contents import Contents, read_attributes
from chunkmap.formats.hdf4.odl import parse_odl
from chunkmap.formats.hdf4.sds import DFTAG_NDG
from chunkmap.formats.hdf4.vdata import DFTAG_VH
from chunkmap.formats.hdf4.vgroups import DFTAG_VG, Vgroup, members_below
from chunkmap.io.rounds import Parser

__all__ = ["Structure", "read_structures"]

_KINDS: Final = {"GRID": "grid", "SWATH": "swath", "POINT": "point"}
_FIELDS: Final = ("Data Fields", "Geolocation Fields", "Data Vgroup", "Merged Fields")
_METADATA: Final = "StructMetadata."


@dataclass(frozen=True, slots=True)
class Structure:
    """One grid, swath or point data set."""

    kind: str
    """"grid", "swath" or "point"."""
    name: str
    described: Mapping[str, Any] = field(default_factory=dict)
    """What the metadata say of it."""
    fields: tuple[int, ...] = ()
    """The reference numbers of its arrays."""
    vdatas: tuple[int, ...] = ()
    """Those of its tables, and of fields of one axis."""
    internal: tuple[int, ...] = ()
    """Tables in which the HDF-EOS library keeps things of its own."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    ref: int = 0
    """The reference number of its Vgroup."""

    def fill_value(self, name: str) -> Any:
        """What the library fills a field with; None where it does not say."""
        return self.attrs.get(f"_FV_{name}")

    def own_dims(self, dims: Sequence[str]) -> tuple[str, ...]:
        """Axes of its fields are named without the name of the structure behind a colon."""
        return tuple(name.removesuffix(f":{self.name}") for name in dims)

    def dims_of(self, name: str, dims: tuple[str, ...]) -> tuple[str, ...]:
        """The axes of a field by its name; those given where the metadata say nothing that fits."""
        for number in ("GeoField", "DataField"):
            for entry in self.objects(number):
                listed = entry.get("DimList", [])
                listed = [listed] if isinstance(listed, str) else listed
                if entry.get(f"{number}Name") == name and len(listed) == len(dims):
                    return tuple(map(str, listed))
        return dims

    def objects(self, group: str) -> list[Mapping[str, Any]]:
        """What a group of the metadata lists."""
        listed = self.described.get(group, {})
        return [entry for entry in listed.values() if isinstance(entry, Mapping)] if isinstance(listed, Mapping) else []


def read_structures(contents: Contents, attrs: Mapping[str, Any]) -> Parser[list[Structure]]:
    """All structures of a file; none where it does not say that it has any."""
    described = _described(attrs)
    if not described:
        return []
    found = []
    for vgroup in contents.vgroups.values():
        kind = _KINDS.get(vgroup.kind)
        if kind is not None:
            found.append((yield from _structure(contents, vgroup, kind, described.get((kind, vgroup.name), {}))))
    return found


def _described(attrs: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """What the metadata say of each structure, by its kind and name."""
    parts = [(name, value) for name, value in attrs.items() if name.startswith(_METADATA) and isinstance(value, str)]
    text = "".join(value for _, value in sorted(parts, key=lambda part: (len(part[0]), part[0])))
    document = parse_odl(text)
    return {
        (kind, str(entry.get(f"{kind.title()}Name"))): entry
        for kind in _KINDS.values()
        for entry in (document.get(f"{kind.title()}Structure") or {}).values()
        if isinstance(entry, Mapping)
    } or ({("", ""): {}} if parts else {})


def _structure(contents: Contents, vgroup: Vgroup, kind: str, described: Mapping[str, Any]) -> Parser[Structure]:
    keys, attribute_refs = list[tuple[int, int]](), list[int]()
    for ref in vgroup.refs(DFTAG_VG):
        inner = contents.vgroups.get(ref)
        if inner is None:
            continue
        if inner.name in _FIELDS:
            keys += members_below(contents.vgroups, inner)
        elif inner.name.endswith("Attributes"):
            attribute_refs += inner.refs(DFTAG_VH)
    attrs = yield from read_attributes(contents, attribute_refs)
    fields = tuple(ref for tag, ref in dict.fromkeys(keys) if tag == DFTAG_NDG)
    vdatas = tuple(ref for tag, ref in dict.fromkeys(keys) if tag == DFTAG_VH and ref in contents.vdatas)
    internal = tuple(vgroup.refs(DFTAG_VH))
    return Structure(kind, vgroup.name, described, fields, vdatas, internal, {"hdfeos_kind": kind} | attrs, vgroup.ref)
