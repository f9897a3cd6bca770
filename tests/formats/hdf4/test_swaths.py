"""Swaths as MODIS has them: geolocation of 5 km, data of 5 km and 1 km; a tree, and interpolated coordinates."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pyhdf.SD import SD

eos_file = runpy.run_path(str(Path(__file__).with_name("test_eos.py")))["eos_file"]

METADATA = """GROUP=SwathStructure
GROUP=SWATH_1
SwathName="mod"
GROUP=DimensionMap
OBJECT=DimensionMap_1
GeoDimension="y5"
DataDimension="y1"
Offset=2
Increment={increment}
END_OBJECT=DimensionMap_1
OBJECT=DimensionMap_2
GeoDimension="x5"
DataDimension="x1"
Offset=2
Increment={increment}
END_OBJECT=DimensionMap_2
END_GROUP=DimensionMap
END_GROUP=SWATH_1
END_GROUP=SwathStructure
END
"""
NORTH = np.add.outer(np.linspace(10, 12, 4), np.linspace(0, -0.5, 6)).astype(">f4")
EAST = ((np.add.outer(np.linspace(0, 0.4, 4), np.linspace(178, 183, 6)) + 180) % 360 - 180).astype(">f4")
FINE = np.arange(20 * 30, dtype=">i2").reshape(20, 30)
COARSE = np.arange(24, dtype=">i2").reshape(4, 6)


def granule(recipe, path, *, north=NORTH, increment=5, fine=FINE, attributes=()):
    """A granule of a field of 5 km and one of 1 km."""
    fields = [
        ("Latitude", ("y5", "x5"), north),
        ("Longitude", ("y5", "x5"), EAST),
        ("Zenith", ("y5", "x5"), COARSE),
        ("Vapour", ("y1", "x1"), fine),
    ]
    path.write_bytes(eos_file(recipe, "SWATH", "mod", fields, METADATA.format(increment=increment)))
    return path


def test_a_granule_opens_as_a_tree(recipe, tmp_path):
    """`open_datatree` shows a granule whole: every array that pyhdf reads, equal, under its swath, with coordinates."""
    path = granule(recipe, tmp_path / "MOD05.hdf")
    file = SD(str(path))
    with xr.open_datatree(path, engine="chunkmap") as tree:
        swath = tree["mod"]
        assert set(swath.variables) == set(file.datasets())
        for name in file.datasets():
            np.testing.assert_array_equal(swath[name], file.select(name).get())
        assert set(swath["Zenith"].coords) == {"Latitude", "Longitude"}
        assert swath.attrs["dimension_maps"][0]["Increment"] == 5
    file.end()


def test_coordinates_are_interpolated_when_asked(recipe, tmp_path):
    """Fields of 1 km get coordinates that are those of 5 km where these stand, and go on evenly between and beyond."""
    path = granule(recipe, tmp_path / "MOD05.hdf")
    names = ["Latitude_y1_x1", "Longitude_y1_x1"]
    with xr.open_datatree(path, engine="chunkmap", interpolate=True) as tree:
        field = tree["mod/Vapour"]
        assert set(field.coords) == set(names)
        assert set(tree["mod/Zenith"].coords) == {"Latitude", "Longitude"}
        north, east = (tree["mod"][name].values for name in names)
    np.testing.assert_allclose(north[2::5, 2::5], NORTH, atol=1e-5)
    np.testing.assert_allclose(east[2::5, 2::5], EAST, atol=1e-4)
    turned = east % 360  # the swath crosses the meridian of 180 degrees
    np.testing.assert_allclose(np.diff(turned, axis=1), 0.2, atol=2e-3)
    np.testing.assert_allclose(np.diff(north, axis=0), 2 / 15, atol=2e-3)


def test_nothing_is_interpolated_unless_asked(recipe, scanned, tmp_path):
    """Without the option there are the arrays of the file alone."""
    refs = scanned(granule(recipe, tmp_path / "MOD05.hdf"))
    assert "mod/Latitude_y1_x1" not in refs.arrays
    assert "coordinates" not in refs.arrays["mod/Vapour"].meta.attrs


def test_geolocation_that_is_finer(recipe, scanned, values, tmp_path):
    """A negative increment says that data are coarser: they get the coordinates of the elements that they stand at."""
    fine = np.zeros((2, 3), ">i2")
    path = granule(recipe, tmp_path / "MOD05.hdf", increment=-1, fine=fine)
    refs = scanned(path, interpolate=True)
    np.testing.assert_allclose(values(refs, "mod/Latitude_y1_x1"), NORTH[2:4, 2:5], atol=1e-5)


def test_missing_geolocation_stays_missing(recipe, scanned, values, tmp_path):
    """What is not a number is none in what is interpolated from it, and nowhere else."""
    north = NORTH.copy()
    north[0, 0] = np.nan
    found = values(scanned(granule(recipe, tmp_path / "a.hdf", north=north), interpolate=True), "mod/Latitude_y1_x1")
    assert np.isnan(found[:7, :7]).all()
    assert not np.isnan(found[7:]).any()


def test_geolocation_that_is_too_large(recipe, scanned, tmp_path, monkeypatch):
    """Coordinates that would be too large to be held inline are a problem, and the fields stay as they are."""
    monkeypatch.setattr("chunkmap.formats.hdf4.swaths._MOST", 1000)
    refs = scanned(granule(recipe, tmp_path / "a.hdf"), interpolate=True)
    assert [problem.feature for problem in refs.problems] == ["swath"]
    assert "mod/Vapour" in refs.arrays


@pytest.mark.parametrize("increment", [0, 5.5])
def test_maps_that_mean_nothing(recipe, scanned, tmp_path, increment):
    """A map without an increment, or with half ones, gives no coordinates."""
    refs = scanned(granule(recipe, tmp_path / "a.hdf", increment=increment), interpolate=True)
    assert "mod/Latitude_y1_x1" not in refs.arrays


def test_data_without_a_row(recipe, scanned, tmp_path):
    """Fields that have no elements get no coordinates."""
    refs = scanned(granule(recipe, tmp_path / "a.hdf", fine=np.zeros((0, 30), ">i2")), interpolate=True)
    assert refs.arrays["mod/Vapour"].meta.shape == (0, 30)
    assert "mod/Latitude_y1_x1" not in refs.arrays
