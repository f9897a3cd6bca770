"""Scenes of one grid are one array, days of one scene a stack; what lies on no common grid is refused."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - the accessor `rio`
import xarray as xr

import chunkmap
from chunkmap.errors import CombineError

WHOLE = np.random.default_rng(0).integers(1, 1000, (200, 300)).astype("u2")
SIZE = 10.0


def scene(path, rows, columns, *, add=0, shift=(0.0, 0.0), crs="EPSG:32632", size=SIZE):
    """A part of the whole, as a tiled GeoTIFF."""
    data = WHOLE[rows, columns] + np.uint16(add)
    corner = 500_000 + columns.start * SIZE + shift[0], 5_600_000 - rows.start * SIZE - shift[1]
    transform = rasterio.Affine(size, 0, corner[0], 0, -size, corner[1])
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "crs": crs, "transform": transform, "nodata": 0}
    layout = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate", "predictor": 2}
    with rasterio.open(path, "w", height=data.shape[0], width=data.shape[1], **profile, **layout) as file:
        file.write(data, 1)
    return str(path)


NORTH, SOUTH = slice(0, 96), slice(96, 200)
WEST, EAST = slice(0, 160), slice(160, 300)


def mosaic(tmp_path, scenes, **options):
    """What xarray reads of scenes that are built into one set."""
    out = tmp_path / "mosaic.json"
    chunkmap.build(scenes, out, concat_dims=["y", "x"], **options)
    return xr.open_dataset(out, engine="chunkmap", decode_coords="all", mask_and_scale=False)


@pytest.mark.parametrize("order", [1, -1])
def test_scenes_are_one_array(tmp_path, order):
    """Four scenes, in any order, are one image with the coordinates and the reference system of all of them."""
    parts = itertools.product((NORTH, SOUTH), (WEST, EAST))
    scenes = [scene(tmp_path / f"{n}.tif", *part) for n, part in enumerate(parts)]
    with mosaic(tmp_path, scenes[::order]) as found:
        np.testing.assert_array_equal(found["image"].values, WHOLE)
        assert found.rio.crs.to_epsg() == 32632
        assert found.rio.transform()[:6] == (SIZE, 0.0, 500_000.0, 0.0, -SIZE, 5_600_000.0)


def test_a_scene_that_is_missing_is_nodata(tmp_path):
    """Where no scene is, the image has its nodata."""
    scenes = [scene(tmp_path / "a.tif", NORTH, WEST), scene(tmp_path / "b.tif", SOUTH, EAST)]
    with mosaic(tmp_path, scenes) as found:
        assert found["image"].shape == WHOLE.shape
        np.testing.assert_array_equal(found["image"].values[NORTH, WEST], WHOLE[NORTH, WEST])
        assert not found["image"].values[NORTH, EAST].any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shift": (5.0, 0.0)}, r"x: .*b\.tif begins at 501610\.0, 160\.5 pixels of 10\.0 beside .*a\.tif"),
        ({"shift": (0.0, 2.5)}, r"y: .*0\.25 pixels of -10\.0 beside"),
        ({"size": 20.0, "shift": (-5.0, -5.0)}, r"pixels are 10\.0 apart in .*a\.tif and 20\.0 in .*b\.tif"),
        ({"crs": "EPSG:32633"}, "crs_wkt is .*32N.* in .*a.tif but .*33N"),
    ],
)
def test_scenes_of_no_common_grid_are_refused(tmp_path, options, words):
    """Half a pixel beside, larger pixels, another reference system: refused with the numbers."""
    scenes = [scene(tmp_path / "a.tif", NORTH, WEST), scene(tmp_path / "b.tif", NORTH, EAST, **options)]
    with pytest.raises(CombineError, match=words):
        mosaic(tmp_path, scenes)


def test_scenes_that_overlap_are_refused(tmp_path):
    """No scene hides another unless one asks for it."""
    scenes = [scene(tmp_path / "a.tif", NORTH, WEST), scene(tmp_path / "b.tif", NORTH, slice(128, 300))]
    with pytest.raises(CombineError, match="both hold y = 5599995"):
        mosaic(tmp_path, scenes)


def test_days_of_a_scene_are_a_stack(tmp_path):
    """The date in the name is the time; coordinates and reference system are those of all."""
    scenes = [scene(tmp_path / f"s_2024010{day}.tif", NORTH, WEST, add=day) for day in (3, 1, 2)]
    out = tmp_path / "stack.parq"
    pattern = re.compile(r"s_(\d{8})\.tif")
    chunkmap.build(scenes, out, concat_dims=["time"], coo_map={"time": pattern}, identical_dims=["spatial_ref"])
    with xr.open_dataset(out, engine="chunkmap", mask_and_scale=False) as found:
        assert found["image"].dims == ("time", "y", "x")
        assert found["spatial_ref"].dims == ()
        assert found["time"].values.tolist() == ["20240101", "20240102", "20240103"]
        for number in range(3):
            np.testing.assert_array_equal(found["image"].values[number], WHOLE[NORTH, WEST] + number + 1)
