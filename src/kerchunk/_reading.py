"""Reading through references, for the doors that inline: the bytes of many references, the elements of one array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import numcodecs
import numpy as np
from numpy.typing import NDArray

from chunkmap.io import BytesSource, Range, Source, open_source
from chunkmap.model import WHOLE_FILE, ChunkManifest, ManifestArray, Reference

__all__ = ["fetch", "values"]


def values(array: ManifestArray, remote_options: Mapping[str, Any] | None) -> NDArray[Any]:
    """The decoded elements of a small array."""
    meta = array.meta
    missing = "" if meta.dtype.hasobject else 0
    elements = np.full(meta.shape, missing if meta.fill_value is None else meta.fill_value, meta.dtype)
    codecs = [numcodecs.get_codec(dict(config)) for config in reversed(meta.codecs)]
    stored = fetch(list(map(_reference, array.chunks.rows())), remote_options)
    for cell, data in zip(np.ndindex(*array.chunks.grid_shape), _cells(array.chunks, stored), strict=True):
        if data is not None:
            decoded = data
            for codec in codecs:
                decoded = codec.decode(decoded)
            block = np.asarray(decoded) if meta.dtype.hasobject else np.frombuffer(decoded, meta.dtype)
            limits = zip(cell, meta.chunk_shape, meta.shape, strict=True)
            places = tuple(slice(c * n, min((c + 1) * n, end)) for c, n, end in limits)
            inside = tuple(slice(place.stop - place.start) for place in places)
            elements[places] = block.reshape(meta.chunk_shape, order=meta.order)[inside]
    return elements


def _cells(chunks: ChunkManifest, stored: Sequence[bytes]) -> list[bytes | None]:
    """What each cell of the grid holds."""
    cells: list[bytes | None] = [None] * chunks.size
    for position, data in zip(chunks.positions().tolist(), stored, strict=True):
        cells[position] = data
    return cells


def _reference(found: Reference) -> list[Any]:
    return [found.source] if found.length == WHOLE_FILE else list(found)


def fetch(
    references: Sequence[Sequence[Any]],
    remote_options: Mapping[str, Any] | None = None,
    remote_protocol: str | None = None,
) -> list[bytes]:
    """The bytes of references, all those of one file at once; bytes in the place of a URL are their own source."""
    numbers: dict[Any, list[int]] = {}
    for number, (url, *_) in enumerate(references):
        numbers.setdefault(url, []).append(number)
    found: list[bytes] = [b""] * len(references)
    for url, wanted in numbers.items():
        with closing(_source(url, remote_options, remote_protocol)) as source:
            ranges = [Range(*references[n][1:]) if len(references[n]) == 3 else Range(0, source.size()) for n in wanted]
            for number, data in zip(wanted, source.read_many(ranges), strict=True):
                found[number] = bytes(data)
    return found


def _source(url: str | bytes, options: Mapping[str, Any] | None, protocol: str | None) -> Source:
    if isinstance(url, bytes):
        return BytesSource(url)
    named = url if protocol is None or "://" in url else f"{protocol}://{url}"
    return open_source(named, storage_options=options)
