"""Times keep their meaning when they are brought to one unit."""

from __future__ import annotations

import cftime
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.combining.times import TimeUnits, in_units, is_time

UNITS = [
    "days since 2000-01-01",
    "hours since 1999-12-30 06:00",
    "seconds since 1970-01-01",
    "minutes since 2001-02-03",
]
CALENDARS = ["standard", "noleap", "360_day", "proleptic_gregorian", "julian"]


@given(
    st.lists(st.integers(0, 20000), min_size=1, max_size=5),
    st.sampled_from(UNITS),
    st.sampled_from(UNITS),
    st.sampled_from(CALENDARS),
)
def test_the_same_dates_in_other_units(numbers, unit, other, calendar):
    """Numbers in new units decode, by cftime, to the dates that they decoded to before."""
    own, wanted = TimeUnits.parse(unit, calendar), TimeUnits.parse(other, calendar)

    (moved,) = in_units([np.array(numbers)], [own], wanted)

    before = cftime.num2date(numbers, unit, calendar=calendar)
    after = cftime.num2date(moved, other, calendar=calendar)
    assert all(abs((a - b).total_seconds()) < 1e-3 for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("code", ["i2", "i4", "u4", "f4", "f8"])
def test_small_numbers_do_not_wrap_around(unit, code):
    """Dates of times kept in few bits, and the same in other units, are those that cftime gives."""
    numbers, own = np.array([0, 36, 7305, 20001], code), TimeUnits.parse(unit, "standard")
    expected = cftime.num2date(numbers.astype("f8"), unit, only_use_cftime_datetimes=False)
    assert own.decode(numbers).astype("M8[s]").tolist() == list(expected)
    seconds = TimeUnits.parse("seconds since 1970-01-01 00:00:01", "standard")
    (moved,) = in_units([numbers], [own], seconds)
    assert seconds.decode(moved).astype("M8[s]").tolist() == list(expected)


def test_whole_numbers_stay_whole():
    """Days and hours convert without rounding, and stay integers."""
    days, hours = TimeUnits.parse("days since 2000-01-01", None), TimeUnits.parse("hours since 2000-01-02", None)

    (moved,) = in_units([np.array([1, 2], "i4")], [days], hours)

    assert "i" == moved.dtype.kind
    assert [0, 24] == moved.tolist()


def test_values_in_the_wanted_units_are_not_touched():
    """Values that need no change come back bit for bit."""
    units = TimeUnits.parse("days since 1850-01-01", "noleap")
    values = np.array([0.1, 1e9 + 0.3])

    (same,) = in_units([values], [units], units)

    assert same is values


def test_calendars_do_not_mix():
    """No number of one calendar stands for a day of another."""
    a, b = TimeUnits.parse(UNITS[0], "noleap"), TimeUnits.parse(UNITS[0], "360_day")

    with pytest.raises(ValueError, match="calendars differ"):
        in_units([np.zeros(1), np.zeros(1)], [a, b], a)


def test_names_of_one_calendar_are_one():
    """`gregorian` and `standard` are two names of one calendar."""
    a, b = TimeUnits.parse(UNITS[0], "gregorian"), TimeUnits.parse(UNITS[0], None)

    assert [0.0] == in_units([np.zeros(1)], [a], b)[0].tolist()


@pytest.mark.parametrize("units", [None, 5, "days", "fortnights since 2000-01-01", "months since 2000-01-01"])
def test_units_that_are_no_time(units):
    """Units without a date, of no fixed length, or none at all are refused."""
    with pytest.raises(ValueError, match="expected"):
        TimeUnits.parse(units, None)


@pytest.mark.parametrize(("units", "expected"), [("days since 2000-01-01", True), ("days", False), (None, False)])
def test_units_of_time_are_told_by_their_date(units, expected):
    """A unit since a date is a time."""
    assert expected == is_time(units)


def test_dates_of_other_calendars_are_no_datetime64():
    """A calendar that numpy does not have is not forced into it."""
    with pytest.raises(ValueError, match="noleap"):
        TimeUnits.parse(UNITS[0], "noleap").decode(np.zeros(1))
