"""Vgroups: lists of objects, with a name and a class.

HDF Specification and Developer's Guide, DFTAG_VG.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from chunkmap.formats.hdf4.descriptors import File, Key
from chunkmap.formats.hdf4.elements import read_bytes
from chunkmap.formats.hdf4.texts import counted_text
from chunkmap.io.rounds import Parser

__all__ = ["DFTAG_VG", "Vgroup", "members_below", "read_vgroups"]

DFTAG_VG: Final = 1965


class Vgroup(NamedTuple):
    """One Vgroup."""

    ref: int
    name: str
    kind: str
    """Its class."""
    members: tuple[Key, ...]

    def refs(self, tag: int) -> list[int]:
        """The reference numbers of its members of one tag."""
        return [ref for found, ref in self.members if found == tag]


def read_vgroups(file: File) -> Parser[dict[int, Vgroup]]:
    """All Vgroups, by reference number, in the order of the file."""
    data = yield from read_bytes(file, [(DFTAG_VG, ref) for ref in file.refs(DFTAG_VG)])
    return {ref: _vgroup(file, ref, raw) for (_, ref), raw in data.items()}


# nelt tag[nelt] ref[nelt] namelen name classlen class extag exref version more
def _vgroup(file: File, ref: int, data: bytes) -> Vgroup:
    try:
        count = data[0] << 8 | data[1]
        numbers = struct.unpack_from(f">{2 * count}H", data, 2)
        name, place = counted_text(data, 2 + 4 * count)
        kind, _ = counted_text(data, place)
    except (struct.error, IndexError) as error:
        raise file.error(f"Vgroup {ref} is cut short") from error
    return Vgroup(ref, name, kind, tuple(zip(numbers[:count], numbers[count:], strict=True)))


def members_below(vgroups: Mapping[int, Vgroup], root: Vgroup) -> Sequence[Key]:
    """All members of a Vgroup and of those inside it, each once: Vgroups may stand in one another."""
    found, seen, waiting = list[Key](), {root.ref}, [root]
    while waiting:
        for tag, ref in waiting.pop(0).members:
            if tag != DFTAG_VG:
                found.append((tag, ref))
            elif ref not in seen and ref in vgroups:
                seen.add(ref)
                waiting.append(vgroups[ref])
    return found
