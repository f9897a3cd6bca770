"""Vgroups: lists of objects, with a name and a class.

HDF Specification and Developer's Guide, DFTAG_VG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from chunkmap.formats.hdf4.descriptors import File, Key
from chunkmap.formats.hdf4.headers import read_headers
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


# nelt tag[nelt] ref[nelt] namelen name classlen class extag exref version more
def read_vgroups(file: File) -> Parser[dict[int, Vgroup]]:
    """All Vgroups, by reference number, in the order of the file."""
    headers = yield from read_headers(file, DFTAG_VG)
    counts = headers.shorts(headers.starts)
    names = headers.starts + 2 + 4 * counts
    kinds = headers.behind(names)
    short = np.flatnonzero(headers.behind(kinds) > headers.stops)
    if len(short):
        raise file.error(f"Vgroup {headers.refs[short[0]]} is cut short")
    ends = np.cumsum(counts)
    tags = 2 * np.arange(counts.sum()) + np.repeat(headers.starts + 2 - 2 * (ends - counts), counts)
    members = headers.shorts(tags).tolist(), headers.shorts(tags + np.repeat(2 * counts, counts)).tolist()
    pairs = list(zip(*members, strict=True))
    each = [tuple(pairs[stop - count : stop]) for stop, count in zip(ends.tolist(), counts.tolist(), strict=True)]
    columns = (headers.refs, headers.texts(names), headers.texts(kinds), each)
    return dict(zip(headers.refs, map(Vgroup, *columns), strict=True))


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
