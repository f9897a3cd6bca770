"""What stands in a file, read in few rounds: descriptors, then every Vgroup and the header of every Vdata, then all
that the library keeps in Vdatas: attributes, and tables of chunks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.errors import ChunkmapError
from chunkmap.formats.hdf4.descriptors import File, Key, open_file
from chunkmap.formats.hdf4.elements import read_bytes, try_bytes
from chunkmap.formats.hdf4.vdata import DFTAG_VS, Vdata, attribute_value, read_vdatas
from chunkmap.formats.hdf4.vgroups import Vgroup, read_vgroups
from chunkmap.io.rounds import Parser, Together
from chunkmap.io.source import Source

__all__ = ["ATTRIBUTES", "Contents", "attributes_of", "read_attributes", "read_contents", "read_records"]

SMALL_TAGS: Final = (106, 300, 306, 307, 701, 703, 704, 705, 706, 707, 708, 710, 720, 700, 731, 732)
"""Number types, images and their groups, and all that describes scientific data: small, and needed."""
_SMALL: Final = 64 << 10

ATTRIBUTES: Final = ("Attr0.0", "RIATTR0.0C")
"""Classes of the Vdatas that hold attributes."""
_CHUNK_TABLE: Final = "_HDF_CHK_TBL"


class Contents(NamedTuple):
    """What one file says of itself."""

    file: File
    vgroups: Mapping[int, Vgroup]
    vdatas: Mapping[int, Vdata]
    small: Mapping[Key, bytes]
    """The bytes of the small objects that describe others."""
    records: dict[int, bytes | ChunkmapError]
    """The records of Vdatas that have been read, by their reference number; see `read_records`."""

    def pairs(self, key: Key) -> list[Key]:
        """A list of tags and reference numbers, as groups of scientific data and of images are."""
        data = self.small.get(key, b"")
        return [
            (int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big"))
            for at in range(0, len(data) - 3, 4)
        ]

    def kind(self, ref: int) -> str:
        """The class of a Vdata; nothing of one that is not there."""
        vdata = self.vdatas.get(ref)
        return "" if vdata is None else vdata.kind


def read_contents(source: Source) -> Parser[Contents]:
    """Read all that does not hang on something else."""
    file = yield from open_file(source)
    keys = [(tag, ref) for tag in SMALL_TAGS for ref in file.refs(tag)]
    vgroups, vdatas, small = yield Together([read_vgroups(file), read_vdatas(file), _small(file, keys)])
    contents = Contents(file, vgroups, vdatas, small, {})
    needed = [v.ref for v in vdatas.values() if v.kind in ATTRIBUTES or v.kind.startswith(_CHUNK_TABLE)]
    yield from read_records(contents, needed)
    return contents


def _small(file: File, keys: list[Key]) -> Parser[dict[Key, bytes]]:
    """What describes other objects is short; anything else is not what its tag says."""
    lengths = file.lookup(*np.array(keys, np.int64).reshape(-1, 2).T).lengths
    return (
        yield from read_bytes(
            file, [key for key, length in zip(keys, lengths.tolist(), strict=True) if length <= _SMALL]
        )
    )


def read_records(contents: Contents, refs: Iterable[int]) -> Parser[None]:
    """The records of some Vdatas, as far as they have not been read; an error in place of what cannot be read."""
    keys = [(DFTAG_VS, ref) for ref in refs if ref not in contents.records]
    if keys:
        found = yield from try_bytes(contents.file, keys)
        contents.records.update((key[1], found.get(key, b"")) for key in keys)


def read_attributes(contents: Contents, refs: Iterable[int]) -> Parser[dict[str, Any]]:
    """The values that some Vdatas hold, by the names of these: what the library makes of attributes."""
    refs = [ref for ref in refs if ref in contents.vdatas]
    yield from read_records(contents, refs)
    return attributes_of(contents, refs)


def attributes_of(contents: Contents, refs: Iterable[int]) -> dict[str, Any]:
    """The same, of Vdatas whose records have been read."""
    attrs = dict[str, Any]()
    for ref in refs:
        vdata, data = contents.vdatas[ref], contents.records[ref]
        if isinstance(data, ChunkmapError):
            raise data
        value = attribute_value(vdata, data)
        if value is not None:
            attrs[vdata.attribute] = value
    return attrs
