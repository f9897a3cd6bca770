"""What does not line up is cut to a common grid, and what changes along a series is put into eras, when asked."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import xarray as xr
from bridge import to_dataset, to_refs
from hypothesis import given, settings
from hypothesis import strategies as st

import chunkmap
from chunkmap.combining import Recipe, combine_sets
from chunkmap.combining.alignment import MOST_CHUNKS
from chunkmap.combining.eras import MOST_ERAS
from chunkmap.model.edits import subchunk

PLAIN = {"compressors": None, "filters": None}


def piece(whole, start, stop, chunks, **encoding):
    """A stretch of a dataset as references, uncompressed, in chunks of its own."""
    part = whole.isel(time=slice(start, stop))
    return to_refs(part, name=f"{start}.nc", d={"chunks": chunks, **PLAIN, **encoding}, time={"chunks": (999,)})


def grid(ntime, ny=4, nx=6):
    """A dataset of numbers that are all different."""
    values = np.arange(ntime * ny * nx, dtype="f4").reshape(ntime, ny, nx)
    return xr.Dataset({"d": (("time", "y", "x"), values)}, {"time": np.arange(ntime)})


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_chunks_are_cut_to_a_common_grid(data):
    """Uncompressed chunks of any shape, in inputs of any length and order, are cut to one grid, without reading."""
    lengths = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4), label="lengths")
    edges = np.cumsum([0, *lengths]).tolist()
    whole = grid(edges[-1])
    sets = []
    for start, stop in itertools.pairwise(edges):
        chunks = tuple(data.draw(st.integers(1, n), label="chunk") for n in (5, 4, 6))
        sets.append(piece(whole, start, stop, chunks))
    sets = [sets[n] for n in data.draw(st.permutations(range(len(sets))), label="order")]

    def read(arrays):
        assert all(array.meta.ndim == 1 for array in arrays), "the field was read"
        return [np.frombuffer(array.chunks.inline_bytes(0), array.meta.dtype) for array in arrays]

    plain = [type(refs)({**refs.arrays, "time": _decoded(refs)}, refs.groups, name=refs.name) for refs in sets]
    refs = combine_sets(plain, Recipe(concat_dims=["time"], split=True, load_below=0), read)

    xr.testing.assert_equal(whole, to_dataset(refs))


def _decoded(refs):
    """The times of a set, held inline without a codec."""
    array = refs.arrays["time"]
    values = to_dataset(refs)["time"].values.astype(array.meta.dtype)
    data = values.tobytes()
    chunks = type(array.chunks).single(data, 0, len(data), 1)
    meta = type(array.meta)(shape=values.shape, chunk_shape=values.shape, dtype=values.dtype, dims=("time",))
    return type(array)(meta, chunks)


def test_leap_years_in_files_of_one_chunk(tmp_path):
    """Years of 365 and 366 days, one chunk a file, become one series when they are cut."""
    parts, day = [], 0
    for year, days in enumerate([365, 366, 365]):
        values = np.arange(days * 6, dtype="f4").reshape(days, 2, 3) + 10_000 * year
        parts.append(xr.Dataset({"d": (("time", "y", "x"), values)}, {"time": np.arange(day, day + days)}))
        parts[-1].to_netcdf(tmp_path / f"{year}.nc", encoding={"d": {"_FillValue": None}})
        day += days
    sets = chunkmap.scan_many(str(tmp_path / "*.nc"), inline_threshold=0)
    recipe = {"concat_dims": "time", "load_below": 9_000}

    with pytest.raises(chunkmap.CombineError, match="split=True"):
        chunkmap.combine(sets, **recipe)
    refs = chunkmap.combine(sets, split=True, **recipe)

    assert (1, 2, 3) == refs.arrays["d"].meta.chunk_shape
    xr.testing.assert_equal(xr.concat(parts, "time"), chunkmap.open_dataset(refs).load())


def test_compressed_chunks_are_not_cut():
    """What is compressed cannot be cut: it is refused, and nothing is said of cutting it."""
    whole = grid(5)
    sets = [to_refs(whole.isel(time=part), d={"chunks": (2, 4, 6)}) for part in (slice(0, 3), slice(3, 5))]

    report = chunkmap.diagnose(sets, concat_dims="time", split=True, load_below=0)

    assert [("alignment", "d")] == [(f.check, f.path) for f in report.findings if f.refused and f.path == "d"]
    assert not any("split=True" in str(finding) for finding in report.findings)


def test_cutting_is_bounded():
    """A cut into more references than a machine can hold is refused."""
    side = math.isqrt(MOST_CHUNKS) + 1
    sets = []
    for n, chunks in enumerate([(1, side, side), (1, 1, 1)]):
        refs = piece(grid(2, 2, 2), n, n + 1, (1, 2, 2))
        d = refs.arrays["d"]
        meta = type(d.meta)(shape=(1, side, side), chunk_shape=chunks, dtype=np.dtype("f4"), dims=("time", "y", "x"))
        empty = type(d)(meta, type(d.chunks).empty(meta.grid_shape))
        sets.append(type(refs)({**refs.arrays, "d": empty}, name=f"{n}.nc"))

    with pytest.raises(chunkmap.CombineError, match="no common grid has fewer than"):
        chunkmap.combine(sets, concat_dims="time", split=True)


def test_chunks_are_cut_before_combining():
    """A step before combining may cut chunks in any dimension, so that they fall on one grid."""
    whole = grid(4)
    sets = [piece(whole, 0, 2, (2, 4, 6)), piece(whole, 2, 4, (1, 2, 6))]

    refs = chunkmap.combine(
        sets, concat_dims="time", load_below=0, preprocess=lambda refs: subchunk(refs, "d", (1, 2, 6))
    )

    assert (4, 2, 1) == refs.arrays["d"].chunks.grid_shape
    xr.testing.assert_equal(whole, to_dataset(refs))


# ---------------------------------------------------------------------- eras


def packed(n, **encoding):
    """Two steps of a series, packed in a way of their own."""
    values = np.array([[n, n + 0.5], [n + 1, n + 1.5]])
    dataset = xr.Dataset({"d": (("time", "x"), values)}, {"time": [2 * n, 2 * n + 1], "x": [1, 2]})
    return to_refs(dataset, name=f"{n}.nc", d={"chunks": (2, 2), **encoding})


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "i2", "scale_factor": 0.25, "add_offset": 100.0, "_FillValue": -9},
        {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -99},
        {"dtype": "f4"},
        {"compressors": None},
    ],
    ids=["packing", "fill value", "type", "codec"],
)
def test_each_era_is_read_exactly(change):
    """Inputs of another packing, type or codec go to a group of their own, and each reads as it was written."""
    old = {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -9}
    sets = [packed(3, **change), packed(0, **old), packed(2, **change), packed(1, **old)]

    with pytest.raises(chunkmap.CombineError, match="eras=True"):
        chunkmap.combine(sets, concat_dims="time")
    refs = chunkmap.combine(sets, concat_dims="time", eras=True)

    assert {"", "era_0", "era_1"} == set(refs.groups)
    for era, numbers in (("era_0", (2, 3)), ("era_1", (0, 1))):
        found = chunkmap.open_dataset(refs, group=era).load()
        assert [t for n in numbers for t in (2 * n, 2 * n + 1)] == found["time"].values.tolist()
        assert [[v, v + 0.5] for n in numbers for v in (n, n + 1)] == found["d"].values.tolist()
        assert [1, 2] == found["x"].values.tolist()


def test_a_change_of_the_grid_is_an_era():
    """Files of another length along a dimension that is not combined are an era."""
    sets = [to_refs(xr.Dataset({"d": (("t", "x"), np.full((1, 2 + n // 2), n))}, {"t": [n]})) for n in range(4)]

    refs = chunkmap.combine(sets, concat_dims="t", eras=True)

    assert [(2, 2), (2, 3)] == [refs.arrays[f"era_{n}/d"].meta.shape for n in range(2)]


def test_one_era_is_no_group():
    """Inputs of one kind are combined as ever; a variable that some do not have makes no era."""
    sets = [packed(0), packed(1)]
    less = type(sets[1])({k: v for k, v in sets[1].arrays.items() if k != "d"}, sets[1].groups)

    assert chunkmap.combine(sets, concat_dims="time") == chunkmap.combine(sets, concat_dims="time", eras=True)
    refs = chunkmap.combine([sets[0], less], concat_dims="time", eras=True)
    assert {"d", "time", "x"} == set(refs.arrays)


def test_times_of_other_units_are_no_era():
    """What is brought to one unit needs no era of its own."""
    sets = []
    for n in range(2):
        time = ("time", [0.0], {"units": f"days since 2000-01-0{n + 1}"})
        sets.append(to_refs(xr.Dataset({"d": ("time", [float(n)])}, {"time": time})))

    refs = chunkmap.combine(sets, concat_dims="time", coo_map={"time": "cf:time"}, eras=True)

    assert {"d", "time"} == set(refs.arrays)


def test_too_many_eras_are_refused():
    """A series that changes nearly from file to file has no eras."""
    sets = [packed(n, dtype="i2", scale_factor=1.0 + n, _FillValue=-9) for n in range(MOST_ERAS + 2)]

    with pytest.raises(chunkmap.CombineError, match=f"expected at most {MOST_ERAS} eras"):
        chunkmap.combine(sets, concat_dims="time", eras=True)


def test_eras_are_not_added_to():
    """A result of eras cannot be an input again as a result."""
    with pytest.raises(chunkmap.CombineError, match="all at once"):
        combine_sets([packed(0)], Recipe(concat_dims=["time"], eras=True), lambda arrays: [], combined=1)
