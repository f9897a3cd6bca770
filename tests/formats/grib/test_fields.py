"""Fields and steps in columns give back what was put into them, and cost little."""

from __future__ import annotations

import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from chunkmap.formats.grib.fields import Field, Fields, Steps

SMALL = st.sampled_from([b"", b"a", b"bc"])
FIELDS = st.builds(
    Field, *[st.integers(0, 2**63)] * 2, st.integers(0, 9), st.sampled_from([1, 2]), *[SMALL] * 5,
    *[st.booleans()] * 2, st.integers(-(2**63), 2**63 - 1),
)  # fmt: skip
PARTS = st.lists(st.lists(FIELDS, max_size=3), max_size=6)


@settings(max_examples=50)
@given(st.lists(FIELDS, max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_fields_come_out_as_they_went_in(fields, start, stop):
    """Each field, any part of them, and the columns over all are those of a list."""
    held = Fields(fields)
    assert list(held) == fields
    assert list(held[start:stop]) == fields[start:stop]
    assert [held[number] for number in range(len(fields))] == fields
    assert held.spans.tolist() == [[field.offset, field.stop] for field in fields]
    assert held.wide.tolist() == [field.wide for field in fields]
    assert held == Fields(fields)
    assert not fields or held != Fields([*fields[:-1], fields[-1]._replace(number=10)])


@settings(max_examples=50)
@given(PARTS, PARTS, st.integers(0, 6))
def test_the_steps_of_two_walks_are_joined(one, other, first):
    """Steps that another walk adds from any of its own on are those that one walk would have made."""
    first = min(first, len(other))
    joined, more, whole = steps_of(one, 0), steps_of(other, 100), steps_of(one, 0)
    joined.extend(more, first)
    for place, fields in list(zip(range(100, 200), other, strict=False))[first:]:
        whole.add(place, place + 1, fields, why=None if fields else "no fields")
    assert joined.fields == whole.fields
    assert (len(joined), joined.why, joined.broken) == (len(whole), whole.why, whole.broken)
    assert [joined.at(place) for place in range(120)] == [whole.at(place) for place in range(120)]


def steps_of(parts, start):
    steps = Steps()
    for place, fields in enumerate(parts, start):
        steps.add(place, place + 1, fields, why=None if fields else "no fields")
    return steps


def test_a_field_costs_less_than_a_hundred_bytes():
    """What is held of fields that differ in 34 octets is their octets and 48 bytes, and a little room to grow."""
    grid, identification = bytes(72), bytes(21)
    held = Fields()
    for number in range(10_000):
        product = number.to_bytes(34, "big")
        held.append(
            Field(9 * number, 9 * number + 9, 0, 2, b"", identification, b"", grid, product, False, False, number)
        )
    columns = held._spans, held._packed, held._columns, held._products._held, held._products._starts
    assert sum(map(sys.getsizeof, columns)) < 100 * len(held)
    assert len(held._shared) == 1
    assert len(held._identifications._held) == len(identification)
