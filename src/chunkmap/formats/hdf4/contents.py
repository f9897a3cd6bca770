"""What stands in a file, read in few rounds: descriptors first, then every Vgroup and the header of every Vdata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from chunkmap.formats.hdf4.descriptors import File, Key, open_file
from chunkmap.formats.hdf4.elements import read_bytes
from chunkmap.formats.hdf4.vdata import Vdata, read_vdatas
from chunkmap.formats.hdf4.vgroups import Vgroup, read_vgroups
from chunkmap.io.rounds import Parser, Together
from chunkmap.io.source import Source

__all__ = ["Contents", "read_contents"]

SMALL_TAGS: Final = (106, 300, 306, 307, 701, 703, 704, 705, 706, 707, 708, 710, 720, 700, 731, 732)
"""Number types, images and their groups, and all that describes scientific data: small, and needed."""
_SMALL: Final = 64 << 10


class Contents(NamedTuple):
    """What one file says of itself."""

    file: File
    vgroups: Mapping[int, Vgroup]
    vdatas: Mapping[int, Vdata]
    small: Mapping[Key, bytes]
    """The bytes of the small objects that describe others."""

    def pairs(self, key: Key) -> list[Key]:
        """A list of tags and reference numbers, as groups of scientific data and of images are."""
        data = self.small.get(key, b"")
        return [
            (int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big"))
            for at in range(0, len(data) - 3, 4)
        ]


def read_contents(source: Source) -> Parser[Contents]:
    """Read all that does not hang on something else."""
    file = yield from open_file(source)
    keys = [(tag, ref) for tag in SMALL_TAGS for ref in file.refs(tag)]
    wanted = [key for key in keys if (entry := file.find(key)) is not None and entry.length <= _SMALL]
    vgroups, vdatas, small = yield Together([read_vgroups(file), read_vdatas(file), read_bytes(file, wanted)])
    return Contents(file, vgroups, vdatas, small)
