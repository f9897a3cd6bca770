"""Times as CF writes them: numbers of a unit since a date, in a calendar.

Specification: CF Conventions 1.11, section 4.4 "Time Coordinate". Dates and calendars are cftime's business; here
numbers are moved from one unit to another, exactly where integers allow it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self

import cftime
import numpy as np
from numpy.typing import NDArray

__all__ = ["TimeUnits", "as_iso", "calendar_name", "in_units", "in_words", "is_time", "may_join", "same_dates"]

_MICROSECONDS: Final = {
    "microsecond": 1,
    "millisecond": 10**3,
    "second": 10**6,
    "minute": 60 * 10**6,
    "hour": 3600 * 10**6,
    "day": 86400 * 10**6,
}
_ALIASES: Final = {
    **{name: name for name in _MICROSECONDS},
    **{f"{name}s": name for name in _MICROSECONDS},
    **dict.fromkeys(("us", "microsec", "microsecs"), "microsecond"),
    **dict.fromkeys(("ms", "msec", "msecs", "millisec", "millisecs"), "millisecond"),
    **dict.fromkeys(("s", "sec", "secs"), "second"),
    **dict.fromkeys(("min", "mins"), "minute"),
    **dict.fromkeys(("h", "hr", "hrs"), "hour"),
    "d": "day",
}
_DIGITS: Final = re.compile(r"^(\d{4})(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\d\d)?)?)?)?$")
"""Year and month, then day, hour, minute and second as far as they go."""
_SINCE: Final = re.compile(r"^\s*(\w+)\s+since\s+(.+?)\s*$", re.IGNORECASE)
_MODERN: Final = frozenset({"standard", "proleptic_gregorian"})
_REFORM: Final = (1582, 10, 15)
"""The day from which on both count alike."""
_ANCHOR: Final = (2000, 1, 1)
_CALENDARS: Final = {"gregorian": "standard", "365_day": "noleap", "366_day": "all_leap"}


def is_time(units: object) -> bool:
    """Whether units are those of a time coordinate: a unit since a date.

    >>> is_time("days since 2000-01-01"), is_time("days"), is_time(None)
    (True, False, False)
    """
    return isinstance(units, str) and _SINCE.match(units) is not None


@dataclass(frozen=True, slots=True)
class TimeUnits:
    """`"days since 2000-01-01"` in a calendar, taken apart.

    >>> TimeUnits.parse("hours since 2000-01-01", None).microseconds
    3600000000
    """

    text: str
    """The units as the file has them."""
    calendar: str
    """The calendar, `"standard"` where the file gives none."""
    microseconds: int
    """Length of one unit."""

    @classmethod
    def parse(cls, units: object, calendar: object) -> Self:
        """Read `units` and `calendar`. Raises ValueError when they are not those of a time."""
        found = _SINCE.match(units) if isinstance(units, str) else None
        if found is None:
            raise ValueError(f"expected units such as 'days since 2000-01-01', found {units!r}")
        name = _ALIASES.get(found[1].lower())
        if name is None:
            raise ValueError(f"expected a unit of days, hours, minutes, seconds or less, found {units!r}")
        parsed = cls(str(units), str(calendar or "standard"), _MICROSECONDS[name])
        parsed.epoch()
        return parsed

    def epoch(self) -> Any:
        """The date that counting begins at, as cftime has it."""
        return cftime.num2date(0, self.text, calendar=self.calendar, only_use_cftime_datetimes=True)

    def decode(self, values: NDArray[Any]) -> NDArray[np.datetime64]:
        """Dates of the standard calendars, `datetime64[us]`. Raises ValueError in a calendar that numpy has not."""
        if calendar_name(self.calendar) not in _MODERN:
            raise ValueError(f"times in the calendar {self.calendar!r} cannot be stored as datetime64")
        start = np.datetime64(self.epoch().isoformat(), "us")
        return start + (_wide(values) * self.microseconds).round().astype("m8[us]")


def in_units(values: Sequence[NDArray[Any]], units: Sequence[TimeUnits], wanted: TimeUnits) -> list[NDArray[Any]]:
    """The same times in other units. Values that need no change are returned as they are.

    Raises ValueError where calendars differ: no number in one stands for the same day in another.
    """
    moved = []
    for block, own in zip(values, units, strict=True):
        if calendar_name(own.calendar) != calendar_name(wanted.calendar) and not _is_modern(block, own, wanted):
            raise ValueError(
                f"calendars differ, {wanted.calendar!r} and {own.calendar!r}: their times cannot be brought to one axis"
            )
        moved.append(block if own.text == wanted.text else _moved(block, own, wanted))
    dtype = np.result_type(*moved) if moved else np.dtype(float)
    return [block.astype(dtype, copy=False) for block in moved]


def _moved(block: NDArray[Any], own: TimeUnits, wanted: TimeUnits) -> NDArray[Any]:
    """Gives (old * own unit + (own epoch - wanted epoch)) / wanted unit, in whole numbers where that is exact."""
    shift = _shift(own, wanted)
    if block.dtype.kind in "iu":
        total = _wide(block) * own.microseconds + shift
        if not (total % wanted.microseconds).any():
            return np.asarray(total // wanted.microseconds)
        return np.asarray(total / wanted.microseconds)
    whole, rest = divmod(shift, wanted.microseconds)
    return np.asarray(_wide(block) * (own.microseconds / wanted.microseconds) + whole + rest / wanted.microseconds)


def _wide(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in 64 bits: in 32, microseconds wrap around, and seconds since 1970 are a minute apart."""
    return values.astype(np.int64 if values.dtype.kind in "iu" else np.float64)


def _shift(own: TimeUnits, wanted: TimeUnits) -> int:
    """Microseconds from where wanted units begin to where own ones do, each counted in its calendar."""
    return _until(wanted, _ANCHOR) - _until(own, _ANCHOR)


def _until(units: TimeUnits, date: tuple[int, int, int]) -> int:
    """Microseconds from where counting begins to a date."""
    there = cftime.datetime(*date, calendar=units.epoch().calendar)
    return int((there - units.epoch()) // timedelta(microseconds=1))


def _is_modern(block: NDArray[Any], own: TimeUnits, wanted: TimeUnits) -> bool:
    """Whether times are of calendars that are one from 1582-10-15 on, and are counted from a day after that, and to
    days after that.
    """
    if not may_join(own.calendar, wanted.calendar) or _until(own, _REFORM) > 0 or _until(wanted, _REFORM) > 0:
        return False
    earliest = block[np.isfinite(block)] if block.dtype.kind == "f" else block
    return not len(earliest) or earliest.min().item() * own.microseconds >= _until(own, _REFORM)


def same_dates(
    values: Mapping[int, NDArray[Any]], attrs: Mapping[int, Mapping[str, Any]], pair: tuple[int, int]
) -> bool:
    """Whether the same numbers are the same dates in two inputs, though calendars are named otherwise.

    >>> named = (None, "proleptic_gregorian", "noleap")
    >>> attrs = {n: {"units": "days since 2000-01-01", "calendar": name} for n, name in enumerate(named)}
    >>> values = dict.fromkeys(range(3), np.arange(3))
    >>> same_dates(values, attrs, (0, 1)), same_dates(values, attrs, (0, 2))
    (True, False)
    """
    names = [calendar_name(attrs[index].get("calendar")) for index in pair]
    if len(set(names)) == 1:
        return True
    try:
        first, other = (TimeUnits.parse(attrs[i].get("units"), name) for i, name in zip(pair, names, strict=True))
    except ValueError:
        return False
    alike = first.text == other.text and may_join(*names)
    return alike and all(_is_modern(values[i], own, first) for i, own in zip(pair, (first, other), strict=True))


def may_join(one: object, other: object) -> bool:
    """Whether two calendars are one, at least from 1582-10-15 on.

    >>> may_join(None, "proleptic_gregorian"), may_join("noleap", "standard")
    (True, False)
    """
    names = {calendar_name(one), calendar_name(other)}
    return len(names) == 1 or names <= _MODERN


def calendar_name(calendar: object) -> str:
    """The name of a calendar, the same for all its names; that of the standard one where there is none.

    >>> calendar_name("gregorian"), calendar_name(None), calendar_name("365_day")
    ('standard', 'standard', 'noleap')
    """
    name = str(calendar or "standard").lower()
    return _CALENDARS.get(name, name)


def in_words(values: NDArray[Any], attrs: Mapping[str, Any]) -> list[str]:
    """Values as people say them: dates, where the attributes beside them, or their type, make them dates.

    >>> in_words(np.array([0, 30.5]), {"units": "days since 2000-01-01", "calendar": "360_day"})
    ['2000-01-01', '2000-02-01T12:00']
    >>> in_words(np.array([0.5]), {"units": "m"})
    ['0.5']
    """
    plain = list(map(str, values))
    if values.dtype.kind == "M":
        return [_short(text) for text in np.datetime_as_string(values, "s").tolist()]
    if values.dtype.kind not in "iuf" or not is_time(attrs.get("units")):
        return plain
    try:
        calendar = calendar_name(attrs.get("calendar"))
        dates = cftime.num2date(values, attrs["units"], calendar=calendar, only_use_cftime_datetimes=True)
    except (ValueError, OverflowError):  # units, calendars and numbers that are no dates stay numbers
        return plain
    held = zip(plain, np.ma.getmaskarray(dates).tolist(), np.ma.getdata(dates).tolist(), strict=True)
    return [number if masked else _short(date.isoformat(timespec="seconds")) for number, masked, date in held]


def _short(date: str) -> str:
    """A date without the clock at midnight, and without seconds where there are none."""
    return date.removesuffix("T00:00:00").removesuffix(":00") if "T" in date else date


def as_iso(texts: NDArray[Any]) -> NDArray[Any]:
    """Dates of digits alone, as file names have them, in the form that numpy reads: it would take them for years.

    >>> as_iso(np.array(["20000131", "200001311230", "2000-01"])).tolist()
    ['2000-01-31', '2000-01-31T12:30', '2000-01']
    """
    return np.array([_DIGITS.sub(_dashed, text) for text in texts.tolist()])


def _dashed(found: re.Match[str]) -> str:
    day, clock = "-".join(filter(None, found.groups()[:3])), ":".join(filter(None, found.groups()[3:]))
    return f"{day}T{clock}" if clock else day
