"""Headers of many objects by columns: one behind the other in one piece of memory, with texts of counted lengths."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.formats.hdf4.descriptors import File
from chunkmap.formats.hdf4.elements import read_bytes, read_joined
from chunkmap.formats.hdf4.texts import read_text
from chunkmap.io.rounds import Parser

__all__ = ["Headers", "read_headers"]

_ASCII: Final = 127

Places = NDArray[np.int64]


class Headers:
    """All objects of one tag that have bytes, in the order of the file."""

    def __init__(self, refs: list[int], lengths: Places, data: bytes) -> None:
        self.refs = refs
        """Their reference numbers."""
        self.stops: Places = np.cumsum(lengths)
        self.starts: Places = self.stops - lengths
        self._all = data
        self._text = data.decode("latin-1")
        self._bytes = np.frombuffer(data + bytes(2), np.uint8)
        # how many bytes before each place are not plain text
        self._odd = np.concatenate([[0], np.cumsum((self._bytes == 0) | (self._bytes > _ASCII))])

    def each(self) -> list[bytes]:
        """Each header."""
        whole = self._all
        return [whole[start:stop] for start, stop in zip(self.starts.tolist(), self.stops.tolist(), strict=True)]

    def shorts(self, places: Places) -> Places:
        """Numbers of two bytes; zero behind the end of everything: who asks looks where each header ends."""
        places = np.minimum(places, len(self._all))
        return (self._bytes[places].astype(np.int64) << 8) | self._bytes[places + 1]

    def ints(self, places: Places) -> Places:
        """Signed numbers of four bytes."""
        return (
            ((self.shorts(places) << 16) | self.shorts(places + 2)).astype(np.uint32).astype(np.int32).astype(np.int64)
        )

    def behind(self, places: Places) -> Places:
        """Where texts end whose lengths stand at these places."""
        return places + 2 + self.shorts(places)

    def texts(self, places: Places) -> list[str]:
        """The texts whose lengths stand at these places, each up to a null byte."""
        stops = np.minimum(self.behind(places), len(self._all))
        text = self._text
        found = [text[start:stop] for start, stop in zip((places + 2).tolist(), stops.tolist(), strict=True)]
        for row in np.flatnonzero(self._odd[np.maximum(stops, places + 2)] > self._odd[places + 2]).tolist():
            found[row] = read_text(found[row].encode("latin-1")).partition("\0")[0]
        return found


def read_headers(file: File, tag: int) -> Parser[Headers]:
    """Read all objects of a tag. Raises the first error."""
    refs = file.refs(tag)
    places = file.lookup(tag, np.array(refs, np.int64))
    if places.special.any():
        found = yield from read_bytes(file, [(tag, ref) for ref in refs])
        lengths = np.fromiter(map(len, found.values()), np.int64, len(found))
        return Headers([ref for _, ref in found], lengths, b"".join(found.values()))
    data = yield from read_joined(file, places.offsets, places.lengths)
    there = places.lengths > 0
    return Headers(np.array(refs, np.int64)[there].tolist(), places.lengths[there], data)
