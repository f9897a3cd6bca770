"""kerchunk's door to GRIB gives what kerchunk gives: one set a message, and trees of them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[1] / "formats" / "grib"))
from making import field, lattice, message, multi

import chunkmap
from kerchunk.grib2 import GribToZarr, contains_valid_level, correct_hrrr_subhf_step, grib_tree, scan_grib

PRESSURE = "regular_ll_pl_grib2"


@pytest.fixture
def file(tmp_path):
    """Two steps of two levels, and a parameter that nobody knows."""
    path = tmp_path / "a.grib2"
    cells = [(step, level) for step in (0, 6) for level in (850, 500)]
    messages = [field(n, PRESSURE, step=step, level=level) for n, (step, level) in enumerate(cells)]
    unknown = field(9, discipline=0, parameterCategory=3, parameterNumber=200)
    path.write_bytes(b"".join([*messages, unknown]) + b"\0" * 50)
    return str(path)


def test_scan_grib_gives_a_set_for_each_message(file):
    """Each message is a set of its own, with a reference to all of it and scalars for its coordinates."""
    sets = scan_grib(file)
    assert len(sets) == 5
    refs = sets[1]["refs"]
    meta = json.loads(refs["t/.zarray"])
    length = len(field(1, PRESSURE, level=500))
    assert refs["t/0.0"] == ["{{u}}", length, length]
    assert sets[1]["templates"] == {"u": file}
    assert (meta["shape"], meta["filters"]) == ([3, 4], [{"id": "grib", "var": "t", "dtype": "float64"}])
    assert json.loads(refs["isobaricInhPa/.zarray"])["shape"] == []
    assert {"time", "step", "valid_time", "latitude"} <= set(json.loads(refs[".zattrs"])["coordinates"].split())


def test_a_set_of_a_message_opens_and_reads(file):
    """A set opens with xarray through fsspec, as kerchunk's users open it."""
    document = scan_grib(file)[2]
    with xr.open_dataset(document, engine="kerchunk") as dataset:
        np.testing.assert_array_equal(dataset.t.values.reshape(-1), np.arange(12) + 200)
        assert dataset.step.values == np.timedelta64(6, "h")


def test_filter_and_skip(file):
    """`filter` keeps what has the keys, one value or several; `skip` stops after so many messages."""
    assert len(scan_grib(file, filter={"level": 850})) == 2
    assert len(scan_grib(file, filter={"level": [850, 500], "shortName": "t"})) == 4
    assert len(scan_grib(file, filter={"noSuchKey": 1})) == 0
    assert len(scan_grib(file, skip=3)) == 3


def test_fields_of_one_message_are_sets_of_their_own(tmp_path):
    """The second field of a message, which kerchunk does not see, is a set too."""
    path = tmp_path / "uv.grib2"
    path.write_bytes(multi(field(0, PRESSURE, shortName="u"), field(1, PRESSURE, shortName="v")))
    first, second = scan_grib(str(path))
    assert ("u/0.0" in first["refs"], "v/0.0" in second["refs"]) == (True, True)


def test_grib_to_zarr_is_the_same_as_a_class(file):
    """`GribToZarr(url).translate()` gives what `scan_grib(url)` gives."""
    assert GribToZarr(file, skip=2).translate() == scan_grib(file, skip=2)


def test_grib_tree_lays_groups_and_hypercubes(file):
    """Groups by name, step type and type of level; time and step are dimensions, a level where there are several."""
    sets = scan_grib(file)
    before = json.dumps(sets)
    with pytest.warns(UserWarning, match="unknown parameter"):
        tree = grib_tree(sets)
    assert json.dumps(sets) == before
    dataset = chunkmap.open_dataset(tree, group="t/instant/isobaricInhPa")
    assert dataset.t.dims == ("time", "step", "isobaricInhPa", "latitude", "longitude")
    found = dataset.t.sel(isobaricInhPa=500, step=np.timedelta64(6, "h")).values
    np.testing.assert_array_equal(found.reshape(-1), np.arange(12) + 300)
    assert dataset.valid_time.dims == ("time", "step")
    assert json.loads(tree["refs"]["t/instant/.zattrs"]) == {"name": "Temperature", "stepType": "instant"}


def test_grib_tree_refuses_one_array_of_two_units(tmp_path):
    """Precipitation in metres and in kilograms a square metre has one name in eccodes; one array would be neither."""
    path = tmp_path / "a.grib"
    metres = field(0, "regular_ll_sfc_grib1", paramId=228, timeRangeIndicator=4, P1=0, P2=6)
    sample, rain = "regular_ll_sfc_grib2", {"paramId": 228228, "stepRange": "0-12"}
    path.write_bytes(metres + field(1, sample, productDefinitionTemplateNumber=8, **rain))
    with pytest.raises(chunkmap.errors.CombineError, match="differ in their grids, coordinates or units"):
        grib_tree(scan_grib(str(path)))


def test_grib_tree_takes_messages_of_several_runs(tmp_path):
    """Messages of two reference times are one array; of a message that is there twice the last is taken."""
    sets = []
    for day in (1, 2):
        path = tmp_path / f"{day}.grib2"
        path.write_bytes(message(PRESSURE, **lattice(), dataDate=20240100 + day, values=np.full(12, float(day))))
        sets += scan_grib(str(path))
    dataset = chunkmap.open_dataset(grib_tree(sets), group="t/instant/isobaricInhPa")
    assert dataset.t.isel(latitude=0, longitude=0, step=0).values.tolist() == [1, 2]
    with pytest.warns(UserWarning, match="say the same; the last is taken"):
        assert grib_tree([*sets, sets[0]])["refs"].keys() == grib_tree(sets)["refs"].keys()


def test_the_step_of_subhourly_files_is_made_right(file):
    """The step becomes the distance of both times in hours, in a copy."""
    group = scan_grib(file)[2]
    group["refs"]["step/0"] = "base64:" + "AAAAAAAA+H8="
    fixed = correct_hrrr_subhf_step(group)
    assert "step" in json.loads(fixed["refs"][".zattrs"])["coordinates"].split()
    with xr.open_dataset(fixed, engine="kerchunk") as dataset:
        assert dataset.step.values == np.timedelta64(6, "h")
    assert group["refs"]["step/0"].endswith("AAAAAAAA+H8=")


def test_keys_that_say_a_level():
    """`level` or `topLevel` says one."""
    assert [contains_valid_level(keys) for keys in ({"level"}, {"topLevel", "x"}, {"x"})] == [True, True, False]
