"""The data types and fill values of Zarr v3, to and from numpy's.

Specifications: https://zarr-specs.readthedocs.io/en/latest/v3/data-types/index.html for numbers and raw bits,
https://github.com/zarr-developers/zarr-extensions/tree/main/data-types for times, text and records. A data type has no
byte order: that is the business of the codec `bytes`, so all that is read here is little-endian.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.model.records import check_packed
from chunkmap.model.zarr_v2 import decode_fill_value, encode_fill_value

__all__ = [
    "BYTES",
    "STRING",
    "decode_data_type",
    "decode_scalar",
    "default_scalar",
    "encode_data_type",
    "encode_scalar",
    "named",
]

STRING: Final = "string"
"""Text of any length."""

BYTES: Final = "variable_length_bytes"
"""Bytes of any length, by the name under which zarr-python writes them."""

_PLAIN: Final[Mapping[str, np.dtype[Any]]] = {
    name: np.dtype(name).newbyteorder("<")
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    )
}
_OBJECTS: Final[Mapping[str, str]] = {STRING: STRING, BYTES: BYTES, "bytes": BYTES}
_TIMES: Final[Mapping[str, str]] = {"M": "numpy.datetime64", "m": "numpy.timedelta64"}
_FIXED: Final[Mapping[str, str]] = {"U": "fixed_length_utf32", "S": "null_terminated_bytes", "V": "raw_bytes"}
_RECORDS: Final = ("structured", "struct")
"""The name that every zarr-python 3 reads, which writes lists of names and types; and the later one, of mappings."""


def encode_data_type(dtype: np.dtype[Any]) -> Any:
    """The `data_type` of a numpy dtype; objects have their own names. Raises Unsupported when Zarr v3 has none.

    >>> encode_data_type(np.dtype(">f4")), encode_data_type(np.dtype("S3"))
    ('float32', {'name': 'null_terminated_bytes', 'configuration': {'length_bytes': 3}})
    """
    if dtype.kind in _TIMES:
        unit, count = np.datetime_data(dtype)
        return {"name": _TIMES[dtype.kind], "configuration": {"unit": unit, "scale_factor": count}}
    if dtype.names is not None:
        check_packed(dtype)
        fields = [[name, encode_data_type(dtype[name])] for name in dtype.names]
        return {"name": _RECORDS[0], "configuration": {"fields": fields}}
    if dtype.kind in _FIXED and dtype.subdtype is None and dtype.itemsize:
        return {"name": _FIXED[dtype.kind], "configuration": {"length_bytes": dtype.itemsize}}
    if dtype.name not in _PLAIN:
        raise Unsupported(f"Zarr v3 has no data type for {dtype}; write Zarr v2", feature="data type")
    return dtype.name


def decode_data_type(value: Any) -> tuple[np.dtype[Any], str | None]:
    """The numpy dtype of a `data_type`, and for objects whether they are `STRING` or `BYTES`.

    Raises Unsupported for data types that numpy has not, KeyError, TypeError or ValueError for what is none.

    >>> decode_data_type("r16")
    (dtype('V2'), None)
    """
    name, configuration = named(value)
    if name in _PLAIN:
        return _PLAIN[name], None
    if name in _OBJECTS:
        return np.dtype(object), _OBJECTS[name]
    for kind, known in _TIMES.items():
        if name == known:
            unit = str(configuration["unit"]).replace("\N{GREEK SMALL LETTER MU}", "u")
            return np.dtype(f"<{kind}8[{int(configuration['scale_factor'])}{unit}]"), None
    for kind, known in _FIXED.items():
        if name == known:
            length = int(configuration["length_bytes"])
            return np.dtype(f"<U{length // 4}" if kind == "U" else f"{kind}{length}"), None
    if name in _RECORDS:
        return np.dtype([_decode_field(field) for field in configuration["fields"]]), None
    if name[:1] == "r" and name[1:].isdecimal() and int(name[1:]) % 8 == 0:
        return np.dtype(f"V{int(name[1:]) // 8}"), None
    raise Unsupported(f"the data type {name!r} has no counterpart in numpy", feature="data type")


def named(value: Any) -> tuple[str, Mapping[str, Any]]:
    """The name and the configuration of an extension point, which may be written as its name alone.

    >>> named("bytes"), named({"name": "gzip", "configuration": {"level": 5}})
    (('bytes', {}), ('gzip', {'level': 5}))
    """
    if isinstance(value, str):
        return value, {}
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise TypeError(f"expected a name and a configuration, found {str(value)[:60]!r}")
    configuration = value.get("configuration") or {}
    if not isinstance(configuration, Mapping):
        raise TypeError(f"the configuration of {value['name']} is {str(configuration)[:60]!r}, expected an object")
    return value["name"], configuration


def default_scalar(dtype: np.dtype[Any], objects: str | None = None) -> Any:
    """What elements read as that nobody wrote, where nothing else is said: zero, no time, no text.

    >>> default_scalar(np.dtype("i2")), default_scalar(np.dtype("M8[s]"))
    (np.int16(0), np.datetime64('NaT','s'))
    """
    if dtype.kind == "O":
        return b"" if objects == BYTES else ""
    native = dtype.newbyteorder("=")
    return np.full((), "NaT", native)[()] if dtype.kind in "mM" else np.zeros((), native)[()]


def encode_scalar(value: Any, dtype: np.dtype[Any], objects: str | None = None) -> Any:
    """A fill value as the JSON of Zarr v3 has it: as that of v2, but for objects, and for a NaN that is not the usual
    one, which are its bits. None is the default.

    >>> kind = np.dtype("f4")
    >>> encode_scalar(np.float32("nan"), kind), encode_scalar(decode_scalar("0x7fc00001", kind), kind)
    ('NaN', '0x7fc00001')
    """
    value = default_scalar(dtype, objects) if value is None else value
    if dtype.kind == "O":
        if objects == BYTES:
            return base64.standard_b64encode(value or b"").decode("ascii")
        return str(value or "")
    if dtype.names is not None:
        value = np.array(value, dtype).astype(dtype.newbyteorder("<"))[()]
    if dtype.kind == "f" and value != value:
        return _nan_of(np.asarray(value, dtype.newbyteorder("<")))
    if dtype.kind == "c":
        parts = np.asarray(value, dtype.newbyteorder("<")).reshape(1).view(f"<f{dtype.itemsize // 2}")
        encoded: list[Any] = [encode_scalar(part, parts.dtype) for part in parts]
        return encoded
    return encode_fill_value(value, dtype)


def decode_scalar(value: Any, dtype: np.dtype[Any], objects: str | None = None) -> Any:
    r"""The scalar that JSON stands for. Raises ValueError or TypeError when it cannot be of this dtype.

    >>> decode_scalar("0x7fc00000", np.dtype("f4")), decode_scalar([1, 255], np.dtype("V2")).tobytes()
    (np.float32(nan), b'\x01\xff')
    """
    if value is None:
        raise ValueError("fill_value is null, which Zarr v3 does not allow")
    if dtype.kind == "O":
        return base64.standard_b64decode(value) if objects == BYTES else str(value)
    if dtype.names is not None and isinstance(value, Mapping):
        return _decode_record(value, dtype)
    if dtype.kind == "V" and isinstance(value, (list, tuple)):
        return decode_fill_value(base64.standard_b64encode(bytes(value)).decode("ascii"), dtype)
    if dtype.kind in "mM" and value == "NaT":
        return default_scalar(dtype)
    if dtype.kind == "c" and isinstance(value, (list, tuple)):
        half = np.dtype(f"<f{dtype.itemsize // 2}")
        return dtype.type(complex(*(decode_scalar(part, half) for part in value)))
    if dtype.kind == "f" and isinstance(value, str) and value.startswith(("0x", "0b")):
        return _from_bits(int(value, 0), dtype)
    return decode_fill_value(value, dtype)


def _nan_of(value: NDArray[Any]) -> str:
    """A NaN: by name when it is the usual one, else by its bits."""
    usual = np.full((), np.nan, value.dtype)
    return "NaN" if value.tobytes() == usual.tobytes() else f"0x{value.tobytes()[::-1].hex()}"


def _decode_field(field: Any) -> tuple[str, np.dtype[Any]]:
    name, kind = (field["name"], field["data_type"]) if isinstance(field, Mapping) else field
    dtype, objects = decode_data_type(kind)
    if objects is not None:
        raise Unsupported(f"the member {name!r} of a record is text of any length", feature="data type")
    return str(name), dtype


def _decode_record(value: Mapping[str, Any], dtype: np.dtype[Any]) -> Any:
    members = [
        decode_scalar(value[name], dtype[name]) if name in value else default_scalar(dtype[name])
        for name in dtype.names or ()
    ]
    return np.array([tuple(members)], dtype)[0]


def _from_bits(bits: int, dtype: np.dtype[Any]) -> Any:
    """IEEE 754 bits, as the specification writes a NaN that is not the usual one."""
    return np.frombuffer(struct.pack("<Q", bits)[: dtype.itemsize], dtype.newbyteorder("<"))[0].astype(
        dtype.newbyteorder("=")
    )
