"""The documents of Zarr v3, `zarr.json` of arrays and groups, to and from `ArrayMeta`.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html, "Array metadata", "Group metadata".
Data types and fill values are those of `v3_data_types`, codecs those of `v3_codecs`, chunk grids those of `v3_grids`.

What is missing is said otherwise than in v2, whose `fill_value` is what missing chunks read as, and masks: in v3 it
masks nothing and is never null, and what xarray masks is the attribute `_FillValue`, a number of 8 bytes in base64 for
floats. xarray understands that attribute of numbers alone, and fails on that of anything else. So what it would not
understand stands beside the attributes, in the extension `chunkmap` of the document, which other readers leave alone.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from chunkmap.errors import StorageError, Unsupported
from chunkmap.model.meta import ArrayMeta, check_cells, check_extent, lengths_of, same_scalar
from chunkmap.model.typed import as_numpy, codes_of, typed
from chunkmap.model.v3_codecs import decode_codecs, encode_codecs, objects_of
from chunkmap.model.v3_data_types import (
    decode_data_type,
    decode_scalar,
    default_scalar,
    encode_data_type,
    encode_scalar,
    named,
)
from chunkmap.model.v3_grids import decode_grid, encode_grid
from chunkmap.model.v3_shards import with_shape
from chunkmap.model.zarr_v2 import DIMENSIONS, NoFillValue

__all__ = [
    "DOCUMENT",
    "EXTENSION",
    "array_document",
    "array_from_document",
    "consolidated_documents",
    "group_document",
    "is_array",
]

DOCUMENT: Final = "zarr.json"
"""The name of every document."""

EXTENSION: Final = "chunkmap"
"""The entry of an array's document that other readers need not understand."""

_MASK: Final = "_FillValue"
_KNOWN: Final = frozenset(
    {"zarr_format", "node_type", "shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs"}
    | {"attributes", "dimension_names", "storage_transformers"}
)
_KEY_ENCODINGS: Final = frozenset({"default", "v2"})


# ---------------------------------------------------------------------- writing


def array_document(meta: ArrayMeta) -> dict[str, Any]:
    """The `zarr.json` of an array. Raises Unsupported for what Zarr v3 has no words for.

    Chunks have the keys `c/0/1`, the default of the specification, which every reader knows.
    """
    objects = objects_of(meta)
    dtype = meta.dtype
    attributes, beside = _encode_mask(meta, objects)
    document: dict[str, Any] = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(meta.shape),
        "data_type": encode_data_type(dtype) if objects is None else objects,
        "chunk_grid": encode_grid(meta),
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": encode_scalar(meta.missing, dtype, objects),
        "codecs": encode_codecs(meta),
        "attributes": attributes,
    }
    if meta.dims is not None:
        document["dimension_names"] = list(meta.dims)
    types = meta.types()
    if types:
        beside["attribute_types"] = types
    if beside:
        document[EXTENSION] = {"must_understand": False, **beside}
    return document


def group_document(
    attrs: Mapping[str, Any], consolidated: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """The `zarr.json` of a group; `consolidated` are the documents of what is below it, by path."""
    document: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": dict(attrs)}
    if consolidated is not None:
        document["consolidated_metadata"] = {
            "kind": "inline",
            "must_understand": False,
            "metadata": dict(consolidated),
        }
    return document


def _encode_mask(meta: ArrayMeta, objects: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes as xarray understands them in v3, and what it would not."""
    attrs = {name: value for name, value in meta.attrs.items() if name != DIMENSIONS}
    beside: dict[str, Any] = {}
    value = meta.fill_value if meta.fill_value is not None else attrs.get(_MASK)
    encoded = None if value is None else _encode_number(value, meta.dtype)
    if _MASK in attrs and (encoded is None or meta.fill_value is not None):
        beside["attributes"] = {_MASK: attrs.pop(_MASK)}
    if encoded is not None:
        attrs[_MASK] = encoded
    elif meta.fill_value is not None:
        beside["fill_value"] = encode_scalar(meta.fill_value, meta.dtype, objects)
    return attrs, beside


def _encode_number(value: Any, dtype: np.dtype[Any]) -> Any:
    """A masked value as xarray has it among the attributes in v3; None for what it does not understand there."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value) if dtype.kind == "b" else None
    value = as_numpy(value) if dtype.kind == "c" else value
    if dtype.kind == "c" and isinstance(value, (complex, np.complexfloating)):
        return [_encode_double(float(value.real)), _encode_double(float(value.imag))]
    if not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    if dtype.kind == "f":
        return _encode_double(float(value))
    return int(value) if dtype.kind in "iu" and value == np.trunc(value) else None


def _encode_double(value: float) -> str:
    return base64.standard_b64encode(struct.pack("<d", value)).decode("ascii")


# ---------------------------------------------------------------------- reading


def is_array(document: Mapping[str, Any]) -> bool:
    """Whether a `zarr.json` is that of an array. Raises StorageError when it is that of neither array nor group."""
    if document.get("zarr_format") != 3 or document.get("node_type") not in ("array", "group"):
        found = f"zarr_format {document.get('zarr_format')!r}, node_type {document.get('node_type')!r}"
        raise StorageError(f"expected the document of a Zarr v3 array or group, found {found}")
    return bool(document["node_type"] == "array")


def consolidated_documents(document: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """What the document of a group says of what is below it, by path. Raises StorageError when those are none."""
    consolidated = document.get("consolidated_metadata") or {}
    metadata = consolidated.get("metadata") if isinstance(consolidated, Mapping) else None
    below = metadata if isinstance(metadata, Mapping) else {}
    if not all(isinstance(node, Mapping) for node in below.values()):
        raise StorageError(f"consolidated metadata are {str(below)[:60]!r}, expected documents by path")
    for node in below.values():
        is_array(node)
    return below


def array_from_document(path: str, document: Mapping[str, Any]) -> ArrayMeta:
    """Read the `zarr.json` of an array.

    Raises StorageError naming the array and what is wrong, Unsupported naming the array and what is not read.
    """
    try:
        if not is_array(document):
            raise ValueError("node_type is 'group', expected 'array'")
        _check_entries(document)
        return _array(document)
    except Unsupported as error:
        raise error.of(path) from error
    except StorageError as error:
        raise StorageError(f"{path}/{DOCUMENT}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        found = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise StorageError(f"{path}/{DOCUMENT}: not the metadata of a Zarr v3 array: {found}") from error


def _array(document: Mapping[str, Any]) -> ArrayMeta:
    check_extent(document["shape"], document["codecs"])
    shape = lengths_of(document["shape"])
    dtype, objects = decode_data_type(document["data_type"])
    value = _fill_value(document["fill_value"], dtype, objects)
    chunk_shape, edges = decode_grid(*named(document["chunk_grid"]), shape)
    decoded = decode_codecs(with_shape(document), dtype, len(shape), None if edges else chunk_shape)
    attrs = dict(document.get("attributes") or {})
    in_attrs, names = attrs.pop(DIMENSIONS, None), document.get("dimension_names")
    names = in_attrs if names is None else names
    is_default = _is_default(value, default_scalar(dtype, objects), dtype)
    beside = dict(document.get(EXTENSION) or {})
    if "fill_value" in beside:
        beside["fill_value"] = decode_scalar(beside["fill_value"], dtype, objects)
    fill_value, background = _decode_mask(value, is_default, attrs, beside, decoded.dtype)
    meta = ArrayMeta(
        shape=shape,
        chunk_shape=chunk_shape,
        edges=edges,
        dtype=decoded.dtype,
        filters=decoded.filters,
        compressor=decoded.compressor,
        fill_value=fill_value,
        background=background,
        order=decoded.order,
        dims=None if names is None or None in names else tuple(map(str, names)),
        attrs=attrs,
    )
    check_cells(meta)
    types = beside.get("attribute_types")
    return meta.with_types(codes_of(types)) if isinstance(types, Mapping) else meta


def _fill_value(said: Any, dtype: np.dtype[Any], objects: str | None) -> Any:
    try:
        return decode_scalar(said, dtype, objects)
    except (KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
        text = str(error)
        raise NoFillValue(text if "fill_value" in text else f"fill_value is {said!r}: {text}") from error


def _is_default(value: Any, default: Any, dtype: np.dtype[Any]) -> bool:
    """Whether missing chunks read as if nothing were said of them, bit for bit: -0.0 is another zero."""
    is_alike = same_scalar(value, default)
    return is_alike and (dtype.kind not in "fc" or np.asarray(value, default.dtype).tobytes() == default.tobytes())


def _check_entries(document: Mapping[str, Any]) -> None:
    """Raise Unsupported for entries that change how an array is read, in a way not known here."""
    for name, value in document.items():
        is_optional = isinstance(value, Mapping) and value.get("must_understand") is False
        if name not in _KNOWN and not is_optional:
            raise Unsupported(f"the entry {name!r} of {DOCUMENT} is not understood", feature=name)
    if document.get("storage_transformers"):
        raise Unsupported("storage transformers are not read", feature="storage_transformers")
    name, _ = named(document["chunk_key_encoding"])
    if name not in _KEY_ENCODINGS:
        raise Unsupported(f"the chunk key encoding {name!r} is not read", feature="chunk_key_encoding")


def _decode_mask(
    value: Any, is_default: bool, attrs: dict[str, Any], beside: Mapping[str, Any], dtype: np.dtype[Any]
) -> tuple[Any, Any]:
    """The fill value and the background that v2 would have; the attributes are changed to those of v2."""
    background = None if is_default else value
    if _MASK in attrs:
        mask = _decode_mask_value(attrs.pop(_MASK), dtype)
        if not same_scalar(mask, value):
            attrs[_MASK] = mask if dtype.kind != "c" else typed([float(mask.real), float(mask.imag)], dtype.str[1:])
            return None, background
        fill_value = value
    elif "fill_value" in beside:
        fill_value = beside["fill_value"]
    elif dtype.kind in "mM" or (dtype.kind == "f" and value != value):
        fill_value = background  # of these xarray masks nothing that is not missing already
    else:
        attrs.update(beside.get("attributes") or {})
        return None, background
    attrs.update(beside.get("attributes") or {})
    return fill_value, None


def _decode_mask_value(value: Any, dtype: np.dtype[Any]) -> Any:
    """The masked value among the attributes: as xarray spells it, or a plain number; null is none. Raises Unsupported
    for all else, with which xarray opens nothing.
    """
    decode, spelling = _SPELLINGS.get(dtype.kind, (_one_value, "one value"))
    try:
        return None if value is None else decode(value, dtype)
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise Unsupported(f"the attribute {_MASK} is {value!r}; of {dtype} it is {spelling}", feature=_MASK) from error


def _double(value: Any, _dtype: np.dtype[Any]) -> Any:
    if not isinstance(value, str):
        return _number(value)
    return struct.unpack("<d", base64.standard_b64decode(value))[0]


def _two_doubles(value: Any, dtype: np.dtype[Any]) -> Any:
    if not isinstance(value, list):
        return dtype.type(_number(value))
    real, imaginary = (_double(part, dtype) for part in value)
    return dtype.type(complex(real, imaginary))


def _integer(value: Any, _dtype: np.dtype[Any]) -> int:
    return int(_number(value))


def _truth(value: Any, _dtype: np.dtype[Any]) -> bool:
    return bool(value)


def _one_value(value: Any, _dtype: np.dtype[Any]) -> Any:
    if isinstance(value, (list, dict)):
        raise TypeError("several values")
    return value


def _number(value: Any) -> int | float:
    if not isinstance(value, (int, float)):
        raise TypeError("no number")
    return value


_SPELLINGS: Final[Mapping[str, tuple[Callable[[Any, np.dtype[Any]], Any], str]]] = {
    "f": (_double, "8 bytes in base64"),
    "c": (_two_doubles, "two texts, each 8 bytes in base64"),
    "i": (_integer, "a number"),
    "u": (_integer, "a number"),
    "b": (_truth, "true or false"),
}
"""How xarray spells a masked value of each kind of type: what reads it, and what an error says."""
