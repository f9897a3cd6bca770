"""Scanning many files, combining and building give the same on every executor."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr

import chunkmap
from chunkmap.combining import placing
from chunkmap.storage.parquet.chunks import PartitionedChunks


def write_files(folder, count=4):
    datasets = []
    for number in range(count):
        values = np.arange(6.0).reshape(1, 2, 3) + 10 * number
        dataset = xr.Dataset(
            {"d": (("time", "y", "x"), values, {"units": "m"})},
            {"time": ("time", [number], {"units": "days since 2000-01-01"})},
        )
        dataset.to_netcdf(folder / f"f{number}.nc", engine="h5netcdf", unlimited_dims=["time"])
        datasets.append(xr.decode_cf(dataset))
    return xr.concat(datasets, "time")


@pytest.fixture
def cube(tmp_path):
    """Four files, and the dataset that they make together."""
    return str(tmp_path / "f*.nc"), write_files(tmp_path)


@pytest.mark.parametrize("executor", [None, "threads", "processes"])
def test_every_executor_gives_the_same(cube, executor):
    """The sets come back in the order of the URLs, whoever scanned them."""
    pattern, _ = cube
    seen = []

    sets = chunkmap.scan_many(pattern, executor=executor, progress=lambda done, total: seen.append((done, total)))

    assert chunkmap.scan_many(pattern) == sets
    assert [refs.name[-5:] for refs in sets] == ["f0.nc", "f1.nc", "f2.nc", "f3.nc"]
    assert seen[-1] == (4, 4)


def test_an_executor_of_the_caller(cube):
    """Any executor will do, and stays open."""
    pattern, _ = cube
    with ThreadPoolExecutor(2) as pool:
        sets = chunkmap.scan_many(pattern, executor=pool)

        assert pool.submit(len, sets).result() == 4


def test_an_executor_that_is_not_known(cube):
    """A name that means nothing is refused."""
    with pytest.raises(ValueError, match="'cluster'"):
        chunkmap.scan_many(cube[0], executor="cluster")


@pytest.mark.parametrize("executor", [None, "threads"])
def test_a_bad_file_stops_the_run_or_is_reported(cube, tmp_path, executor):
    """A file that cannot be scanned raises, or is left out with a warning that names it."""
    pattern, _ = cube
    (tmp_path / "f9.nc").write_text("no NetCDF")

    with pytest.raises(chunkmap.FormatError, match=r"f9\.nc"):
        chunkmap.scan_many(pattern, executor=executor)
    with pytest.warns(UserWarning, match=r"1 of 5 files were skipped: .*f9\.nc"):
        sets = chunkmap.scan_many(pattern, executor=executor, on_error="skip")

    assert len(sets) == 4


@pytest.mark.parametrize("name", ["cube.json", "cube.parq"])
def test_build(cube, tmp_path, name):
    """Scan, combine and write in one call; what is written opens as the cube."""
    pattern, expected = cube

    refs = chunkmap.build(pattern, tmp_path / name, concat_dims=["time"])

    assert chunkmap.load(tmp_path / name) == refs
    with chunkmap.open_dataset(tmp_path / name) as found:
        xr.testing.assert_identical(expected, found.load())


def test_a_build_that_fails_leaves_nothing(cube, tmp_path):
    """Files that do not fit leave no output behind, and an old one as it was."""
    pattern, _ = cube
    out = tmp_path / "cube.json"
    out.write_text("{}")
    same = xr.open_dataset(tmp_path / "f0.nc", engine="h5netcdf", decode_times=False).load()
    (same + 1).assign_coords(same.coords).to_netcdf(tmp_path / "f0b.nc", engine="h5netcdf")

    with pytest.raises(chunkmap.CombineError, match=r"f0\.nc and .*f0b\.nc both hold time"):
        chunkmap.build(pattern, out, concat_dims=["time"])

    assert out.read_text() == "{}"
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix not in {".nc", ".json"}) == []


def test_combine_takes_sets_dictionaries_and_paths(cube, tmp_path):
    """Inputs may be in memory or stored, side by side."""
    pattern, _ = cube
    sets = chunkmap.scan_many(pattern)
    (tmp_path / "1.json").write_text(json.dumps(sets[1].to_dict()))
    chunkmap.write(sets[2], tmp_path / "2.parq")

    mixed = chunkmap.combine(
        [sets[0], tmp_path / "1.json", str(tmp_path / "2.parq"), sets[3].to_dict()], concat_dims="time"
    )

    assert chunkmap.combine(sets, concat_dims="time") == mixed


def test_steps_before_and_after(cube):
    """`preprocess` sees every input, `postprocess` the result."""
    from dataclasses import replace

    pattern, _ = cube
    sets = chunkmap.scan_many(pattern)
    seen = []

    def before(refs):
        seen.append(refs.name)
        return refs

    refs = chunkmap.combine(
        sets, concat_dims="time", preprocess=before, postprocess=lambda refs: replace(refs, groups={"": {"new": 1}})
    )

    assert len(seen) == 4
    assert refs.attrs == {"new": 1}


def test_small_chunks_are_inlined_when_asked(cube):
    """Chunks under the threshold are fetched and held inline; by default none are."""
    pattern, expected = cube
    sets = chunkmap.scan_many(pattern, inline_threshold=0)

    inlined = chunkmap.combine(sets, concat_dims="time", inline_threshold=1000)

    assert not chunkmap.combine(sets, concat_dims="time").arrays["d"].chunks.is_inline.any()
    assert inlined.arrays["d"].chunks.is_inline.all()
    with chunkmap.open_dataset(inlined) as found:
        xr.testing.assert_identical(expected, found.load())


def test_inputs_in_parquet_are_fetched_together(cube, tmp_path, monkeypatch):
    """Combining in memory asks for the chunks of all inputs at once, a table of sources for each, none for all."""
    sets = chunkmap.scan_many(cube[0], inline_threshold=0)
    for number, refs in enumerate(sets):
        chunkmap.write(refs, tmp_path / f"{number}.parq")
    asked, real = [], PartitionedChunks.together.__func__
    monkeypatch.setattr(
        PartitionedChunks, "together", classmethod(lambda cls, wanted: asked.append(len(wanted)) or real(cls, wanted))
    )
    monkeypatch.setattr(placing, "_TOGETHER", 3)

    combined = chunkmap.combine([tmp_path / f"{number}.parq" for number in range(4)], concat_dims="time")

    assert combined == chunkmap.combine(sets, concat_dims="time")
    assert combined.arrays["d"].chunks.urls == tuple(refs.name for refs in sets)
    assert 3 in asked


@pytest.mark.parametrize("name", ["{}.json", "{}.parq"])
def test_sets_on_a_server_are_fetched_side_by_side(cube, range_server, tmp_path, name):
    """A thousand stored sets do not wait for one another; they are combined in their order, as local ones are."""
    sets = chunkmap.scan_many(cube[0])
    local = [str(tmp_path / name.format(number)) for number in range(len(sets))]
    for refs, path in zip(sets, local, strict=True):
        chunkmap.write(refs, path)
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        range_server.put(str(file.relative_to(tmp_path)), file.read_bytes())
    range_server.latency = 0.1
    urls = [range_server.url(name.format(number)) for number in range(len(sets))]

    combined = chunkmap.combine(urls, out=tmp_path / "out.parq", concat_dims=["time"])

    assert range_server.busiest > 1
    assert combined == chunkmap.combine(local, concat_dims=["time"])
