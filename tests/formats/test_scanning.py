"""Scanning by URL: the format is found, options are checked, members of archives become ranges."""

import io
import struct
import tarfile
import zipfile

import netCDF4
import numpy as np
import pytest

from chunkmap.errors import FormatError, SourceError
from chunkmap.formats import FORMATS, find_format, sniff
from chunkmap.formats.scanning import scan
from chunkmap.io import BytesSource


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as nc:
        nc.createDimension("x", 200)
        nc.createVariable("big", "f8", ("x",))[:] = np.arange(200)
        nc.createVariable("small", "i4", ())[...] = 7
    return path


def test_path_and_file_object_give_the_same(path):
    """A path and an open file scan alike; references have the URL that is given."""
    refs = scan(path, url="s3://b/a.nc")
    assert refs.arrays["big"].chunks[0].source == "s3://b/a.nc"
    with path.open("rb") as file:
        assert scan(file, url="s3://b/a.nc") == refs
    assert scan(io.BytesIO(path.read_bytes()), url="s3://b/a.nc") == refs


def test_url_is_scanned_with_storage_options(path, range_server):
    """A URL is opened with the options given, and a small file costs two requests."""
    url = range_server.put("a.nc", path.read_bytes())
    refs = scan(url, storage_options={"block_size": 1000}, inline_threshold=0)
    assert refs.arrays["big"].chunks[0].source == url
    assert len(range_server.gets) <= 2


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_member_becomes_ranges_of_the_archive(path, tmp_path, kind):
    """References into a member are ranges of the archive; what was inlined stays so."""
    outer = tmp_path / f"o.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(outer, "w") as archive:
            archive.write(path, "a.nc")
    else:
        with tarfile.open(outer, "w") as archive:
            archive.add(path, "a.nc")
    refs = scan(f"{kind}://a.nc::{outer}", inline_threshold=100)
    source, offset, length = refs.arrays["big"].chunks[0]
    assert source == str(outer)
    assert outer.read_bytes()[offset : offset + length] == np.arange(200, dtype=">f8").tobytes()
    assert refs.arrays["small"].chunks.inline_bytes(0) == b"\0\0\0\7"
    assert refs.targets[str(outer)].size == outer.stat().st_size
    assert len(refs.targets) == 1


def test_member_under_another_name(path, tmp_path):
    """A member scanned here may be named as a member of an archive elsewhere, or as a file that is unpacked there."""
    outer = tmp_path / "o.tar"
    with tarfile.open(outer, "w") as archive:
        archive.add(path, "a.nc")
    here = scan(f"tar://a.nc::{outer}").arrays["big"].chunks[0]
    there = scan(f"tar://a.nc::{outer}", url="tar://a.nc::s3://b/o.tar")
    assert there.arrays["big"].chunks[0] == ("s3://b/o.tar", here.offset, here.length)
    assert set(there.targets) == {"s3://b/o.tar"}
    unpacked = scan(f"tar://a.nc::{outer}", url="s3://b/a.nc").arrays["big"].chunks[0]
    assert unpacked == scan(path, url="s3://b/a.nc").arrays["big"].chunks[0]


def test_wrong_options_are_type_errors(path):
    """An option that the format does not have is a TypeError that names those it has."""
    with pytest.raises(TypeError, match=r"netcdf3: no option 'inline'; its options are inline_threshold, chunk_nbytes"):
        scan(path, inline=5)


def test_format_can_be_named(path):
    """The format may be named; a wrong name lists those there are, and a wrong format says what it found."""
    assert scan(path, format="netcdf3") == scan(path)
    with pytest.raises(ValueError, match=r"expected one of .*netcdf3"):
        scan(path, format="netcdf9")
    with pytest.raises(FormatError, match="classic"):
        scan(io.BytesIO(b"GRIB" + bytes(100)), format="netcdf3")


def test_formats_are_told_from_their_first_bytes():
    """Each format is found by its magic wherever it may stand; a name or suffix plays no part."""
    for row in FORMATS:
        for magic in row.begins:
            for offset in magic.at[:6]:
                source = BytesSource(bytes(offset) + magic.text + bytes(20), "file.txt")
                assert sniff(source) is row
        assert find_format(row.name) is row


def test_probes_further_inside_are_one_round():
    """A file whose first bytes say nothing costs one more round of reads."""
    rounds = []

    class Counting(BytesSource):
        def read_many(self, ranges):
            rounds.append(len(ranges))
            return super().read_many(ranges)

    with pytest.raises(FormatError, match="it begins with"):
        sniff(Counting(bytes(100_000)))
    assert len(rounds) == 1
    assert rounds[0] > 1


@pytest.mark.parametrize(
    "head",
    [b"#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n", struct.pack(">65i", 256, *range(1, 65)), b"\x89PNG\r\n\x1a\n"],
)
def test_files_of_other_formats_are_refused(head):
    """ASDF, PP of the Unified Model and whatever else there is are taken for none of ours."""
    with pytest.raises(FormatError, match=r"expected a file of hdf5, .*, but it begins with"):
        sniff(BytesSource(head + bytes(10_000), "a.dat"))


def test_empty_file_is_a_source_error():
    """A file without a byte is no file of any format."""
    with pytest.raises(SourceError, match="empty"):
        sniff(BytesSource(b"", "a.nc"))


def test_the_index_of_a_file_is_no_file_of_its_format(tmp_path):
    """Who scans an inventory of GRIB is told to scan the file beside it."""
    path = tmp_path / "a.grib2.idx"
    path.write_text("1:0:d=2020010100:TMP:2 m above ground:anl:\n")
    with pytest.raises(FormatError, match="the index of a file of GRIB, scan that file"):
        scan(path)
