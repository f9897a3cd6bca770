"""Annotations: labels and descriptions of a file and of what it holds, as attributes.

HDF Specification and Developer's Guide, DFTAG_FID, DFTAG_FD, DFTAG_DIL and DFTAG_DIA.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from chunkmap.formats.hdf4.contents import Contents
from chunkmap.formats.hdf4.descriptors import Key
from chunkmap.formats.hdf4.elements import read_bytes
from chunkmap.formats.hdf4.texts import read_text
from chunkmap.formats.hdf4.vgroups import DFTAG_VG
from chunkmap.io.rounds import Parser

__all__ = ["Annotations", "of_vgroups", "read_annotations"]

DFTAG_FID, DFTAG_FD, DFTAG_DIL, DFTAG_DIA = 100, 101, 104, 105
_OF_FILE: Final = {DFTAG_FID: "file_label", DFTAG_FD: "file_description"}
_OF_OBJECT: Final = {DFTAG_DIL: "label", DFTAG_DIA: "description"}


class Annotations(NamedTuple):
    """What is said of the file, and of its objects by tag and reference number."""

    of_file: dict[str, Any]
    of_objects: dict[Key, dict[str, Any]]


def read_annotations(contents: Contents) -> Parser[Annotations]:
    """All annotations; several of one kind are a list."""
    file = contents.file
    keys = [(tag, ref) for tag in (*_OF_FILE, *_OF_OBJECT) for ref in file.refs(tag)]
    data = yield from read_bytes(file, keys)
    found = Annotations({}, {})
    for (tag, _), raw in data.items():
        if tag in _OF_FILE:
            _add(found.of_file, _OF_FILE[tag], raw)
        elif len(raw) >= 4:
            named = (int.from_bytes(raw[:2], "big"), int.from_bytes(raw[2:4], "big"))
            _add(found.of_objects.setdefault(named, {}), _OF_OBJECT[tag], raw[4:])
    return found


def of_vgroups(contents: Contents, notes: Annotations, groups: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    """What is said of Vgroups: put where one is a group here, given by its reference number; the rest, by name."""
    rest = dict[str, Any]()
    for ref, vgroup in contents.vgroups.items():
        said = notes.of_objects.get((DFTAG_VG, ref))
        if said is None:
            continue
        if ref in groups:
            groups[ref].update(said)
        else:
            rest.setdefault(vgroup.name, {}).update(said)
    return {"vgroup_annotations": rest} if rest else {}


def _add(attrs: dict[str, Any], name: str, raw: bytes) -> None:
    text = read_text(raw.rstrip(b"\0"))
    if name not in attrs:
        attrs[name] = text
    elif isinstance(attrs[name], list):
        attrs[name].append(text)
    else:
        attrs[name] = [attrs[name], text]
