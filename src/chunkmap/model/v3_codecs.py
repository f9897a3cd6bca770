"""The codecs of Zarr v3, to and from those of numcodecs.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/index.html. A chain of v3 turns arrays into arrays,
then into bytes, then bytes into bytes. numcodecs knows no such kinds, and to decode none are needed: whatever a codec
gives back, its bytes are what the codec before it wants. So what v3 has by its own name, or zarr-python by the name
`numcodecs.<id>`, is written so, in its place; everything else is one codec of bytes, `CODEC`, whose configuration is
that of numcodecs. `chunkmap.codecs` registers it with zarr-python. Of what imagecodecs has, see `v3_imagecodecs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from chunkmap.errors import Unsupported
from chunkmap.model.codecs import COMPRESSORS, PACKAGES
from chunkmap.model.meta import ArrayMeta, CodecConfig
from chunkmap.model.trimming import TRIM
from chunkmap.model.v3_casts import CASTS, decode_cast, encode_cast, in_order_of, is_cast, stored_as
from chunkmap.model.v3_data_types import BYTES, STRING, named
from chunkmap.model.v3_imagecodecs import OF_ARRAYS, OF_BYTES, TO_BYTES, decode_imagecodecs, encode_imagecodecs, kind_of
from chunkmap.model.v3_shards import SHARDING, SHARDS, sharding
from chunkmap.model.variants import VARIANTS, Variants

__all__ = ["CODEC", "MAKES_TEXT", "Decoded", "decode_codecs", "encode_codecs", "objects_of"]

CODEC: Final = "chunkmap.numcodecs"
"""Any codec of numcodecs, as one from bytes to bytes."""

MAKES_TEXT: Final = "fill_hdf_strings"
"""The codec whose bytes, as those of `CODEC`, are text in the form of `vlen-utf8`."""

_NUMCODECS: Final = "numcodecs."
_OBJECT_CODECS: Final[Mapping[str, str]] = {"vlen-utf8": STRING, "vlen-bytes": BYTES}
_OF_ARRAYS: Final = frozenset({"astype", "bitround", "delta", "fixedscaleoffset", "packbits", "quantize"})
"""What zarr-python has under `numcodecs.` from arrays to arrays."""
_TO_BYTES: Final = frozenset({"pcodec", "zfpy"})
_OF_BYTES: Final = frozenset(
    {"adler32", "bz2", "crc32", "crc32c", "fletcher32", "jenkins_lookup3", "lz4", "lzma", "shuffle", "zlib"}
)
_SHUFFLES: Final[Mapping[int, str]] = {0: "noshuffle", 1: "shuffle", 2: "bitshuffle"}
_MOST_BLOSC: Final = 255
_ORDERS: Final[Mapping[Any, Literal["<", ">", "="]]] = {"big": ">", "little": "<", None: "="}


class Decoded(NamedTuple):
    """A chain as an `ArrayMeta` has it."""

    dtype: np.dtype[Any]
    order: Any
    filters: tuple[CodecConfig, ...]
    compressor: CodecConfig | None


def objects_of(meta: ArrayMeta) -> str | None:
    """What the objects of an array are, `STRING` or `BYTES`; None for another array.

    Raises Unsupported for objects that Zarr v3 has no name for.
    """
    if meta.dtype.kind != "O":
        return None
    first = str(meta.codecs[0].get("id")) if meta.codecs else "none"
    if first in _OBJECT_CODECS or first == MAKES_TEXT:
        return _OBJECT_CODECS.get(first, STRING)
    raise Unsupported(f"Zarr v3 has no data type for objects encoded by {first!r}; write Zarr v2", feature="data type")


# ---------------------------------------------------------------------- writing


def encode_codecs(meta: ArrayMeta) -> list[dict[str, Any]]:
    """The `codecs` of an array. Raises Unsupported when they cannot be told."""
    return list(_chain(meta, objects_of(meta)))


def _chain(meta: ArrayMeta, objects: str | None) -> Iterator[dict[str, Any]]:
    if meta.order == "F" and meta.ndim > 1:
        yield _named("transpose", order=list(range(meta.ndim))[::-1])
    rest = meta.codecs
    if objects is not None:
        yield _named("vlen-bytes" if objects == BYTES else "vlen-utf8")
        rest = rest if rest[0]["id"] == MAKES_TEXT else rest[1:]
    else:
        arrays = list(takewhile(lambda config: _is_of_arrays(config, meta), rest))
        yield from map(_of_arrays, arrays)
        rest = rest[len(arrays) :]
        if rest and rest[0]["id"] == SHARDS:
            yield sharding(rest[0])
            rest = rest[1:]
        elif rest and kind_of(rest[0], meta) == "to bytes":
            yield encode_imagecodecs(rest[0])
            rest = rest[1:]
        else:
            yield from _to_bytes(stored_as(arrays, meta.dtype))
    yield from (_encode(config, meta.dtype) for config in rest)


def _to_bytes(dtype: np.dtype[Any]) -> Iterator[dict[str, Any]]:
    """The codec `bytes`; the members of records are in orders of their own, which it does not know."""
    if dtype.names is None:
        order = {">": "big"}.get(dtype.str[0], "little")
        yield _named("bytes", endian=order) if dtype.kind not in "SVb" and dtype.itemsize > 1 else _named("bytes")
        return
    yield _named("bytes", endian="little")
    stored, read = (",".join(_members(d)) for d in (dtype, dtype.newbyteorder("<")))
    if stored != read:
        yield _named(CODEC, id="astype", encode_dtype=stored, decode_dtype=read)


def _members(dtype: np.dtype[Any]) -> Iterator[str]:
    """The types of a record's members, and of those of records in it."""
    for name in dtype.names or ():
        member = dtype[name]
        yield from [member.str] if member.names is None else _members(member)


def _is_of_arrays(config: CodecConfig, meta: ArrayMeta) -> bool:
    """Whether zarr-python has the codec from arrays to arrays, and its types are in the order of `bytes`.

    It takes no notice of `astype` in `quantize`.
    """
    dtype = meta.dtype
    if is_cast(config) or kind_of(config, meta) == "arrays":
        return True
    if config["id"] not in _OF_ARRAYS or dtype.kind not in "iufb":
        return False
    if config["id"] == "quantize" and np.dtype(config.get("astype", dtype)) != dtype:
        return False
    return not any(isinstance(text, str) and text[:1] == ">" for text in (dtype.str, *config.values()))


def _of_arrays(config: CodecConfig) -> dict[str, Any]:
    """A codec that turns arrays into arrays."""
    if is_cast(config):
        return encode_cast(config)
    return encode_imagecodecs(config) if config["id"] in OF_ARRAYS else _of_numcodecs(config)


def _encode(config: CodecConfig, dtype: np.dtype[Any]) -> dict[str, Any]:
    """A codec that turns bytes into bytes."""
    match config["id"]:
        case "gzip":
            return _named("gzip", level=config.get("level", 1))
        case "zstd":
            return _named("zstd", level=config.get("level", 0), checksum=bool(config.get("checksum", False)))
        case "crc32c" if config.get("location", "end") == "end":
            return _named("crc32c")
        case "blosc":
            return _named("blosc", **_encode_blosc(config, dtype))
        case "shuffle":  # without its size zarr-python takes that of the elements, numcodecs takes 4
            return _of_numcodecs({"elementsize": 4, **config})
        case "chunkmap.trim":
            return _named(TRIM, axis=config["axis"])
        case "chunkmap.variants":
            return _named(VARIANTS, variants=config["variants"])
        case other if other in _OF_BYTES:
            return _of_numcodecs(config)
        case other if other in OF_BYTES and len(config) == 1:
            return encode_imagecodecs(config)
    return {"name": CODEC, "configuration": dict(config)}


def _encode_blosc(config: CodecConfig, dtype: np.dtype[Any]) -> dict[str, Any]:
    """The automatic shuffle of numcodecs is that of bits for single bytes, and of bytes for all else."""
    shuffle = config.get("shuffle", 1)
    return {
        "typesize": max(1, min(dtype.itemsize, _MOST_BLOSC)),
        "cname": config.get("cname", "lz4"),
        "clevel": config.get("clevel", 5),
        "shuffle": _SHUFFLES.get(shuffle, "bitshuffle" if dtype.itemsize == 1 else "shuffle"),
        "blocksize": config.get("blocksize", 0),
    }


def _of_numcodecs(config: CodecConfig) -> dict[str, Any]:
    """A codec under the name that zarr-python gives it; it wants a configuration, even an empty one."""
    configuration = {name: value for name, value in config.items() if name != "id"}
    return {"name": f"{_NUMCODECS}{config['id']}", "configuration": configuration}


def _named(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration} if configuration else {"name": name}


# ---------------------------------------------------------------------- reading


def decode_codecs(
    codecs: Sequence[Any], dtype: np.dtype[Any], ndim: int, chunk_shape: Sequence[int] | None = None
) -> Decoded:
    """The dtype with its byte order, the order of elements, and the codecs of numcodecs; `chunk_shape` is None where
    chunks have several.

    Raises Unsupported for a chain that cannot be told, KeyError, TypeError or ValueError for what is none.
    """
    order, arrays, rest = "C", list[CodecConfig](), [named(codec) for codec in codecs]
    while rest and _is_of_arrays_by_name(rest[0][0]):
        name, configuration = rest.pop(0)
        chunks = chunk_shape if order == "C" else None
        if name == "transpose":
            order = _order(configuration["order"], ndim, first=not arrays and order == "C")
        elif name in CASTS:
            arrays.append(decode_cast(name, configuration, stored_as(arrays, dtype)))
        else:
            arrays.append(_decode(name, configuration, stored_as(arrays, dtype), chunks))
    if not rest:
        raise ValueError(f"no codec of {[name for name, _ in map(named, codecs)]} turns arrays into bytes")
    chunks = chunk_shape if order == "C" else None
    stored, to_bytes = _serializer(*rest.pop(0), stored_as(arrays, dtype), chunks)
    arrays = in_order_of(arrays, stored)
    dtype = dtype if any(map(is_cast, arrays)) else stored
    later = [_decode(name, configuration, stored, chunks) for name, configuration in rest]
    if to_bytes and later and later[0].get("id") == MAKES_TEXT:
        to_bytes = ()
    chain = (*arrays, *to_bytes, *later)
    _check_trim(chain, order, ndim)
    if chain and chain[-1]["id"] in COMPRESSORS:
        return Decoded(dtype, order, chain[:-1], chain[-1])
    return Decoded(dtype, order, chain, None)


def _check_trim(chain: Sequence[CodecConfig], order: str, ndim: int) -> None:
    """Chunks are cut as decoded elements in C order: after everything else, and along an axis that there is."""
    axes = [config["axis"] for config in chain if config["id"] == TRIM]
    if axes and not (len(axes) == 1 and chain[0]["id"] == TRIM and order == "C" and 0 <= axes[0] < ndim):
        raise ValueError(f"{TRIM} along axis {axes[0]} is not the first codec of row-major bytes of {ndim} axes")


def _is_of_arrays_by_name(name: str) -> bool:
    return (
        name == "transpose"
        or name in CASTS
        or name in OF_ARRAYS
        or (name.startswith(_NUMCODECS) and name.removeprefix(_NUMCODECS) in _OF_ARRAYS)
    )


def _order(order: Any, ndim: int, *, first: bool) -> str:
    if sorted(order) != list(range(ndim)):
        raise ValueError(f"transpose has the order {order}, expected the {ndim} axes")
    if list(order) == sorted(order):
        return "C"
    if list(order) == sorted(order)[::-1] and first:
        return "F"
    raise Unsupported(
        f"a transposition of axes to {list(order)} is not read, only their reversal before all other codecs",
        feature="transpose",
    )


def _serializer(
    name: str, configuration: Mapping[str, Any], dtype: np.dtype[Any], chunk_shape: Sequence[int] | None
) -> tuple[np.dtype[Any], tuple[CodecConfig, ...]]:
    """The dtype with its byte order, and the codec of numcodecs that turns arrays into bytes, if there is one."""
    if name == SHARDING and "shape" in configuration and dtype.kind != "O":
        return dtype.newbyteorder("<"), ({"id": SHARDS, **configuration},)
    if name == SHARDING:
        raise Unsupported("shards of text, or of what is not in this array, are not read whole", feature=SHARDING)
    if name in ("bytes", "endian"):
        endian = configuration.get("endian", "little" if dtype.names or dtype.kind in "SVb" else None)
        if endian is None and dtype.itemsize > 1:
            raise ValueError(f"the codec bytes does not say in which order the bytes of {dtype} are")
        return dtype.newbyteorder(_ORDERS[endian]), ()
    if name in _OBJECT_CODECS:
        return dtype, ({"id": name},)
    if name in TO_BYTES or name.removeprefix(_NUMCODECS) in _TO_BYTES:
        return dtype, (_decode(name, configuration, dtype, chunk_shape),)
    if name.removeprefix(_NUMCODECS) in PACKAGES:  # they have the same codec for numcodecs, which gives native bytes
        return dtype, ({"id": name.removeprefix(_NUMCODECS), **configuration},)
    raise Unsupported(f"the codec {name!r} is not known, which turns arrays into bytes", feature="codec")


def _decode(
    name: str, configuration: Mapping[str, Any], dtype: np.dtype[Any], chunk_shape: Sequence[int] | None
) -> CodecConfig:
    """One codec as numcodecs configures it. zarr-python fills in what is the array's own."""
    if name in OF_ARRAYS | TO_BYTES | OF_BYTES:
        return decode_imagecodecs(name, configuration, dtype, chunk_shape)
    return _decode_known(name, configuration, dtype)


def _decode_known(name: str, configuration: Mapping[str, Any], dtype: np.dtype[Any]) -> CodecConfig:
    match name:
        case "gzip" | "zstd":
            return {"id": name, **configuration}
        case "crc32c":
            return {"id": name, "location": "end"}
        case "blosc":
            numbers = {text: number for number, text in _SHUFFLES.items()}
            known = {key: value for key, value in configuration.items() if key != "typesize"}
            return {"id": name, **known, "shuffle": numbers[configuration["shuffle"]]}
        case "numcodecs.shuffle":
            return {"id": "shuffle", "elementsize": dtype.itemsize, **configuration}
        case "numcodecs.fixedscaleoffset" | "numcodecs.quantize":
            return {"id": name.removeprefix(_NUMCODECS), "dtype": dtype.str, **configuration}
        case "numcodecs.astype":
            return {"id": "astype", "decode_dtype": dtype.str, **configuration}
        case "chunkmap.numcodecs":
            return dict(configuration)
        case "chunkmap.trim" | "chunkmap.variants":
            return _own(name, configuration)
    if name.startswith(_NUMCODECS):
        return {"id": name.removeprefix(_NUMCODECS), **configuration}
    raise Unsupported(
        f"the codec {name!r} is not known: known are those of the Zarr specification but shards, and numcodecs.*",
        feature="codec",
    )


def _own(name: str, configuration: Mapping[str, Any]) -> CodecConfig:
    return Variants.from_json(configuration) if name == VARIANTS else {"id": TRIM, "axis": int(configuration["axis"])}
