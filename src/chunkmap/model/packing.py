"""What readers make of stored numbers: some are missing, all are scaled. The CF conventions, section 8.1, as xarray
does it (2024 and later), digit by digit.

xarray chooses the type in which it computes by that of the stored numbers and those of `scale_factor` and `add_offset`;
values must come out in the same one, or their last digits differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.meta import ArrayMeta
from chunkmap.model.typed import as_numpy, code_of

__all__ = ["PACKING_ATTRS", "Number", "Packing", "packing_of"]

PACKING_ATTRS: Final = ("scale_factor", "add_offset", "missing_value", "_FillValue", "_Unsigned")
"""The attributes that say it, and are not those of decoded values."""

Number = tuple[str, int | float]
"""A number and the code of its type; that of one of Python is `float` or `int`."""

_PLAIN: Final[Mapping[type[Any], str]] = {float: "float", int: "int"}


@dataclass(frozen=True, slots=True)
class Packing:
    """How stored numbers become values. It can be a key of a table.

    >>> packing = Packing(masked=(("i2", -1),), labelled=True, scale=("f8", 0.5))
    >>> packing.decode(np.array([-1, 3], "<i2")), packing.decode(np.array([2], "<i2")).dtype
    (array([nan, 1.5]), dtype('float64'))
    """

    masked: tuple[Number, ...] = ()
    """Stored numbers that are missing."""
    labelled: bool = False
    """Whether it is said which are missing; NaN, which masks nothing, says it too, and decides a type."""
    scale: Number | None = None
    offset: Number | None = None
    unsigned: str | None = None
    """The sign that numbers have, `u` or `i`, where it is not that of their type."""

    @property
    def is_scaled(self) -> bool:
        """Whether numbers are scaled."""
        return self.scale is not None or self.offset is not None

    @property
    def does_nothing(self) -> bool:
        """Whether stored numbers are the values."""
        return not self.masked and not self.is_scaled and self.unsigned is None

    def dtype_of(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """The type of the values of numbers of a type.

        >>> Packing(scale=("f4", 0.1)).dtype_of(np.dtype("i2")), Packing().dtype_of(np.dtype(">i2"))
        (dtype('float32'), dtype('int16'))
        """
        numbers = tuple(None if number is None else number[0] for number in (self.scale, self.offset))
        return _dtype_of(_signed(stored, self.unsigned), bool(self.masked), self.labelled, *numbers)

    def decode(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values of stored numbers: in memory of their own, unless nothing is done to them."""
        numbers = values.astype(_signed(values.dtype, self.unsigned), copy=False)
        if not self.masked and not self.is_scaled:
            return numbers
        decoded = numbers.astype(self.dtype_of(values.dtype))
        if self.masked:
            missing = decoded == _scalar(self.masked[0])
            for number in self.masked[1:]:
                missing |= decoded == _scalar(number)
            decoded[missing] = np.nan
        if self.scale is not None:
            np.multiply(decoded, _scalar(self.scale), out=decoded, casting="same_kind")
        if self.offset is not None:
            np.add(decoded, _scalar(self.offset), out=decoded, casting="same_kind")
        return decoded

    def to_json(self) -> dict[str, Any]:
        """What it says, as JSON has it."""
        said = {
            "masked": [list(number) for number in self.masked],
            "labelled": self.labelled,
            "scale_factor": None if self.scale is None else list(self.scale),
            "add_offset": None if self.offset is None else list(self.offset),
            "sign": self.unsigned,
        }
        return {name: value for name, value in said.items() if value}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Packing:
        """Read it. Raises ValueError, TypeError or LookupError for what is none."""
        scale, offset, sign = (said.get(name) for name in ("scale_factor", "add_offset", "sign"))
        if sign not in (None, "u", "i"):
            raise ValueError(f"a sign is {sign!r}, expected 'u' or 'i'")
        return cls(
            tuple(map(_number_in, said.get("masked", ()))),
            bool(said.get("labelled", False)),
            None if scale is None else _number_in(scale),
            None if offset is None else _number_in(offset),
            sign,
        )


def _signed(dtype: np.dtype[Any], sign: str | None) -> np.dtype[Any]:
    """The type of numbers of a sign, in the byte order of this machine."""
    return (dtype if sign is None or dtype.kind not in "iu" else np.dtype(f"{sign}{dtype.itemsize}")).newbyteorder("=")


@lru_cache(maxsize=1024)
def _dtype_of(
    dtype: np.dtype[Any], masked: bool, labelled: bool, scale: str | None, offset: str | None
) -> np.dtype[Any]:
    """The type of values, by that of stored numbers, and those of the factor and the offset."""
    is_scaled = scale is not None or offset is not None
    if masked and not is_scaled:
        return _with_room_for_nan(dtype)
    return _float_for(dtype, scale, offset) if is_scaled and (masked or not labelled) else dtype


def packing_of(meta: ArrayMeta) -> Packing | None:
    """The packing that the attributes of an array say; None where they say what no other array can be joined with:
    text, several numbers, or what xarray does not decode to floats.

    >>> meta = ArrayMeta(shape=(), chunk_shape=(), dtype=np.dtype("i2"), attrs={"add_offset": 5.0})
    >>> packing_of(meta).offset
    ('float', 5.0)
    """
    attrs, dtype = meta.attrs, meta.dtype
    if meta.fill_value is None and not any(name in attrs for name in PACKING_ATTRS):
        return Packing()
    try:
        scale, offset = (_one(attrs.get(name)) for name in ("scale_factor", "add_offset"))
        fills = _fills(meta)
    except (TypeError, ValueError):
        return None
    if fills is None:
        return None
    labelled = bool(fills) and not (dtype.kind in "iu" and all(value != value for _, value in fills))
    sign = _sign(attrs.get("_Unsigned"), dtype)
    masked = tuple(dict.fromkeys(number for number in fills if number[1] == number[1]))
    if sign is not None and meta.fill_value is not None:
        # it is the fill value alone, and no `missing_value`, that is meant to have the other sign
        own = (dtype.str[1:], meta.fill_value.item())
        other = np.array(meta.fill_value, dtype.newbyteorder("=")).view(f"{sign}{dtype.itemsize}")
        masked = tuple(("int", other.item()) if number == own else number for number in masked)
    packing = Packing(masked, labelled, scale, offset, sign)
    return packing if packing.dtype_of(dtype).kind in "fc" or not (masked or packing.is_scaled) else None


def _fills(meta: ArrayMeta) -> list[Number] | None:
    """What is missing, the fill value first; None where it is not numbers."""
    found: list[Number] = []
    if meta.fill_value is not None:
        found += _numbers(np.asarray(meta.fill_value, meta.dtype.newbyteorder("="))[()])
    for name in ("_FillValue", "missing_value"):
        if name in meta.attrs:
            found += _numbers(as_numpy(meta.attrs[name]))
    return found


def _numbers(value: Any) -> list[Number]:
    """A scalar or an array of numpy as numbers. Raises TypeError for what is no number."""
    if type(value) in _PLAIN:
        return [(_PLAIN[type(value)], value)]
    if isinstance(value, np.number) and value.dtype.kind in "iuf":
        return [(value.dtype.str[1:], value.item())]
    array = np.ravel(value)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{value!r} is no number")
    return [(array.dtype.str[1:], number) for number in array.tolist()]


def _one(value: Any) -> Number | None:
    """The one number that an attribute is. Raises ValueError where it is another."""
    if value is None:
        return None
    code = (code_of(value) or "").removesuffix("[1]") or _PLAIN.get(type(value), "")
    if not code or not isinstance(value, (int, float)) or value != value:
        raise ValueError(f"{value!r} is not one number")
    return code, (int(value) if isinstance(value, int) else float(value))


def _sign(unsigned: Any, dtype: np.dtype[Any]) -> str | None:
    if dtype.kind == "i" and unsigned == "true":
        return "u"
    return "i" if dtype.kind == "u" and unsigned == "false" else None


def _number_in(value: Any) -> Number:
    code, number = value
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise TypeError(f"{number!r} is no number")
    if code in _PLAIN.values():
        return code, float(number) if code == "float" else int(number)
    dtype = np.dtype(code)
    if dtype.kind not in "iuf":
        raise ValueError(f"{code!r} is the type of no number")
    return dtype.str[1:], dtype.type(number).item()


def _scalar(number: Number) -> Any:
    code, value = number
    return value if code in ("float", "int") else np.dtype(code).type(value)


def _type_of(code: str) -> np.dtype[Any]:
    return np.dtype({"float": "f8", "int": "i8"}.get(code, code))


def _with_room_for_nan(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type of numbers some of which are missing."""
    if dtype.kind in "fc":
        return dtype
    return np.dtype("f4" if dtype.itemsize <= 2 else "f8")


def _float_for(dtype: np.dtype[Any], scale: str | None, offset: str | None) -> np.dtype[Any]:
    """The type in which numbers are scaled, by those of the factor and the offset."""
    if offset is None:
        assert scale is not None
        return _type_of(scale)
    single = scale is not None and {_type_of(scale), _type_of(offset)} == {np.dtype("f4")}
    # four bytes of an integer do not fit into the 24 bits of a float, and an offset takes some more
    return np.dtype("f4" if single and not (dtype.kind in "iu" and dtype.itemsize == 4) else "f8")
