"""A set as other readers of references take it, as far as bytes that stay where they are allow that.

Other readers know fewer codecs than numcodecs, and want JSON without NaN. What can be said in another way without
touching a byte is: a checksum behind a chunk is left out of its range, a compressor stands where Zarr v2 has a place
for it, what is left over from encoding is not said, numbers that JSON does not have are spelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from chunkmap.model.array import ManifestArray
from chunkmap.model.codecs import COMPRESSORS
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.model.manifest import WHOLE_FILE, ChunkManifest
from chunkmap.model.meta import ArrayMeta, CodecConfig
from chunkmap.model.references import ReferenceSet
from chunkmap.model.typed import as_text

__all__ = ["in_strict_json", "portable", "spelled", "with_plain_chunks"]

_CHECKSUM: Final = "fletcher32"
_CHECKSUM_BYTES: Final = 4

_NOT_SAID: Final[Mapping[str, frozenset[str]]] = {"zstd": frozenset({"checksum"}), "gzip": frozenset({"checksum"})}
"""What numcodecs writes into the configuration of a codec only to encode, and what some readers refuse."""


def portable(refs: ReferenceSet, zarr_format: ZarrFormat = 2) -> ReferenceSet:
    """The set as more readers take it: what is read through it is the same.

    Attributes that are NaN or infinite become text, `"NaN"`, which comes back as a number in chunkmap.

    >>> meta = ArrayMeta(shape=(2,), chunk_shape=(2,), dtype=np.dtype("<f4"), filters=({"id": "fletcher32"},))
    >>> array = ManifestArray(meta, ChunkManifest.single("a.nc", 100, 12, ndim=1))
    >>> plain = portable(ReferenceSet({"x": array})).arrays["x"]
    >>> plain.meta.codecs, plain.chunks[0]
    ((), Reference(source='a.nc', offset=100, length=8))
    """
    return in_strict_json(with_plain_chunks(refs), zarr_format)


def in_strict_json(refs: ReferenceSet, zarr_format: ZarrFormat) -> ReferenceSet:
    """The part of it that is about attributes."""
    arrays = {
        path: array.with_meta(attrs=spelled(array.meta.attrs, zarr_format)) for path, array in refs.arrays.items()
    }
    return replace(refs, arrays=arrays, groups={path: as_text(attrs) for path, attrs in refs.groups.items()})


def spelled(attrs: Mapping[str, Any], zarr_format: ZarrFormat) -> dict[str, Any]:
    """The attributes of an array as strict JSON; of v3, `_FillValue` is spelled in a way of its own."""
    return as_text(attrs, but="_FillValue" if zarr_format == 3 else None)


def with_plain_chunks(refs: ReferenceSet) -> ReferenceSet:
    """The part of it that is about chunks: codecs and ranges. Sets of which it was done are combined as others are."""
    return replace(refs, arrays={path: _plain_chunks(array) for path, array in refs.arrays.items()})


def _plain_chunks(array: ManifestArray) -> ManifestArray:
    meta = array.meta
    shorter = array.manifest() if meta.codecs and meta.codecs[-1].get("id") == _CHECKSUM else None
    if shorter is not None and _has_room(shorter):
        meta = _without_last(meta)
        array = ManifestArray(meta, replace(shorter, length=shorter.length - np.uint64(_CHECKSUM_BYTES)))
    return array.under(_with_plain_codecs(meta))


def _has_room(chunks: ChunkManifest) -> bool:
    """Whether the checksum can be left out of every range: all of them are known, and longer."""
    known = (chunks.length != np.uint64(WHOLE_FILE)) & (chunks.length >= np.uint64(_CHECKSUM_BYTES))
    return bool(known.all())


def _without_last(meta: ArrayMeta) -> ArrayMeta:
    if meta.compressor is not None:
        return replace(meta, compressor=None)
    return replace(meta, filters=meta.filters[:-1])


def _with_plain_codecs(meta: ArrayMeta) -> ArrayMeta:
    """The same codecs; a compressor that is the last one stands apart, as Zarr v2 has it."""
    codecs = [_plain(codec) for codec in meta.codecs if not _does_nothing(codec)]
    if codecs and codecs[-1]["id"] in COMPRESSORS:
        return replace(meta, filters=tuple(codecs[:-1]), compressor=codecs[-1])
    return replace(meta, filters=tuple(codecs), compressor=None)


def _plain(codec: CodecConfig) -> dict[str, Any]:
    unsaid = _NOT_SAID.get(codec["id"], frozenset())
    return {key: value for key, value in codec.items() if key not in unsaid}


def _does_nothing(codec: CodecConfig) -> bool:
    """A shuffle of single bytes leaves them where they are."""
    return codec["id"] == "shuffle" and codec.get("elementsize") == 1
