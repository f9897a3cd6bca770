"""What one message says, none that was seen before it says for it: names, places of octets, levels, members, grids.

Each octet of a field is changed, one at a time: what is told of the changed field behind the plain one is what is told
of it alone, with nothing kept from before. eccodes is the oracle of what may not be read.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from making import field, lattice, message

import chunkmap
from chunkmap.codecs.grib.codec import GribCodec
from chunkmap.codecs.grib.headers import PRODUCTS
from chunkmap.codecs.grib.room import TIME_RANGES, check_room
from chunkmap.codecs.grib.sections import split
from chunkmap.errors import FormatError
from chunkmap.formats.grib import grids, keys, layout
from chunkmap.formats.grib.fields import Fields
from chunkmap.formats.grib.sections import walk
from chunkmap.formats.grib.table import table_of
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource
from chunkmap.io.rounds import run

SURFACE_1, SURFACE_2 = "regular_ll_sfc_grib1", "regular_ll_sfc_grib2"
LOCAL_1 = {"setLocalDefinition": 1, "localDefinitionNumber": 1}
MEMORIES = [getattr(keys, name) for name in ("_products", "_parameters", "_members", "_levels", "_steps")]


def field_of(data):
    source = BytesSource(data, "a.grib")
    (found,) = run(source, walk(source)).fields
    return found


def forget():
    for memory in (layout._layouts, *MEMORIES):
        memory._answers.clear()
    grids._kept.clear()


def told(*fields):
    """What a table says of the last of some fields, with nothing kept from before; None where it is refused."""
    forget()
    table = table_of(Fields(fields))
    if len(table) < len(fields):
        return None
    product, grid = table.products[table.product[-1]], table.grids[table.grid[-1]]
    row = np.array([len(table) - 1])
    numbers = [column.at(row)[0] for column in (table.time, table.begin, table.step, table.level, table.number)]
    return (
        *product[:5],
        *np.nan_to_num(numbers, nan=-1e9),
        *grid[:2],
        grid.attrs,
        grid.label,
        sorted(grid.coordinates),
    )


def changed(one, section, place, value):
    octets = getattr(one, section)
    return one._replace(**{section: octets[:place] + bytes([value]) + octets[place + 1 :]})


TOLD_APART = [
    ("the tables of a centre", SURFACE_2, {}, "identification", 9, 0),
    ("the part of a centre", SURFACE_1, {"centre": 250, "subCentre": 98, **LOCAL_1}, "product", 25, 0),
    ("a count of partitions", SURFACE_2, {"productDefinitionTemplateNumber": 53}, "product", 12, 0),
    ("a count of bands", SURFACE_2, {"productDefinitionTemplateNumber": 34, "NB": 2}, "product", 22, 1),
    ("parameters of a distribution", SURFACE_2, {"productDefinitionTemplateNumber": 67}, "product", 19, 2),
]


@pytest.mark.parametrize(
    ("sample", "said", "section", "place", "value"), [t[1:] for t in TOLD_APART], ids=[t[0] for t in TOLD_APART]
)
def test_what_an_octet_changes_is_not_kept_from_the_field_before(sample, said, section, place, value):
    """These octets were taken to change nothing."""
    plain = field_of(field(0, sample, **said))
    other = changed(plain, section, place, value)
    assert told(plain, other) == told(other) != told(plain)


@pytest.mark.parametrize("sample", [SURFACE_1, "regular_ll_pl_grib2"])
def test_no_octet_is_kept_from_the_field_before(sample):
    """Every octet of a field, with a bit changed and with some values that mean much."""
    plain = field_of(field(0, sample))
    sections = [("product", 3)] if sample == SURFACE_1 else [("identification", 5), ("product", 9)]
    for section, start in sections:
        octets = getattr(plain, section)
        for place in range(start, len(octets)):
            if sample == SURFACE_1 and place == 7:
                continue  # which sections there are
            for value in {octets[place] ^ 1, octets[place] ^ 2, 98, 255} - {octets[place]}:
                other = changed(plain, section, place, value)
                assert told(plain, other) == told(other), (section, place, value)


@pytest.mark.parametrize("template", sorted(TIME_RANGES))
def test_time_ranges_are_counted_where_eccodes_counts_them(template):
    """Section 4 grows by what it is taken to grow by, and one that is shorter than it says is refused."""
    several = split(message(SURFACE_2, productDefinitionTemplateNumber=template, numberOfTimeRanges=3))[4]
    assert len(several) == PRODUCTS[template] + 2 * 12
    assert several[TIME_RANGES[template]] == 3
    short = field_of(field(0, SURFACE_2, productDefinitionTemplateNumber=template))
    assert told(changed(short, "product", TIME_RANGES[template], 3)) is None


@pytest.mark.parametrize("template", sorted(PRODUCTS))
def test_a_product_that_eccodes_writes_has_room(template):
    """What is refused is damaged."""
    check_room(split(message(SURFACE_2, productDefinitionTemplateNumber=template)))


@pytest.mark.parametrize("definition", [1, 2, 3, 5, 7, 9, 10, 12, 14, 15, 16, 18, 20, 21, 26, 30, 36, 38, 50, 191, 244])
def test_a_local_definition_that_eccodes_writes_has_room(definition):
    """Of ECMWF in edition 1, with lists and without."""
    check_room(split(message(SURFACE_1, setLocalDefinition=1, localDefinitionNumber=definition)))


def miscounted():
    """A message of edition 1 whose section 1 counts more than it has room for: eccodes ends the process."""
    data = bytearray(field(0, SURFACE_1, setLocalDefinition=1, localDefinitionNumber=4))
    data[8 + 109] = 12
    return bytes(data)


def test_a_local_section_that_is_too_short_for_what_it_counts_is_refused(tmp_path):
    """It is passed over and named, in a scan and by the codec; the process lives, and the others stand."""
    (tmp_path / "a.grib").write_bytes(miscounted() + field(1, SURFACE_1))
    code = f"import chunkmap; print(chunkmap.scan({str(tmp_path / 'a.grib')!r}).problems[0].message)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, "too short for what it counts" in done.stdout) == (0, True), done
    assert len(chunkmap.scan(str(tmp_path / "a.grib")).arrays) == 8
    with pytest.raises(FormatError, match="too short for what it counts"):
        GribCodec("t").decode(miscounted())


def variables(*messages):
    refs = scan_source(BytesSource(b"".join(messages), "a.grib"))
    return {path: array.meta for path, array in refs.arrays.items() if "GRIB_gridType" in array.meta.attrs}


def mean(number, step, kind):
    return field(number, SURFACE_2, productDefinitionTemplateNumber=2, derivedForecast=kind, step=step)


def concentration(number, step, kind):
    return field(number, SURFACE_2, productDefinitionTemplateNumber=40, constituentType=kind, step=step)


DIFFERENT = {
    "means and spreads": ((mean(0, 6, 0), mean(1, 12, 4)), "derivedForecast"),
    "substances": ((concentration(0, 6, 0), concentration(1, 12, 4)), "constituentType"),
    "parameters of one name": (
        (field(0, SURFACE_1), field(1, SURFACE_1, centre=82, setLocalDefinition=1, P1=6)),
        "paramId",
    ),
}


@pytest.mark.parametrize(("messages", "key"), DIFFERENT.values(), ids=DIFFERENT)
def test_different_things_at_different_times_do_not_share_an_array(messages, key):
    """Neither stands in the place of the other, and yet an array of both would say nothing true of either."""
    names = [path.split("/") for path in variables(*messages)]
    assert len(names) == 2, names
    assert names[0][0] == names[1][0]
    assert all(any(part.startswith(f"{key}_") for part in path) for path in names), names


def test_members_and_what_is_no_member_do_not_share_an_array():
    """No member has the number NaN, and each array keeps the attributes of its own fields."""
    members = [field(n, SURFACE_2, productDefinitionTemplateNumber=1, perturbationNumber=n) for n in (1, 2)]
    found = variables(*members, field(3, SURFACE_2))
    assert [path.split("/")[-2] for path in sorted(found)] == ["control", "members"]
    assert [found[path].shape for path in sorted(found)] == [(3, 4), (2, 3, 4)]


def test_a_grid_is_called_what_the_tables_of_its_message_call_it():
    """eccodes describes a grid in other words by other tables; the grid is the same."""
    first, second = (field(n, SURFACE_2, tablesVersion=version, step=n) for n, version in enumerate((1, 20)))
    (alone,) = variables(second).values()
    (behind,) = [
        meta
        for path, meta in variables(field(5, SURFACE_2, tablesVersion=1, parameterNumber=1), second).items()
        if path.startswith("t/")
    ]
    assert alone.attrs["GRIB_gridDefinitionDescription"] == behind.attrs["GRIB_gridDefinitionDescription"]
    (both,) = variables(first, second).values()
    assert (both.shape, "GRIB_gridDefinitionDescription" in both.attrs) == ((2, *lattice_shape()), False)


def lattice_shape():
    keys_of_grid = lattice()
    return keys_of_grid["Nj"], keys_of_grid["Ni"]


def test_the_number_that_stands_in_the_section_of_the_centre_is_a_coordinate():
    """As eccodes and cfgrib have it, where the product has none of its own."""
    data = field(0, SURFACE_2, setLocalDefinition=1, grib2LocalSectionNumber=25)
    refs = scan_source(BytesSource(data, "a.grib"))
    assert any(path.endswith("/number") for path in refs.arrays)
