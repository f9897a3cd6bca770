"""The walk finds every field, whatever lies around it."""

from __future__ import annotations

import struct
from contextlib import closing

import eccodes
import numpy as np
import pytest
from far import Far
from hypothesis import given, settings
from hypothesis import strategies as st
from making import field, lattice, message, multi, read, sections

from chunkmap.codecs.grib.codec import GribCodec
from chunkmap.errors import ChunkmapError, FormatError
from chunkmap.formats.grib import Options, parse
from chunkmap.formats.grib.parallels import gaussian_rows
from chunkmap.formats.grib.sections import walk
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource, open_source
from chunkmap.io.rounds import Tally, run

ONE, TWO = field(1, shortName="t"), field(2, "regular_ll_sfc_grib1")
SPARSE = np.array([1.0, np.nan, 3.0] * 4)


def walked(data):
    source = BytesSource(data)
    return run(source, walk(source))


def values(data, found):
    return GribCodec("x", "float64").decode(data[found.offset : found.stop])


def same_as_eccodes(data):
    fields, truth = walked(data).fields, read(data)
    assert len(fields) == len(truth)
    for found, (expected,) in zip(fields, truth, strict=True):
        np.testing.assert_array_equal(values(data, found), expected)
    return fields


JUNK = st.binary(max_size=40).filter(lambda junk: b"GRIB" not in junk and not junk.endswith((b"G", b"GR", b"GRI")))
MESSAGES = st.sampled_from([ONE, TWO, multi(ONE, field(3, shortName="r")), message("sh_ml_grib2")])


@settings(max_examples=40)
@given(st.lists(st.tuples(JUNK, MESSAGES), min_size=1, max_size=6), JUNK)
def test_messages_of_both_editions_are_found_among_junk(parts, tail):
    """Every field that eccodes iterates is found, in order, and reads the same, with anything between messages."""
    same_as_eccodes(b"".join(junk + each for junk, each in parts) + tail)


@pytest.mark.parametrize(
    "junk", [b"", b"0000477100\x01\r\r\n67 SMDE45 EDZW 010000\r\r\n", b"\x00" * 120, b"7777GRIB", b"GRI"]
)
def test_junk_that_is_common_changes_nothing(junk):
    """Headers of bulletins, padding, ends of messages and the mere word: both messages are found around them."""
    data = junk + ONE + junk + TWO + junk
    assert [(f.edition, f.stop - f.offset) for f in walked(data).fields] == [(2, len(ONE)), (1, len(TWO))]


@pytest.mark.parametrize("section", [2, 3, 4])
def test_fields_of_one_message_are_told_apart(section):
    """Each field of a message that repeats its sections from 2, 3 or 4 on is found, and is a range of its own."""
    data = multi(field(1), field(2, shortName="2t"), field(3, shortName="sp"), section=section)
    fields = same_as_eccodes(TWO + data + ONE)
    assert [f.number for f in fields] == [0, 0, 1, 2, 0]
    assert len({f.stop for f in fields}) == 5


def test_a_bitmap_defined_before_is_that_of_the_field_before():
    """A field with bitmap indicator 254 takes its missing values from an earlier field of its message."""
    sparse = np.where(np.isnan(SPARSE), NO := 9999.0, SPARSE)
    both = [field(n, bitmapPresent=1, missingValue=NO, shortName=name) for n, name in ((1, "t"), (2, "r"))]
    both = [rewritten(each, sparse + 10 * n * (sparse != NO)) for n, each in enumerate(both)]
    data = multi(*both)
    second = data.rindex(b"\x00\x00\x00\x08\x06\x00")
    shorter = data[:second] + b"\x00\x00\x00\x06\x06\xfe" + data[second + 8 :]
    shorter = shorter[:8] + len(shorter).to_bytes(8, "big") + shorter[16:]
    fields = walked(shorter).fields
    np.testing.assert_array_equal(values(shorter, fields[0]), SPARSE)
    np.testing.assert_array_equal(values(shorter, fields[1]), SPARSE + 10)


def rewritten(data, values):
    handle = eccodes.codes_new_from_message(data)
    eccodes.codes_set_values(handle, values)
    return eccodes.codes_get_message(handle)


def test_a_last_message_that_is_cut_short_is_a_problem():
    """What stands before a message that is cut short is found, and the problem says where it began."""
    refs = scan_source(BytesSource(ONE + TWO[:-20], "cut.grib"), format="grib")
    assert refs.nchunks > 0
    assert "cut short" in refs.problems[0].message
    assert str(len(ONE)) in refs.problems[0].message


@pytest.mark.parametrize("data", [ONE, TWO, multi(ONE, field(3))], ids=["2", "1", "multi"])
def test_cut_anywhere_only_errors_of_ours_come_out(data):
    """A file cut at any byte is no GRIB file, and says so."""
    for stop in range(0, len(data), 3):
        with pytest.raises(ChunkmapError):
            scan_source(BytesSource(data[:stop]), format="grib")


def test_a_message_whose_length_is_wrong_does_not_hide_the_next():
    """After a message with a length that leads nowhere, the search goes on right behind its first word."""
    wrong = ONE[:8] + (len(ONE) + 2).to_bytes(8, "big") + ONE[16:]
    found = walked(wrong + ONE + wrong)
    assert [f.offset for f in found.fields] == [len(ONE)]
    assert len(found.problems) == 2


def test_words_without_messages_are_counted_and_not_listed():
    """Thousands of beginnings of messages that are none are passed over, and summed up in few problems."""
    found = walked(b"GRIB\x00\x00\x00\x02" * 20_000 + ONE)
    assert len(found.fields) == 1
    assert len(found.problems) < 100


def test_long_messages_of_edition_1_say_their_length_in_steps():
    """A message of edition 1 over 8 MiB, whose length ECMWF writes in steps of 120 bytes, is found whole."""
    keys = {"Ni": 2000, "Nj": 1800, "iDirectionIncrementInDegrees": 0.1, "jDirectionIncrementInDegrees": 0.1}
    ends = {"latitudeOfLastGridPointInDegrees": -89.9, "longitudeOfLastGridPointInDegrees": 199.9}
    corners = {"latitudeOfFirstGridPointInDegrees": 90, "longitudeOfFirstGridPointInDegrees": 0, **ends}
    big = message("GRIB1", **keys, **corners, bitsPerValue=24, values=np.random.default_rng(0).normal(size=3_600_000))
    assert len(big) > 1 << 23
    assert [(f.offset, f.stop) for f in walked(big + TWO).fields] == [
        (0, len(big)),
        (len(big), len(big) + len(TWO)),
    ]


def test_messages_of_more_than_4_gib_are_read_at_their_ends(tmp_path):
    """A message of two fields of 3 GiB, of which most is a hole of the disk, and one after it: all are found whole."""
    parts, size, path = sections(ONE), (3 << 30) + 7, tmp_path / "large.grib2"
    first = 16 + sum(len(parts[number]) for number in range(1, 7) if number in parts) + size
    length = first + sum(len(parts[number]) for number in (4, 5, 6)) + size + 4
    data = struct.pack(">IB", size, 7)
    with path.open("wb") as file:
        file.write(ONE[:8] + struct.pack(">Q", length) + ONE[16 : first - size] + data)
        file.seek(first)
        file.write(b"".join(parts[number] for number in (4, 5, 6)) + data)
        file.seek(length - 4)
        file.write(b"7777" + TWO)
    with closing(open_source(str(path))) as source:
        found = run(source, walk(source))
    assert found.problems == []
    spans = [(each.offset, each.stop, each.number) for each in found.fields]
    assert spans == [(0, first, 0), (0, length - 4, 1), (length, length + len(TWO), 0)]


def test_a_file_without_messages_says_what_was_expected():
    """Bytes without a message are refused."""
    with pytest.raises(FormatError, match="expected GRIB messages"):
        scan_source(BytesSource(b"nothing at all" * 10), format="grib")


def test_of_a_file_far_away_only_headers_are_fetched():
    """A chained walk costs a round a message and a few KiB each, not the values."""
    values = np.random.default_rng(0).normal(size=500_000)
    data = b"".join(
        message("regular_ll_sfc_grib2", **lattice(10_000, 50), bitsPerValue=24, step=n, values=values)
        for n in range(12)
    )
    tally = Tally()
    far = Far(data)
    scanned = run(far, parse(far, Options()), tally=tally)
    assert max(len(array.chunks) for array in scanned.arrays.values()) == 12
    assert tally.rounds <= 13
    assert tally.bytes < len(data) / 5


def too_short(data):
    """A message whose section 4 lacks its last octets, all lengths being right."""
    parts = sections(data)
    parts[4] = (len(parts[4]) - 4).to_bytes(4, "big") + parts[4][4:-4]
    body = b"".join(parts.values()) + b"7777"
    return data[:8] + (16 + len(body)).to_bytes(8, "big") + body


def test_a_field_whose_sections_are_too_short_is_left_out_by_name():
    """A field that eccodes might not survive is a problem that says where it is; the others of its file stand."""
    refs = scan_source(BytesSource(too_short(ONE) + TWO + too_short(field(3)), "a.grib"))
    assert len([a for a in refs.arrays.values() if "GRIB_gridType" in a.meta.attrs]) == 1
    (problem,) = refs.problems
    assert "byte 0 and 1 more: section 4" in problem.message


@pytest.mark.parametrize("number", [2, 32, 320])
def test_gaussian_parallels_are_those_of_eccodes(number):
    """The latitudes of Gaussian grids, whole or in part, either way round, are those that eccodes computes."""
    truth = np.array([*eccodes.codes_get_gaussian_latitudes(number)])[: 2 * number]
    rows = gaussian_rows(number, truth[0], truth[-1], 2 * number)
    np.testing.assert_allclose(rows, truth, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(gaussian_rows(number, truth[-1], truth[0], 2 * number), rows[::-1])
    assert gaussian_rows(number, truth[1], truth[2], 2).tolist() == rows[1:3].tolist()
    assert gaussian_rows(number, truth[0] + 0.01, truth[-1], 2 * number) is None
