"""What readers make of stored numbers: some are missing, all are scaled. The CF conventions, section 8.1, as xarray
does it (2024 and later), digit by digit.

xarray chooses the type in which it computes by that of the stored numbers and those of `scale_factor` and `add_offset`;
values must come out in the same one, or their last digits differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.meta import ArrayMeta
from chunkmap.model.typed import NUMBERS, as_numpy

__all__ = ["PACKING_ATTRS", "Number", "Packing", "packing_of"]

PACKING_ATTRS: Final = ("scale_factor", "add_offset", "missing_value", "_FillValue", "_Unsigned")
"""The attributes that say it, and are not those of decoded values."""

Number = tuple[str, int | float]
"""A number and the code of its type; that of one of Python is `float` or `int`."""

_PLAIN: Final[Mapping[type[Any], str]] = {float: "float", int: "int"}
_CODES: Final[Mapping[type[Any], str]] = {**_PLAIN, **{kind: kind.code.removesuffix("[1]") for kind in NUMBERS}}


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
        codes = None if self.scale is None else self.scale[0], None if self.offset is None else self.offset[0]
        return _dtype_of(stored, self.unsigned, bool(self.masked), self.labelled, codes)

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
    stored: np.dtype[Any], sign: str | None, masked: bool, labelled: bool, codes: tuple[str | None, str | None]
) -> np.dtype[Any]:
    """The type of values, by that of stored numbers, and those of the factor and the offset."""
    dtype, is_scaled = _signed(stored, sign), codes != (None, None)
    if masked and not is_scaled:
        return _with_room_for_nan(dtype)
    return _float_for(dtype, *codes) if is_scaled and (masked or not labelled) else dtype


def packing_of(meta: ArrayMeta) -> Packing | None:
    """The packing that the attributes of an array say; None where they say what no other array can be joined with:
    text, several numbers, or what xarray does not decode to floats.

    >>> meta = ArrayMeta(shape=(), chunk_shape=(), dtype=np.dtype("i2"), attrs={"add_offset": 5.0})
    >>> packing_of(meta).offset
    ('float', 5.0)
    """
    attrs, fill = meta.attrs, meta.fill_value
    if fill is None and not any(name in attrs for name in PACKING_ATTRS):
        return Packing()
    try:
        scale, offset = _one(attrs.get("scale_factor")), _one(attrs.get("add_offset"))
        said = [as_numpy(attrs[name]) for name in ("_FillValue", "missing_value") if name in attrs]
        unsigned = attrs.get("_Unsigned")
        if said or not isinstance(fill, np.number) or not isinstance(unsigned, str | None):
            missing = _missing_in(meta.dtype, fill, said, unsigned)
        else:
            missing = _missing_by(meta.dtype, fill if fill == fill else math.nan, unsigned)
    except (TypeError, ValueError):
        return None
    packing = Packing(missing.masked, missing.labelled, scale, offset, missing.sign)
    return packing if not (missing.masked or packing.is_scaled) or packing.dtype_of(meta.dtype).kind in "fc" else None


class _Missing(NamedTuple):
    """Which numbers are missing, and how they are meant: the same in most files of a series."""

    masked: tuple[Number, ...]
    labelled: bool
    sign: str | None


@lru_cache(maxsize=1024, typed=True)
def _missing_by(dtype: np.dtype[Any], fill: Any, unsigned: str | None) -> _Missing:
    """The same where the fill value says it: found once for all files that are alike in it."""
    return _missing_in(dtype, fill, (), unsigned)


def _missing_in(dtype: np.dtype[Any], fill: Any, said: Sequence[Any], unsigned: Any) -> _Missing:
    """What the fill value, and attributes beside it, say of numbers of a type. Raises TypeError for what is no number,
    and ValueError for a fill value that is none of the type.
    """
    own = None if fill is None else np.asarray(fill, dtype.newbyteorder("="))
    found = [number for value in (*(() if own is None else (own[()],)), *said) for number in _numbers(value)]
    labelled = bool(found) and not (dtype.kind in "iu" and all(value != value for _, value in found))
    sign = _sign(unsigned, dtype)
    masked = tuple(dict.fromkeys(number for number in found if number[1] == number[1]))
    if sign is not None and own is not None:
        # it is the fill value alone, and no `missing_value`, that is meant to have the other sign
        stored = (dtype.str[1:], own.item())
        other = own.view(f"{sign}{dtype.itemsize}").item()
        masked = tuple(("int", other) if number == stored else number for number in masked)
    return _Missing(masked, labelled, sign)


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
    code = _CODES.get(type(value))
    if code is None or value != value:
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
