"""What eccodes might not survive is refused before it sees it, or decoded in a process of its own."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import eccodes
import numpy as np
import pytest

from chunkmap.codecs.grib import apart, codec
from chunkmap.codecs.grib import eccodes as ours
from chunkmap.codecs.grib.codec import GribCodec, decode_here
from chunkmap.codecs.grib.headers import GRIDS, PRODUCTS, check_headers
from chunkmap.codecs.grib.packing import KNOWN, why_apart
from chunkmap.codecs.grib.sections import one_field, split
from chunkmap.errors import FormatError

VALUES = 280 + np.arange(200) % 17 / 2
PACKINGS = [
    "grid_simple",
    "grid_complex",
    "grid_complex_spatial_differencing",
    "grid_ieee",
    "grid_jpeg",
    "grid_png",
    "grid_ccsds",
    "grid_simple_log_preprocessing",
]


def message(packing="grid_simple", sample="regular_ll_sfc_grib2", values=VALUES, **keys):
    handle = eccodes.codes_grib_new_from_samples(sample)
    for key, value in {"Ni": 20, "Nj": 10, "bitsPerValue": 16, **keys}.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, values)
    eccodes.codes_set(handle, "packingType", packing)
    try:
        return eccodes.codes_get_message(handle)
    finally:
        eccodes.codes_release(handle)


def with_section(data, number, change):
    """The message with one section changed, and its own length corrected."""
    sections = dict(split(data).by_number)
    sections[number] = change(bytearray(sections[number]))
    sections[number][:4] = len(sections[number]).to_bytes(4, "big")
    body = b"".join(map(bytes, sections.values())) + b"7777"
    return data[:8] + (16 + len(body)).to_bytes(8, "big") + body


def short(data):
    """The message with the last bytes of its values missing, all lengths being right."""
    return with_section(data, 7, lambda section: section[:-9])


def number(at, width, value):
    def change(section):
        section[at : at + width] = value.to_bytes(width, "big")
        return section

    return change


@pytest.mark.parametrize("packing", PACKINGS)
def test_sound_messages_are_decoded_here(packing, monkeypatch):
    """Nothing about what eccodes writes sends it to another process."""
    monkeypatch.setattr(codec, "decode_apart", lambda *_: pytest.fail("apart"))
    GribCodec("t").decode(message(packing))


@pytest.mark.parametrize("packing", ["grid_simple", "grid_complex", "grid_ieee", "grid_png"])
def test_values_that_are_not_all_there_are_refused(packing):
    """Fewer bytes than the values take by what the message says are refused before eccodes sees them."""
    with pytest.raises(FormatError, match=r"of which .* are there|goes on to byte"):
        GribCodec("t").decode(short(message(packing)))


@pytest.mark.parametrize("packing", ["grid_complex", "grid_complex_spatial_differencing"])
@pytest.mark.parametrize(("at", "width", "value"), [(31, 4, 2**31), (42, 4, 10**9), (46, 1, 31), (19, 1, 32)])
def test_groups_that_do_not_add_up_are_refused(packing, at, width, value):
    """Number of groups, length of the last one, bits of lengths and of reference values are added up first."""
    data = with_section(message(packing), 5, number(at, width, value))
    with pytest.raises(FormatError, match="groups"):
        GribCodec("t").decode(data)


@pytest.mark.parametrize(("packing", "at"), [("grid_jpeg", 5 + 8), ("grid_png", 5 + 16)])
def test_pictures_of_another_size_are_refused(packing, at):
    """A picture of more pixels than there are values is refused by what its head says."""
    with pytest.raises(FormatError, match="for 200 values"):
        GribCodec("t").decode(with_section(message(packing), 7, number(at, 4, 70_000)))


@pytest.mark.parametrize("packing", ["grid_jpeg", "grid_png"])
def test_what_is_no_picture_is_refused(packing):
    """Bytes that do not begin as their packing must are refused."""
    with pytest.raises(FormatError, match="expected a"):
        GribCodec("t").decode(with_section(message(packing), 7, number(5, 4, 0)))


def test_a_bitmap_that_is_too_short_is_refused():
    """A bitmap with fewer bits than there are points is refused."""
    sparse = np.where(np.arange(200) % 7, VALUES, 9999)
    data = message(values=sparse, bitmapPresent=1, missingValue=9999)
    with pytest.raises(FormatError, match="too short for 200 points"):
        GribCodec("t").decode(with_section(data, 6, lambda section: section[:-9]))


def test_more_points_than_bytes_can_stand_for_are_refused():
    """A constant field of four thousand million points is refused without memory for them."""
    data = with_section(message(bitsPerValue=0, values=np.ones(200)), 5, number(5, 4, 2**32 - 1))
    data = with_section(data, 3, number(6, 4, 2**32 - 1))
    with pytest.raises(FormatError, match="more than are decoded"):
        GribCodec("t").decode(data)


@pytest.mark.parametrize("number_of", [3, 4])
def test_sections_shorter_than_their_templates_are_refused(number_of):
    """eccodes takes a short section as if it were longer: it does not get to see it."""
    data = with_section(message(), number_of, lambda section: section[:-4])
    with pytest.raises(FormatError, match=rf"section {number_of} of .* expected at least"):
        GribCodec("t").decode(data)


def test_lengths_of_templates_are_those_of_eccodes():
    """No template that eccodes writes is taken for too short."""
    for key, section, table in (
        ("productDefinitionTemplateNumber", 4, PRODUCTS),
        ("gridDefinitionTemplateNumber", 3, GRIDS),
    ):
        for template in table:
            handle = eccodes.codes_grib_new_from_samples("GRIB2")
            try:
                eccodes.codes_set(handle, key, template)
                found = eccodes.codes_get(handle, f"section{section}Length")
            except eccodes.CodesInternalError:
                continue  # an older eccodes, which does not know it
            finally:
                eccodes.codes_release(handle)
            assert table[template] <= found, (key, template)


def test_cut_anywhere_the_codec_raises_errors_of_ours():
    """Messages cut at every byte, of both editions, are refused; but a field of edition 2 may end with its values."""
    for data in (message("grid_complex"), message(sample="regular_ll_sfc_grib1")):
        for stop in set(range(len(data))) - ({len(data) - 4} if data[7] == 2 else set()):
            with pytest.raises(FormatError):
                GribCodec("t").decode(data[:stop])


def test_what_is_not_known_is_decoded_apart_to_the_same_values():
    """A packing that is not checked, second order of edition 1, gives what eccodes gives, from another process."""
    data = message("grid_second_order", "regular_ll_sfc_grib1")
    assert why_apart(split(data))
    np.testing.assert_array_equal(GribCodec("t", "f8").decode(data), decode_here(data, "values"))
    assert apart._idle, "the process is kept for the next message"


def test_any_message_gives_the_same_apart_as_here():
    """Values, latitudes and longitudes travel between processes unchanged, on several threads at once."""
    data = message("grid_complex")
    asked = [key for key in apart.KEYS for _ in range(4)]
    with ThreadPoolExecutor(3) as pool:
        for key, found in zip(asked, pool.map(lambda key: apart.decode_apart(data, key), asked), strict=True):
            np.testing.assert_array_equal(found, decode_here(data, key))


def test_what_eccodes_refuses_apart_is_an_error_here():
    """The other process says why, and lives on."""
    with pytest.raises(FormatError, match="eccodes"):
        apart.decode_apart(b"GRIB" + bytes(40), "values")
    assert apart.decode_apart(message(), "values").size == 200


@pytest.mark.parametrize("code", ["import os; os.abort()", "import sys; sys.stdin.buffer.read(9)", "print('no')"])
def test_a_process_that_dies_is_an_error_and_is_replaced(monkeypatch, code):
    """A crash, at the start or in the midst of a message, is an error of ours; the next message gets a new process."""
    apart._end_all()
    with monkeypatch.context() as patch:
        patch.setattr(apart, "_CODE", code)
        with pytest.raises(FormatError, match="did not survive"):
            apart.decode_apart(message(), "values")
    assert not apart._idle
    assert apart.decode_apart(message(), "values").size == 200


def test_a_process_that_takes_too_long_is_ended(monkeypatch):
    """A message that keeps eccodes busy without end is an error after a while."""
    apart._end_all()
    monkeypatch.setattr(apart, "_SECONDS", 0.2)
    monkeypatch.setattr(apart, "_CODE", "import time; time.sleep(100)")
    with pytest.raises(FormatError, match="did not survive"):
        apart.decode_apart(message(), "values")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_has_no_part_in_the_processes_of_its_parent():
    """Two processes never talk to one child: a fork begins without."""
    apart.decode_apart(message(), "values")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are threads: the child ends before it could miss them
        child = os.fork()
    if not child:
        os._exit(len(apart._idle))
    assert os.waitpid(child, 0)[1] == 0
    assert apart._idle


def test_every_packing_that_is_known_is_checked_by_its_length():
    """Section 5 that is too short for its template is refused, for each of them."""
    for template, (least, _) in KNOWN.items():
        data = with_section(message(), 5, lambda section, n=least: section[: n - 1])
        data = with_section(data, 5, number(9, 2, template))
        with pytest.raises(FormatError, match="section 5"):
            GribCodec("t").decode(data)


def test_eccodes_is_locked_only_where_it_is_not_thread_safe(monkeypatch):
    """The library says how it was built; without threads, its calls come one after the other."""
    monkeypatch.setattr(ours.eccodes, "codes_get_features", lambda: "AEC JPG ECCODES_THREADS")
    assert ours._is_thread_safe()
    monkeypatch.setattr(ours.eccodes, "codes_get_features", lambda: "AEC JPG ECCODES_OMP_THREADS")
    assert not ours._is_thread_safe()


def test_sections_that_repeat_or_run_backwards_are_refused():
    """A message of one field has each section once, in order."""
    data = message()
    sections = split(data).by_number
    wrong = b"".join(sections[n] for n in (1, 4, 3, 5, 6, 7)) + b"7777"
    with pytest.raises(FormatError, match="behind section"):
        check_headers(split(data[:8] + (16 + len(wrong)).to_bytes(8, "big") + wrong))
    assert one_field(data) == data
