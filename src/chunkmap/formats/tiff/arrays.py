"""From pages of one layout to an array: its shape, its chunks as columns, its fill value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.formats.tiff.codecs import coding_of
from chunkmap.formats.tiff.pages import PHOTOMETRICS, Layout, Page
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Sources
from chunkmap.model.grid import index_dtype

__all__ = ["Axes", "array_of", "fill_value_of"]

_PIECE: Final = 4 << 20
_LEAST_ROW: Final = 4 << 10


class Axes(NamedTuple):
    """The axes along which pages are stacked."""

    names: tuple[str, ...] = ()
    """Their names."""
    lengths: tuple[int, ...] = ()
    """How many pages along each."""


class _Places(NamedTuple):
    """The strips or tiles of all pages: rows of one column, and how they are cut."""

    grid: tuple[int, ...]
    """Number of chunks of one page, see `Layout.grid`."""
    chunk: tuple[int, int, int]
    """Depth, length and width of a chunk."""
    offsets: NDArray[np.uint64]
    lengths: NDArray[np.uint64]
    cut_short: bool
    """Whether the last strip of each page ends early, and must be filled up."""


def array_of(pages: Sequence[Page], axes: Axes, *, rgb: bool = True, mapped: bool = False) -> ManifestArray:
    """The pages, which have one layout, as one array. Raises Unsupported for a layout that has no codec.

    `mapped` says that a reference system stands beside it.
    """
    layout = pages[0].layout
    places = _placed(pages, layout)
    meta, grid = _meta_of(layout, axes, places.grid, places.chunk, (places.cut_short, rgb, mapped))
    return ManifestArray(meta, _manifest(grid, [page.directory.url for page in pages], places))


@lru_cache(maxsize=256)
def _meta_of(
    layout: Layout, axes: Axes, grid: tuple[int, ...], chunk: tuple[int, int, int], how: tuple[bool, bool, bool]
) -> tuple[ArrayMeta, tuple[int, ...]]:
    """What the array of such pages is, and the shape of its grid: files of a series share it."""
    cut_short, rgb, mapped = how
    coding = coding_of(layout, cut_short=cut_short, rgb=rgb)
    lead = len(axes.lengths)
    deep = layout.shape[0] > 1
    planes, samples = layout.separate, layout.interleaved > 1
    shape = (
        *axes.lengths,
        *_only((layout.samples,), planes),
        *layout.shape[not deep :],
        *_only((layout.samples,), samples),
    )
    chunk_shape = (*((1,) * lead), *_only((1,), planes), *chunk[not deep :], *_only((layout.samples,), samples))
    names = (*axes.names, *_only(("band",), planes), *_only(("z",), deep), "y", "x", *_only(("band",), samples))
    fill_value = fill_value_of(layout.nodata, coding.dtype)
    attrs = _attrs_of(layout, rgb=rgb)
    if mapped:
        attrs["grid_mapping"] = "spatial_ref"
    if layout.nodata is not None and fill_value is None:
        attrs["nodata"] = layout.nodata
    meta = ArrayMeta(
        shape=tuple(map(int, shape)),
        chunk_shape=chunk_shape,
        dtype=coding.dtype,
        filters=coding.filters,
        compressor=coding.compressor,
        fill_value=fill_value,
        dims=_distinct(names),
        attrs=attrs,
    )
    return meta, (*axes.lengths, *_only(grid[:1], planes), *grid[1 + (not deep) :], *_only((1,), samples))


def _attrs_of(layout: Layout, *, rgb: bool) -> dict[str, Any]:
    """What the numbers of a page mean."""
    name = PHOTOMETRICS.get(layout.photometric, str(layout.photometric))
    if name == "YCbCr" and layout.compression == "JPEG" and rgb:
        name = "RGB"
    attrs: dict[str, Any] = {"photometric": name}
    if layout.extra_samples:
        kinds = {0: "unspecified", 1: "premultiplied alpha", 2: "alpha"}
        attrs["extra_samples"] = [kinds.get(kind, str(kind)) for kind in layout.extra_samples]
    return attrs


def _only(what: tuple[Any, ...], when: bool) -> tuple[Any, ...]:
    return what if when else ()


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of axes, no two of which are the same."""
    found: list[str] = []
    for name in names:
        number = 2
        own = name
        while own in found:
            own, number = f"{name}_{number}", number + 1
        found.append(own)
    return tuple(found)


def _manifest(grid: tuple[int, ...], urls: Sequence[str], places: _Places) -> ChunkManifest:
    """The columns, of pages in these files; a strip or tile that is not stored has no row."""
    numbers = {url: number for number, url in enumerate(dict.fromkeys(urls), 1)}
    sources = np.ones(len(places.offsets), np.uint32)
    if len(numbers) > 1:
        sources = np.repeat(np.array([numbers[url] for url in urls], np.uint32), len(sources) // len(urls))
    offsets, lengths, index = places.offsets, places.lengths, None
    if np.count_nonzero(lengths) < len(lengths):
        rows = np.flatnonzero(lengths)
        offsets, lengths, index = offsets[rows], lengths[rows], rows.astype(index_dtype(len(lengths)))
        sources = sources[rows]
    return ChunkManifest(grid, Sources((None, *numbers)), sources, offsets, lengths, index)


def _placed(pages: Sequence[Page], layout: Layout) -> _Places:
    """The columns of all pages, one behind the other."""
    offsets = pages[0].offsets if len(pages) == 1 else np.concatenate([page.offsets for page in pages])
    lengths = pages[0].lengths if len(pages) == 1 else np.concatenate([page.lengths for page in pages])
    whole = layout.tiled or layout.shape[1] % layout.chunk[1] == 0
    places = _Places(layout.grid, layout.chunk, offsets, lengths, not whole)
    if whole or layout.grid[2] == 1:
        return places._replace(cut_short=False)
    return _recut(layout, places) if layout.compression == "none" else places


def _recut(layout: Layout, places: _Places) -> _Places:
    """Strips without compression that stand one behind the other, cut where all pieces are equal.

    Left as they are where they have gaps, or where the number of rows has no good divisor.
    """
    strips = layout.grid[2]
    starts, lengths = places.offsets.reshape(-1, strips), places.lengths.reshape(-1, strips)
    if not (lengths > 0).all() or not (starts[:, 1:] == starts[:, :-1] + lengths[:, :-1]).all():
        return places
    rows = _divisor(layout.shape[1], max(_PIECE // layout.row_nbytes, layout.chunk[1]))
    if rows * layout.row_nbytes < _LEAST_ROW and rows < layout.chunk[1]:
        return places
    pieces = layout.shape[1] // rows
    size = np.uint64(rows * layout.row_nbytes)
    offsets = starts[:, :1] + np.arange(pieces, dtype=np.uint64) * size
    grid = (*layout.grid[:2], pieces, layout.grid[3])
    chunk = (layout.chunk[0], rows, layout.chunk[2])
    return _Places(grid, chunk, offsets.reshape(-1), np.full(offsets.size, size, np.uint64), cut_short=False)


def _divisor(number: int, most: int) -> int:
    """The largest divisor that is not larger than `most`."""
    best = 1
    for low in range(1, math.isqrt(number) + 1):
        if not number % low:
            best = max([best, *(n for n in (low, number // low) if n <= most)])
    return best


def fill_value_of(nodata: str | None, dtype: np.dtype[Any]) -> Any:
    """The number for missing data in the type of the array; None where there is none, or none that the type has."""
    if nodata is None:
        return None
    text = nodata.strip().lower().replace("1.#qnan", "nan").replace("1.#ind", "nan")
    try:
        if dtype.kind in "iu":
            return _integer(text, dtype)
        if dtype.kind in "fc":
            return dtype.newbyteorder("=").type(float(text))
    except (ValueError, OverflowError):
        return None
    return None


def _integer(text: str, dtype: np.dtype[Any]) -> Any:
    try:
        number = int(text)
    except ValueError:
        as_float = float(text)
        if not as_float.is_integer():
            return None
        number = int(as_float)
    limits = np.iinfo(dtype)
    return dtype.newbyteorder("=").type(number) if limits.min <= number <= limits.max else None
