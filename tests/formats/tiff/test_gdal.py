"""References as GDAL's Zarr driver reads them: JSON without templates, with a document of the root group."""

import json

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

import chunkmap

HAS_REFERENCES = tuple(map(int, rasterio.__gdal_version__.split(".")[:2])) >= (3, 11)


@pytest.fixture
def scene(tmp_path):
    """A tiled, deflated GeoTIFF, its values, and its references as JSON."""
    data = np.random.default_rng(0).integers(0, 999, (1, 100, 130)).astype("uint16")
    profile = {"driver": "GTiff", "height": 100, "width": 130, "count": 1, "dtype": "uint16", "nodata": 7}
    place = {"crs": "EPSG:32632", "transform": from_origin(500_000, 5_600_000, 10, 10)}
    tiles = {"tiled": True, "blockxsize": 32, "blockysize": 48, "compress": "deflate"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, **place, **tiles) as file:
        file.write(data)
    chunkmap.write(chunkmap.scan(tmp_path / "a.tif"), tmp_path / "a.json")
    return data[0], tmp_path


def test_the_json_is_of_the_kind_that_gdal_takes(scene):
    """No templates and no generated keys, even empty ones; what is our own is one text, which GDAL passes over; a root
    group; absolute addresses; codecs of numcodecs.
    """
    _, folder = scene
    document = json.loads((folder / "a.json").read_text())
    assert set(document) <= {"version", "refs", "chunkmap"}
    assert isinstance(document.get("chunkmap", ""), str)
    assert json.loads(document["refs"][".zgroup"]) == {"zarr_format": 2}
    ranges = [value for value in document["refs"].values() if isinstance(value, list)]
    assert {url for url, _, _ in ranges} == {str(folder / "a.tif")}
    array = json.loads(document["refs"]["image/.zarray"])
    assert (array["filters"], array["compressor"]["id"]) == (None, "zlib")


@pytest.mark.skipif(not HAS_REFERENCES, reason="GDAL reads references from 3.11 on")
def test_gdal_reads_the_references(scene):
    """Values, nodata, transform and reference system are those of the file."""
    data, folder = scene
    with rasterio.open(f'ZARR:"{folder}/a.json":/image') as found, rasterio.open(folder / "a.tif") as wanted:
        np.testing.assert_array_equal(found.read(1), data)
        assert (found.transform, found.crs, found.nodata) == (wanted.transform, wanted.crs, wanted.nodata)
