"""Fields become hypercubes over the coordinates that vary; what differs is told apart, what does not is named."""

from __future__ import annotations

import warnings

import eccodes
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from making import field, lattice, message

import chunkmap
from chunkmap.formats.grib import keys as said
from chunkmap.formats.grib import layout
from chunkmap.formats.grib.sections import walk
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource
from chunkmap.io.rounds import run

PRESSURE = "regular_ll_pl_grib2"


def scanned(*messages, **options):
    return scan_source(BytesSource(b"".join(messages), "a.grib"), **options)


def variables(refs):
    return {path: array for path, array in refs.arrays.items() if "GRIB_gridType" in array.meta.attrs}


def opened(refs, group):
    return chunkmap.open_dataset(refs, group=group)


CELLS = st.sets(st.tuples(st.sampled_from([0, 6, 12]), st.sampled_from([1000, 850, 500])), min_size=1)


@settings(max_examples=15)
@given(CELLS, st.randoms(use_true_random=False))
def test_a_hypercube_holds_each_field_in_its_cell(cells, random):
    """Steps x levels in any order and with any holes: each field is where its coordinates are, a hole is NaN."""
    order = sorted(cells)
    random.shuffle(order)
    messages = [field(n, PRESSURE, step=step, level=level) for n, (step, level) in enumerate(order)]
    refs = scanned(*messages, squeeze=False)
    (path,) = variables(refs)
    group, _, name = path.rpartition("/")
    found = opened(refs, group)[name]
    assert found.dims[:3] == ("time", "step", "isobaricInhPa")
    for step in {step for step, _ in order}:
        for level in {level for _, level in order}:
            cell = found.sel(step=np.timedelta64(step, "h"), isobaricInhPa=level).values
            if (step, level) in cells:
                assert cell.reshape(-1)[0] == 100 * order.index((step, level))
            else:
                assert np.isnan(cell).all()


def test_coordinates_of_one_value_are_scalars_unless_asked_for():
    """`squeeze=False` keeps each dimension; by default those of one value are left out, as in cfgrib."""
    data = field(0, PRESSURE, step=6)
    (squeezed,), (whole,) = (variables(scanned(data, squeeze=s)).values() for s in (True, False))
    assert squeezed.meta.dims == ("latitude", "longitude")
    assert whole.meta.dims == ("time", "step", "isobaricInhPa", "latitude", "longitude")


def test_members_of_an_ensemble_are_a_dimension():
    """Fields that differ in the number of their member stand side by side."""
    members = [field(n, PRESSURE, productDefinitionTemplateNumber=1, perturbationNumber=n) for n in (3, 1, 2)]
    ((path, array),) = variables(scanned(*members)).items()
    assert array.meta.dims[0] == "number"
    dataset = opened(scanned(*members), path.rpartition("/")[0])
    assert dataset.number.values.tolist() == [1, 2, 3]
    assert dataset[path.rpartition("/")[2]].values[:, 0, 0].tolist() == [100, 200, 300]


def test_a_level_of_a_type_that_nobody_knows_is_there():
    """Where eccodes has no name for the type of a level, its value is the coordinate `level`, as in cfgrib."""
    layers = [field(n, PRESSURE, typeOfFirstFixedSurface=201, level=level) for n, level in enumerate((3, 7))]
    ((path, array),) = variables(scanned(*layers)).items()
    assert array.meta.dims[0] == "level"
    assert opened(scanned(*layers), path.rpartition("/")[0]).level.values.tolist() == [3, 7]


def test_clusters_are_a_dimension():
    """Fields of several clusters of members stand side by side, under the number of their cluster, as in cfgrib."""
    local = {"setLocalDefinition": 1, "localDefinitionNumber": 2}
    clusters = [field(n, "regular_ll_sfc_grib1", **local, clusterNumber=n) for n in (1, 2, 3)]
    ((path, array),) = variables(scanned(*clusters)).items()
    assert array.meta.dims[0] == "number"
    assert opened(scanned(*clusters), path.rpartition("/")[0]).number.values.tolist() == [1, 2, 3]


@pytest.mark.parametrize(("definition", "most"), [(1, 255), (12, 300), (16, 300)])
def test_members_are_counted_in_as_many_octets_as_the_centre_has_for_them(monkeypatch, definition, most):
    """The number of a member has one octet or two, as a local section of edition 1 has it, and the first may be 0."""
    monkeypatch.setattr(layout._layouts, "_answers", {})
    local = {"setLocalDefinition": 1, "localDefinitionNumber": definition}
    members = [field(n % 50, "regular_ll_sfc_grib1", **local, perturbationNumber=n) for n in (0, 1, most)]
    ((path, array),) = variables(scanned(*members)).items()
    assert array.meta.dims[0] == "number"
    assert opened(scanned(*members), path.rpartition("/")[0]).number.values.tolist() == [0, 1, most]


def test_percentiles_are_a_dimension():
    """Fields that differ in nothing but their percentile, of which cfgrib keeps the first, are all there."""
    several = [
        field(n, "regular_ll_sfc_grib2", productDefinitionTemplateNumber=6, percentileValue=value)
        for n, value in enumerate([10, 50, 90])
    ]
    ((_, array),) = variables(scanned(*several)).items()
    assert array.meta.dims[0] == "percentileValue"
    assert array.meta.shape[0] == 3


def accumulated(number, begin, end):
    keys = {"productDefinitionTemplateNumber": 8, "typeOfStatisticalProcessing": 1}
    return field(number, **keys, shortName="tp", stepRange=f"{begin}-{end}")


def test_intervals_with_the_same_end_are_told_apart():
    """Precipitation since the start and of the last hour, of which cfgrib keeps the first, are two variables."""
    refs = scanned(accumulated(0, 0, 11), accumulated(1, 0, 12), accumulated(2, 11, 12))
    assert sorted(variables(refs)) == ["tp/accum/surface/1h/tp", "tp/accum/surface/since_start/tp"]
    assert not refs.problems
    steps = opened(refs, "tp/accum/surface/since_start").step.values
    assert steps.tolist() == [n * 3_600_000_000_000 for n in (11, 12)]


def layer(number, top, bottom):
    surfaces = {
        "typeOfFirstFixedSurface": 106,
        "scaleFactorOfFirstFixedSurface": 1,
        "scaledValueOfFirstFixedSurface": top,
    }
    below = {
        "typeOfSecondFixedSurface": 106,
        "scaleFactorOfSecondFixedSurface": 1,
        "scaledValueOfSecondFixedSurface": bottom,
    }
    return field(number, **surfaces, **below)


def test_layers_have_both_surfaces_as_real_numbers():
    """Depths of 0.1 m are not rounded to 0, and the bottom of each layer stands beside its top."""
    refs = scanned(layer(0, 0, 1), layer(1, 1, 4), layer(2, 4, 10))
    (path,) = variables(refs)
    dataset = opened(refs, path.rpartition("/")[0])
    np.testing.assert_allclose(dataset.depthBelowLandLayer, [0, 0.1, 0.4])
    np.testing.assert_allclose(dataset.bottomLevel, [0.1, 0.4, 1.0])


def test_layers_with_the_same_top_are_told_apart():
    """Layers from 0 to 0.1 and from 0 to 1 m, of which cfgrib keeps the first, are two variables."""
    assert len(variables(scanned(layer(0, 0, 1), layer(1, 0, 10)))) == 2


LEVELS = [
    (surface, factor, value)
    for surface in (100, 105)
    for factor in (0, 1, -1)
    for value in (0, 7, 50, 100, 137, 50_000, 100_000, 110_050, 2**31 - 148, 2**31 + 52)
]


def test_levels_that_need_no_asking_are_those_of_eccodes():
    """Pressures and levels of a model, whole and not: each has the number that eccodes gives."""
    keys = ("typeOfFirstFixedSurface", "scaleFactorOfFirstFixedSurface", "scaledValueOfFirstFixedSurface")
    messages = [message(PRESSURE, **lattice(), **dict(zip(keys, level, strict=True))) for level in LEVELS]
    expected = []
    for one in messages:
        handle = eccodes.codes_new_from_message(one)
        expected.append(eccodes.codes_get(handle, "level", float))
        eccodes.codes_release(handle)
    source = BytesSource(b"".join(messages))
    fields = run(source, walk(source)).fields
    assert [said.level_of(field, said.product_of(field)).value for field in fields] == expected


@pytest.mark.parametrize("step", [1, -1])
def test_kinds_of_levels_are_those_of_eccodes_whichever_comes_first(step, monkeypatch):
    """Of 0, 0.5 and 1.37 hPa eccodes says Pa or hPa: what it said of one is not taken for another."""
    monkeypatch.setattr(said, "_products", type(said._products)())
    keys = ("typeOfFirstFixedSurface", "scaleFactorOfFirstFixedSurface", "scaledValueOfFirstFixedSurface")
    messages = [message(PRESSURE, **lattice(), **dict(zip(keys, level, strict=True))) for level in LEVELS[::step]]
    expected = []
    for one in messages:
        handle = eccodes.codes_new_from_message(one)
        expected.append(eccodes.codes_get(handle, "typeOfLevel"))
        eccodes.codes_release(handle)
    source = BytesSource(b"".join(messages))
    assert [said.product_of(field).type_of_level for field in run(source, walk(source)).fields] == expected


def test_the_same_field_twice_is_a_problem_that_names_both():
    """Fields that say that they are the same are left out, with their places, or the later is taken if one asks."""
    data = field(0, PRESSURE)
    refs = scanned(data, field(1, PRESSURE))
    assert not variables(refs)
    assert f"bytes 0 and {len(data)}" in refs.problems[0].message
    later = scanned(data, field(1, PRESSURE), doubles="later")
    (path,) = variables(later)
    assert opened(later, path.rpartition("/")[0])[path.rpartition("/")[2]].values[0, 0] == 100


def test_a_field_that_is_there_twice_is_taken_once():
    """Precipitation since the start and of the last hours, the same field as GFS writes it twice, is one variable."""
    twice = accumulated(0, 0, 6)
    refs = scanned(twice, twice, accumulated(1, 0, 12))
    assert not refs.problems
    ((path, array),) = variables(refs).items()
    assert (path, array.meta.shape[0]) == ("tp/accum/surface/tp", 2)


def test_what_is_left_out_is_one_variable_and_never_the_file():
    """Of a file in which two fields contradict each other, all other variables are there."""
    refs = scanned(accumulated(0, 0, 6), accumulated(1, 0, 6), field(2, PRESSURE))
    assert [path.split("/")[0] for path in variables(refs)] == ["t"]
    assert [problem.path for problem in refs.problems] == ["tp/accum/surface"]


def test_grids_of_one_group_are_arrays_of_their_own():
    """The same parameter on two grids is two arrays, named by their grids."""
    other = message(PRESSURE, **lattice(5, 2), values=np.zeros(10))
    paths = sorted(variables(scanned(field(0, PRESSURE), other)))
    assert [path.split("/")[3] for path in paths] == ["regular_ll_2x5", "regular_ll_3x4"]


def test_grids_of_one_shape_are_arrays_of_their_own():
    """Grids of other places, and those of another edition, are numbered where their names say the same."""
    there = {"longitudeOfFirstGridPointInDegrees": 20, "longitudeOfLastGridPointInDegrees": 23}
    east = message(PRESSURE, **lattice() | there, values=np.full(12, 5.0))
    refs = scanned(field(0, PRESSURE), field(1, "regular_ll_pl_grib1", shortName="t"), east)
    found = {path.split("/")[3]: opened(refs, path.rpartition("/")[0]).t for path in variables(refs)}
    assert {name: float(each.values[0, 0]) for name, each in found.items()} == {
        "regular_ll_3x4": 0, "regular_ll_3x4_2": 100, "regular_ll_3x4_3": 5,
    }  # fmt: skip
    assert [float(each.longitude[0]) for each in found.values()] == [10, 10, 20]


def test_substances_have_names_of_their_own():
    """A parameter of chemistry has one number for all substances: each is called as CF calls it."""
    keys = {"tablesVersion": 35, "productDefinitionTemplateNumber": 40, "parameterCategory": 20, "parameterNumber": 2}
    keys |= {"typeOfFirstFixedSurface": 105, "setLocalDefinition": 1, "localDefinitionNumber": 1, "marsClass": "cr"}
    messages = [field(kind, "regular_ll_sfc_grib2", **keys, constituentType=kind) for kind in (4, 0, 7)]
    arrays = sorted(
        variables(scanned(*messages, inline_threshold=0)).values(), key=lambda array: array.chunks.row(0).offset
    )
    assert [array.meta.attrs.get("standard_name") for array in arrays] == [
        "mass_fraction_of_carbon_monoxide_in_air",
        "mass_fraction_of_ozone_in_air",
        None,
    ]


def test_parameters_that_nobody_knows_are_called_by_their_octets():
    """Parameters of local tables without a name stay apart, and nothing is dropped."""
    unknown = [
        field(n, discipline=0, parameterCategory=3, parameterNumber=number) for n, number in enumerate([200, 201])
    ]
    names = {path.split("/")[0] for path in variables(scanned(*unknown))}
    assert names == {"unknown_0_3_200", "unknown_0_3_201"}


@pytest.mark.parametrize(
    ("keys", "count"),
    [
        ({"shortName": "t"}, 3),
        ({"level": 850}, 2),
        ({"level": "850"}, 2),
        ({"level": [850, 500], "shortName": ("t",)}, 2),
        ({"typeOfLevel": "surface"}, 0),
        ({"step": 0}, 4),
        ({"noSuchKey": 1}, 0),
    ],
)
def test_fields_are_filtered_by_their_keys(keys, count):
    """Only fields whose keys have the values asked for are in the set."""
    fields = [field(0, PRESSURE, shortName="t", level=level) for level in (1000, 850, 500)]
    refs = scanned(*fields, field(1, PRESSURE, shortName="r", level=850), filter_by_keys=keys, inline_threshold=0)
    assert sum(len(array.chunks) for array in variables(refs).values()) == count


def test_a_filter_that_nothing_matches_says_what_there_is():
    """Where no field is as asked for, a problem lists the values that the keys have in the file."""
    fields = [field(0, PRESSURE, shortName="t", level=level) for level in (1000, 850)]
    refs = scanned(*fields, filter_by_keys={"shortName": "tt", "level": 850, "step": 6})
    (problem,) = refs.problems
    assert (refs.arrays, problem.feature) == ({}, "filter_by_keys")
    assert "shortName is t; level is 1000.0, 850.0; step is 0.0" in problem.message


def test_months_are_those_of_the_calendar():
    """A step of months leads to the same day of a later month, not 30 days on."""
    data = field(0, PRESSURE, dataDate=20230131, indicatorOfUnitOfTimeRange=3, forecastTime=1)
    (path,) = variables(scanned(data))
    dataset = opened(scanned(data), path.rpartition("/")[0])
    assert dataset.valid_time.values.astype("M8[D]") == np.datetime64("2023-02-28")


def test_times_before_the_reference_are_negative():
    """A negative forecast time is sign and magnitude, and so is the step."""
    data = field(0, PRESSURE, forecastTime=-6)
    (path,) = variables(scanned(data))
    assert opened(scanned(data), path.rpartition("/")[0]).step.values == np.timedelta64(-6, "h")


def test_a_climate_has_no_time():
    """Edition 1 may leave out the year: then there is no time, a problem says so, and all else is there."""
    data = bytearray(field(0, "regular_ll_pl_grib1"))
    data[8 + 12] = 255
    refs = scanned(bytes(data))
    (path,) = variables(refs)
    assert "time" not in opened(refs, path.rpartition("/")[0]).coords
    assert [(problem.feature, "byte 0: no year" in problem.message) for problem in refs.problems] == [
        ("reference time", True)
    ]


def test_an_unstructured_grid_says_which_file_has_its_points():
    """Fields of ICON are a list of values; attributes say the number and the UUID of their grid."""
    uuid = "a27b8de6018f11e4821b5d8adbd39a01"
    keys = {"gridType": "unstructured_grid", "numberOfDataPoints": 12, "numberOfGridUsed": 26, "uuidOfHGrid": uuid}
    refs = scanned(message("regular_ll_sfc_grib2", np.arange(12.0), **keys))
    ((path, array),) = variables(refs).items()
    assert (array.meta.dims, array.meta.attrs["GRIB_uuidOfHGrid"]) == (("values",), uuid)
    dataset = opened(refs, path.rpartition("/")[0])
    assert dataset[path.rpartition("/")[2]].attrs["GRIB_numberOfGridUsed"] == 26
    assert not {"latitude", "longitude"} & {*dataset.coords}


@pytest.mark.parametrize("sample", ["reduced_gg_pl_32_grib1", "reduced_rotated_gg_pl_32_grib1"])
def test_an_area_of_a_reduced_grid_is_placed_by_eccodes(sample):
    """Its rows are cut, so that they have fewer points than the grid says of a whole parallel."""
    handle = eccodes.codes_grib_new_from_samples(sample)
    rows = np.unique(np.round(eccodes.codes_get_array(handle, "distinctLatitudes"), 6))[::-1][:10]
    eccodes.codes_set_array(handle, "pl", eccodes.codes_get_array(handle, "pl")[:10])
    area = {"latitudeOfFirst": rows[0], "latitudeOfLast": rows[-1], "longitudeOfFirst": 30, "longitudeOfLast": 120}
    for key, value in {"Nj": 10, **{f"{name}GridPointInDegrees": value for name, value in area.items()}}.items():
        eccodes.codes_set(handle, key, value)
    count = eccodes.codes_get(handle, "numberOfDataPoints")
    eccodes.codes_set_values(handle, np.arange(float(count)))
    assert count < eccodes.codes_get_array(handle, "pl").sum()
    refs = scanned(eccodes.codes_get_message(handle))
    (path,) = variables(refs)
    dataset = opened(refs, path.rpartition("/")[0])
    for name in ("latitude", "longitude"):
        assert np.array_equal(dataset[name].values, eccodes.codes_get_array(handle, f"{name}s"))
    eccodes.codes_release(handle)


@pytest.mark.parametrize("option", [{"doubles": "first"}, {"dtype": "int16"}])
def test_options_are_checked(option):
    """A value that an option does not have is refused, with those it has."""
    with pytest.raises(ValueError, match="expected one of"):
        scanned(field(), **option)


# fmt: off
SAMPLES = ["regular_ll_pl_grib1", "regular_ll_pl_grib2", "regular_gg_pl_grib2", "reduced_gg_pl_32_grib1",
           "reduced_gg_pl_32_grib2", "rotated_ll_sfc_grib2", "polar_stereographic_sfc_grib2", "sh_ml_grib2",
           "GRIB1"]
# fmt: on


@pytest.mark.parametrize("sample", SAMPLES)
def test_names_values_and_coordinates_are_those_of_cfgrib(tmp_path, sample):
    """Of each grid, the dataset is the one that cfgrib opens: dims, values, coordinates, attributes."""
    # it registers with xarray an engine that loads eccodes into every process, so it is no part of the environment
    cfgrib = pytest.importorskip("cfgrib")
    path = tmp_path / "a.grib"
    # all that eccodes places of a projection whose rows go south is wrong
    path.write_bytes(message(sample, **{"scanningMode": 64} if "polar" in sample else {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = cfgrib.open_dataset(str(path), indexpath="")
    refs = chunkmap.scan(str(path))
    (found,) = variables(refs)
    group, _, name = found.rpartition("/")
    dataset = opened(refs, group)
    assert list(expected.data_vars) == [name]
    assert dataset[name].dims == expected[name].dims
    xr.testing.assert_allclose(dataset[name].drop_attrs(), expected[name].drop_attrs(), rtol=1e-12)
    untold = {"GRIB_missingValue", "GRIB_pl"}
    told = {key: value for key, value in expected[name].attrs.items() if key not in untold and value != "unknown"}
    assert {key: dataset[name].attrs.get(key) for key in told} == told
    for coordinate in expected[name].coords:
        assert dataset[coordinate].attrs.items() >= {
            key: value for key, value in expected[coordinate].attrs.items() if "original GRIB" not in str(value)
        }.items() - {("units", "1")}


def test_eccodes_is_asked_for_all_fields_of_a_kind_once(monkeypatch):
    """A thousand fields that differ in step and level cost a handle of eccodes for each kind, step and level."""
    from chunkmap.codecs.grib import eccodes as ours

    fields = [field(0, PRESSURE, step=step, level=level) for step in range(10) for level in range(100, 1000, 90)]
    made, new = [], eccodes.codes_new_from_message
    monkeypatch.setattr(ours.eccodes, "codes_new_from_message", lambda data: made.append(1) or new(data))
    scanned(*fields)
    assert len(made) < 60


def test_fields_without_a_level_have_a_group_of_their_own_beside_those_with_one(tmp_path):
    """A tree of xarray takes both, whatever their grids; alone they stand where they did."""
    sample = "regular_ll_sfc_grib2"
    levelless = message(sample, np.arange(12.0), **lattice(), typeOfFirstFixedSurface=255)
    (tmp_path / "a.grib").write_bytes(levelless + message(sample, np.arange(15.0), **lattice(5, 3)))
    paths = set(variables(chunkmap.scan(tmp_path / "a.grib")))
    assert paths == {"t/instant/none/t", "t/instant/surface/t"}
    with xr.open_datatree(tmp_path / "a.grib", engine="chunkmap") as tree:
        assert tree["t/instant/none/t"].shape == (3, 4)
        assert tree["t/instant/surface/t"].shape == (3, 5)
    assert set(variables(scanned(levelless))) == {"t/instant/t"}
