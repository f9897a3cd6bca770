"""Directories: in few rounds over a network, and never past what a file can hold."""

from __future__ import annotations

import io
import struct
import tracemalloc

import numpy as np
import pytest
import rasterio
import tifffile
from far import Far
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from chunkmap.errors import ChunkmapError, FormatError, TruncatedFile
from chunkmap.formats.tiff import Options, parse
from chunkmap.formats.tiff.ifd import read_directories
from chunkmap.io import BytesSource
from chunkmap.io.rounds import Tally, run

URL = "http://host/a.tif"


def cog(width, height, **options):
    """A cloud-optimised GeoTIFF of tiles that are all sparse but for a few, with overviews."""
    with MemoryFile() as memory:
        profile = {"driver": "COG", "blocksize": 128, "compress": "deflate", "sparse_ok": True, "overviews": "auto"}
        profile |= {
            "crs": "EPSG:32632",
            "transform": from_origin(0, 0, 10, 10),
            "dtype": "uint8",
            "count": 1,
            **options,
        }
        with memory.open(width=width, height=height, **profile) as file:
            file.write(np.ones((1, 16, 16), "u1"), window=rasterio.windows.Window(0, 0, 16, 16))
        return memory.read()


def directory(*entries, following=0, order="<"):
    """One classic directory: (tag, type, count, value) each."""
    raw = b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    return struct.pack(f"{order}H", len(entries)) + raw + struct.pack(f"{order}I", following)


def classic(body, order="<"):
    """A classic file: its header and a directory at byte 8."""
    return (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8) + body


def test_a_short_file_is_one_round():
    """A file of few megabytes is fetched whole, its directories with it."""
    tally = Tally()
    data = cog(2000, 1500)
    found = run(Far(data, URL), parse(Far(data, URL), Options()), tally=tally)
    assert len(found.groups) > 3
    assert (tally.rounds, tally.requests) == (1, 1)


def pyramid(width, *, big, layout):
    """The beginning of a cloud-optimised file of sparse tiles of 16 pixels: no library writes a long one quickly.

    GDAL's driver COG puts the arrays of a directory behind it, its driver GTiff behind all directories.
    """
    order, kind, size = ("<Q", "HHQQ", 20) if big else ("<H", "HHII", 12)
    levels = [width >> n for n in range(6)]
    before = struct.calcsize(order) + 9 * size + struct.calcsize("<" + kind[-1])
    arrays = [8 * (-(-n // 16)) ** 2 for n in levels]
    first = 16 if big else 8
    starts = [first + sum(before + a for a in arrays[:n]) for n in range(6)]
    places = [start + before for start in starts]
    if layout == "GTiff":
        starts = [first + before * n for n in range(6)]
        places = [first + 6 * before + sum(arrays[:n]) for n in range(6)]
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if big else struct.pack("<2sHI", b"II", 42, 8)
    file = bytearray(head.ljust(places[-1] + arrays[-1], b"\0"))
    for n, (length, start, place, after) in enumerate(zip(levels, starts, places, [*starts[1:], 0], strict=True)):
        count = arrays[n] // 8
        tags = ((254, 4, 1, int(n > 0)), (256, 4, 1, length), (257, 4, 1, length), (258, 3, 1, 8), (277, 3, 1, 1))
        tags += ((322, 3, 1, 16), (323, 3, 1, 16), (324, 4, count, place), (325, 4, count, place + 4 * count))
        raw = struct.pack(order, 9) + b"".join(struct.pack("<" + kind, *tag) for tag in tags)
        file[start : start + before] = raw + struct.pack("<" + kind[-1], after)
    return bytes(file)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("layout", ["COG", "GTiff"])
def test_a_cog_is_two_rounds_however_many_tiles(big, layout):
    """Header and all directories of a long cloud-optimised file take two rounds: the head, and what lies behind it."""
    tally = Tally()
    source = Far(pyramid(6400, big=big, layout=layout), URL, size=1 << 30)
    found = run(source, parse(source, Options()), tally=tally)
    assert found.arrays["image"].meta.grid_shape == (400, 400)
    assert len(found.groups) == 6
    assert tally.rounds == 2
    assert tally.bytes < 3 << 20


def test_equal_pages_are_foreseen():
    """Directories at equal distances, as a stack of pages has them, are found many a round."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for number in range(300):
            writer.write(np.full((200, 200), number, "u2"), contiguous=False, metadata=None)
    data = file.getvalue()
    tally = Tally()
    source = Far(data, URL)
    assert len(data) > 20 << 20
    assert len(run(source, read_directories(source), tally=tally)) == 300
    assert tally.rounds < 20


def test_what_is_fetched_gives_what_is_mapped():
    """A file in memory and one over a network give the same set."""
    data = cog(3000, 2000)
    far, near = Far(data, URL, size=9 << 20), BytesSource(data.ljust(9 << 20, b"\0"), URL)
    first, second = (run(source, parse(source, Options())) for source in (far, near))
    assert first.arrays == second.arrays
    assert first.groups == second.groups


def test_a_circle_is_refused():
    """Directories that lead to one another end in an error."""
    with pytest.raises(FormatError, match="circle"):
        run(source := BytesSource(classic(directory((256, 4, 1, 1), following=8))), read_directories(source))


def test_overlapping_values_are_refused():
    """Directories that all claim the same bytes are refused before they are read many times."""
    length = 1 << 20
    body, at = b"", 8
    for number in range(200):
        one = directory((273, 4, length // 4, 0), following=at + 18 if number < 199 else 0)
        body, at = body + one, at + len(one)
    with pytest.raises(FormatError, match="ask for"):
        run(source := BytesSource(classic(body).ljust(length + 20, b"\0")), read_directories(source))


def test_subdirectories_are_bounded():
    """SubIFDs of SubIFDs of SubIFDs... are refused."""
    body, at = b"", 8
    for _ in range(8):
        one = directory((330, 4, 1, at + 18))
        body, at = body + one, at + len(one)
    with pytest.raises(FormatError, match="nested"):
        run(source := BytesSource(classic(body + directory())), read_directories(source))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"II*\0", TruncatedFile),
        (b"II*\0\0\0\0\0", FormatError),
        (b"II\x2a\0\xff\xff\xff\x7f", TruncatedFile),
        (b"MM\0\x2b\0\x04\0\0\0\0\0\0\0\0\0\x10", FormatError),
        (b"PK\x03\x04    ", FormatError),
        (classic(directory((256, 4, 1 << 30, 100)) + b"\0" * 50), ChunkmapError),
        (classic(directory((256, 4, 1, 5), (257, 4, 1, 5), (273, 4, 1, 99))), FormatError),
        (
            classic(directory((256, 4, 1, 2**31 - 1), (257, 4, 1, 2**31 - 1), (278, 4, 1, 1), (273, 4, 1, 8))),
            FormatError,
        ),
        (classic(directory((256, 4, 1, 5), (257, 4, 1, 5), (273, 4, 1, 8), (277, 3, 1, 0))), FormatError),
        (
            classic(directory((256, 4, 1, 5), (257, 4, 1, 5), (322, 4, 1, 0), (323, 4, 1, 16), (324, 4, 1, 8))),
            FormatError,
        ),
        (
            classic(directory((256, 4, 1, 5), (257, 4, 1, 5), (273, 4, 1, 8), (279, 4, 1, 10**6), (259, 3, 1, 5))),
            FormatError,
        ),
    ],
)
def test_what_is_no_tiff_is_refused(data, error):
    """Files that end early, or say what cannot be, are refused by name."""
    with pytest.raises(error):
        run(source := BytesSource(data), parse(source, Options()))


def test_every_beginning_of_a_file_is_read_or_refused():
    """A file that is cut anywhere gives an error of chunkmap, or what is whole of it."""
    data = cog(300, 200)
    for length in range(0, len(data), 7):
        try:
            run(source := BytesSource(data[:length]), parse(source, Options()))
        except ChunkmapError:
            continue
        assert length > len(data) // 2


def test_a_million_tiles_take_little_memory():
    """A scan holds 20 bytes a tile and what it needs to make them: less than 60 MB in all, for a million tiles."""
    source = BytesSource(pyramid(16_000, big=False, layout="COG"), "http://host/a.tif")
    tracemalloc.start()
    try:
        found = run(source, parse(source, Options(level=0)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.arrays["image"].chunks.size == 1_000_000
    assert peak < 60 << 20
