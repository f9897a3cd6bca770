"""The documents of Zarr v2, `.zarray` `.zattrs` `.zgroup`, to and from `ArrayMeta`.

Specification: https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html (sections "Metadata", "Data type encoding",
"Fill value encoding"). Written by hand: no zarr library is needed to scan, combine or store.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from chunkmap.errors import Remedy, StorageError, Unsupported
from chunkmap.model.meta import ArrayMeta, check_cells, check_extent, lengths_of
from chunkmap.model.records import check_packed
from chunkmap.model.trimming import trim_axis
from chunkmap.model.variants import VARIANTS, Variants

__all__ = [
    "DIMENSIONS",
    "GROUP",
    "NoFillValue",
    "array_document",
    "array_from_documents",
    "attrs_document",
    "decode_fill_value",
    "encode_fill_value",
]

DIMENSIONS: Final = "_ARRAY_DIMENSIONS"
"""The attribute in which xarray keeps the names of the axes in Zarr v2."""

GROUP: Final[Mapping[str, Any]] = {"zarr_format": 2}
"""The content of every `.zgroup`."""

_NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def array_document(meta: ArrayMeta) -> dict[str, Any]:
    """The content of `.zarray`.

    Raises Unsupported for missing chunks that read as what is not missing, and for chunks of several lengths.
    """
    if meta.background is not None:
        raise Unsupported(
            f"missing chunks read as {meta.background}, which masks nothing: Zarr v2 has no words for that, write v3",
            feature="fill value",
        )
    if meta.edges or trim_axis(meta) is not None:
        remedy = Remedy("zarr_format", 3)
        raise Unsupported(
            f"its chunks are of several lengths, {meta.chunks}, for which Zarr v2 has no grid; Zarr v3 has one, and"
            f" references of Zarr v3 are kept as JSON: {remedy}",
            feature="rectilinear chunk grid",
        ).helped_by(remedy)
    return {
        "shape": list(meta.shape),
        "chunks": list(meta.chunk_shape),
        "dtype": _encode_dtype(meta.dtype),
        "fill_value": encode_fill_value(meta.fill_value, meta.dtype),
        "order": meta.order,
        "filters": [dict(f) for f in meta.filters] or None,
        "dimension_separator": ".",
        "compressor": None if meta.compressor is None else dict(meta.compressor),
        "zarr_format": 2,
    }


class NoFillValue(ValueError):
    """What a document calls the fill value is none of its type: all else of the array may be as it should."""


def _fill_value(zarray: Mapping[str, Any], dtype: np.dtype[Any]) -> Any:
    said = _said_fill_value(zarray)
    try:
        return decode_fill_value(said, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        text = str(error)
        raise NoFillValue(text if "fill_value" in text else f"fill_value is {said!r}: {text}") from error


def _said_fill_value(zarray: Mapping[str, Any]) -> Any:
    """The fill value of the document; of objects as zarr-python has it since 3: of text a number stands for itself as
    text, and that of bytes is base64.
    """
    value, codecs = zarray.get("fill_value"), [config.get("id") for config in zarray.get("filters") or ()]
    if value is None:
        return None
    if "vlen-utf8" in codecs:
        if not isinstance(value, (str, int, float)):
            raise NoFillValue(f"fill_value is {value!r}, expected text or a number")
        return str(value)
    if "vlen-bytes" in codecs:
        try:
            return base64.standard_b64decode(value)
        except (binascii.Error, TypeError, ValueError) as error:
            raise NoFillValue(f"fill_value is {value!r}, expected bytes in base64") from error
    return value


def attrs_document(meta: ArrayMeta) -> dict[str, Any]:
    """The content of an array's `.zattrs`: the attributes, and the names of the axes among them."""
    attrs = {name: value for name, value in meta.attrs.items() if name != DIMENSIONS}
    return attrs if meta.dims is None else {DIMENSIONS: list(meta.dims), **attrs}


def array_from_documents(path: str, zarray: Mapping[str, Any], zattrs: Mapping[str, Any]) -> ArrayMeta:
    """Read `.zarray` and `.zattrs`. Raises StorageError naming the array and the entry that is wrong."""
    try:
        if zarray.get("zarr_format", 2) != 2:
            raise ValueError(f"zarr_format is {zarray['zarr_format']!r}, expected 2")
        check_extent(zarray["shape"], zarray.get("filters") or ())
        dtype = _decode_dtype(zarray["dtype"])
        if dtype.subdtype is not None:
            raise ValueError(f"dtype is {zarray['dtype']!r}, expected that of one element")
        attrs = dict(zattrs)
        dims = attrs.pop(DIMENSIONS, None)
        meta = ArrayMeta(
            shape=lengths_of(zarray["shape"]),
            chunk_shape=lengths_of(zarray["chunks"]),
            dtype=dtype,
            filters=tuple(map(_codec, zarray.get("filters") or ())),
            compressor=None if zarray.get("compressor") is None else _codec(zarray["compressor"]),
            fill_value=_fill_value(zarray, dtype),
            order=_order(zarray.get("order", "C")),
            dims=None if dims is None else tuple(map(str, dims)),
            attrs=attrs,
        )
        check_cells(meta)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, SyntaxError) as error:
        found = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise StorageError(f"{path}/.zarray: not the metadata of a Zarr v2 array: {found}") from error
    return meta


def encode_fill_value(value: Any, dtype: np.dtype[Any]) -> Any:
    """A fill value as JSON has it.

    >>> encode_fill_value(np.float32("nan"), np.dtype("f4")), encode_fill_value(b"ab", np.dtype("S2"))
    ('NaN', 'YWI=')
    """
    if value is None or (dtype.kind == "O" and not isinstance(value, bytes)):
        return value
    if dtype.kind in "SVO":
        raw = value.tobytes() if isinstance(value, np.void) else bytes(value)
        return base64.standard_b64encode(raw).decode("ascii")
    if dtype.kind == "U":
        return str(value)
    if dtype.kind in "mM":
        return int(np.asarray(value, dtype).view("i8" if dtype.isnative else dtype.byteorder + "i8"))
    if dtype.kind == "c":
        return [_encode_float(float(np.real(value))), _encode_float(float(np.imag(value)))]
    if dtype.kind == "f":
        return _encode_float(float(value))
    return bool(value) if dtype.kind == "b" else int(value)


def decode_fill_value(value: Any, dtype: np.dtype[Any]) -> Any:
    """The scalar that JSON stands for. Raises ValueError or TypeError when it cannot be of this dtype.

    >>> decode_fill_value("NaN", np.dtype("f4")), decode_fill_value("YWI=", np.dtype("S2"))
    (np.float32(nan), b'ab')
    """
    if value is None or dtype.kind == "O":
        return value
    if dtype.kind in "SV":
        return _decode_raw(value, dtype)
    if dtype.kind == "U":
        return str(value)
    if dtype.kind in "mM":
        return np.array([int(value)], "i8").view(dtype.newbyteorder("="))[0]
    if dtype.kind == "c":
        real, imag = value if isinstance(value, (list, tuple)) else (value, 0.0)
        return dtype.type(complex(_decode_float(real), _decode_float(imag)))
    if dtype.kind == "f":
        return dtype.type(_decode_float(value))
    if dtype.kind in "iu":
        return _decode_integer(value, dtype)
    return np.array([value]).astype(dtype.newbyteorder("="), casting="unsafe")[0]


def _decode_integer(value: Any, dtype: np.dtype[Any]) -> Any:
    """`-9999.0` is taken for an integer, as Zarr takes it; what is no integer of this dtype is refused."""
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"fill_value is {value!r}, expected an integer")
    return np.array([int(value)], dtype.newbyteorder("="))[0]


def _decode_raw(value: Any, dtype: np.dtype[Any]) -> Any:
    if value in (0, "", "0"):
        raw = b""
    else:
        try:
            raw = base64.standard_b64decode(value)
        except (binascii.Error, TypeError, ValueError):
            raw = str(value).encode()
    if dtype.kind == "S":
        return raw
    return np.frombuffer(raw.ljust(dtype.itemsize, b"\0")[: dtype.itemsize], dtype)[0]


def _encode_float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _decode_float(value: Any) -> float:
    return _NOT_FINITE[value] if isinstance(value, str) and value in _NOT_FINITE else float(value)


def _encode_dtype(dtype: np.dtype[Any]) -> Any:
    if dtype.fields is None:
        return dtype.str
    check_packed(dtype)
    return [_encode_field(name, dtype) for name in dtype.names or ()]


def _encode_field(name: str, dtype: np.dtype[Any]) -> list[Any]:
    assert dtype.fields is not None
    field = dtype.fields[name][0]
    base, shape = field.subdtype or (field, ())
    return [name, _encode_dtype(base), *([list(shape)] if shape else [])]


def _decode_dtype(value: Any) -> np.dtype[Any]:
    if isinstance(value, str):
        return np.dtype(value)
    fields = [(str(f[0]), _decode_dtype(f[1]), *(tuple(s) for s in f[2:])) for f in value]
    return np.dtype(fields)


def _codec(config: Any) -> Mapping[str, Any]:
    if not isinstance(config, Mapping) or not isinstance(config.get("id"), str):
        raise TypeError(f"a codec is {config!r}, expected an object with an id")
    return Variants.from_json(config) if config["id"] == VARIANTS else config


def _order(value: Any) -> Any:
    if value not in ("C", "F"):
        raise ValueError(f"order is {value!r}, expected 'C' or 'F'")
    return value
