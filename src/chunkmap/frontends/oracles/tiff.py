"""TIFF, as tifffile decodes its strips and tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray

from chunkmap.formats.tiff import tags
from chunkmap.frontends.oracles.oracle import Original, Piece, as_file

__all__ = ["oracle"]

_DEEPEST: Final = 8


class _Segment(NamedTuple):
    """A strip or tile."""

    page: int
    number: int
    """Which of the page."""
    length: int


def oracle(original: Original) -> _Tiff:
    """The file."""
    return _Tiff(original)


class _Tiff:
    """Pages that tifffile has parsed, and where in the file their strips and tiles are."""

    def __init__(self, original: Original) -> None:
        self._file = original.close.enter_context(tifffile.TiffFile(as_file(original.source)))
        self._pages = [page for top in self._file.pages for page in _with_below(top.aspage(), _DEEPEST)]
        self._segments = {
            offset: _Segment(number, segment, length)
            for number, page in enumerate(self._pages)
            for segment, (offset, length) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=False))
            if length
        }
        self._whole: tuple[int, NDArray[Any]] | None = None

    def read(self, piece: Piece) -> NDArray[Any] | None:
        """One strip or tile; or part of a page, where a chunk is several strips."""
        if piece.path.rpartition("/")[2] == "colormap":
            return self._colours(piece)
        segment = self._segments.get(piece.offset)
        if segment is None or segment.length != piece.length:
            return self._of_page(piece)
        page = self._pages[segment.page]
        self._file.filehandle.seek(piece.offset)
        stored = self._file.filehandle.read(piece.length)
        tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        found, _, _ = page.decode(stored, segment.number, **{k: v for k, v in tables.items() if v is not None})
        return None if found is None else _fitted(found, piece)

    def _of_page(self, piece: Piece) -> NDArray[Any] | None:
        """A part of a page that holds some bytes. Only pages without compression are cut so."""
        before = [offset for offset in self._segments if offset <= piece.offset]
        if not before or piece.url is None:
            return None
        segment = self._segments[max(before)]
        if max(before) + segment.length <= piece.offset:
            return None
        if self._whole is None or self._whole[0] != segment.page:
            page = self._pages[segment.page]
            self._whole = segment.page, page.asarray().reshape(page.shaped)
        planes = self._whole[1]
        own = dict(zip(piece.meta.dims or (), piece.part, strict=True))
        bands, apart = own.get("band", slice(None)), planes.shape[0] > 1
        found = planes[bands if apart else slice(None), own.get("z", slice(None)), own["y"], own["x"]]
        return _fitted(found if apart else found[..., bands], piece)

    def _colours(self, piece: Piece) -> NDArray[Any] | None:
        for page in self._pages:
            tag = page.tags.get(tags.COLOR_MAP)
            if tag is not None and tag.valueoffset == piece.offset:
                return np.asarray(tag.value).reshape(piece.meta.shape)[piece.part]
        return None

    def attributes(self, path: str) -> Mapping[str, Any]:
        """The texts of the first page, which stand at the root."""
        page = self._pages[0]
        found = {name: page.tags.valueof(tag) for tag, name in tags.TEXTS.items()} if not path else {}
        return {name: value for name, value in found.items() if isinstance(value, str) and value}


def _with_below(page: Any, deepest: int) -> Iterator[Any]:
    """A page, and those of its SubIFDs."""
    yield page
    for below in (page.pages or ()) if deepest else ():
        yield from _with_below(below.aspage(), deepest - 1)


def _fitted(found: NDArray[Any], piece: Piece) -> NDArray[Any]:
    """What tifffile decodes has a depth, and samples; tiles hang over the edge. The part that is in the array."""
    shape = tuple(part.stop - part.start for part in piece.part)
    kept = found[tuple(slice(0, n) for n in _five(shape, piece, found.ndim))]
    return kept.reshape(shape)


def _five(shape: tuple[int, ...], piece: Piece, ndim: int) -> tuple[int, ...]:
    """The lengths of the axes that a decoded strip or tile has: [plane,] depth, length, width, samples."""
    own = dict(zip(piece.meta.dims or (), shape, strict=True))
    dims = piece.meta.dims or ()
    last = own.get("band", 1) if dims and dims[-1] == "band" else 1
    lengths = (own.get("z", 1), own["y"], own["x"], last)
    return (1, *lengths) if ndim == 5 else lengths
