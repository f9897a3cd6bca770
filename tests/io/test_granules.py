"""Files as other libraries have them are taken wherever a URL is."""

import warnings
from datetime import UTC, datetime

import earthaccess
import fsspec
import h5py
import numpy as np
import pystac
import pytest

import chunkmap
from chunkmap.io import expand_urls
from chunkmap.io.granules import options_with, urls_of


@pytest.fixture
def days(tmp_path):
    """Two files, one a day."""
    for day in range(2):
        with h5py.File(tmp_path / f"d{day}.nc", "w") as file:
            file["time"] = np.array([float(day)])
            file["time"].make_scale("time")
            file.create_dataset("tos", data=np.arange(300.0)[None] + day, chunks=(1, 100))
            file["tos"].dims[0].attach_scale(file["time"])
    return [str(tmp_path / f"d{day}.nc") for day in range(2)]


def item(days):
    """A STAC item with a picture beside the data."""
    made = pystac.Item("days", None, None, datetime(2020, 1, 1, tzinfo=UTC), {})
    made.add_asset("picture", pystac.Asset("p.png", media_type="image/png", roles=["thumbnail"]))
    for number, path in enumerate(days):
        made.add_asset(f"day{number}", pystac.Asset(path, media_type="application/x-netcdf", roles=["data"]))
    return made


def granule(days):
    """A granule of earthaccess, as a search gives it."""
    related = [{"URL": f"file://{path}", "Type": "GET DATA"} for path in days]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of what earthaccess does itself
        return earthaccess.results.DataGranule({"umm": {"RelatedUrls": related}, "meta": {}}, cloud_hosted=False)


@pytest.mark.parametrize("make", [item, lambda days: item(days).to_dict(), granule, fsspec.open_files])
def test_a_cube_is_built_of_what_others_have(days, tmp_path, make):
    """Open files, items and granules give what their URLs give; pictures are no data."""
    made = chunkmap.build(make(days), tmp_path / "a.json", concat_dims=["time"])
    assert chunkmap.load(tmp_path / "a.json").arrays["tos"].meta.shape == (2, 300)
    assert len(made.arrays) == 2


def test_one_of_them_is_scanned(days):
    """scan takes what stands for one file, and says of what stands for several which there are."""
    plain = chunkmap.scan(days[0])
    for thing in (item(days).assets["day0"], item(days[:1]), fsspec.open(days[0])):
        assert chunkmap.scan(thing) == plain
    with pytest.raises(ValueError, match=r"expected one file, found 2: .*d0.nc, .*d1.nc. Choose one"):
        chunkmap.scan(item(days))


def test_append_takes_them_too(days, tmp_path):
    """Files are added by what other libraries have for them."""
    chunkmap.build(days[:1], tmp_path / "a.json", concat_dims=["time"])
    chunkmap.append(tmp_path / "a.json", [fsspec.open(days[1])])
    assert chunkmap.load(tmp_path / "a.json").arrays["tos"].meta.shape == (2, 300)


def test_open_files_bring_their_options(days, s3_options):
    """The options with which fsspec opened files open them here; those that are given win."""
    fs = fsspec.filesystem("s3", **s3_options)
    fs.mkdir("opened-files")
    fs.put(days[0], "opened-files/d0.nc")
    opened = fsspec.open("s3://opened-files/d0.nc", **s3_options)
    assert urls_of(opened) == ["s3://opened-files/d0.nc"]
    assert chunkmap.scan(opened) == chunkmap.scan("s3://opened-files/d0.nc", storage_options=s3_options)
    (refs,) = chunkmap.scan_many([opened])
    assert refs.name == "s3://opened-files/d0.nc"


def test_files_of_several_file_systems_are_told_apart():
    """Options that differ cannot be given to all: it is said."""
    opened = [fsspec.open("http://e.org/a.nc", block_size=8), fsspec.open("http://e.org/b.nc")]
    with pytest.raises(ValueError, match="different options"):
        options_with(opened)


def test_what_names_no_file_is_refused(days):
    """A number and a compressed file are a TypeError in words."""
    with pytest.raises(TypeError, match="expected a path or a URL"):
        expand_urls(3)
    with pytest.raises(TypeError, match="opened as compressed"):
        chunkmap.scan(fsspec.open(days[0], compression="gzip"))


def test_links_of_an_item_as_a_dictionary_are_relative_to_itself():
    """An href without a protocol is found beside the item."""
    found = {"stac_version": "1.1.0", "assets": {"a": {"href": "./x/a.nc"}, "m": {"href": "m.xml", "type": "text/xml"}}}
    found["links"] = [{"rel": "self", "href": "https://e.org/items/i.json"}]
    assert urls_of(found) == ["https://e.org/items/x/a.nc"]
