"""HDF-EOS2: grids, swaths and points, made byte by byte as the library lays them out."""

import numpy as np
import pytest
import xarray as xr

from chunkmap.formats.hdf4.odl import parse_odl
from chunkmap.formats.hdf4.projections import grid_of

GRID = """GROUP=SwathStructure
END_GROUP=SwathStructure
GROUP=GridStructure
\tGROUP=GRID_1
\t\tGridName="MOD"
\t\tXDim=4
\t\tYDim=2
\t\tUpperLeftPointMtrs=({corners[0]},{corners[1]})
\t\tLowerRightMtrs=({corners[2]},{corners[3]})
\t\tProjection={projection}
\t\tProjParams=(6371007.181000,0,0,0,0,0,0,0,0,0,0,0,0)
\t\tSphereCode=-1
\t\tGROUP=DataField
\t\t\tOBJECT=DataField_1
\t\t\t\tDataFieldName="lst"
\t\t\t\tDimList=("YDim",
\t\t\t\t\t"XDim")
\t\t\tEND_OBJECT=DataField_1
\t\tEND_GROUP=DataField
\tEND_GROUP=GRID_1
END_GROUP=GridStructure
END
"""
SINUSOIDAL = {"projection": "GCTP_SNSOID", "corners": (0, 2_000_000, 4_000_000, 0)}

SWATH = """GROUP=SwathStructure
GROUP=SWATH_1
SwathName="S"
GROUP=DimensionMap
OBJECT=DimensionMap_1
GeoDimension="y"
DataDimension="y1km"
Offset=2
Increment=5
END_OBJECT=DimensionMap_1
END_GROUP=DimensionMap
GROUP=GeoField
OBJECT=GeoField_1
GeoFieldName="pressure"
DimList=("z")
END_OBJECT=GeoField_1
END_GROUP=GeoField
END_GROUP=SWATH_1
END_GROUP=SwathStructure
END
"""


def eos_file(recipe, kind, name, fields, metadata, *, vdatas=(), attributes=()):
    """A structure with fields, given as (name, axes, values)."""
    variables, groups = [], []
    for field, dims, numbers in fields:
        data = recipe.add(702, numbers.tobytes())
        named = [f"{dim}:{name}" for dim in dims]
        variable, ndg = recipe.sds(field, numbers.shape, numbers.dtype, data, dims=named)
        variables.append(variable)
        groups.append(ndg)
    inner = "Data Vgroup" if kind == "POINT" else "Data Fields"
    members = [
        recipe.vgroup(inner, f"{kind} Vgroup", [*groups, *vdatas]),
        recipe.vgroup(f"{kind.title()} Attributes", f"{kind} Vgroup", list(attributes)),
    ]
    recipe.vgroup(name, kind, members)
    recipe.root([*variables, recipe.attribute("StructMetadata.0", metadata)])
    return recipe.bytes()


def a_grid(recipe, **corners):
    numbers = np.arange(8, dtype=">i2").reshape(2, 4)
    return eos_file(recipe, "GRID", "MOD", [("lst", ("YDim", "XDim"), numbers)], GRID.format(**(SINUSOIDAL | corners)))


def test_a_grid_is_a_group_with_coordinates(recipe, scanned, values):
    """The fields of a grid stand in its group, on axes without its name, at the centres of its cells."""
    refs = scanned(a_grid(recipe))
    assert refs.arrays["MOD/lst"].meta.dims == ("YDim", "XDim")
    assert refs.arrays["MOD/lst"].meta.attrs["grid_mapping"] == "crs"
    assert values(refs, "MOD/YDim").tolist() == [1_500_000, 500_000]
    assert values(refs, "MOD/XDim").tolist() == [500_000, 1_500_000, 2_500_000, 3_500_000]
    assert refs.arrays["MOD/crs"].meta.attrs["grid_mapping_name"] == "sinusoidal"


def test_what_is_said_of_the_vgroup_of_a_grid(recipe, scanned):
    """An annotation of the Vgroup of a grid is an attribute of its group."""
    a_grid(recipe)
    (ref,) = [ref for tag, ref, data in recipe.objects if tag == 1965 and b"\3MOD\0\4GRID" in data]
    recipe.add(104, (1965).to_bytes(2, "big") + ref.to_bytes(2, "big") + b"a label")
    refs = scanned(recipe.bytes())
    assert refs.groups["MOD"]["label"] == "a label"
    assert "vgroup_annotations" not in refs.attrs


STACK = """GROUP=GridStructure
GROUP=GRID_1
GridName="B"
XDim=2
YDim=4
UpperLeftPointMtrs=(7460750.0,1090650.0)
LowerRightMtrs=(7601550.0,527450.0)
Projection=GCTP_SOM
ProjParams=(6378137,-0.006694,0,98018013.75,67030010.88,0,0,0,98.88,0,0,180,0)
SphereCode=12
END_GROUP=GRID_1
END_GROUP=GridStructure
END
"""


@pytest.mark.parametrize("offsets", [[0.0, 1.0], [0.0]])
def test_a_grid_in_blocks_along_an_orbit(recipe, scanned, values, tmp_path, offsets):
    """A stack of blocks has coordinates of two axes; without the offset of each block none, and a problem says so."""
    pytest.importorskip("pyproj")
    numbers = np.arange(24, dtype=">i2").reshape(3, 2, 4)
    attribute = recipe.vdata(
        "_BLKSOM:B", "Attr0.0", [("AttrValues", 5, 4, 1)], len(offsets), np.array(offsets, ">f4").tobytes()
    )
    fields = [("x", ("SOMBlockDim", "XDim", "YDim"), numbers)]
    refs = scanned(eos_file(recipe, "GRID", "B", fields, STACK, attributes=[attribute]), latlon=True)
    np.testing.assert_array_equal(values(refs, "B/x"), numbers)
    if len(offsets) == 1:
        assert "offsets of 2 blocks" in refs.problems[0].message
        return
    np.testing.assert_array_equal(values(refs, "B/som_x")[:, 0], 7460750 + 35200 + np.arange(3) * 140800)
    np.testing.assert_array_equal(values(refs, "B/som_y")[:, 0], 527450 + 70400 + np.array([0, 0, 140800]))
    with xr.open_datatree(tmp_path / "recipe.hdf", engine="chunkmap", scan_options={"latlon": True}) as tree:
        assert set(tree["B/x"].coords) == {"som_x", "som_y", "lat", "lon"}
        assert tree["B/lat"].shape == (3, 4, 2)
        assert ((tree["B/lat"] > 60) & (tree["B/lat"] < 90)).all()


def test_a_geographic_grid_has_latitude_and_longitude(recipe, scanned, values):
    """Corners of a geographic grid are packed degrees, minutes and seconds."""
    corners = (-10030000.0, 20000000.0, 9030000.0, 10000000.0)
    refs = scanned(a_grid(recipe, projection="GCTP_GEO", corners=corners))
    assert values(refs, "MOD/YDim").tolist() == [17.5, 12.5]
    assert values(refs, "MOD/XDim")[0] == -10.5 + 20 / 8
    assert refs.arrays["MOD/XDim"].meta.attrs["standard_name"] == "longitude"


def test_latitude_and_longitude_when_asked(recipe, scanned, values):
    """Every cell of a sinusoidal grid has its latitude and longitude, when that is asked for."""
    refs = scanned(a_grid(recipe), latlon=True)
    latitude, longitude = values(refs, "MOD/lat"), values(refs, "MOD/lon")
    radius = 6371007.181
    np.testing.assert_allclose(latitude[:, 0], np.degrees(np.array([1.5e6, 0.5e6]) / radius))
    np.testing.assert_allclose(
        longitude * np.cos(np.radians(latitude)) * radius * np.pi / 180, [[5e5, 1.5e6, 2.5e6, 3.5e6]] * 2
    )
    assert refs.arrays["MOD/lst"].meta.attrs["coordinates"] == "lat lon"


def test_without_eos_all_is_at_the_root(recipe, scanned):
    """Without its structures, a file's arrays stand as its library lists them."""
    refs = scanned(a_grid(recipe), eos=False)
    assert list(refs.arrays) == ["lst"]
    assert refs.arrays["lst"].meta.dims == ("YDim:MOD", "XDim:MOD")


def test_a_swath(recipe, scanned, values, tmp_path):
    """Fields of a swath name their geolocation; maps of axes are attributes; fields of one axis come from tables."""
    numbers = np.arange(6, dtype=">f4").reshape(2, 3)
    fields = [(name, ("y", "x"), numbers) for name in ("Latitude", "Longitude", "t")]
    pressure = recipe.vdata("pressure", "", [("pressure", 5, 4, 1)], 3, np.array([1, 2, 3], ">f4").tobytes())
    attributes = [recipe.vdata("_FV_pressure", "Attr0.0", [("AttrValues", 5, 4, 1)], 1, np.array([3], ">f4").tobytes())]
    refs = scanned(eos_file(recipe, "SWATH", "S", fields, SWATH, vdatas=[pressure], attributes=attributes))
    assert refs.arrays["S/t"].meta.attrs["coordinates"] == "Latitude Longitude"
    assert refs.groups["S"]["dimension_maps"] == [
        {"GeoDimension": "y", "DataDimension": "y1km", "Offset": 2, "Increment": 5}
    ]
    assert refs.arrays["S/pressure"].meta.dims == ("z",)
    assert refs.arrays["S/pressure"].meta.fill_value == 3
    assert values(refs, "S/pressure").tolist() == [1, 2, 3]
    with xr.open_datatree(tmp_path / "recipe.hdf", engine="chunkmap") as tree:
        assert set(tree["S"].coords) == {"Latitude", "Longitude"}
        np.testing.assert_array_equal(tree["S/t"], numbers)


def test_points(recipe, scanned, values):
    """Levels of a point data set are tables in its group."""
    level = recipe.vdata(
        "Sensor", "", [("Time", 6, 8, 1), ("Name", 4, 2, 2)], 2, b"".join([bytes(8), b"ab", bytes(8), b"cd"])
    )
    metadata = 'GROUP=PointStructure\nGROUP=POINT_1\nPointName="P"\nEND_GROUP=POINT_1\nEND_GROUP=PointStructure\n'
    refs = scanned(eos_file(recipe, "POINT", "P", [], metadata, vdatas=[level]))
    assert values(refs, "P/Sensor/Name").tolist() == [b"ab", b"cd"]


def test_a_projection_without_a_rule_is_a_problem(recipe, scanned):
    """A grid on a projection that is not known keeps its fields, and says what is missing."""
    refs = scanned(a_grid(recipe, projection="GCTP_ALASKA"))
    assert "MOD/lst" in refs.arrays
    assert "grid_mapping" not in refs.arrays["MOD/lst"].meta.attrs
    assert [problem.feature for problem in refs.problems] == ["projection"]
    said = refs.groups["MOD"]
    assert (said["gctp_projection"], said["upper_left"]) == ("GCTP_ALASKA", [0, 2_000_000])
    assert (said["gctp_parameters"][0], said["lower_right"]) == (6371007.181, [4_000_000, 0])


def test_parameters_that_no_projection_has(recipe, scanned):
    """A zone that there is not is a problem, and no error of pyproj."""
    pytest.importorskip("pyproj")
    (problem,) = scanned(a_grid(recipe, projection="GCTP_UTM\n\t\tZoneCode=77")).problems
    assert "zone=77" in problem.message


CORNERS = {"UpperLeftPointMtrs": [0, 1], "LowerRightMtrs": [1, 0], "XDim": 4, "YDim": 2, "Projection": "GCTP_PS"}


@pytest.mark.parametrize(
    "said",
    [
        {"UpperLeftPointMtrs": "DEFAULT"},
        {"LowerRightMtrs": [1, float("inf")]},
        {"XDim": -2},
        {"ProjParams": [float("nan")] * 13},
        {"ProjParams": "none"},
        {"Projection": ""},
    ],
)
def test_a_grid_that_is_nowhere(said):
    """Without corners or sizes, or with numbers that are none, there is no grid."""
    assert grid_of(CORNERS) is not None
    assert grid_of(CORNERS | said) is None


def test_numbers_of_any_length(recipe, scanned):
    """A number of 400 digits is a corner that is nowhere, and no error of another library."""
    (problem,) = scanned(a_grid(recipe, corners=(10**400, 0, 1, 1))).problems
    assert problem.feature == "grid"


def test_a_field_that_is_called_lat(recipe, scanned, values):
    """Where a grid has a field of the name that computed latitudes would have, the field stays."""
    numbers = np.arange(8, dtype=">i2").reshape(2, 4)
    fields = [("lat", ("YDim", "XDim"), numbers)]
    refs = scanned(eos_file(recipe, "GRID", "MOD", fields, GRID.format(**SINUSOIDAL)), latlon=True)
    np.testing.assert_array_equal(values(refs, "MOD/lat"), numbers)


def test_odl_that_is_damaged():
    """Text that is no ODL, or nests without end, gives what can be understood."""
    assert parse_odl("GROUP=A\n" * 1000 + "x=1\n") is not None
    assert parse_odl("no statement\nEND_GROUP=B\nx=(1,2\n") == {"x": "(1,2"}


def test_tiles_of_a_day_in_one_grid(recipe, tmp_path):
    """Tiles beside each other are combined along their own coordinates."""
    import chunkmap

    recipes = type(recipe)
    for number in range(2):
        corners = (number * 4_000_000, 2_000_000, (number + 1) * 4_000_000, 0)
        (tmp_path / f"h{number}.hdf").write_bytes(a_grid(recipes(), corners=corners))
    sets = [chunkmap.scan(tmp_path / f"h{number}.hdf") for number in range(2)]
    combined = chunkmap.combine(sets, concat_dims=["XDim"], identical_dims=["YDim"])
    with chunkmap.open_dataset(combined, group="MOD") as dataset:
        assert dataset["XDim"].values.tolist() == [500_000 + 1_000_000 * n for n in range(8)]
        assert dataset["lst"].values[0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
