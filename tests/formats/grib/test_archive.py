"""Many files of many runs: by run, by valid time, by horizon, the best there is; members; the next cycle."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from making import field

import chunkmap

RUNS, STEPS, LEVELS = (1, 2, 3), (0, 6, 12, 18, 24), (500, 850)
GROUP = "t/instant/isobaricInhPa"
HOURS = np.timedelta64(1, "h")


def value_of(run, step, level):
    return 10_000 * run + 100 * step + level / 100


def write(folder, run, step, **keys):
    fields = [
        field(0, "regular_ll_pl_grib2", level=level, step=step, dataDate=20240100 + run, dataTime=0, **keys)
        for level in LEVELS
    ]
    data = b"".join(with_values(each, value_of(run, step, level)) for each, level in zip(fields, LEVELS, strict=True))
    path = folder / f"run{run}.f{step:03}.m{keys.get('perturbationNumber', 0)}.grib2"
    path.write_bytes(data)
    return str(path)


def with_values(data, value):
    import eccodes

    handle = eccodes.codes_new_from_message(data)
    try:
        eccodes.codes_set(handle, "bitsPerValue", 24)
        eccodes.codes_set_values(handle, value + np.arange(12.0) / 100)
        return eccodes.codes_get_message(handle)
    finally:
        eccodes.codes_release(handle)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    return {(run, step): write(folder, run, step) for run in RUNS for step in STEPS}


def check(dataset, expected):
    """Each cell of times and level has the field of its run and step."""
    for cell in dataset.t.isel(latitude=0, longitude=0).values.ravel():
        assert not np.isnan(cell)
    np.testing.assert_allclose(dataset.t.isel(latitude=0, longitude=0), expected, rtol=1e-5)


def of_runs_and_steps(runs, steps):
    return [[[value_of(run, step, level) for level in reversed(LEVELS)] for step in steps] for run in runs]


@pytest.mark.parametrize("suffix", ["parq", "json"])
def test_by_run_and_the_next_cycle(files, tmp_path, suffix):
    """Runs x steps; the next run is appended under the recipe that the set remembers."""
    out = str(tmp_path / f"set.{suffix}")
    recipe = {"concat_dims": ["time", "step"], "scan_options": {"squeeze": False}}
    chunkmap.build([files[run, step] for run in (1, 2) for step in STEPS], out, **recipe)
    with chunkmap.open_dataset(out, group=GROUP) as dataset:
        assert dataset.t.dims == ("time", "step", "isobaricInhPa", "latitude", "longitude")
        check(dataset, of_runs_and_steps((1, 2), STEPS))
    chunkmap.append(out, [files[3, step] for step in STEPS], **({} if suffix == "parq" else recipe))
    with chunkmap.open_dataset(out, group=GROUP) as dataset:
        check(dataset, of_runs_and_steps(RUNS, STEPS))
        assert dataset.valid_time.dims == ("time", "step")
        assert (dataset.valid_time == dataset.time + dataset.step).all()


def test_by_horizon(files, tmp_path):
    """The same step of every run: a set of its own for each horizon."""
    out = str(tmp_path / "f012.parq")
    chunkmap.build([files[run, 12] for run in RUNS], out, concat_dims=["time"], scan_options={"squeeze": False})
    with chunkmap.open_dataset(out, group=GROUP) as dataset:
        check(dataset.isel(step=0), [each[0] for each in of_runs_and_steps(RUNS, (12,))])


def test_by_valid_time(files, tmp_path):
    """Every forecast for a time, by how old it is: runs that end before a time are missing there."""
    out = str(tmp_path / "valid.parq")
    options = {"squeeze": False, "time_dims": "valid_time,step"}
    chunkmap.build(list(files.values()), out, concat_dims=["valid_time", "step"], scan_options=options)
    with chunkmap.open_dataset(out, group=GROUP) as dataset:
        assert dataset.t.dims[:2] == ("valid_time", "step")
        assert ((dataset.time == dataset.valid_time - dataset.step) | dataset.time.isnull()).all()
        for run in RUNS:
            for step in STEPS:
                moment = np.datetime64(f"2024-01-{run:02}") + step * HOURS
                found = dataset.t.sel(valid_time=moment, step=step * HOURS, isobaricInhPa=850)
                np.testing.assert_allclose(found[0, 0], value_of(run, step, 850), rtol=1e-5)
        assert np.isnan(dataset.t.sel(valid_time="2024-01-04", step=0 * HOURS)).all()


def test_the_best_there_is(files, tmp_path):
    """The youngest forecast for each time: the first steps of each run, and all of the last one."""
    out = str(tmp_path / "best.parq")
    best = [files[run, step] for run in RUNS for step in STEPS if step < 24 or run == RUNS[-1]]
    options = {"squeeze": False, "time_dims": "valid_time"}
    chunkmap.build(best, out, concat_dims=["valid_time"], scan_options=options)
    with chunkmap.open_dataset(out, group=GROUP) as dataset:
        assert dataset.t.dims[0] == "valid_time"
        expected = [of_runs_and_steps((run,), STEPS[:4] if run < 3 else STEPS)[0] for run in RUNS]
        check(dataset, np.concatenate(expected))
        assert (dataset.time + dataset.step == dataset.valid_time).all()


def test_members_of_an_ensemble(tmp_path):
    """Members in files of their own are a dimension beside run and step."""
    files = [
        write(tmp_path, run, step, productDefinitionTemplateNumber=1, perturbationNumber=m)
        for run in (1, 2)
        for step in (0, 6)
        for m in (1, 2)
    ]
    refs = chunkmap.combine(
        [chunkmap.scan(each, squeeze=False) for each in files], concat_dims=["number", "time", "step"]
    )
    with chunkmap.open_dataset(refs, group=GROUP) as dataset:
        assert dataset.t.shape[:4] == (2, 2, 2, 2)
        assert dataset.number.values.tolist() == [1, 2]
        check(dataset.isel(number=1), of_runs_and_steps((1, 2), (0, 6)))


@pytest.mark.parametrize("dims", ["time,valid_time", ("time", "valid_time"), "valid_time", "valid_time,step"])
def test_times_that_are_dimensions_in_one_file(tmp_path, files, dims):
    """Any of the four choices gives the same fields; the other times are coordinates along them."""
    path = tmp_path / "all.grib2"
    runs = RUNS[:1] if dims == "valid_time" else RUNS
    path.write_bytes(b"".join(Path(files[run, step]).read_bytes() for run in runs for step in STEPS))
    refs = chunkmap.scan(str(path), time_dims=dims)
    dataset = chunkmap.open_dataset(refs, group=GROUP)
    names = set(dims.split(",") if isinstance(dims, str) else dims)
    assert names <= set(dataset.t.dims)
    flat = dataset.t.isel(latitude=0, longitude=0, isobaricInhPa=0).to_dataframe().dropna().reset_index()
    found = {(t.day, s / HOURS): v for t, s, v in zip(flat.time, flat.step, flat.t, strict=True)}
    assert found == pytest.approx({(r, s): value_of(r, s, 850) for r in runs for s in STEPS}, rel=1e-5)


def test_times_that_are_none_are_refused(files):
    """Other names are refused, with those that may be dimensions."""
    with pytest.raises(ValueError, match="time_dims is 'step', expected one of time,step"):
        chunkmap.scan(files[1, 0], time_dims="step")


def test_the_engine_takes_the_options_of_cfgrib(files):
    """`filter_by_keys`, `squeeze` and `time_dims` are keywords of the engine; a file opens as a tree."""
    keys = {"level": 850, "shortName": "t"}
    with xr.open_dataset(files[1, 6], engine="chunkmap", group=GROUP, filter_by_keys=keys) as dataset:
        assert dataset.t.dims == ("latitude", "longitude")
        np.testing.assert_allclose(dataset.t[0, 0], value_of(1, 6, 850), rtol=1e-5)
    with xr.open_dataset(files[1, 6], engine="chunkmap", group=GROUP, squeeze=False, time_dims="valid_time") as dataset:
        assert dataset.t.dims[0] == "valid_time"
    with xr.open_datatree(files[1, 6], engine="chunkmap") as tree:
        assert GROUP in {node.path.strip("/") for node in tree.subtree}
        np.testing.assert_allclose(tree[GROUP].t[:, 0, 0], of_runs_and_steps((1,), (6,))[0][0], rtol=1e-5)


def test_fields_that_are_chosen_are_one_dataset(files, tmp_path):
    """Who chooses fields by their keys need not know their groups, as in cfgrib; what is no one dataset is refused."""
    two = [field(0, "regular_ll_pl_grib2", level=850, shortName=name) for name in ("t", "u")]
    low = field(0, "regular_ll_pl_grib2", level=500, shortName="u")
    surface = field(0, "regular_ll_sfc_grib2", shortName="t")
    path = tmp_path / "f.grib2"
    path.write_bytes(b"".join([*two, low, surface]))
    keys = {"typeOfLevel": "isobaricInhPa", "level": 850}
    with xr.open_dataset(path, engine="chunkmap", filter_by_keys=keys) as dataset:
        assert set(dataset.data_vars) == {"t", "u"}
        assert dataset.isobaricInhPa == 850
        assert dataset.attrs["GRIB_centre"]
        assert (dataset.t.attrs["units"], dataset.u.attrs["GRIB_shortName"]) == ("K", "u")
        assert dataset.isobaricInhPa.attrs["units"] == "hPa"
    with xr.open_dataset(files[1, 6], engine="chunkmap", filter_by_keys={"shortName": "t"}) as dataset:
        np.testing.assert_allclose(dataset.t[:, 0, 0], of_runs_and_steps((1,), (6,))[0][0], rtol=1e-5)
    for keys, why in (({"shortName": "t"}, "'t' is in more than one"), ({"typeOfLevel": "isobaricInhPa"}, "isobaric")):
        with pytest.raises(ValueError, match=rf"2 groups, .* no one dataset: .*{why}.* Say more keys"):
            xr.open_dataset(path, engine="chunkmap", filter_by_keys=keys)


def test_a_group_that_no_chosen_field_is_in_is_refused_with_what_the_file_has(files):
    """The error says which values the keys have in the file; without keys, which groups there are."""
    with pytest.raises(KeyError, match=r"no field is as asked for .* in the file shortName is t"):
        xr.open_dataset(files[1, 6], engine="chunkmap", group=GROUP, filter_by_keys={"shortName": "none"})
    for opener in (xr.open_dataset, xr.open_datatree):
        with pytest.raises(KeyError, match=f"there is no group 'elsewhere'; arrays are in {GROUP}"):
            opener(files[1, 6], engine="chunkmap", group="elsewhere")


def test_members_of_archives(files, tmp_path):
    """A GRIB file in a tar or a zip is scanned in place; references lead into the archive."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(files[1, 6], "in/f.grib2")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(files[1, 6], "in/f.grib2")
    for kind in ("tar", "zip"):
        refs = chunkmap.scan(f"{kind}://in/f.grib2::{tmp_path}/a.{kind}", inline_threshold=0)
        chunks = refs.arrays[f"{GROUP}/t"].chunks
        assert [chunks.row(n).source for n in range(2)] == [str(tmp_path / f"a.{kind}")] * 2
        with chunkmap.open_dataset(refs, group=GROUP) as dataset:
            np.testing.assert_allclose(dataset.t[:, 0, 0], of_runs_and_steps((1,), (6,))[0][0], rtol=1e-5)
