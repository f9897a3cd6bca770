"""Columns say of each field what its own octets say, however fields come, and are narrow."""

from __future__ import annotations

import sys

import eccodes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import field, message, multi

import chunkmap.formats.grib.fields as fields_module
from chunkmap import scan
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.formats.grib.columns import Narrow, distinct_rows
from chunkmap.formats.grib.fields import Fields
from chunkmap.formats.grib.grids import grid_of
from chunkmap.formats.grib.keys import level_of, member_of, product_of, reference_time, steps_of
from chunkmap.formats.grib.plain import Plain
from chunkmap.formats.grib.sections import walk
from chunkmap.formats.grib.table import Description, table_of
from chunkmap.io import BytesSource
from chunkmap.io.rounds import run

LEVELS = {"typeOfFirstFixedSurface": 100, "scaleFactorOfFirstFixedSurface": 0}
ACCUMULATED = {"productDefinitionTemplateNumber": 8, "stepUnits": 1, "shortName": "tp"}
MEMBER = {"productDefinitionTemplateNumber": 1, "numberOfForecastsInEnsemble": 250}
EDITION_1 = "regular_ll_pl_grib1"
EVERY = [
    field(shortName="t", **LEVELS, scaledValueOfFirstFixedSurface=50000),
    field(shortName="t", **LEVELS, scaledValueOfFirstFixedSurface=85000, step=6),
    field(shortName="t", **LEVELS, scaledValueOfFirstFixedSurface=50050, dataTime=600),
    field(shortName="t", **LEVELS, scaledValueOfFirstFixedSurface=0),
    field(shortName="t", **LEVELS, scaledValueOfFirstFixedSurface=10),
    *(field(shortName="t", typeOfLevel="hybrid", level=level) for level in (1, 2, 137)),
    field(**ACCUMULATED, stepRange="0-6"),
    field(**ACCUMULATED, stepRange="6-12"),
    field(**MEMBER, perturbationNumber=3),
    field(**MEMBER, perturbationNumber=250),
    field(indicatorOfUnitOfTimeRange=3, forecastTime=2),
    field(indicatorOfUnitOfTimeRange=3, forecastTime=2, dataDate=20240201),
    field(typeOfLevel="depthBelowLandLayer", topLevel=0, bottomLevel=1),
    field(sample=EDITION_1, level=500, step=12),
    field(sample=EDITION_1, level=850, dataDate=19991231),
    field(sample="regular_ll_sfc_grib1", indicatorOfParameter=99),
    message("sh_ml_grib2"),
    message("sh_ml_grib1"),
    multi(field(1, shortName="u"), field(2, shortName="v")),
]
DAMAGED = [
    EVERY[0][:-1] + b"8",
    EVERY[0][:90],
    EVERY[15][:-2] + b"\0\0",
    b"GRIB\0\0\0\x02",
    EVERY[0][:16] + EVERY[1][20:],
]


def walked(data):
    source = BytesSource(data)
    return run(source, walk(source))


def as_told(fields):
    """What each field says, asked one by one."""
    for each in fields:
        product = product_of(each)
        level, steps = level_of(each, product), steps_of(each)
        said = [level.value, level.bottom, steps.begin, steps.end, member_of(each)]
        time = reference_time(each)
        seconds = None if time is None else (np.datetime64(time) - np.datetime64(0, "s")) / np.timedelta64(1, "s")
        numbers = [np.nan if value is None else value for value in [seconds, *said]]
        yield product.pattern, grid_of(each).label, each.wide, each.offset, each.stop - each.offset, numbers


@settings(max_examples=30)
@given(st.lists(st.sampled_from(EVERY), min_size=1, max_size=30), st.integers(1, 7))
def test_columns_say_what_fields_say_one_by_one(messages, size):
    """Product, grid, place, time, step, level and member of each row are those of its field, in parts of any size."""
    fields = walked(b"".join(messages)).fields
    description = Description()
    for start in range(0, len(fields), size):
        description.add(fields[start : start + size])
    table = description.table()
    numbers = [c.spread() for c in (table.time, table.level, table.bottom, table.begin, table.step, table.number)]
    for row, (pattern, label, wide, offset, length, said) in enumerate(as_told(fields)):
        assert table.products[table.product[row]].pattern == pattern
        assert (table.grids[table.grid[row]].label, bool(table.double[row])) == (label, wide)
        assert (table.offset[row], table.length[row]) == (offset, length)
        np.testing.assert_array_equal([column[row] for column in numbers], said)
    assert not table.refused


@settings(max_examples=60)
@given(st.lists(st.sampled_from([*EVERY, *DAMAGED]), max_size=12), st.sampled_from([0, 3, 5000]))
def test_plain_messages_are_read_as_all_others_are(messages, junk):
    """The way that takes microseconds gives the fields and problems of the one that takes each section by itself."""
    data = bytes(junk).join(messages)
    quick = walked(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plain, "field", lambda *_: None)
        assert quick == walked(data)


def test_fields_are_described_on_the_way(tmp_path, monkeypatch):
    """A scan that holds two fields at a time gives the set of one that holds all of them, problems too."""
    path = tmp_path / "a.grib"
    path.write_bytes(b"".join([*EVERY[:10], *DAMAGED, *EVERY[10:], EVERY[1]]))
    whole = scan(path)
    monkeypatch.setattr(fields_module, "_MOST_HELD", 2)
    assert scan(path) == whole
    assert len(whole.problems) > 1


def test_a_hybrid_level_is_no_product_of_its_own():
    """Levels of a model, and of whole hectopascals, are asked about once, however many there are."""
    hybrid = [field(shortName="t", typeOfLevel="hybrid", level=level) for level in range(1, 5)]
    isobaric = [field(shortName="t", typeOfLevel="isobaricInhPa", level=level) for level in (1000, 850, 500)]
    assert len(table_of(walked(b"".join([*hybrid, *isobaric])).fields).products) == 2


def test_a_row_costs_less_than_thirty_bytes():
    """Of fields that differ in level, step and member, columns hold where they are and a few octets."""
    one, description = walked(field(**MEMBER, **LEVELS, scaledValueOfFirstFixedSurface=50000)).fields[0], Description()
    for part in range(4):
        fields = Fields()
        for number in range(2500 * part, 2500 * part + 2500):
            product = bytearray(one.product)
            product[-2 - 1] = number % 50
            product[24:28] = (100 * (1 + number // 50)).to_bytes(4, "big")
            place = {"offset": 900 * number, "stop": 900 * number + 900, "packed": number}
            fields.append(one._replace(product=bytes(product), **place))
        description.add(fields)
    table = description.table()
    coded = (table.time, table.step, table.level, table.number)
    columns = [c.codes for c in coded] + [
        table.product,
        table.grid,
        table.double,
        table.packed,
        table.offset,
        table.length,
    ]
    assert len(table) == 10_000
    assert sum(column.nbytes for column in columns) < 30 * len(table)


def test_columns_widen_as_they_must():
    """Numbers come out as they went in, in as few octets as the largest needs."""
    column = Narrow()
    column.extend(np.array([1, 255], np.uint64))
    assert column.numbers.itemsize == 1
    column.extend(np.array([], np.uint64))
    column.extend(np.array([256, 2**40], np.uint64))
    assert column.numbers.tolist() == [1, 255, 256, 2**40]
    assert sys.getsizeof(column) < 100


@given(st.integers(0, 12).flatmap(lambda width: st.lists(st.binary(min_size=width, max_size=width), min_size=1)))
def test_rows_of_octets_are_told_apart(rows):
    """Rows are of one kind where their octets are the same, whatever their width."""
    first, which = distinct_rows(np.array([list(row) for row in rows], np.uint8).reshape(len(rows), -1))
    assert [rows[first[kind]] for kind in which] == rows
    assert len(first) == len(set(rows))


def predefined(number):
    """A message of edition 1 without section 2, whose grid is defined beforehand under a number (flag table B)."""
    data = bytearray(message(EDITION_1))
    begin = 8 + int.from_bytes(data[8:11], "big")
    del data[begin : begin + int.from_bytes(data[begin : begin + 3], "big")]
    data[8 + 6], data[8 + 7] = number, data[8 + 7] & 0x7F
    data[4:7] = len(data).to_bytes(3, "big")
    return bytes(data)


@pytest.mark.parametrize("numbers", [(21, 24), (24, 21), (21, 61)])
def test_grids_that_are_defined_beforehand_are_told_apart(tmp_path, numbers):
    """Messages without a grid of their own have that of their number, beside another and after it."""
    (tmp_path / "a.grib").write_bytes(b"".join(map(predefined, numbers)))
    refs = scan(tmp_path / "a.grib")
    found = {
        path.rpartition("/")[0]: read_array(array, Fetcher())
        for path, array in refs.arrays.items()
        if path.endswith("/latitude")
    }
    expected = []
    for number in numbers:
        handle = eccodes.codes_new_from_message(predefined(number))
        ends = [eccodes.codes_get(handle, f"latitudeOf{end}GridPointInDegrees") for end in ("First", "Last")]
        expected.append((*ends, eccodes.codes_get(handle, "Nj")))
        eccodes.codes_release(handle)
    assert sorted((each.min(), each.max(), len(each)) for each in found.values()) == sorted(expected)
