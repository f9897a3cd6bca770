"""What attributes say, as Python values: from the data of a message to what JSON has for it.

An array of one element is the element, as netCDF4 and h5netcdf give it. References are kept as they are, until it is
known what they lead to.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.codecs.hdf5.padding import nul_padded
from chunkmap.formats.hdf5.structures.datatype import Datatype, plain_bytes
from chunkmap.formats.hdf5.structures.references import Target, object_addresses, reference_text
from chunkmap.formats.hdf5.structures.text_members import texts_in
from chunkmap.formats.text import text_of
from chunkmap.model.typed import TypedList, of_type, typed
from chunkmap.model.typed_records import code_of_records, records_of

__all__ = ["References", "decoder", "nothing", "scalar", "sequences", "unwrapped"]

_FEW: Final = 64


@dataclass(frozen=True, slots=True)
class References:
    """References, whose objects have no path before the whole file is known."""

    addresses: tuple[tuple[int, ...], ...]
    """For each element, the object headers it lists: one, or several for elements of variable length."""
    shape: tuple[int, ...]
    are_lists: bool = False
    """Elements are of variable length."""
    regions: tuple[str, ...] = ()
    """Where they are of regions, the region of each element."""

    def value(self, paths: Mapping[int, str]) -> Any:
        """The JSON value: paths for references. Raises Unsupported where an object has none."""
        texts: list[Any] = [[reference_text(Target(a), paths) for a in group] for group in self.addresses]
        if not self.are_lists:
            texts = [text + region for (text,), region in zip(texts, self.regions or repeat(""), strict=False)]
        return unwrapped(texts, self.shape)


def decoder(datatype: Datatype, shape: tuple[int, ...] | None) -> Callable[[bytes], Any] | None:
    """What makes a JSON value of the data of an attribute."""
    if shape is None:
        return _no_text if datatype.is_string else partial(_no_values, datatype.dtype)
    if datatype.is_reference:
        return partial(_references, datatype, shape)
    if datatype.dtype is None or datatype.has_opaque:
        return None
    count = math.prod(shape)
    if datatype.is_string and count == 1:
        return partial(_text, padding=datatype.padding)
    numbers = _numbers(datatype, count)
    if numbers is not None:
        assert datatype.dtype is not None
        code = datatype.dtype.str[1:]
        if count > 1:
            return partial(_few_numbers, numbers.unpack, shape, code)
        return partial(_number, numbers.unpack, of_type(f"{code}[1]" if shape == (1,) else code))
    return partial(_values, datatype, shape)


def _numbers(datatype: Datatype, count: int) -> struct.Struct | None:
    """For a few numbers the `struct` module is quicker than numpy, and gives the same ones."""
    dtype = datatype.dtype
    if dtype is None or datatype.bits is not None or dtype.kind not in "iuf" or not 0 < count <= _FEW:
        return None
    code = {"f2": "e", "f4": "f", "f8": "d"}.get(dtype.str[1:]) or "bhiq"[dtype.itemsize.bit_length() - 1]
    order = ">" if dtype.str[0] == ">" else "<"
    return struct.Struct(f"{order}{count}{code.upper() if dtype.kind == 'u' else code}")


def scalar(datatype: Datatype, data: bytes) -> Any:
    """A single element, as numpy has it; None where there are more or fewer."""
    if datatype.dtype is None or len(data) != datatype.size:
        return None
    return np.frombuffer(plain_bytes(datatype, data[: datatype.size]), datatype.dtype)[0]


def nothing(_data: bytes) -> None:
    """Of an attribute that nobody asks for."""


def _no_text(_data: bytes) -> str:
    return ""


def _no_values(dtype: np.dtype[Any] | None, _data: bytes) -> Any:
    return typed([], "" if dtype is None else _code(dtype, ()))


def _references(datatype: Datatype, shape: tuple[int, ...], data: bytes) -> References:
    return References(tuple((address,) for address in object_addresses(datatype, data)), shape)


def _number(unpack: Callable[[bytes], tuple[Any, ...]], kind: type[Any], data: bytes) -> Any:
    return kind(unpack(data)[0])


def _few_numbers(unpack: Callable[[bytes], tuple[Any, ...]], shape: tuple[int, ...], code: str, data: bytes) -> Any:
    return TypedList(unwrapped(list(unpack(data)), shape), code)


def _values(datatype: Datatype, shape: tuple[int, ...], data: bytes) -> Any:
    """Elements of any type that numpy has."""
    assert datatype.dtype is not None
    element, inner = datatype.dtype.subdtype or (datatype.dtype, ())
    texts = [] if datatype.is_string else texts_in(datatype)
    if texts:
        data = nul_padded(data, datatype.size, texts)
    values, shape = np.frombuffer(plain_bytes(datatype, data), element), shape + inner
    if datatype.is_string:
        return unwrapped([_text(v, datatype.padding) for v in values.tolist()], shape)
    if element.names:
        return _records(values, shape)
    return typed(unwrapped([_plain(v) for v in values.tolist()], shape), _code(element, shape))


def _records(values: NDArray[Any], shape: tuple[int, ...]) -> Any:
    """Records as lists of their members; they know their type, unless text in them is not what JSON makes of it."""
    lists, code = unwrapped([_plain(v) for v in values.tolist()], shape), code_of_records(values.reshape(shape))
    again = records_of(lists, code)
    is_exact = again is not None and repr(again.tolist()) == repr(values.reshape(again.shape).tolist())
    return typed(lists, code) if is_exact else lists


def _code(element: np.dtype[Any], shape: tuple[int, ...]) -> str:
    """The code of the type of numbers; of anything else one that no number has."""
    return f"{element.kind}{element.itemsize}{'[1]' if shape == (1,) and element.kind != 'c' else ''}"


def _text(value: bytes, padding: int) -> str:
    if padding == 0:
        value = value.partition(b"\0")[0]
    elif padding == 2:
        value = value.rstrip(b"\0").rstrip(b" ")
    else:
        value = value.rstrip(b"\0")
    return text_of(value)


def _plain(value: Any) -> Any:
    """What JSON has for a value that numpy made a Python object: members of a compound are a list."""
    if isinstance(value, bytes):
        return text_of(value.rstrip(b"\0"))
    if isinstance(value, complex):
        return [value.real, value.imag]
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value.tolist()]
    return value if isinstance(value, (bool, int, float)) else str(value)


def unwrapped(values: list[Any], shape: tuple[int, ...]) -> Any:
    """One element stands for itself; more axes than one are lists in lists."""
    if len(values) == 1:
        return values[0]
    for length in reversed(shape[1:]):
        values = [values[start : start + length] for start in range(0, len(values), length)] if length else []
    return values


def sequences(base: Datatype, shape: tuple[int, ...], contents: list[bytes]) -> Any:
    """Sequences of variable length as lists; of a single one that list, which knows its type."""
    assert base.dtype is not None
    found = [np.frombuffer(plain_bytes(base, content), base.dtype) for content in contents]
    if len(found) == 1 and base.dtype.names:
        return _records(found[0], found[0].shape)
    lists = [[_plain(v) for v in one.tolist()] for one in found]
    if len(lists) != 1:
        return unwrapped(lists, shape)
    is_scalar = not shape and len(lists[0]) == 1
    return typed(lists[0][0] if is_scalar else lists[0], _code(base.dtype, ()))
