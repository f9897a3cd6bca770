"""The door `kerchunk.tiff`."""

import json

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - the engine that gives the coordinates to compare with
import tifffile
import xarray as xr
import zarr

from chunkmap.errors import Unsupported
from kerchunk.tiff import TiffToZarr, generate_coords, tiff_to_zarr, units
from kerchunk.utils import refs_as_store

DATA = np.arange(3 * 60 * 80, dtype="u2").reshape(3, 60, 80)
AFFINE = rasterio.Affine(10.0, 0, 500_000.0, 0, -20.0, 5_600_000.0)


@pytest.fixture
def path(tmp_path):
    """A GeoTIFF with overviews."""
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint16", "width": 80, "height": 60, "crs": "EPSG:32632"}
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16, "interleave": "band", "compress": "deflate"}
    with rasterio.open(path, "w", transform=AFFINE, **profile, **layout) as file:
        file.write(DATA)
        file.update_tags(title="x")
    return str(path)


def opened(refs):
    return zarr.open(refs_as_store(refs, remote_protocol="file"), mode="r", zarr_format=2)


def test_one_level_is_the_root_array(path):
    """The keys of the image stand at the root, without a version; its attributes hold GeoTIFF's keys."""
    refs = tiff_to_zarr(path)
    assert "version" not in refs
    np.testing.assert_array_equal(opened(refs)[...], DATA)
    attrs = json.loads(refs[".zattrs"])
    assert attrs["_ARRAY_DIMENSIONS"] == ["S", "Y", "X"]
    assert (attrs["KeyDirectoryVersion"], attrs["ProjectedCSTypeGeoKey"], attrs["title"]) == (1, 32632, "x")
    assert attrs["ModelPixelScale"] == [10.0, 20.0, 0.0]
    assert units[attrs["ProjLinearUnitsGeoKey"]] == "metre"


def test_what_a_file_says_takes_no_place_of_zarr(path):
    """Metadata of GDAL under a name that Zarr looks at does not say what the axes or the levels are."""
    with rasterio.open(path, "r+") as file:
        file.update_tags(_ARRAY_DIMENSIONS="x", multiscales="y")
    assert json.loads(tiff_to_zarr(path)[".zattrs"])["_ARRAY_DIMENSIONS"] == ["S", "Y", "X"]
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2])
    assert json.loads(tiff_to_zarr(path)[".zattrs"])["multiscales"][0]["datasets"] == [{"path": "0"}, {"path": "1"}]


def test_overviews_are_levels_of_a_group(path):
    """With overviews the root is a group of levels, whose axes have names of their own."""
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])
    refs = tiff_to_zarr(path)
    datasets = json.loads(refs[".zattrs"])["multiscales"][0]["datasets"]
    assert datasets == [{"path": "0"}, {"path": "1"}, {"path": "2"}]
    assert json.loads(refs["2/.zattrs"])["_ARRAY_DIMENSIONS"] == ["S", "Y2", "X2"]
    with tifffile.TiffFile(path) as file:
        for level in range(3):
            np.testing.assert_array_equal(opened(refs)[str(level)][...], file.series[0].levels[level].asarray())


def test_coordinates_of_attributes(path):
    """`generate_coords` gives the middles of pixels, as rioxarray does."""
    attrs = json.loads(tiff_to_zarr(path)[".zattrs"])
    with xr.open_dataset(path, engine="rasterio") as expected:
        found = generate_coords(attrs, DATA.shape)
        for name in "xy":
            np.testing.assert_allclose(found[name], expected[name].values, rtol=1e-14)
    point = generate_coords({**attrs, "GTRasterTypeGeoKey": 2, "_ARRAY_DIMENSIONS": ["Y", "X", "S"]}, (60, 80, 3))
    assert (point["x"][0], point["y"][0], len(point["x"])) == (500_000.0, 5_600_000.0, 80)
    with pytest.raises(KeyError):
        generate_coords({}, (60, 80))


def test_inline_and_target(path, tmp_path):
    """Short chunks are held inline, by the class of those under 100 bytes; what is written is what is given."""
    target = tmp_path / "refs.json"
    refs = tiff_to_zarr(path, target=str(target), inline_threshold=10_000)
    assert not any(isinstance(value, list) for value in refs.values())
    np.testing.assert_array_equal(opened(json.loads(target.read_text()))[...], DATA)
    assert TiffToZarr(path).translate() == tiff_to_zarr(path, inline_threshold=100)


def test_what_has_no_codec_is_refused(tmp_path):
    """An image whose compression has no codec is an error that names it."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, DATA[0], metadata=None)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"\x03\x01\x03\x00\x01\x00\x00\x00\x01\x00") + 8
    raw[at : at + 2] = (34676).to_bytes(2, "little")
    path.write_bytes(raw)
    with pytest.raises(Unsupported, match="SGI LogLuv"):
        tiff_to_zarr(str(path))
