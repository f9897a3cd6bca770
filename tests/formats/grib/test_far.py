"""Files far away: indexes beside them, and walks that begin in several places."""

from __future__ import annotations

import json
import uuid

import fsspec
import numpy as np
import pytest
from far import Far
from hypothesis import given, settings
from hypothesis import strategies as st
from making import field, lattice, message, multi

import chunkmap
from chunkmap.errors import FormatError, SourceError
from chunkmap.formats.grib.far import walk_far
from chunkmap.formats.grib.sections import walk
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource, files_beside, head, open_source
from chunkmap.io.rounds import Tally, run


@pytest.fixture(autouse=True, scope="module")
def small_heads():
    """Files as if they were too large to be read whole at first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head, "WHOLE", 1 << 12)
        patch.setattr(head, "HEAD", 1 << 12)
        yield


NOISE = np.random.default_rng(0).normal(size=40_000)


def large(number, **keys):
    """A message of 120 kB on a grid of 200 x 200."""
    grid = {**lattice(200, 200), "latitudeOfLastGridPointInDegrees": -10, "jDirectionIncrementInDegrees": 0.3}
    return message("regular_ll_pl_grib2", **grid, bitsPerValue=24, step=number, values=NOISE, **keys)


LARGE = [large(n) for n in range(4)]


def inventory(messages, separator=":"):
    lines, place = [], 0
    for number, (each, fields) in enumerate(messages, 1):
        for sub in range(fields):
            label = f"{number}.{sub + 1}" if fields > 1 else str(number)
            lines.append(separator.join([label, str(place), "d=2024010100", "TMP", "surface", "anl", ""]))
        place += len(each)
    return "\n".join(lines).encode() + b"\n"


def json_lines(messages):
    lines, place = [], 0
    for each, _ in messages:
        lines.append(json.dumps({"param": "2t", "_offset": place, "_length": len(each)}))
        place += len(each)
    return "\n".join(lines).encode() + b"\n"


def scanned(files, name="f.grib2", **options):
    """The set of a file on a server, and what it has cost."""
    folder = f"/{uuid.uuid4().hex}"
    server = fsspec.filesystem("memory")
    for each, data in files.items():
        server.pipe_file(f"{folder}/{each}", data)
    source, tally = open_source(f"memory://{folder}/{name}"), Tally()
    refs = scan_source(source, tally=tally, others=files_beside(source), inline_threshold=0, **options)
    found = [
        (int(o), int(n))
        for array in refs.arrays.values()
        if "GRIB_gridType" in array.meta.attrs
        for o, n in zip(array.chunks.offset, array.chunks.length, strict=True)
    ]
    return sorted(found), tally, refs


MESSAGES = [(LARGE[n % 4], 1) for n in range(40)]
DATA = b"".join(each for each, _ in MESSAGES)
OFFSETS = [(sum(len(m) for m, _ in MESSAGES[:n]), len(MESSAGES[n][0])) for n in range(40)]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("f.grib2.idx", inventory(MESSAGES)),
        ("f.grib2.idx", inventory(MESSAGES, ",")),
        ("f.idx", inventory(MESSAGES)),
        ("f.index", json_lines(MESSAGES)),
        ("f.grib2.index", json_lines(MESSAGES)),
    ],
)
def test_an_index_saves_rounds(name, index):
    """Of a file with an index, all heads are fetched at once: 3 rounds in all, and a few KiB a message."""
    found, tally, _ = scanned({"f.grib2": DATA, name: index}, doubles="later")
    assert len(found) == 4
    assert tally.rounds <= 3
    assert tally.bytes <= len(index) + 40 * (4 << 10) + (100 << 10)
    assert scanned({"f.grib2": DATA}, doubles="later")[0] == found


def test_fields_of_one_message_are_found_by_its_one_offset():
    """Lines `2.1` and `2.2` of an inventory are one message, whose fields are found, and so is what follows."""
    parts = [(field(1), 1), (multi(field(2, shortName="10u"), field(3, shortName="10v")), 2), (field(4, step=6), 1)]
    data = b"".join(each for each, _ in parts)
    found, tally, refs = scanned({"f.grib2": data + LARGE[0], "f.grib2.idx": inventory([*parts, (LARGE[0], 1)])})
    assert len(found) == 5
    assert not refs.problems
    assert tally.rounds <= 3


def test_bitmaps_longer_than_a_head_cost_one_round_more():
    """Where a bitmap stands between head and values, what follows it is asked for in a round of its own."""
    sparse = np.where(np.arange(40_000) % 3, NOISE, 9999)
    grid = {**lattice(200, 200), "latitudeOfLastGridPointInDegrees": -10, "bitsPerValue": 24}
    keys = {**grid, "bitmapPresent": 1, "missingValue": 9999}
    one = [message("regular_ll_pl_grib2", **keys, step=n, values=sparse) for n in range(8)]
    found, tally, _ = scanned({"f.grib2": b"".join(one), "f.grib2.idx": inventory([(each, 1) for each in one])})
    assert len(found) == 8
    assert tally.rounds <= 4


def test_what_an_index_leaves_out_is_found():
    """An inventory of every other message loses none: the gaps are walked."""
    lines = inventory(MESSAGES).splitlines(keepends=True)[1::2]
    found, _, _ = scanned({"f.grib2": DATA, "f.grib2.idx": b"".join(lines)}, doubles="later")
    assert len(found) == 4


@pytest.mark.parametrize(
    "index",
    [
        b"1:7:d=2024:TMP:",
        b"1:99999999999:d=2024:TMP:",
        b"what is this",
        b"",
        b'{"_offset": -1}',
        b'{"_offset": "0"}',
        b'{"offset": 0}',
        b'{"_offset": 0',
        inventory([(b"x" * 100, 1), *MESSAGES]),
    ],
)
def test_an_index_of_another_file_is_refused_with_both_names(index):
    """Offsets at which no message begins, or which are none, are not believed; `index="none"` scans without."""
    files = {"f.grib2": DATA, "f.grib2.idx": index}
    with pytest.raises(FormatError, match=r"f\.grib2\.idx is not of this file.*f\.grib2|f\.grib2.*f\.grib2\.idx"):
        scanned(files)
    assert len(scanned(files, index="none", doubles="later")[0]) == 4


def test_an_index_by_name_is_the_one_that_is_read():
    """An index of another name is read when it is named, and missed when it is not there."""
    files = {"f.grib2": DATA, "mine.txt": inventory(MESSAGES)}
    found, tally, _ = scanned(files, index="mine.txt", doubles="later")
    assert len(found) == 4
    assert tally.rounds <= 3
    with pytest.raises(FormatError, match="not_there"):
        scanned(files, index="not_there.idx")
    with pytest.raises(SourceError, match="not below the directory"):
        scanned(files, index="../up.idx")


def test_a_file_near_by_needs_no_index(tmp_path):
    """Of a local file nothing but itself is read, whatever lies beside it."""
    (tmp_path / "f.grib2").write_bytes(field(0))
    (tmp_path / "f.grib2.idx").write_bytes(b"no index")
    assert chunkmap.scan(str(tmp_path / "f.grib2")).nchunks
    with pytest.raises(FormatError, match=r"f\.grib2\.idx"):
        chunkmap.scan(str(tmp_path / "f.grib2"), index="f.grib2.idx")


def test_long_messages_are_walked_from_several_places():
    """Without an index, many messages cost far fewer rounds than messages, and few bytes in vain."""
    messages = [LARGE[n % 4] for n in range(200)]
    data = b"".join(messages)
    found, tally, _ = scanned({"f.grib2": data}, doubles="later")
    assert len(found) == 4
    assert tally.rounds <= 60
    big = [message("regular_ll_pl_grib2", **{**lattice(1000, 1000), "latitudeOfLastGridPointInDegrees": -10,
           "jDirectionIncrementInDegrees": 0.06}, bitsPerValue=24, values=np.tile(NOISE, 25))] * 60  # fmt: skip
    found, tally, _ = scanned({"f.grib2": b"".join(big)}, doubles="later")
    assert tally.rounds <= 35
    assert tally.bytes <= len(big[0]) * 60 / 3


def test_short_messages_are_read_ahead():
    """Messages of a few KiB are read by the megabyte, not a round each."""
    short = [field(n, "regular_ll_pl_grib2", step=n % 100, level=100 * (1 + n // 100)) for n in range(500)]
    found, tally, _ = scanned({"f.grib2": b"".join(short)})
    assert len(found) == 500
    assert tally.rounds <= 12


CUT = [field(0)[:100], field(0, "regular_ll_sfc_grib1")[:60]]
JUNK = st.sampled_from([b"", b"", b"GRIB\0\0\0\2", b"7777", b"GRI", bytes(300), *CUT])
PARTS = st.tuples(st.sampled_from([field(1), LARGE[0], LARGE[1], field(2, "regular_ll_sfc_grib1")]), JUNK)


@settings(max_examples=25)
@given(st.lists(PARTS, min_size=15, max_size=40))
def test_several_walks_find_what_one_finds(parts):
    """Wherever walks begin, and whatever looks like a message there, what comes out is the walk from the beginning."""
    data = b"".join(junk + each for each, junk in parts)
    far, near = Far(data), BytesSource(data, "far")
    assert run(far, walk_far(far)) == run(near, walk(near))


def test_a_message_within_a_message_is_not_taken_for_one():
    """Values that spell a whole message do not mislead a walk that begins among them."""
    inner = field(5) * 400
    grid = {**lattice(len(inner), 1), "bitsPerValue": 8}
    outer = message("regular_ll_sfc_grib2", **grid, values=np.r_[0, 255, np.zeros(len(inner) - 2)])
    held = outer[: -4 - len(inner)] + inner + outer[-4:]
    data = held * 30
    far, near = Far(data), BytesSource(data, "far")
    found = run(far, walk_far(far))
    assert found == run(near, walk(near))
    assert len(found.fields) == 30
