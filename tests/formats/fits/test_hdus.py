"""The walk over a file: where HDUs are, what is read to find them, and headers that lie."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from far import Far

from chunkmap.errors import ChunkmapError, FormatError
from chunkmap.formats.fits import Options, parse
from chunkmap.formats.fits.hdus import walk
from chunkmap.io import BytesSource
from chunkmap.io.rounds import Tally, run


def write(path, hdus):
    """A file of a primary HDU and others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path.read_bytes()


def images(count, *sizes):
    """Images of these sizes in turn, with headers of some length."""
    hdus = []
    for n in range(count):
        hdu = fits.ImageHDU(np.zeros(sizes[n % len(sizes)], "u1"), name=f"E{n}")
        for key in range(50):
            hdu.header[f"KEY{key}"] = key
        hdus.append(hdu)
    return hdus


@pytest.mark.parametrize(
    ("sizes", "rounds"), [([100_000], 5), ([100_000, 30_000, 200_000], 6)], ids=["equal", "in turn"]
)
def test_many_hdus_take_few_rounds(tmp_path, sizes, rounds):
    """HDUs of sizes that repeat are guessed ahead: the rounds follow the logarithm of their number."""
    data = write(tmp_path / "a.fits", images(300, *sizes))
    source, tally = Far(data, "f"), Tally()
    found = run(source, parse(source, Options()), tally=tally)
    assert len(found.arrays) == 300
    assert found.arrays.keys() == run(BytesSource(data), parse(BytesSource(data), Options())).arrays.keys()
    assert tally.rounds <= rounds
    assert tally.bytes < 6_000_000 < len(data)


def test_hdus_of_any_sizes_take_a_round_each(tmp_path):
    """Where nothing repeats, an HDU is a round at most, and no more is fetched than headers and their neighbourhood."""
    rng = np.random.default_rng(0)
    hdus = [fits.ImageHDU(np.zeros(int(n), "u1")) for n in rng.integers(500_000, 1_500_000, 12)]
    data = write(tmp_path / "a.fits", hdus)
    source, tally = Far(data, "f"), Tally()
    assert len(run(source, parse(source, Options()), tally=tally).arrays) == 12
    assert tally.rounds <= 13
    assert tally.bytes < 640 * 1024 + 12 * 150_000


def test_a_short_file_is_one_round(tmp_path):
    """What is short enough is fetched whole, descriptors of tiles and rows included."""
    hdus = [fits.CompImageHDU(np.arange(10_000, dtype="i4").reshape(100, 100)), *images(20, 1000)]
    source, tally = Far(write(tmp_path / "a.fits", hdus), "f"), Tally()
    assert len(run(source, parse(source, Options(wcs=True)), tally=tally).arrays) == 21
    assert (tally.rounds, tally.requests) == (1, 1)


def test_a_header_longer_than_what_is_read_ahead(tmp_path):
    """A header of many blocks is read on until it ends."""
    hdu = fits.ImageHDU(np.zeros((2, 2), "u1"), name="LONG")
    for n in range(3000):
        hdu.header[f"HIERARCH SOME KEY {n}"] = n
    data = write(tmp_path / "a.fits", [*images(9, 1_000_000), hdu])
    for source in (BytesSource(data), Far(data, "f")):
        attrs = run(source, parse(source, Options(hdu="LONG"))).arrays["LONG"].meta.attrs
        assert attrs["SOME KEY 2999"] == 2999


@pytest.mark.parametrize("junk", [b"\0" * 2880, b" " * 2880, b"junk" * 720, b"x"])
def test_junk_after_the_last_hdu(tmp_path, junk):
    """What follows the last HDU and is none is left out; it is a problem where it is more than padding."""
    data = write(tmp_path / "a.fits", images(1, 100)) + junk
    found = run(BytesSource(data), walk(BytesSource(data)))
    assert len(found.units) == 2
    assert [p.feature for p in found.problems] == ([] if not junk.strip(b"\0 ") else ["bytes after the last HDU"])


@pytest.mark.parametrize("lost", [1000, 2880 - 101])
def test_a_file_that_ends_within_padding(tmp_path, reading, lost):
    """Nothing of the last HDU is lost, but others may be: the set says so."""
    data = write(tmp_path / "a.fits", images(1, 100))
    (problem,) = reading.scan(data[:-lost]).problems
    assert "others may be lost" in problem.message


def test_a_last_hdu_without_padding(tmp_path, reading):
    """A file may end with the last byte of its data."""
    data = write(tmp_path / "a.fits", images(1, 100))
    refs = reading.scan(data[: -(2880 - 100)])
    assert not refs.problems
    assert reading.values(refs, "E0").tolist() == [0] * 100


def test_data_that_are_cut_short(tmp_path, reading):
    """An HDU whose data are not all there is a problem by name, and those before it are read."""
    data = write(tmp_path / "a.fits", images(2, 5000))
    refs = reading.scan(data[:-4000])
    assert list(refs.arrays) == ["E0"]
    assert [(p.path, p.feature) for p in refs.problems] == [("E1", "damaged HDU")]


def replaced(data, before, after):
    """The last of these cards with another value."""
    old = f"{before[0]:8}= {before[1]!s:>20}".encode()
    assert old in data
    head, _, tail = data.rpartition(old)
    return head + f"{after[0]:8}= {after[1]!s:>20}".encode() + tail


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("NAXIS", 2), ("NAXIS", 1000)),
        (("NAXIS", 2), ("NAXIS", -1)),
        (("NAXIS1", 7), ("NAXIS1", -7)),
        (("NAXIS1", 7), ("NAXIS1", "'text'")),
        (("NAXIS1", 7), ("XXXXX", 7)),
        (("BITPIX", 16), ("BITPIX", 17)),
        (("GCOUNT", 1), ("GCOUNT", -1)),
        (("NAXIS1", 7), ("NAXIS1", 2**62)),
        (("NAXIS1", 7), ("NAXIS1", "9" * 20)),
    ],
)
def test_headers_that_lie(tmp_path, reading, before, after):
    """What is wrong with an HDU is a problem; the HDUs before it are there, and nothing is made of what follows."""
    hdu = fits.ImageHDU(np.zeros((5, 7), ">i2"), name="WRONG")
    data = replaced(write(tmp_path / "a.fits", [*images(1, 10), hdu]), before, after)
    refs = reading.scan(data)
    assert list(refs.arrays) == ["E0"]
    assert len(refs.problems) == 1


def test_a_first_header_that_lies():
    """Where nothing can be read at all, the file is refused."""
    data = fits.PrimaryHDU(np.zeros((5, 7), ">i2")).header.tostring().encode()
    for before, after in ((("NAXIS", 2), ("NAXIS", 5000)), (("BITPIX", 16), ("BITPIX", 3))):
        source = BytesSource(replaced(data, before, after))
        with pytest.raises(FormatError, match=after[0]):
            run(source, walk(source))


def test_only_our_errors_come_out(tmp_path):
    """A file cut at any place, or with any card changed, is scanned or refused by an error of ours."""
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("A", "J", array=np.arange(3)),
            fits.Column("V", "PI()", array=np.array([np.arange(n) for n in (1, 2, 0)] + [None], object)[:-1]),
        ]
    )
    hdus = [table, fits.CompImageHDU(np.random.default_rng(0).normal(size=(20, 20)), tile_shape=(6, 6))]
    data = write(tmp_path / "a.fits", hdus)
    rng = np.random.default_rng(0)
    for n in range(1500):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 6)).tolist():
            place = at // 80 * 80 + 10 + int(rng.integers(0, 21))
            if place < len(data):
                damaged[place] = int(rng.choice(list(b"0123456789-'TF. ")))
        raw = bytes(damaged) if n % 3 else bytes(damaged[: int(rng.integers(0, len(data)))])
        try:
            run(BytesSource(raw), parse(BytesSource(raw), Options(portable=n % 2 == 0, wcs=n % 50 == 0)))
        except ChunkmapError:
            continue
