"""What is combined equals what xarray concatenates; what does not fit is refused, never guessed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import xarray as xr
from bridge import combine, month, to_dataset, to_refs
from hypothesis import given, settings
from hypothesis import strategies as st

import chunkmap
from chunkmap.errors import CombineError
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet

STATIC = ["area"]


def series(values, *, chunk=1, units="days since 2000-01-01", name=None, dtype="f8", **attrs):
    """A variable `d` along `time`, ten times its time, in chunks of a given length."""
    time = xr.DataArray(np.array(values, "f8"), dims="time", attrs={"units": units})
    data = xr.DataArray((np.array(values) * 10).astype(dtype), dims="time", attrs=attrs)
    return to_refs(xr.Dataset({"d": data}, {"time": time}), name=name, d={"chunks": (chunk,)}, time={"chunks": (99,)})


def times(refs):
    return to_dataset(refs, decode_times=False, mask_and_scale=False)["time"].values.tolist()


def data(refs):
    return to_dataset(refs, decode_times=False, mask_and_scale=False)["d"].values.tolist()


# ---------------------------------------------------------------------- what fits


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_months_in_any_order(order):
    """The order of the inputs does not matter: the coordinate is sorted, and data and names follow it."""
    sets = [to_refs(month(n), name=f"{n}.nc", temp={"chunks": (2, 2, 3)}) for n in order]

    found = to_dataset(combine(sets, concat_dims=["time"], identical_dims=STATIC))

    expected = xr.decode_cf(xr.concat([month(n) for n in range(3)], "time", data_vars="minimal"))
    xr.testing.assert_equal(expected, found)


def test_arrays_without_the_dimension_get_it():
    """An array that has no such dimension gets it in front, and none of its inputs is lost."""
    found = to_dataset(combine([to_refs(month(n, ntime=1)) for n in range(3)], concat_dims=["time"]))

    assert ("time", "y", "x") == found["area"].dims
    assert (3, 2, 3) == found["area"].shape


def test_several_dimensions_at_once():
    """Tiles of time and ensemble are put each into its place."""

    def tile(e, t):
        values = np.full((1, 2), 10.0 * e + t)
        return to_refs(xr.Dataset({"d": (("time", "x"), values)}, {"time": [t], "x": [0, 1]}, attrs={"member": e}))

    sets = [tile(e, t) for t in (1, 0) for e in (2, 0, 1)]

    found = to_dataset(combine(sets, concat_dims=["ens", "time"], coo_map={"ens": "attr:member"}))

    assert ("ens", "time", "x") == found["d"].dims
    assert [[0, 1], [10, 11], [20, 21]] == found["d"][:, :, 0].values.tolist()


def test_a_missing_tile_reads_as_missing():
    """A tile that no input holds is NaN, not zero."""

    def tile(e, t):
        return to_refs(xr.Dataset({"d": ("time", [1.0 + t])}, {"time": [t]}, attrs={"member": e}))

    found = to_dataset(combine([tile(0, 0), tile(1, 1)], concat_dims=["ens", "time"], coo_map={"ens": "attr:member"}))

    np.testing.assert_array_equal([[1, np.nan], [np.nan, 2]], found["d"])


def test_falling_coordinates_fall():
    """Inputs that fall give an axis that falls."""
    refs = combine([series([1, 0], chunk=2), series([3, 2], chunk=2)], concat_dims=["time"])

    assert [3, 2, 1, 0] == times(refs)
    assert [30, 20, 10, 0] == data(refs)


def test_unsorted_coordinates_keep_their_order():
    """Where an input neither rises nor falls, its own order is kept, and inputs follow the list."""
    refs = combine([series([1, 5, 0], chunk=3), series([3, 2, 4], chunk=3)], concat_dims=["time"])

    assert [1, 5, 0, 3, 2, 4] == times(refs)
    assert [10, 50, 0, 30, 20, 40] == data(refs)


def test_interleaved_coordinates():
    """Inputs whose values interleave are placed value by value, where chunks allow it."""
    refs = combine([series([0, 2]), series([1, 3])], concat_dims=["time"])

    assert [0, 10, 20, 30] == data(refs)
    assert len(refs.arrays["d"].chunks) == 4


def test_a_short_input_may_be_last():
    """Only the last input along a dimension may end within a chunk."""
    refs = combine([series([2, 3, 4], chunk=2), series([0, 1], chunk=2)], concat_dims=["time"], load_below=0)

    assert [0, 10, 20, 30, 40] == data(refs)


def test_small_arrays_whose_chunks_do_not_line_up_are_read():
    """A short input in the middle is made right for an array that is small enough to be held inline."""
    refs = combine([series([0, 1, 2], chunk=2), series([3, 4], chunk=2)], concat_dims=["time"])

    assert [0, 10, 20, 30, 40] == data(refs)
    assert (5,) == refs.arrays["d"].meta.chunk_shape


def test_times_of_different_units_are_brought_to_one():
    """`cf:` makes times comparable, and the result has the first input's units."""
    sets = [series([0, 1], units="days since 2000-01-01"), series([0, 24], units="hours since 2000-01-03")]

    refs = combine(sets, concat_dims=["time"], coo_map={"time": "cf:time"})

    assert [0, 1, 2, 3] == times(refs)
    assert [0, 10, 0, 240] == data(refs)
    assert "days since 2000-01-01" == refs.arrays["time"].meta.attrs["units"]


def test_bounds_of_times_are_brought_to_one_unit_too():
    """Bounds have the units of the coordinate that they bound, in each input its own."""

    def step(start, units):
        time = xr.DataArray([0.5], dims="time", attrs={"units": units, "bounds": "time_bnds"})
        return to_refs(xr.Dataset({"time_bnds": (("time", "b"), [[0.0, 1.0]])}, {"time": time}))

    sets = [step(0, "days since 2000-01-01"), step(1, "days since 2000-01-02")]

    found = to_dataset(combine(sets, concat_dims=["time"], coo_map={"time": "cf:time"}), decode_times=False)

    assert [[0, 1], [1, 2]] == found["time_bnds"].values.tolist()


def test_groups_are_combined():
    """Arrays in groups are placed as those at the root are, and groups keep their attributes."""
    sets = []
    for n in range(2):
        refs = to_refs(month(n, ntime=1))
        arrays = {("g/temp" if path == "temp" else path): array for path, array in refs.arrays.items()}
        sets.append(ReferenceSet(arrays, {**refs.groups, "g": {"level": 1}}))

    refs = combine(sets, concat_dims=["time"], identical_dims=STATIC)

    assert (2, 2, 3) == refs.arrays["g/temp"].meta.shape
    assert {"level": 1} == refs.groups["g"]


def test_codecs_that_decode_alike_are_equal():
    """The level of a compression does not matter for reading."""
    import numcodecs

    sets = []
    for n in range(2):
        dataset = xr.Dataset({"d": ("time", [1.0 * n])}, {"time": [n]})
        sets.append(to_refs(dataset, d={"compressors": numcodecs.Zlib(level=n + 1)}))

    assert [0.0, 1.0] == data(combine(sets, concat_dims=["time"]))


def test_appending_equals_combining_from_scratch():
    """A result of the same recipe takes more inputs, and is then what combining all at once gives."""
    sets = [series([n], name=f"{n}") for n in range(4)]
    once = combine(sets, concat_dims=["time"])

    twice = combine([combine(sets[:2], concat_dims=["time"]), *sets[2:]], concat_dims=["time"], combined=1)

    assert once == twice


def test_counting_goes_on_in_a_later_part():
    """INDEX and lists go by the place in the whole list, of which a batch is a part."""
    sets = [series([n]) for n in range(4)]
    how = {"concat_dims": ["n"], "coo_map": {"n": "INDEX"}, "identical_dims": ["time"], "waive": ["identical"]}

    parts = [combine(sets[:2], **how), combine(sets[2:], first=2, **how)]

    assert [[0, 1], [2, 3]] == [to_dataset(part)["n"].values.tolist() for part in parts]


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_any_split_in_any_order_and_any_bracketing(data):
    """A dataset cut into files, in any order, combined at once or as a tree, is the dataset again."""
    chunk = data.draw(st.integers(1, 3), label="chunk")
    blocks = data.draw(st.lists(st.integers(1, 2), min_size=1, max_size=5), label="chunks of each file")
    total = chunk * sum(blocks)
    whole = xr.Dataset({"d": (("time", "x"), np.arange(total * 2.0).reshape(total, 2))}, {"time": np.arange(total)})
    edges = np.cumsum([0, *blocks]) * chunk
    files = [
        to_refs(whole.isel(time=slice(a, b)), d={"chunks": (chunk, 2)}) for a, b in itertools.pairwise(edges.tolist())
    ]
    order = data.draw(st.permutations(range(len(files))), label="order")
    cut = data.draw(st.integers(0, len(files)), label="cut")
    shuffled = [files[n] for n in order]

    once = combine(shuffled, concat_dims=["time"], load_below=0)

    xr.testing.assert_equal(whole, to_dataset(once))
    parts = [part for part in (shuffled[:cut], shuffled[cut:]) if part]
    if all(_contiguous(sorted(order[:cut])) and _contiguous(sorted(order[cut:])) for _ in parts) or chunk == 1:
        tree = combine([combine(part, concat_dims=["time"]) for part in parts], concat_dims=["time"], load_below=0)
        assert once == tree


def _contiguous(numbers):
    return not numbers or numbers == list(range(numbers[0], numbers[-1] + 1))


# ---------------------------------------------------------------------- what does not


def test_the_same_time_twice_is_refused():
    """Inputs that claim one place are named with the value that they share, and with what would tell them apart."""

    def step(n):
        centre = ("time", [float(n)], {"units": "days since 2000-01-01"})
        return to_refs(xr.Dataset({"d": ("time", [1.0])}, {"time": [0.0], "centre": centre}), name=f"{n}.nc")

    with pytest.raises(CombineError) as caught:
        combine([step(0), step(1)], concat_dims=["time"])

    assert ("0.nc", "1.nc") == caught.value.inputs
    assert all(text in str(caught.value) for text in ("0.nc", "1.nc", "time = 0.0", "'cf:centre'"))
    assert [1.0, 1.0] == data(combine([step(0), step(1)], concat_dims=["time"], coo_map={"time": "cf:centre"}))


def test_overlap_can_be_waived():
    """With the overlap waived the later input wins."""
    sets = [series([0, 1]), series([1, 2], dtype="f8")]

    with pytest.raises(CombineError, match="both hold time = 2000-01-02"):
        combine(sets, concat_dims=["time"])

    assert [0, 10, 20] == data(combine(sets, concat_dims=["time"], waive=["overlap"]))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (series([1], dtype="f4", name="b.nc"), ["dtype", "<f8", "<f4"]),
        (series([1], dtype=">f8", name="b.nc"), ["dtype", "<f8", ">f8"]),
        (series([1], scale_factor=2.0, name="b.nc"), ["scale_factor", "None", "2.0", "waive 'attrs'"]),
        (series([1], add_offset=2.0, name="b.nc"), ["add_offset"]),
        (series([1], units="K", name="b.nc"), ["units"]),
        (series([1], missing_value=-1.0, name="b.nc"), ["missing_value"]),
    ],
)
def test_what_would_be_decoded_wrongly_is_refused(other, words):
    """Inputs that differ in what decoding depends on are named, with both values."""
    first = series([0], name="a.nc")
    if words == ["units"]:
        other = ReferenceSet(
            {
                **other.arrays,
                "time": series([1]).arrays["time"],
                "d": other.arrays["d"].with_meta(attrs={"units": "K"}),
            },
            name="b.nc",
        )

    with pytest.raises(CombineError) as caught:
        combine([first, other], concat_dims=["time"])

    assert all(word in str(caught.value) for word in ["d:", "a.nc", "b.nc", *words])


def test_other_codecs_are_refused():
    """Compressed and uncompressed chunks do not stand under one array."""
    compressed = to_refs(xr.Dataset({"d": ("time", [1.0])}, {"time": [1.0]}))
    array = compressed.arrays["d"]
    plain = ReferenceSet({**compressed.arrays, "d": array.with_meta(compressor=None, filters=())})
    moved = ReferenceSet({**plain.arrays, "time": to_refs(xr.Dataset({}, {"time": [2.0]})).arrays["time"]})

    with pytest.raises(CombineError, match="codecs"):
        combine([compressed, moved], concat_dims=["time"])


def test_other_fill_values_are_refused_unless_waived():
    """A fill value means missing data; another one means other data."""
    sets = [series([n]) for n in range(2)]
    other = ReferenceSet({**sets[1].arrays, "d": sets[1].arrays["d"].with_meta(fill_value=np.float64(-1))})

    with pytest.raises(CombineError, match=r"fill_value is nan in input 0 but -1.0 in input 1"):
        combine([sets[0], other], concat_dims=["time"])

    assert [0, 10] == data(combine([sets[0], other], concat_dims=["time"], waive=["fill_value"]))


def test_other_lengths_are_refused():
    """A dimension that is not combined must have one length."""
    a, b = (
        to_refs(xr.Dataset({"d": (("time", "x"), np.zeros((1, n)))}, {"time": [n]}), name=f"{n}.nc") for n in (2, 3)
    )

    with pytest.raises(CombineError, match=r"length of x is 2 in 2.nc but 3 in 3.nc"):
        combine([a, b], concat_dims=["time"])


def test_a_short_input_in_the_middle_is_refused_when_it_is_large():
    """Chunks are never shifted: an input that ends within a chunk is named."""
    sets = [series([0, 1, 2], chunk=2, name="short.nc"), series([3, 4], chunk=2, name="b.nc")]

    with pytest.raises(CombineError, match=r"short.nc covers time 0 to 3 of 5.*chunks of 2"):
        combine(sets, concat_dims=["time"], load_below=0)


def test_chunks_of_another_shape_are_refused_when_large():
    """Chunks of two shapes do not stand in one grid."""
    sets = [series([0, 1], chunk=2), series([2, 3], chunk=1)]

    with pytest.raises(CombineError, match="chunks are"):
        combine(sets, concat_dims=["time"], load_below=0)
    with pytest.raises(CombineError, match="Found chunk size mismatch"):
        combine(sets, concat_dims=["time"], same_chunks=True)


def test_units_of_the_coordinate_must_agree():
    """Plain numbers of different units are not compared; the way out is named."""
    with pytest.raises(CombineError, match="'cf:time'"):
        combine([series([0]), series([1], units="days since 2001-01-01")], concat_dims=["time"])


def test_a_grid_that_differs_is_refused():
    """Coordinates of other dimensions are taken from the first input only after a look at the others."""
    sets = [
        to_refs(xr.Dataset({"d": (("t", "x"), [[1.0]])}, {"t": [n], "x": [10.0 * n]}), name=f"{n}.nc") for n in (1, 2)
    ]

    with pytest.raises(CombineError, match=r"x: taken as identical.*2.nc are not those in 1.nc"):
        combine(sets, concat_dims=["t"])

    assert [10.0] == to_dataset(combine(sets, concat_dims=["t"], waive=["identical"]))["x"].values.tolist()


def test_missing_integers_are_refused():
    """Integers without a fill value cannot say that they are missing: zeros would be read."""

    def tile(e, t):
        dataset = xr.Dataset({"d": ("time", np.array([1 + t], "i4"))}, {"time": [t]}, attrs={"member": e})
        refs = to_refs(dataset)
        return ReferenceSet({**refs.arrays, "d": refs.arrays["d"].with_meta(fill_value=None)}, refs.groups)

    with pytest.raises(CombineError, match="2 of 4 places along ens x time are in none"):
        combine([tile(0, 0), tile(1, 1)], concat_dims=["ens", "time"], coo_map={"ens": "attr:member"})


@pytest.mark.parametrize(("values", "words"), [([1.0, 1.0], "more than once"), ([1.0, np.nan], "missing")])
def test_coordinates_that_say_no_place_are_refused(values, words):
    """A value that stands twice, or is missing, gives no place."""
    with pytest.raises(CombineError, match=words):
        combine([series(values, chunk=2), series([5.0, 6.0], chunk=2)], concat_dims=["time"])


def test_a_value_for_each_element():
    """One value for an input of many steps is refused: the places of the others are not known."""
    with pytest.raises(CombineError, match="2 elements along time"):
        combine([series([0, 1]), series([2, 3])], concat_dims=["time"], coo_map={"time": "INDEX"})


@pytest.mark.parametrize(
    ("recipe", "error"),
    [
        ({"concat_dims": ["time"], "identical_dims": ["time"]}, CombineError),
        ({}, CombineError),
        ({"concat_dims": ["time"], "waive": ["dtype"]}, ValueError),
    ],
)
def test_a_recipe_that_makes_no_sense(recipe, error):
    """What is asked for is checked before anything is read."""
    with pytest.raises(error):
        combine([series([0])], **recipe)


def test_nothing_to_combine():
    """An empty list is refused."""
    with pytest.raises(CombineError, match="found none"):
        combine([], concat_dims=["time"])


def test_memory_follows_references_not_the_grid():
    """An array of which nothing is written costs nothing in the result."""

    def empty(n):
        meta = ArrayMeta(
            shape=(1, 10**5, 10**4),
            chunk_shape=(1, 1, 1),
            dtype=np.dtype("f4"),
            dims=("time", "y", "x"),
            fill_value=np.float32(0),
        )
        return ReferenceSet({**series([n]).arrays, "e": ManifestArray(meta, ChunkManifest.empty(meta.grid_shape))})

    refs = combine([empty(n) for n in range(3)], concat_dims=["time"])

    assert (3, 10**5, 10**4) == refs.arrays["e"].meta.shape
    assert 0 == refs.arrays["e"].chunks.nbytes


def test_a_misspelt_argument_is_refused_with_the_one_that_was_meant():
    """Every verb that combines names the argument of the recipe that was meant."""
    for verb in (chunkmap.combine, chunkmap.diagnose):
        with pytest.raises(TypeError, match="no argument 'concat_dim': did you mean 'concat_dims'"):
            verb([], concat_dim="time")
    with pytest.raises(TypeError, match=r"build\(\) has no argument 'coo_mpa': did you mean 'coo_map'"):
        chunkmap.build([], "x.json", concat_dims="time", coo_mpa={})
