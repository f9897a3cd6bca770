"""Which readers of references decode an array, and if not, why: what docs/readers.md says, as data.

The tests run every reader that is here on every kind of array, and compare what it reads with what stands below.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from chunkmap.model.array import ManifestArray
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.model.meta import ArrayMeta
from chunkmap.model.references import ReferenceSet
from chunkmap.model.typed import is_json
from chunkmap.model.v3_codecs import encode_codecs
from chunkmap.model.variants import variants_of

__all__ = ["READERS", "Reader", "obstacles", "obstacles_of"]

_OF_OTHERS: Final = ("hdf4_", "hdf5_", "fits_", "tiff_", "zarr_", "FITS", "chunkmap.", "imagecodecs_")
_OURS: Final = frozenset({"fill_hdf_strings", "record_member", "record_slice", "deflate", "grib"})
"""Codecs that numcodecs does not bring: it knows them where chunkmap, kerchunk or imagecodecs are installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What a reader can do."""

    name: str
    tried: str
    """The version that the tests were run with."""
    codecs: Mapping[ZarrFormat, frozenset[str] | None]
    """Version of Zarr -> codecs that it knows by the names of that version; `"*"` stands for all of numcodecs, None for
    those of chunkmap as well, where that is installed."""
    kinds: Mapping[ZarrFormat, str] = field(default_factory=dict)
    """Version of Zarr -> the kinds of types that it knows, as numpy names them; all, where nothing is said."""
    texts: bool = True
    """Whether it knows text of any length, where it does not know all kinds."""
    refuses: Mapping[str, Callable[[ManifestArray, ZarrFormat], bool]] = field(default_factory=dict)
    """What else it does not read: the reason, and whether that is so of an array."""
    names: re.Pattern[str] | None = None
    """The names that it reads, where not all."""
    strict: bool = False
    """Whether it reads JSON only that has no NaN."""


def _is_known(name: str) -> bool:
    return not name.startswith(_OF_OTHERS) and name not in _OURS


def _is_short(array: ManifestArray, _version: ZarrFormat) -> bool:
    meta = array.meta
    return meta.dtype.kind == "f" and meta.dtype.itemsize not in (4, 8)


def _is_big(array: ManifestArray, version: ZarrFormat) -> bool:
    meta = array.meta
    return version == 2 and meta.dtype.str[0] == ">" and not meta.codecs


def _is_in_f_order(array: ManifestArray, version: ZarrFormat) -> bool:
    return version == 2 and array.meta.order == "F" and array.meta.ndim > 1


def _has_gaps(array: ManifestArray, _version: ZarrFormat) -> bool:
    return array.meta.missing is None and array.most_chunks < math.prod(array.meta.grid_shape)


def _is_of_objects(array: ManifestArray, _version: ZarrFormat) -> bool:
    texts = ("vlen-utf8", "vlen-bytes")
    return array.meta.dtype.kind == "O" and all(codec["id"] not in texts for codec in array.meta.codecs)


_CHAIN: Final = "::"
_INNER: Final = "files within compressed ones, but through chunkmap.open_store"
_OBJECTS: Final = "objects that are no text: sequences of variable length"
_ZARRITA: Final = frozenset({"zlib", "gzip", "zstd", "lz4", "blosc", "shuffle", "delta", "bitround", "vlen-utf8"})
_GDAL: Final = frozenset({"gzip", "zstd", "blosc"})

READERS: Final = (
    Reader(
        name="zarr-python 3",
        tried="3.1.6, 3.4.2; fsspec 2026.9.0",
        codecs={2: None, 3: None},
        refuses={_OBJECTS: _is_of_objects},
    ),
    Reader(
        name="zarr-python 2",
        tried="2.18.7; numcodecs 0.15.2",
        codecs={2: frozenset({"*"})},
        refuses={"missing chunks without a fill value, which are there what was in memory": _has_gaps},
    ),
    Reader(
        name="zarrita",
        tried="0.7.5; Node 20",
        codecs={
            2: _ZARRITA | {"fixedscaleoffset"},
            3: frozenset({"bytes", "transpose", *_ZARRITA, *(f"numcodecs.{name}" for name in _ZARRITA)}),
        },
        kinds={2: "iufbSU", 3: "iufb"},
        refuses={"floats of 2 or 16 bytes": _is_short},
        names=re.compile(r"[A-Za-z0-9._~/-]*"),
        strict=True,
    ),
    Reader(
        name="zarrs",
        tried="0.2.3",
        codecs={2: None, 3: None},
        refuses={
            _OBJECTS: _is_of_objects,
            "big-endian without a codec, in Zarr v2": _is_big,
            "order F, in Zarr v2": _is_in_f_order,
        },
    ),
    Reader(
        name="GDAL",
        tried="3.12.2",
        codecs={2: _GDAL | {"zlib", "lzma", "delta", "shuffle"}, 3: _GDAL | {"bytes", "transpose"}},
        kinds={2: "iufbc", 3: "iufbc"},
        texts=False,
        names=re.compile('[^:"]*'),
        refuses={"an array without axes": lambda array, _version: array.meta.ndim == 0},
    ),
    Reader(name="Icechunk", tried="1.1.21", codecs={3: None}),
)
"""The readers that the tests run."""


def obstacles(path: str, array: ManifestArray, version: ZarrFormat = 2) -> dict[str, str]:
    """Reader -> why it does not decode an array of a set of this version of Zarr; those that do are not among them, and
    neither are those that take no references of that version.

    >>> from chunkmap.model import ChunkManifest
    >>> import numpy as np
    >>> meta = ArrayMeta(shape=(2,), chunk_shape=(2,), dtype=np.dtype("<f4"), filters=({"id": "fletcher32"},))
    >>> sorted(obstacles("x", ManifestArray(meta, ChunkManifest.single("a.nc", 0, 12, ndim=1))))
    ['GDAL', 'zarrita']
    """
    found = {reader.name: _obstacle(reader, path, array, version) for reader in READERS if version in reader.codecs}
    return {name: why for name, why in found.items() if why is not None}


def obstacles_of(refs: ReferenceSet, version: ZarrFormat) -> dict[str, dict[str, str]]:
    """Array -> reader -> why it does not decode the array, of those arrays that some reader does not.

    Files within others have chained URLs, which fsspec opens, and no reader of references follows.
    """
    inner = any(_CHAIN in url for url in refs.targets)
    found = {}
    for path, array in refs.arrays.items():
        own = obstacles(path, array, version)
        if inner and any(_CHAIN in url for url in array.manifest().urls):
            own = {reader.name: own.get(reader.name, _INNER) for reader in READERS if version in reader.codecs}
        found[path] = own
    return {path: own for path, own in found.items() if own}


def _obstacle(reader: Reader, path: str, array: ManifestArray, version: ZarrFormat) -> str | None:
    meta = array.meta
    if variants_of(meta):
        return "chunks encoded in several ways, but through chunkmap.open_store"
    known = reader.codecs[version]
    missing = [] if known is None else [name for name in _names(meta, version) if not _knows(known, name)]
    if missing:
        return f"the codec {missing[0]}"
    kinds = reader.kinds.get(version)
    if kinds is not None and meta.dtype.kind not in kinds and not (reader.texts and _is_text(meta)):
        return f"elements of {meta.dtype}"
    for why, applies in reader.refuses.items():
        if applies(array, version):
            return why
    if reader.strict and not is_json(meta.attrs):
        return "NaN among attributes"
    return "its name" if reader.names is not None and not reader.names.fullmatch(path) else None


def _names(meta: ArrayMeta, version: ZarrFormat) -> list[str]:
    """The codecs, by the names that a version of Zarr has for them."""
    if version == 2:
        return [str(codec["id"]) for codec in meta.codecs]
    return [str(codec["name"]) for codec in encode_codecs(meta)]


def _knows(known: frozenset[str], name: str) -> bool:
    return name in known or ("*" in known and _is_known(name))


def _is_text(meta: ArrayMeta) -> bool:
    return meta.dtype.kind == "O" and any(codec["id"] == "vlen-utf8" for codec in meta.codecs)
