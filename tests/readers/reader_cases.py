"""Arrays of every kind that scans give, over one file, and the values in them: what other readers are tried on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

import numcodecs
import numpy as np

import chunkmap.codecs  # noqa: F401 - numcodecs is told of them
from chunkmap import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.model import Target

SHAPE, CHUNKS = (6, 8), (4, 8)


class Case(NamedTuple):
    """One array: its type, its codecs, and what else is special about it."""

    dtype: str = "<f4"
    codecs: tuple[dict[str, Any], ...] = ()
    meta: Mapping[str, Any] = MappingProxyType({})
    held: str = "file"
    """Where the chunks are: in the file, `inline`, or only the first of them (`gaps`)."""


SHUFFLE, ZLIB = {"id": "shuffle", "elementsize": 4}, {"id": "zlib", "level": 4}
FLETCHER = {"id": "fletcher32"}
CASES = {
    **{name: Case(name) for name in ("<f4", ">f4", "<f8", "<i1", "<i2", ">i2", "<i4", "<i8", "<u1", "<u2", "<u4")},
    **{name: Case(name) for name in ("<u8", "<f2", "|b1", "<c8", "|S5", "<U5", "<M8[ns]")},
    "records": Case("<i2,<f4"),
    "text of any length": Case("|O", ({"id": "vlen-utf8"},)),
    "zlib": Case(codecs=(ZLIB,)),
    "shuffle, zlib": Case(codecs=(SHUFFLE, ZLIB)),
    "shuffle, zlib, fletcher32": Case(codecs=(SHUFFLE, ZLIB, FLETCHER)),
    "fletcher32": Case(codecs=(FLETCHER,)),
    "fletcher32, zlib": Case(codecs=(FLETCHER, ZLIB)),
    "gzip": Case(codecs=({"id": "gzip", "level": 4},)),
    "zstd": Case(codecs=({"id": "zstd", "level": 4},)),
    "shuffle, zstd": Case(codecs=(SHUFFLE, {"id": "zstd", "level": 4})),
    "lz4": Case(codecs=({"id": "lz4", "acceleration": 1},)),
    "bz2": Case(codecs=({"id": "bz2", "level": 4},)),
    "lzma": Case(codecs=({"id": "lzma", "format": 1, "check": -1, "preset": None, "filters": None},)),
    "blosc": Case(codecs=({"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 1, "blocksize": 0},)),
    "delta": Case("<i4", ({"id": "delta", "dtype": "<i4"}, ZLIB)),
    "fixedscaleoffset": Case(
        "<f8", ({"id": "fixedscaleoffset", "scale": 10, "offset": 0, "dtype": "<f8", "astype": "<i2"}, ZLIB)
    ),
    "bitround": Case("<f4", ({"id": "bitround", "keepbits": 23}, ZLIB)),
    "hdf5_lzf": Case(codecs=({"id": "hdf5_lzf", "size": 128},)),
    "imagecodecs_lzw": Case(codecs=({"id": "imagecodecs_lzw"},)),
    "in order F": Case(meta={"order": "F"}),
    "gaps": Case(meta={"fill_value": np.float32(-9)}, held="gaps"),
    "gaps of NaN": Case(meta={"fill_value": np.float32("nan")}, held="gaps"),
    "no fill value": Case(held="gaps"),
    "held inline": Case(held="inline"),
    "NaN among attributes": Case(meta={"attrs": {"missing_value": float("nan"), "valid_max": float("inf")}}),
    "a name: with & marks?": Case(),
    "grün": Case(),
    "a scalar": Case(),
}


def safe(name: str) -> str:
    """The case as the name of an array; names that are cases themselves stay."""
    if name in ("grün", "a name: with & marks?"):
        return name
    return "".join(c if c.isalnum() else "_" for c in name.replace("<", "little_").replace(">", "big_"))


def values_of(name: str) -> np.ndarray:
    """The values of an array."""
    case = CASES[name]
    shape = () if name == "a scalar" else SHAPE
    count = np.arange(1, 1 + int(np.prod(shape)))
    if name == "records":
        out = np.zeros(shape, case.dtype)
        out["f0"], out["f1"] = count.reshape(shape), count.reshape(shape) / 2
        return out
    if case.dtype in ("|O", "|S5", "<U5"):
        kind = {"|O": object, "|S5": "S5", "<U5": "U5"}[case.dtype]
        return np.array([f"n{n}" for n in count]).astype(kind).reshape(shape)
    out = (count % 2 if case.dtype == "|b1" else count).reshape(shape).astype(case.dtype)
    if case.held == "gaps":
        out[4:] = case.meta.get("fill_value", 0)
    return out


def make(folder: Any, names: list[str] | None = None) -> ReferenceSet:
    """A set of these arrays over `folder/data.bin`, each in two chunks of 4 rows."""
    arrays, data, url = {}, bytearray(), str(folder / "data.bin")
    for name in names or CASES:
        meta, parts = _meta(name), _chunks(name)
        rows = []
        for part in parts:
            rows.append((len(data), len(part)))
            data += part
        arrays[safe(name)] = ManifestArray(meta, _manifest(meta, url, CASES[name], rows, parts))
    (folder / "data.bin").write_bytes(data)
    changed = (folder / "data.bin").stat().st_mtime
    return ReferenceSet(arrays, targets={url: Target(size=len(data), mtime=changed)})


def _meta(name: str) -> ArrayMeta:
    case = CASES[name]
    meta = ArrayMeta(
        shape=() if name == "a scalar" else SHAPE,
        chunk_shape=() if name == "a scalar" else CHUNKS,
        dtype=np.dtype(case.dtype),
        filters=case.codecs,
        dims=() if name == "a scalar" else ("y", "x"),
    )
    return replace(meta, **case.meta)


def _chunks(name: str) -> list[bytes]:
    """The stored bytes of each chunk, encoded by numcodecs; the last hangs over the end."""
    values, meta = values_of(name), _meta(name)
    if name == "a scalar":
        return [values.tobytes()]
    whole = np.zeros((8, 8), values.dtype)
    if values.dtype == object:
        whole[:] = ""
    whole[:6] = values
    found = []
    for start, _ in product((0, 4), (0,)):
        part = whole[start : start + 4]
        part = part.ravel(order="F") if meta.order == "F" else part.ravel()
        for codec in CASES[name].codecs:
            part = _encoder(codec).encode(part)
        found.append(bytes(part.tobytes() if isinstance(part, np.ndarray) else part))
    return found[:1] if CASES[name].held == "gaps" else found


def _encoder(codec: dict[str, Any]) -> Any:
    """What writes such chunks: the codecs of this package decode only."""
    import imagecodecs

    others = {"hdf5_lzf": imagecodecs.lzf_encode, "imagecodecs_lzw": imagecodecs.lzw_encode}
    if codec["id"] in others:
        return type("Encoder", (), {"encode": staticmethod(lambda part: others[codec["id"]](part.tobytes()))})
    return numcodecs.get_codec(codec)


def _manifest(meta: ArrayMeta, url: str, case: Case, rows: list, parts: list[bytes]) -> ChunkManifest:
    coords = [[n, 0] for n in range(len(rows))] if meta.ndim else [[]]
    urls = parts if case.held == "inline" else [url] * len(rows)
    offsets = [0 if case.held == "inline" else offset for offset, _ in rows]
    return ChunkManifest.from_rows(meta.grid_shape, coords, urls, offsets, [length for _, length in rows])
