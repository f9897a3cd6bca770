"""Inputs that follow one another as they are given, along a dimension that has no coordinate: as WRF writes files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from bridge import combine, to_dataset, to_refs
from invoking import run as on_command_line

import chunkmap
from chunkmap.combining import Recipe
from chunkmap.errors import CombineError

ALONG = {"concat_dims": "Time", "coo_map": {"Time": "ORDER"}}


def wrf(number, length=2):
    """A file of a run: times as text, fields along a dimension without a coordinate, a grid, minutes."""
    first = 10 * number
    times = np.array([list(f"2000-01-24_{first + n:02d}:00:00") for n in range(length)], "S1").reshape(length, 19)
    fields = np.arange(length * 6, dtype="f4").reshape(length, 2, 3) + 100 * number
    return xr.Dataset(
        {
            "Times": (("Time", "DateStrLen"), times),
            "XTIME": ("Time", np.arange(length, dtype="f4") * 60 + first, {"units": "minutes since 2000-01-24"}),
            "T2": (("Time", "south_north", "west_east"), fields, {"units": "K"}),
            "ZNU": ("bottom_top", np.arange(4.0)),
        }
    )


@pytest.fixture
def run(tmp_path):
    """Files of a run, and the datasets in them."""
    datasets = [wrf(n) for n in range(3)]
    for number, dataset in enumerate(datasets):
        dataset.to_netcdf(tmp_path / f"wrfout_{number}.nc", engine="h5netcdf", unlimited_dims=["Time"])
    return datasets, sorted(map(str, tmp_path.glob("wrfout_*.nc")))


def expected(datasets):
    return xr.concat(datasets, "Time", data_vars="minimal", coords="minimal", compat="override", join="override")


def opened(path):
    return chunkmap.open_dataset(path, decode_times=False).load()


def test_inputs_follow_one_another_as_given():
    """Whatever the order and the lengths, the result is what xarray's concat gives, without a coordinate."""
    datasets = [wrf(n, length).drop_vars("Times") for n, length in ((2, 1), (0, 3), (1, 0), (5, 2))]
    sets = [to_refs(dataset, name=f"{n}") for n, dataset in zip((2, 0, 1, 5), datasets, strict=True)]

    refs = combine(sets, **ALONG)

    found = to_dataset(refs, decode_times=False)
    xr.testing.assert_identical(expected([d for d in datasets if d.sizes["Time"]]), found)
    assert "Time" not in refs.arrays
    (note,) = [note for note in refs.notes if note.check == "order"]
    assert "2, 0, 5 stand in the order given" in note.message


def test_a_coordinate_is_joined_as_any_array():
    """Where inputs have a coordinate of the name, its values are put one after the other, unsorted and even twice."""
    sets = [to_refs(xr.Dataset({"a": ("t", [n, n + 1.0])}, {"t": [5, 3]}), name=f"{n}") for n in range(2)]

    found = to_dataset(combine(sets, concat_dims="t", coo_map={"t": "ORDER"}, load_below=0))

    assert [5, 3, 5, 3] == found.t.values.tolist()
    assert [0, 1, 1, 2] == found.a.values.tolist()


def test_a_new_dimension_has_a_place_for_each_input():
    """Where no input has the dimension, each is one place along it."""
    sets = [to_refs(xr.Dataset({"a": ("x", [n, n + 0.5])})) for n in range(3)]

    found = to_dataset(combine(sets, concat_dims="n", coo_map={"n": "ORDER"}, load_below=0))

    assert [[0, 0.5], [1, 1.5], [2, 2.5]] == found.a.values.tolist()
    assert ("n", "x") == found.a.dims
    assert "n" not in found.coords


def test_beside_a_dimension_that_has_values():
    """One dimension by the order, the other by its coordinate."""
    tile = lambda x, n: xr.Dataset({"a": (("t", "x"), [[10.0 * n + x]])}, {"x": [x]})  # noqa: E731
    sets = [to_refs(tile(x, n), name=f"{x}-{n}") for x in (1, 0) for n in range(2)]

    places = combine(sets, concat_dims=["t", "x"], coo_map={"t": "ORDER"})
    assert [note for note in places.notes if note.check == "missing"]  # each input is the next place of one list
    rows = [combine(sets[i : i + 2], concat_dims="t", coo_map={"t": "ORDER"}) for i in (0, 2)]
    found = to_dataset(combine(rows, concat_dims="x"))

    assert [[0, 1], [10, 11]] == found.a.values.tolist()


def test_groups_have_lengths_of_their_own():
    """A group whose arrays are of another length follows its own, and a static array of the root stays once."""
    arrays = {}
    for n in range(2):
        refs = to_refs(xr.Dataset({"a": ("t", np.arange(2.0 + n))}))
        root = to_refs(xr.Dataset({"grid": ("x", [1.0, 2.0])}))
        both = {"fine/a": refs.arrays["a"], "coarse/a": to_refs(wrf(n)).arrays["XTIME"].with_meta(dims=("t",))}
        arrays[n] = type(refs)({**root.arrays, **both}, {"fine": {}, "coarse": {}}, name=str(n))

    refs = combine(list(arrays.values()), concat_dims="t", coo_map={"t": "ORDER"})

    shapes = {path: array.meta.shape for path, array in refs.arrays.items()}
    assert shapes == {"fine/a": (5,), "coarse/a": (4,), "grid": (2,)}


def test_batches_give_what_all_at_once_gives():
    """Results of the recipe are combined by its like, as a tree on a cluster does."""
    sets = [to_refs(wrf(n), name=f"{n}") for n in range(4)]
    whole = combine(sets, **ALONG)

    parts = [combine(sets[:3], **ALONG), combine(sets[3:], first=3, **ALONG)]
    again = Recipe(**ALONG).again()
    found = combine(parts, combined=2, concat_dims=again.concat_dims, coo_map=again.coo_map)

    xr.testing.assert_identical(to_dataset(whole, decode_times=False), to_dataset(found, decode_times=False))


@pytest.mark.parametrize(
    ("names", "waive", "says"),
    [
        (["a", "b", "a"], "overlap", "a is given twice"),
        (["f1.nc", "f10.nc", "f2.nc"], "order", "f10.nc stands before f2.nc"),
    ],
)
def test_what_speaks_against_an_order_is_refused(names, waive, says):
    """A file that is given twice, and numbered files in the order of letters, are refused until that is waived."""
    sets = [to_refs(wrf(n), name=name) for n, name in enumerate(names)]

    with pytest.raises(CombineError, match=says):
        combine(sets, **ALONG)

    assert combine(sets, **ALONG, waive=[waive]).arrays["T2"].meta.shape[0] == 6


def test_an_order_that_is_given_is_not_doubted():
    """Names that are in no order of letters were put so by somebody."""
    sets = [to_refs(wrf(n), name=name) for n, name in enumerate(["f2.nc", "f10.nc", "f1.nc"])]

    assert to_dataset(combine(sets, **ALONG), decode_times=False).XTIME[0] == 0


def test_arrays_of_other_lengths_are_refused():
    """An array that has another length along the dimension than its neighbours is named."""
    refs = to_refs(wrf(0), name="a")
    odd = refs.arrays["XTIME"].with_meta(dims=("Time",), shape=(1,), chunk_shape=(1,))
    refs = type(refs)({**refs.arrays, "ZODD": odd}, {}, name="a")

    with pytest.raises(CombineError, match="ZODD: has 1 elements along Time in a, where other arrays have 2"):
        combine([refs], **ALONG)


def test_a_missing_coordinate_names_the_word():
    """Who combines such files as if they had a coordinate is told of ORDER; a word like it is named too."""
    with pytest.raises(CombineError, match=r"coo_map=\{'Time': 'ORDER'\}"):
        combine([to_refs(wrf(0))], concat_dims="Time")
    with pytest.raises(CombineError, match="did you mean 'ORDER'"):
        Recipe(concat_dims="Time", coo_map={"Time": "order"})
    with pytest.raises(CombineError, match="no values to cast"):
        Recipe(**ALONG, coo_dtypes={"Time": "i4"})


@pytest.mark.parametrize("name", ["run.json", "run.parq"])
def test_building_and_appending(run, tmp_path, name):
    """A stored set goes on in the order in which files are appended, and takes none that it has already."""
    datasets, files = run
    out = str(tmp_path / name)
    chunkmap.build(files[:2], out, **ALONG)
    xr.testing.assert_identical(expected(datasets[:2]), opened(out))

    with pytest.raises(CombineError, match=r"wrfout_1\.nc is in the set already"):
        chunkmap.append(out, files[1:])
    refs = chunkmap.append(out, files[2:])

    xr.testing.assert_identical(expected(datasets), opened(out))
    assert any("after what is there in the order given" in note.message for note in refs.notes)


def test_on_the_command_line(run, tmp_path):
    """`--coord Time=ORDER` builds, and diagnose says what the order is, and what would come of it."""
    datasets, files = run
    out = str(tmp_path / "run.json")
    how = ["--concat", "Time", "--coord", "Time=ORDER"]

    built = on_command_line("build", *files, "-o", out, *how)
    said = on_command_line("diagnose", *files, *how)
    plain = on_command_line("diagnose", *files, "--concat", "Time")
    as_data = on_command_line("diagnose", "--json", *files, *how)

    assert built.exit_code == said.exit_code == 0, built.output + said.output
    xr.testing.assert_identical(expected(datasets), opened(out))
    assert "Time: 6 places, in the order of the inputs" in said.output
    assert "[order]" in said.output
    assert plain.exit_code == 1
    assert "--coord Time=ORDER" in plain.output
    assert json.loads(as_data.output)["result"]["axes"] == {"Time": {"length": 6, "in_order": True}}
