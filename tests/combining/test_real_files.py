"""Real files, cut from a dataset at random, come back as the dataset, or are refused: never as anything else."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chunkmap

SETTINGS = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ENGINES = ["netcdf4", "h5netcdf", "scipy"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Makes a new directory for each example."""
    return lambda: tmp_path_factory.mktemp("files")


def cube(ntime, *, seed=0):
    """A field, a packed field, a coordinate beside the dimension, times of day and their bounds, and a fixed grid."""
    random = np.random.default_rng(seed)
    time = np.cumsum(random.integers(1, 5, ntime)).astype("f8")
    values = random.normal(size=(ntime, 3, 4)).astype("f4")
    values[random.random(values.shape) < 0.1] = np.nan
    return xr.Dataset(
        {
            "temp": (("time", "y", "x"), values, {"units": "K"}),
            "count": (("time", "x"), random.integers(-99, 99, (ntime, 4)).astype("i2")),
            "area": (("y", "x"), random.normal(size=(3, 4))),
        },
        {
            "time": ("time", time, {"units": "hours since 2001-02-03"}),
            "x": ("x", np.arange(4.0)),
            "step": ("time", np.arange(ntime, dtype="i4")),
        },
    )


def write(dataset, path, engine, chunk, *, packed=False, zlib=False):
    """Write one file in chunks of `chunk` times; netCDF3 has none."""
    dataset = dataset.copy()
    encoding = {name: {"_FillValue": None} for name in ("time", "x", "count", "step", "area")}
    encoding["temp"] = {"_FillValue": np.float32(-999)}
    if packed:
        encoding["temp"] = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 1.0, "_FillValue": np.int16(-999)}
    if engine != "scipy":
        encoding["temp"] |= {"chunksizes": (chunk, 3, 2), "zlib": zlib}
        encoding["count"] |= {"chunksizes": (chunk, 4)}
    dataset.to_netcdf(path, engine=engine, encoding=encoding, unlimited_dims=["time"])


def as_form(refs, form, path):
    """One set as a caller may give it."""
    if form == "set":
        return refs
    if form == "dictionary":
        return json.loads(json.dumps(refs.to_dict()))
    chunkmap.write(refs, f"{path}.{form}")
    return f"{path}.{form}"


def opened(refs):
    """What xarray reads through references."""
    return chunkmap.open_dataset(refs, decode_times=False).load()


def files_of(whole, edges, folder, engine, chunk, **how):
    """Cut a dataset at the edges, and read each file back with the library that wrote it."""
    pieces, parts = [], []
    for number, (start, stop) in enumerate(itertools.pairwise(edges)):
        path = folder / f"f{number}.nc"
        write(whole.isel(time=slice(start, stop)), path, engine, chunk, **how)
        pieces.append(str(path))
        with xr.open_dataset(path, engine=engine, decode_times=False) as part:
            parts.append(part.load())
    return pieces, xr.concat(parts, "time", data_vars="minimal", coords="minimal", compat="equals", join="exact")


@SETTINGS
@given(data=st.data())
def test_aligned_files_in_any_order_form_and_bracketing(data, folder):
    """Files cut at chunks, given in any order and form, combined at once or by parts, are the dataset."""
    here = folder()
    chunk = data.draw(st.integers(1, 3), label="chunk")
    blocks = data.draw(st.lists(st.integers(1, 2), min_size=2, max_size=4), label="chunks of each file")
    engine = data.draw(st.sampled_from(ENGINES), label="engine")
    how = {"packed": data.draw(st.booleans(), label="packed"), "zlib": data.draw(st.booleans(), label="zlib")}
    edges = (np.cumsum([0, *blocks]) * chunk).tolist()
    paths, expected = files_of(cube(edges[-1]), edges, here, engine, chunk, **how)
    forms = st.sampled_from(["set", "dictionary", "json", "parq"])
    sets = [as_form(chunkmap.scan(path), data.draw(forms, label="form"), path) for path in paths]
    recipe = {"concat_dims": ["time"], "identical_dims": ["area"]}

    order = data.draw(st.permutations(range(len(sets))), label="order")
    xr.testing.assert_identical(
        expected, opened(chunkmap.combine([sets[n] for n in order], **recipe)).drop_attrs(deep=False)
    )

    cut = data.draw(st.integers(1, len(sets) - 1), label="cut")
    halves = [chunkmap.combine(half, **recipe) for half in (sets[:cut], sets[cut:])]
    xr.testing.assert_identical(expected, opened(chunkmap.combine(halves, **recipe)).drop_attrs(deep=False))


@SETTINGS
@given(data=st.data())
def test_misaligned_files_are_right_or_refused(data, folder):
    """Files cut anywhere are the dataset again, or are refused: read inline when small, cut when asked."""
    here = folder()
    chunk = data.draw(st.integers(1, 4), label="chunk")
    lengths = data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=4), label="length of each file")
    engine = data.draw(st.sampled_from(ENGINES), label="engine")
    edges = np.cumsum([0, *lengths]).tolist()
    paths, expected = files_of(cube(edges[-1]), edges, here, engine, min(chunk, *lengths))
    sets = chunkmap.scan_many(paths)
    recipe = {"concat_dims": ["time"], "identical_dims": ["area"]}

    xr.testing.assert_identical(expected, opened(chunkmap.combine(sets, **recipe)).drop_attrs(deep=False))
    cut = chunkmap.combine(sets, split=True, load_below=0, **recipe)
    xr.testing.assert_identical(expected, opened(cut).drop_attrs(deep=False))
    if chunkmap.diagnose(sets, load_below=0, **recipe).fits:
        large = chunkmap.combine(sets, load_below=0, **recipe)
        xr.testing.assert_identical(expected, opened(large).drop_attrs(deep=False))
    else:
        with pytest.raises(chunkmap.CombineError, match="chunks"):
            chunkmap.combine(sets, load_below=0, **recipe)


@SETTINGS
@given(data=st.data())
def test_tiles_of_two_dimensions(data, folder):
    """Tiles of ensemble and time, in any order, are what xarray nests; a missing one is missing data."""
    here = folder()
    members, steps = data.draw(st.integers(1, 3), label="members"), data.draw(st.integers(1, 3), label="steps")
    tiles = list(itertools.product(range(members), range(steps)))
    rows = []
    for member in range(members):
        rows.append([])
        for step in range(steps):
            part = cube(2 * steps, seed=member).isel(time=slice(2 * step, 2 * step + 2)).drop_vars("area")
            part["time"] = ("time", [2.0 * step, 2.0 * step + 1], {"units": "hours since 2001-02-03"})
            part["step"] = ("time", np.arange(2 * step, 2 * step + 2, dtype="i4"))
            part = part.assign_attrs(realization=member).reset_coords("step", drop=True).drop_vars("count")
            part.to_netcdf(here / f"{member}-{step}.nc", encoding={"temp": {"chunksizes": (2, 3, 4)}})
            rows[-1].append(part.drop_attrs(deep=False))
    expected = xr.combine_nested(rows, ["member", "time"]).assign_coords(member=np.arange(members))
    order = data.draw(st.permutations(tiles), label="order")
    kept = order[: data.draw(st.integers(1, len(order)), label="kept")]
    keep_members, keep_steps = sorted({m for m, _ in kept}), sorted({s for _, s in kept})
    times = [t for s in keep_steps for t in (2 * s, 2 * s + 1)]
    expected = expected.isel(member=keep_members, time=times).copy(deep=True)
    for member, step in set(itertools.product(keep_members, keep_steps)) - set(kept):
        expected["temp"].loc[{"member": member, "time": [2.0 * step, 2.0 * step + 1]}] = np.nan

    sets = chunkmap.scan_many([str(here / f"{m}-{s}.nc") for m, s in kept])
    found = chunkmap.combine(sets, concat_dims=["member", "time"], coo_map={"member": "attr:realization"})

    xr.testing.assert_equal(expected, opened(found))


CHANGES = {
    "packing": lambda d, e: e["temp"].update(dtype="i2", scale_factor=0.5, add_offset=0.0, _FillValue=np.int16(-9)),
    "other packing": lambda d, e: e["temp"].update(dtype="i2", scale_factor=0.25, _FillValue=np.int16(-9)),
    "type": lambda d, e: e["temp"].update(dtype="f8"),
    "byte order": lambda d, e: e["temp"].update(dtype=">f4"),
    "codec": lambda d, e: e["temp"].update(zlib=True),
    "shuffle": lambda d, e: e["temp"].update(zlib=True, shuffle=True),
    "fill value": lambda d, e: e["temp"].update(_FillValue=np.float32(-1)),
    "chunks": lambda d, e: e["temp"].update(chunksizes=(1, 3, 2)),
    "units": lambda d, e: d["temp"].attrs.update(units="degC"),
    "overlap": lambda d, e: None,
    "epoch": lambda d, e: d["time"].attrs.update(units="hours since 2001-02-04"),
    "nothing": lambda d, e: None,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("load_below", [0, 1_000_000])
def test_files_that_differ_are_right_or_refused(change, load_below, tmp_path):
    """A second file written in another way is read as xarray reads it, or is refused: never as the first is."""
    parts = []
    for number in range(2):
        part = cube(4, seed=1).isel(time=slice(2 * number, 2 * number + 2))
        if change == "overlap":
            part = cube(4, seed=1).isel(time=slice(number, number + 2))
        encoding = {"temp": {"chunksizes": (2, 3, 4), "_FillValue": np.float32(-999)}}
        encoding |= {name: {"_FillValue": None} for name in ("time", "x", "area")}
        if number:
            CHANGES[change](part, encoding)
        part.to_netcdf(tmp_path / f"f{number}.nc", engine="netcdf4", encoding=encoding)
        with xr.open_dataset(tmp_path / f"f{number}.nc") as opened_part:
            parts.append(opened_part.load())
    sets = chunkmap.scan_many(str(tmp_path / "f*.nc"))
    recipe = {"concat_dims": ["time"], "identical_dims": ["area"], "load_below": load_below}

    report = chunkmap.diagnose(sets, **recipe)
    if not report.fits:
        with pytest.raises(chunkmap.CombineError):
            chunkmap.combine(sets, **recipe)
        assert change != "nothing"
    else:
        expected = xr.concat(parts, "time", data_vars="minimal", coords="minimal", compat="equals", join="exact")
        found = chunkmap.open_dataset(chunkmap.combine(sets, **recipe)).load()
        xr.testing.assert_equal(expected.sortby("time"), found)
