"""From where to where the coordinates of a set reach, as far as the set itself holds their values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from chunkmap.errors import ChunkmapError
from chunkmap.model import ManifestArray, ReferenceSet

__all__ = ["spans_of"]

_MOST_CHUNKS: Final = 1000
"""Chunks that are decoded for a line."""
_PACKED: Final = frozenset({"scale_factor", "add_offset"})


def spans_of(refs: ReferenceSet) -> dict[str, tuple[str, str]]:
    """The first and the last value of each coordinate, in words: times as dates. No file is read for it.

    Coordinates whose values lie in the files, or are packed, are left out.
    """
    return dict(_spans(refs))


def _spans(refs: ReferenceSet) -> Iterator[tuple[str, tuple[str, str]]]:
    for path, array in refs.arrays.items():
        if not _is_coordinate(path, array) or _PACKED & array.meta.attrs.keys():
            continue
        chunks = array.manifest()
        if not 0 < chunks.size <= _MOST_CHUNKS or len(chunks) != chunks.size or not chunks.is_inline.all():
            continue
        words = _ends(array)
        if words:
            yield path, (words[0], words[-1])


def _ends(array: ManifestArray) -> list[str]:
    """The first and the last value; none where a codec is missing here: the table of the set stands without it."""
    # What decodes, and cftime: for sets with coordinates.
    from chunkmap.access.fetching import Fetcher  # noqa: PLC0415
    from chunkmap.access.values import read_array  # noqa: PLC0415
    from chunkmap.combining.times import in_words  # noqa: PLC0415

    try:
        values: Any = read_array(array, Fetcher())
    except ChunkmapError:
        return []

    return in_words(np.asarray(values)[[0, -1]], array.meta.attrs)


def _is_coordinate(path: str, array: ManifestArray) -> bool:
    """Whether an array is named as its one dimension, along which there is something."""
    meta = array.meta
    is_own = meta.dims == (path.rpartition("/")[2],)
    return is_own and meta.shape[0] > 0 and meta.dtype.fields is None
