"""Values through references are the values that eccodes decodes, in the order of the grid."""

from __future__ import annotations

import subprocess
import sys

import numcodecs
import numpy as np
import pytest
from making import field, in_rows, lattice, message, multi, read

import chunkmap
from chunkmap.codecs.grib.codec import GribCodec
from chunkmap.errors import FormatError
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource


def data_of(tmp_path, data, **options):
    """The set of a file, and its only variable of values, read."""
    path = tmp_path / "file.grib"
    path.write_bytes(data)
    refs = chunkmap.scan(str(path), **options)
    (name,) = [n for n, a in refs.arrays.items() if "GRIB_gridType" in a.meta.attrs]
    group, _, variable = name.rpartition("/")
    return chunkmap.open_dataset(refs, group=group)[variable]


@pytest.mark.parametrize("mode", range(0, 256, 16))
@pytest.mark.parametrize("sample", ["regular_ll_sfc_grib2", "regular_ll_sfc_grib1"])
def test_values_stand_where_the_flag_table_says(tmp_path, sample, mode):
    """In all sixteen ways of scanning, each value is at the latitude and longitude that flag table 3.4 gives it."""
    if "grib1" in sample and mode & 16:
        pytest.skip("flag table 8 of edition 1 has no alternating rows")
    stored = np.arange(12.0)
    data = message(sample, **lattice(4, 3, mode), values=stored)
    found = data_of(tmp_path, data, dtype="float64")
    np.testing.assert_array_equal(found.values, in_rows(stored, 4, 3, mode))
    np.testing.assert_allclose(found.latitude, [48, 49, 50] if mode & 64 else [50, 49, 48])
    np.testing.assert_allclose(found.longitude, [13, 12, 11, 10] if mode & 128 else [10, 11, 12, 13])


@pytest.mark.parametrize("edition", [1, 2])
def test_values_stand_where_gdal_has_them(tmp_path, edition):
    """GDAL, which follows the flag table too, has the same values from north to south and from west to east."""
    rasterio = pytest.importorskip("rasterio")
    for mode in range(0, 256, 32 if edition == 1 else 16):
        data = message(f"regular_ll_sfc_grib{edition}", **lattice(4, 3, mode), values=np.arange(12.0))
        ours = data_of(tmp_path, data, dtype="float64").sortby("latitude", ascending=False).sortby("longitude")
        with rasterio.open(tmp_path / "file.grib") as dataset:
            theirs = dataset.read(1)
        # GDAL gives temperatures in degrees Celsius
        np.testing.assert_allclose(theirs - theirs.min(), ours, atol=1e-5)


@pytest.mark.parametrize("mode", range(0, 256, 16))
def test_rotated_grids_are_placed_where_the_flag_table_says(tmp_path, mode):
    """Of a rotated grid, each value is where the turned sphere has its row and column, whichever way they go."""
    pole = {"latitudeOfSouthernPoleInDegrees": -40, "longitudeOfSouthernPoleInDegrees": 20}
    stored = np.arange(12.0)
    data = message("rotated_ll_sfc_grib2", **lattice(4, 3, mode), **pole, values=stored)
    found = data_of(tmp_path, data, dtype="float64")
    np.testing.assert_array_equal(found.values, in_rows(stored, 4, 3, mode))
    rows = [48, 49, 50] if mode & 64 else [50, 49, 48]
    columns = [13, 12, 11, 10] if mode & 128 else [10, 11, 12, 13]
    latitude, longitude = turned_back(*np.radians(np.meshgrid(rows, columns, indexing="ij")), -40, 20)
    np.testing.assert_allclose(found.latitude, latitude, atol=1e-4)
    np.testing.assert_allclose((found.longitude - longitude + 180) % 360, 180, atol=1e-4)


def turned_back(latitude, longitude, pole, meridian):
    """The places of points of a grid whose southern pole is elsewhere, by the turning of a sphere."""
    tilt = np.radians(90 + pole)
    x, y, z = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)
    up, along = np.sin(tilt) * x + np.cos(tilt) * z, np.cos(tilt) * x - np.sin(tilt) * z
    return np.degrees(np.arcsin(up)), meridian + np.degrees(np.arctan2(y, along))


def test_a_constant_field_is_its_reference_value(tmp_path):
    """A constant field with a decimal scale is what eccodes gives: the reference value, not divided by the scale."""
    data = message("regular_ll_sfc_grib2", **lattice(), decimalPrecision=2, values=np.full(12, 281.25))
    constant = message_of(data, bitsPerValue=0)
    ((expected,),) = read(constant)
    np.testing.assert_array_equal(data_of(tmp_path, constant, dtype="float64").values.reshape(-1), expected)


def test_a_value_equal_to_the_key_of_missing_values_is_a_value(tmp_path):
    """A field without a bitmap may hold 9999, by which eccodes means a missing value unless told otherwise."""
    data = message("regular_ll_sfc_grib2", **lattice(), packingType="grid_ieee", values=np.full(12, 9999.0))
    assert (data_of(tmp_path, data).values == 9999).all()


def test_a_field_that_is_missing_everywhere(tmp_path):
    """A bitmap without a point gives NaN everywhere."""
    data = message("regular_ll_sfc_grib2", **lattice(), bitmapPresent=1, missingValue=-1, values=np.full(12, -1.0))
    assert np.isnan(data_of(tmp_path, data).values).all()


@pytest.mark.parametrize("bitmap", [0, 1])
def test_missing_values_of_complex_packing(tmp_path, bitmap):
    """Missing values that complex packing manages without a bitmap, and those of its bitmap, are NaN, and no others."""
    sparse = np.array([0.0, 1, 2, 15, 3, 4, 5, 7, 8, 9, 15, 11])
    keys = {"bitsPerValue": 4, "bitmapPresent": bitmap, "missingValue": 15}
    packed = message_of(message("regular_ll_sfc_grib2", **lattice(), **keys, values=sparse), packingType="grid_complex")
    # the largest number that four bits can hold is then the mark of a value that is missing
    data = packed if bitmap else message_of(packed, missingValueManagementUsed=1)
    found = data_of(tmp_path, data, dtype="float64").values.reshape(-1)
    np.testing.assert_array_equal(found, np.where(sparse == 15, np.nan, sparse))


def message_of(data, **keys):
    import eccodes

    handle = eccodes.codes_new_from_message(data)
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    return eccodes.codes_get_message(handle)


@pytest.mark.parametrize(("bits", "dtype"), [(16, "f4"), (24, "f4"), (25, "f8")])
def test_the_type_is_as_wide_as_the_packing(tmp_path, bits, dtype):
    """At most 24 bits are float32, more are float64; an option asks for either."""
    random = np.random.default_rng(2).normal(size=12)
    data = message("regular_ll_sfc_grib2", **lattice(), bitsPerValue=bits, values=random)
    assert data_of(tmp_path, data).dtype == np.dtype(dtype)
    assert data_of(tmp_path, data, dtype="float32").dtype == np.float32


def test_a_value_too_large_for_float32_is_an_error(tmp_path):
    """A value beyond float32 is refused, and the message says which option reads it."""
    data = message("regular_ll_sfc_grib2", **lattice(), packingType="grid_ieee", precision=2, values=np.full(12, 1e300))
    with pytest.raises(Exception, match="dtype='float64'"):
        data_of(tmp_path, data, dtype="float32").load()
    assert (data_of(tmp_path, data).values == 1e300).all()


def test_what_kerchunk_wrote_years_ago_decodes():
    """The codec's configuration and whole messages of kerchunk: values of the first field, latitudes, longitudes."""
    data = field(1)
    codec = numcodecs.get_codec({"id": "grib", "var": "t", "dtype": "float64"})
    np.testing.assert_array_equal(codec.decode(data), np.arange(12.0) + 100)
    latitudes = numcodecs.get_codec({"id": "grib", "var": "latitude"}).decode(data)
    assert latitudes.dtype == np.float64
    np.testing.assert_allclose(latitudes, np.repeat([50.0, 49, 48], 4))
    assert GribCodec("longitude", "float32").decode(data).dtype == np.float32
    np.testing.assert_array_equal(codec.decode(multi(field(4), field(5))), np.arange(12.0) + 400)


def test_bytes_that_are_no_message_are_an_error():
    """What is no GRIB message is refused by its first bytes."""
    with pytest.raises(FormatError, match="expected a GRIB message"):
        GribCodec("t").decode(b"\x89HDF" * 10)


def test_values_alone_do_not_make_a_message():
    """The codec does not encode."""
    with pytest.raises(NotImplementedError):
        GribCodec("t").encode(np.zeros(3))


def test_references_are_of_the_message_itself():
    """A field alone in its message is referenced with its whole message, as kerchunk references it."""
    refs = scan_source(BytesSource(b"junk" + field(1), "a.grib"), inline_threshold=0)
    (chunk,) = [a.chunks.row(0) for a in refs.arrays.values() if "GRIB_gridType" in a.meta.attrs]
    assert chunk == ("a.grib", 4, len(field(1)))


def test_pyproj_can_be_used_after_eccodes():
    """Both bring a PROJ of their own: in a process that read GRIB first, pyproj works, and the process ends well."""
    pytest.importorskip("pyproj")
    code = "import chunkmap.codecs.grib.eccodes, pyproj; pyproj.CRS.from_epsg(4326)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
