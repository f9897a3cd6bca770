"""Where pixels are: coordinates as rioxarray gives them, reference systems, nodata, scales, units, masks, overviews."""

from __future__ import annotations

import json

import numpy as np
import pyproj
import pytest
import rasterio
import rioxarray
import tifffile
from oracle import assert_same, by_rasterio, scanned, values
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning

from chunkmap.formats.tiff import crs

pytestmark = pytest.mark.filterwarnings(f"ignore::{NotGeoreferencedWarning.__module__}.NotGeoreferencedWarning")

AFFINE = rasterio.Affine(10.0, 0.0, 500_000.1, 0.0, -20.0, 5_600_000.7)
ROTATED = rasterio.Affine(10.0, 3.0, 500.0, -2.0, -9.0, 700.0)


def write(path, *, count=1, dtype="int16", width=40, height=30, data=None, tags=None, **options):
    """A GeoTIFF."""
    profile = {"driver": "GTiff", "count": count, "dtype": dtype, "width": width, "height": height}
    profile |= {"transform": AFFINE, "crs": "EPSG:32632", **options}
    with rasterio.open(path, "w", **{k: v for k, v in profile.items() if v is not None}) as file:
        if data is None:
            data = np.arange(count * width * height).reshape(count, height, width).astype(dtype)
        file.write(data)
        for name, value in (tags or {}).items():
            if name == "tags":
                file.update_tags(**value)
            else:
                setattr(file, name, value)
    return path


@pytest.mark.parametrize("area", ["Area", "Point"])
@pytest.mark.parametrize("transform", [AFFINE, ROTATED, rasterio.Affine(0.1, 0, -180.0, 0, 0.1, -90.0)])
def test_coordinates_are_those_of_rioxarray(tmp_path, transform, area):
    """Middles of pixels, bit for bit: pixels as areas and as points, rotated, and with rows that rise."""
    path = write(tmp_path / "a.tif", transform=transform, count=2, tags={"tags": {"AREA_OR_POINT": area}})
    found, wanted = scanned(path), rioxarray.open_rasterio(path)
    names = {"x", "y"} if transform.b == 0 else {"xc", "yc"}
    assert names == {"x", "y", "xc", "yc"} & set(found.arrays)
    for name in (*names, "band"):
        assert_same(values(found, name), wanted[name].values)
        assert found.arrays[name].meta.dims == wanted[name].dims


def test_coordinates_of_overviews(tmp_path):
    """The pixels of an overview are as much larger as it is smaller, in a length that does not divide."""
    path = write(tmp_path / "a.tif", width=75, height=45, tiled=True, blockxsize=16, blockysize=16)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])
    found = scanned(path)
    assert set(found.groups) == {"", "1", "2"}
    for number in (1, 2):
        wanted = rioxarray.open_rasterio(path, overview_level=number - 1)
        assert_same(values(found, f"{number}/image"), wanted.values[0])
        for name in ("x", "y"):
            np.testing.assert_allclose(values(found, f"{number}/{name}"), wanted[name].values, rtol=1e-13)
    datasets = found.groups[""]["multiscales"][0]["datasets"]
    assert [entry["path"] for entry in datasets] == ["image", "1/image", "2/image"]
    assert datasets[1]["scale"] == [45 / 23, 75 / 38]
    only = scanned(path, level=2)
    assert set(only.groups) == {""}
    assert_same(values(only), values(found, "2/image"))


SYSTEMS = [
    "EPSG:4326",
    "EPSG:3857",
    "EPSG:32733",
    "EPSG:2154",
    "EPSG:3035",
    "EPSG:3031",
    "EPSG:3413",
    "EPSG:2263",
    "EPSG:28992",
    "+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 +ellps=GRS80 +units=m",
    "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=45 +lon_0=-100 +a=6370000 +b=6370000 +units=m",
    "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +datum=NAD83 +units=m",
    "+proj=tmerc +lat_0=0 +lon_0=9 +k=0.9996 +x_0=500000 +ellps=bessel +units=m",
    "+proj=sinu +lon_0=0 +R=6371007.181 +units=m",
    "+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +datum=WGS84 +units=m",
    "+proj=cea +lat_ts=30 +lon_0=0 +datum=WGS84 +units=m",
    "+proj=longlat +a=6371229 +b=6371229",
]


@pytest.mark.parametrize("system", SYSTEMS)
def test_reference_systems_are_those_of_gdal(tmp_path, system):
    """A point on the ground has the coordinates that GDAL's reading of the keys gives it."""
    path = write(tmp_path / "a.tif", crs=system)
    found = scanned(path)
    attrs = found.arrays["spatial_ref"].meta.attrs
    assert found.arrays["image"].meta.attrs["grid_mapping"] == "spatial_ref"
    with rasterio.open(path) as file:
        wanted = pyproj.CRS.from_wkt(file.crs.to_wkt())
    mine = pyproj.CRS.from_wkt(attrs["crs_wkt"])
    assert pyproj.CRS.from_cf({k: v for k, v in attrs.items() if k != "gcps"}) is not None
    centre = (
        (9.5, 48.0)
        if wanted.area_of_use is None
        else (
            (wanted.area_of_use.west + wanted.area_of_use.east) / 2,
            (wanted.area_of_use.south + wanted.area_of_use.north) / 2,
        )
    )
    first, second = (pyproj.Proj(crs)(*centre) for crs in (mine, wanted))
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-6)
    assert mine.ellipsoid.semi_major_metre == wanted.ellipsoid.semi_major_metre


@pytest.mark.parametrize(
    "system",
    [
        "EPSG:4979",
        "EPSG:4978",
        "EPSG:4936",
        "EPSG:5332",
        "EPSG:9518",
        "EPSG:7415",
        "EPSG:32632+5773",
        "+proj=longlat +datum=NAD27",
        "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +datum=NAD83 +units=m",
    ],
)
def test_datums_heights_and_geocentric_systems(tmp_path, system):
    """A system is GDAL's own with its datum, its height, and axes from the middle of the Earth where it has such."""
    path = write(tmp_path / "a.tif", crs=system)
    with rasterio.open(path) as file:
        wanted = pyproj.CRS.from_wkt(file.crs.to_wkt())
    refs = scanned(path)
    assert not refs.problems
    found = pyproj.CRS.from_wkt(refs.arrays["spatial_ref"].meta.attrs["crs_wkt"])
    assert found == wanted
    assert [axis.direction for axis in found.axis_info] == [axis.direction for axis in wanted.axis_info]


def test_heights_of_other_codes():
    """Heights above an ellipsoid, as GeoTIFF 1.0 has them, are of the system; what nobody knows is a problem alone."""
    keys = {"GTModelTypeGeoKey": 1, "ProjectedCSTypeGeoKey": 32632}
    attrs, problem = crs.crs_attrs({**keys, "VerticalCSTypeGeoKey": 5030})
    assert (pyproj.CRS(attrs["crs_wkt"]), problem) == (pyproj.CRS("EPSG:32632").to_3d(), None)
    attrs, problem = crs.crs_attrs({**keys, "VerticalCSTypeGeoKey": 1})
    assert pyproj.CRS(attrs["crs_wkt"]) == pyproj.CRS("EPSG:32632")
    assert problem == "pyproj knows no system of heights 1: without it"


def test_a_datum_of_another_figure_is_not_believed():
    """Where the axes of the Earth are not those of the datum that is named, the axes say how large it is."""
    keys = {"GTModelTypeGeoKey": 2, "GeogGeodeticDatumGeoKey": 6326, "GeogSemiMajorAxisGeoKey": 6371229.0}
    attrs, _ = crs.crs_attrs({**keys, "GeogInvFlatteningGeoKey": 0.0})
    assert pyproj.CRS(attrs["crs_wkt"]).ellipsoid.semi_minor_metre == 6371229.0


def test_without_pyproj_the_keys_stand_as_they_are(tmp_path, monkeypatch):
    """The keys of GeoTIFF are attributes by their names, whether or not pyproj is there."""
    path = write(tmp_path / "a.tif", crs="EPSG:32731")
    monkeypatch.setattr(crs, "find_spec", lambda _: None)
    crs._attrs.cache_clear()
    attrs = scanned(path).arrays["spatial_ref"].meta.attrs
    crs._attrs.cache_clear()
    assert attrs["ProjectedCSTypeGeoKey"] == 32731
    assert attrs["GTModelTypeGeoKey"] == 1
    assert "crs_wkt" not in attrs


def test_control_points(tmp_path):
    """Tie points without a transform are GeoJSON, as rioxarray reads them."""
    points = [GroundControlPoint(r, c, 10.0 + c, 50.0 - r, 5.0) for r, c in ((0, 0), (0, 40), (30, 0), (30, 40))]
    path = tmp_path / "a.tif"
    with rasterio.open(path, "w", driver="GTiff", count=1, dtype="uint8", width=40, height=30) as file:
        file.gcps = (points, rasterio.crs.CRS.from_epsg(4326))
        file.write(np.ones((1, 30, 40), "u1"))
    found = scanned(path)
    features = json.loads(found.arrays["spatial_ref"].meta.attrs["gcps"])["features"]
    assert [(f["properties"]["row"], f["properties"]["col"]) for f in features] == [(p.row, p.col) for p in points]
    assert [f["geometry"]["coordinates"] for f in features] == [[p.x, p.y, p.z] for p in points]
    assert "x" not in found.arrays


@pytest.mark.parametrize(
    ("dtype", "nodata", "fill"),
    [
        ("uint8", 255, 255),
        ("int16", -9999, -9999),
        ("float32", np.nan, np.nan),
        ("float32", float(np.finfo("f4").min), np.finfo("f4").min),  # tifffile drops this one
        ("float64", -3.4e38, -3.4e38),
    ],
)
def test_nodata_is_the_fill_value(tmp_path, dtype, nodata, fill):
    """What GDAL says stands for missing data is what tiles that are not stored read as, and what xarray masks."""
    data = np.zeros((1, 64, 64), dtype)
    data[0, :16, :16] = 7
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16, "sparse_ok": True}
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, dtype=dtype, width=64, height=64, nodata=nodata, **layout
    ) as f:
        f.write(data[:, :16, :16], window=rasterio.windows.Window(0, 0, 16, 16))
    found = scanned(path)
    assert len(found.arrays["image"].chunks) == 1
    assert_same(values(found), by_rasterio(path))
    np.testing.assert_equal(found.arrays["image"].meta.fill_value, np.dtype(dtype).type(fill))


def test_sparse_tiles_without_nodata_are_zero(tmp_path):
    """Tiles that are not stored have no reference, and read as 0, which nothing masks."""
    path = tmp_path / "a.tif"
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16, "sparse_ok": True}
    with rasterio.open(path, "w", driver="GTiff", count=1, dtype="uint16", width=64, height=64, **layout) as file:
        file.write(np.full((1, 16, 16), 3, "u2"), window=rasterio.windows.Window(16, 0, 16, 16))
    array = scanned(path).arrays["image"]
    assert (len(array.chunks), array.meta.fill_value, array.meta.background) == (1, None, None)
    assert_same(values(scanned(path)), by_rasterio(path))


def test_nodata_that_the_type_does_not_have(tmp_path):
    """A nodata that no pixel can have is an attribute; missing tiles are then a problem, not a guess."""
    path = write(tmp_path / "a.tif", dtype="uint8", data=np.ones((1, 30, 40), "u1"))
    raw = path.read_bytes()
    with rasterio.open(path, "r+") as file:
        file.nodata = 200
    path.write_bytes(path.read_bytes().replace(b"200\0", b"-99\0"))
    assert path.read_bytes() != raw
    array = scanned(path).arrays["image"]
    assert array.meta.fill_value is None
    assert array.meta.attrs["nodata"] == "-99"


def test_scales_offsets_units_descriptions(tmp_path):
    """What all bands share is CF's; what each has of its own is a list, and a problem says so."""
    shared = {"scales": (0.1, 0.1), "offsets": (5.0, 5.0), "units": ("K", "K"), "descriptions": ("day", "night")}
    found = scanned(write(tmp_path / "a.tif", count=2, tags={**shared, "tags": {"title": "x"}}))
    attrs = found.arrays["image"].meta.attrs
    assert (attrs["scale_factor"], attrs["add_offset"], attrs["units"]) == (0.1, 5.0, "K")
    assert attrs["long_name"] == ["day", "night"]
    assert found.groups[""]["title"] == "x"
    assert found.problems == ()
    own = scanned(write(tmp_path / "b.tif", count=2, tags={**shared, "scales": (0.1, 0.2)}))
    assert own.arrays["image"].meta.attrs["scales"] == [0.1, 0.2]
    assert "scale_factor" not in own.arrays["image"].meta.attrs
    assert [problem.feature for problem in own.problems] == ["scale per band"]


def test_masks_and_colours(tmp_path):
    """An internal mask is an array of its own, also of overviews; the colours of a palette are read from the file."""
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "width": 64, "height": 48, "photometric": "palette"}
    mask = np.zeros((48, 64), bool)
    mask[:, :30] = True
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile, tiled=True) as file:
        file.write(np.arange(48 * 64).reshape(1, 48, 64).astype("u1"))
        file.write_colormap(1, {n: (n, 255 - n, 7, 255) for n in range(256)})
        file.write_mask(mask)
    found = scanned(path)
    assert_same(values(found, "mask"), mask)
    colours = values(found, "colormap")
    assert colours.shape == (3, 256)
    np.testing.assert_array_equal(colours[:, 9] // 257, [9, 246, 7])
    assert found.arrays["image"].meta.attrs["photometric"] == "Palette"


def test_a_mask_without_a_codec_is_a_problem(tmp_path):
    """A mask that no codec decodes is left out, and the image stays."""
    path = tmp_path / "a.tif"
    data = np.ones((48, 64), "u1")
    with tifffile.TiffWriter(path) as writer:
        writer.write(data, metadata=None)
        writer.write(data > 0, metadata=None, subfiletype=4, photometric="minisblack", compression="packbits")
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"\x03\x01\x03\x00\x01\x00\x00\x00") + 8
    raw[at : at + 2] = (32771).to_bytes(2, "little")
    path.write_bytes(raw)
    found = scanned(path)
    assert_same(values(found), data)
    assert [(problem.path, problem.feature) for problem in found.problems] == [("mask", "CCITT RLE/W")]
