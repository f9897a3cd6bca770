"""The door `kerchunk.fits`."""

import json

import numpy as np
import pytest
import xarray as xr
import zarr
from astropy.io import fits
from astropy.wcs import WCS

import kerchunk.codecs
from kerchunk.combine import MultiZarrToZarr
from kerchunk.fits import BITPIX2DTYPE, FitsToZarr, add_wcs_coords, process_file
from kerchunk.utils import refs_as_store


@pytest.fixture
def path(tmp_path):
    """A file of an image, a plain table and one that is not."""
    primary = fits.PrimaryHDU()
    primary.header["TELESCOP"] = "VLA"
    primary.header["COMMENT"] = "no"
    image = fits.ImageHDU(np.arange(24, dtype="f4").reshape(2, 3, 4), name="SCI")
    other = fits.ImageHDU(np.arange(6, dtype="u2").reshape(2, 3), name="SCI", ver=2)
    plain = fits.BinTableHDU.from_columns([fits.Column("A", "J", array=[1, 2]), fits.Column("B", "D", array=[0.5, 1])])
    rich = fits.BinTableHDU.from_columns(
        [fits.Column("L", "L", array=[True, False]), fits.Column("U", "I", array=np.array([1, 2], "u2"), bzero=2**15)],
        name="RICH",
    )
    path = tmp_path / "a.fits"
    fits.HDUList([primary, image, other, plain, rich]).writeto(path)
    return path


def opened(refs):
    return xr.open_zarr(refs_as_store(refs, remote_protocol="file"), consolidated=False, zarr_format=2)


def test_the_first_hdu_with_data(path):
    """Without `extension`, references to the first HDU that has data come back, bare, and JSON can hold them."""
    refs = process_file(str(path))
    assert {key.split("/")[0] for key in refs} - {".zgroup", ".zattrs"} == {"SCI"}
    json.dumps(refs)
    assert "TELESCOP" not in json.loads(refs[".zattrs"]) if ".zattrs" in refs else True
    found = opened(refs)
    assert found["SCI"].dims == ("z", "y", "x")
    np.testing.assert_array_equal(found["SCI"], fits.getdata(path, 1))


@pytest.mark.parametrize(
    ("extension", "names"),
    [(1, {"SCI"}), ("sci", {"SCI"}), ([1, 2], {"SCI", "SCI_2"}), ([1, 3], {"SCI", "3"}), (3, {"3"})],
)
def test_extensions(path, extension, names):
    """HDUs are chosen by number or name, one or several, and are called as kerchunk calls them."""
    found = opened(process_file(str(path), extension=extension))
    assert set(found.data_vars) == names
    if "SCI_2" in names:
        np.testing.assert_array_equal(found["SCI_2"], fits.getdata(path, 2))


def test_tables(path):
    """A table of plain numbers is one structured array; one that is more than that has an array for each column."""
    table = zarr.open_array(refs_as_store(process_file(str(path), extension=3)), path="3", mode="r", zarr_format=2)[...]
    assert table["A"].tolist() == [1, 2]
    assert table["B"].tolist() == [0.5, 1.0]
    group = zarr.open_group(refs_as_store(process_file(str(path), extension="RICH")), mode="r", zarr_format=2)["RICH"]
    assert group["L"][...].tolist() == [True, False]
    assert group["U"][...].tolist() == [1, 2]


def test_the_primary_header_on_the_group(path):
    """`primary_attr_to_group` puts the primary header on the root, without its comments."""
    attrs = json.loads(process_file(str(path), primary_attr_to_group=True)[".zattrs"])
    assert attrs["TELESCOP"] == "VLA"
    assert "COMMENT" not in attrs


def test_out_and_the_class(path):
    """References go into `out`, whatever it is; the class does the same as the function."""
    out = {}
    assert process_file(str(path), out=out) is out
    assert FitsToZarr(str(path)).translate() == out
    assert "fits" in repr(FitsToZarr(str(path)))
    assert BITPIX2DTYPE[-64] == ">f8"


def test_what_is_not_there(path):
    """An extension that the file does not have is an error that names those that it has."""
    with pytest.raises(KeyError, match="SCI, SCI, 3, RICH"):
        process_file(str(path), extension="NO")
    with pytest.raises(IndexError):
        process_file(str(path), extension=9)


def test_problems_are_warnings(tmp_path):
    """What cannot be represented is warned of."""
    fits.HDUList([fits.PrimaryHDU(np.zeros((1,) * 40 + (2,), "u1"))]).writeto(tmp_path / "b.fits")
    with pytest.warns(UserWarning, match="rank"):
        process_file(str(tmp_path / "b.fits"))


def test_files_are_combined(tmp_path):
    """Sets of several files go on to `MultiZarrToZarr`."""
    sets = []
    for n in range(3):
        fits.ImageHDU(np.full((2, 3), n, "f4"), name="SCI").writeto(tmp_path / f"{n}.fits")
        sets.append(process_file(str(tmp_path / f"{n}.fits"), extension="SCI"))
    refs = MultiZarrToZarr(sets, concat_dims=["t"], coo_map={"t": [0, 1, 2]}, remote_protocol="file").translate()
    assert opened(refs)["SCI"].values[:, 0, 0].tolist() == [0, 1, 2]


def celestial():
    """A header of celestial coordinates."""
    hdu = fits.PrimaryHDU(np.zeros((3, 4), "f4"))
    for key, value in (
        ("CTYPE1", "RA---TAN"),
        ("CTYPE2", "DEC--TAN"),
        ("CDELT1", -0.1),
        ("CDELT2", 0.1),
        ("CRVAL1", 10.0),
    ):
        hdu.header[key] = value
    return hdu


@pytest.mark.parametrize("as_header", [True, False])
def test_coordinates_of_a_dataset(as_header):
    """World coordinates are those of astropy, in the type that is asked for."""
    hdu = celestial()
    dataset = xr.Dataset({"PRIMARY": (("y", "x"), hdu.data)})
    found = add_wcs_coords(dict(hdu.header) if as_header else hdu, dataset=dataset, dtype="float64")
    ra, dec = WCS(hdu.header).pixel_to_world_values(np.arange(4)[None, :], np.arange(3)[:, None])
    np.testing.assert_array_equal(found["ra"], ra)
    np.testing.assert_array_equal(found["dec"], dec)
    assert "ra" not in dataset


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_coordinates_of_a_group(zarr_format):
    """The same as arrays of a Zarr group, with the names of their axes."""
    group = zarr.open_group(store={}, mode="w", zarr_format=zarr_format)
    add_wcs_coords(celestial(), zarr_group=group)
    assert group["ra"].dtype == "float32"
    assert group["ra"].shape == (3, 4)
    dims = group["ra"].metadata.dimension_names if zarr_format == 3 else group["ra"].attrs["_ARRAY_DIMENSIONS"]
    assert list(dims) == ["y", "x"]
    with pytest.raises(ValueError, match="not both"):
        add_wcs_coords(celestial())


def test_codecs_of_old_references():
    """References that kerchunk has written to tables are decoded: rows of text, and rows with a heap behind them."""
    codec = kerchunk.codecs.AsciiTableCodec([["a", "S5"], ["b", "S3"]], [["a", "f8"], ["b", "i4"]])
    assert codec.decode(b"  1.5 122.5E0  3").tolist() == [(1.5, 12), (2.5, 3)]
    raw = np.array([7, 2, 0, 8, 1, 4], ">i4").tobytes() + np.array([1, 2, 3], ">i2").tobytes()
    types = "[('n','>i4'),('v','>i4',(2,))]", "[('n','>i4'),('v','O')]"
    found = kerchunk.codecs.VarArrCodec(*types, 2, {"v": "I"}).decode(raw)
    assert [(int(n), v.tolist()) for n, v in found] == [(7, [1, 2]), (8, [3])]
    with pytest.raises(ValueError, match="heap"):
        kerchunk.codecs.VarArrCodec(*types, 2, {"v": "J"}).decode(raw)
