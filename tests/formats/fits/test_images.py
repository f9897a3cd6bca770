"""Images beside astropy."""

import warnings

import numpy as np
import pytest
import xarray as xr
import zarr
from astropy.io import fits

import chunkmap
from chunkmap.access.store import ReferenceStore
from chunkmap.errors import FormatError

TYPES = ["u1", "i1", ">i2", ">u2", ">i4", ">u4", ">i8", ">u8", ">f4", ">f8"]


def extremes(dtype, shape):
    """Values that span the type."""
    rng, size = np.random.default_rng(0), int(np.prod(shape))
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    data = rng.integers(limits.min, limits.max, size, endpoint=True, dtype=np.dtype(dtype).newbyteorder("="))
    data[:2] = limits.min, limits.max
    return data.reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_every_type_is_read_exactly(tmp_path, reading, dtype, zarr_format):
    """Numbers of every BITPIX, and those whose sign is turned, have astropy's values and type, in Zarr 2 and 3."""
    data = extremes(dtype, (3, 4, 5))
    fits.PrimaryHDU(data).writeto(tmp_path / "a.fits")
    refs = reading.check(tmp_path / "a.fits")
    assert not refs.problems
    assert refs.arrays["PRIMARY"].meta.dtype == np.dtype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", zarr.errors.ZarrUserWarning)
        warnings.simplefilter("ignore", zarr.errors.UnstableSpecificationWarning)
        store = ReferenceStore(refs, zarr_format=zarr_format)
        found = zarr.open_array(store, path="PRIMARY", mode="r", zarr_format=zarr_format)[...]
    np.testing.assert_array_equal(found, data)


@pytest.mark.parametrize(("bitpix", "zero"), [(8, -128), (16, 2**15), (32, 2**31), (64, 2**63)])
def test_integers_with_their_sign_turned_round_have_no_blank(tmp_path, reading, bitpix, zero):
    """As astropy has it for unsigned numbers; for signed bytes and 64 bits, where no library agrees, by the formula."""
    stored = np.array([0, 1, 99, 100], f">i{bitpix // 8}" if bitpix > 8 else "u1")
    hdu = fits.PrimaryHDU(stored)
    hdu.header["BZERO"], hdu.header["BLANK"] = zero, 99
    hdu.writeto(tmp_path / "a.fits")
    refs = reading.scan(tmp_path / "a.fits")
    meta = refs.arrays["PRIMARY"].meta
    assert meta.fill_value is None
    assert "scale_factor" not in meta.attrs
    assert reading.values(refs, "PRIMARY").tolist() == [int(n) + zero for n in stored]


def test_the_turned_sign_is_turned_by_numcodecs_alone(tmp_path, reading):
    """References to images of unsigned numbers of 16 and 32 bits are decoded by readers that have no codec of ours."""
    fits.HDUList([fits.PrimaryHDU(extremes(">u2", (5,))), fits.ImageHDU(extremes(">u4", (5,)))]).writeto(
        tmp_path / "a.fits"
    )
    refs = reading.scan(tmp_path / "a.fits")
    assert {codec["id"] for array in refs.arrays.values() for codec in array.meta.codecs} == {"fixedscaleoffset"}


@pytest.mark.parametrize("bitpix", [8, 16, 32, 64, -32, -64])
@pytest.mark.parametrize("blank", [None, 5])
def test_scaling_is_left_to_cf(tmp_path, reading, bitpix, blank):
    """BSCALE, BZERO and BLANK become what other readers of Zarr decode in double precision."""
    stored = np.arange(12).reshape(3, 4).astype({8: "u1", -32: ">f4", -64: ">f8"}.get(bitpix, f">i{bitpix // 8}"))
    hdu = fits.PrimaryHDU(stored)
    hdu.header["BSCALE"], hdu.header["BZERO"] = 0.25, -3.0
    if blank and bitpix > 0:
        hdu.header["BLANK"] = blank
    hdu.writeto(tmp_path / "a.fits")
    refs = reading.check(tmp_path / "a.fits")
    exact = stored * 0.25 - 3.0
    if blank and bitpix > 0:
        exact = np.where(stored == blank, np.nan, exact)
    np.testing.assert_array_equal(reading.physical(refs, "PRIMARY"), exact)
    opened = xr.open_zarr(ReferenceStore(refs), consolidated=False, zarr_format=2)
    np.testing.assert_array_equal(opened["PRIMARY"], exact)


@pytest.mark.parametrize("bitpix", [8, 16, 32, 64, -32, -64])
@pytest.mark.parametrize("scaling", [(0.1, 1000.3), (1, 0), (3, 0), (1, 7.7)])
@pytest.mark.parametrize("blank", [None, 5])
def test_scaled_pixels_have_the_type_and_the_bits_of_astropy(tmp_path, bitpix, scaling, blank):
    """8 and 16 bits become float32, 32 and 64 float64, floats stay: the very numbers, also from a set at rest."""
    stored = np.arange(12).reshape(3, 4).astype({8: "u1", -32: ">f4", -64: ">f8"}.get(bitpix, f">i{bitpix // 8}"))
    hdu = fits.PrimaryHDU(stored)
    hdu.header["BSCALE"], hdu.header["BZERO"] = scaling
    if blank and bitpix > 0:
        hdu.header["BLANK"] = blank
    path = tmp_path / "a.fits"
    hdu.writeto(path)
    wanted = fits.getdata(path)
    places = [path, tmp_path / "a.json", tmp_path / "a.parq"]
    for place in places[1:]:
        chunkmap.write(chunkmap.scan(path), place)
    for place in places:
        with xr.open_dataset(place, engine="chunkmap") as found:
            values = found["PRIMARY"].values
        assert values.dtype.newbyteorder("=") == wanted.dtype.newbyteorder("=")
        np.testing.assert_array_equal(values, wanted)


def test_blank_alone_masks(tmp_path, reading):
    """Without scaling, integers stay as they are and BLANK is the fill value; one out of range says nothing."""
    hdus = [fits.PrimaryHDU(np.arange(4, dtype=">i2")), fits.ImageHDU(np.arange(4, dtype="u1"))]
    hdus[0].header["BLANK"], hdus[1].header["BLANK"] = 2, -1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    refs = reading.check(tmp_path / "a.fits")
    assert refs.arrays["PRIMARY"].meta.fill_value == 2
    assert refs.arrays["1"].meta.fill_value is None


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 4), (2, 1, 3, 4), (2, 2, 2, 1, 3, 4), (1, 1)])
def test_cubes_are_cut_into_planes(tmp_path, reading, shape):
    """Each plane is a chunk; axes are named x, y, z from the fastest on."""
    fits.PrimaryHDU(extremes(">f4", shape)).writeto(tmp_path / "a.fits")
    meta = reading.check(tmp_path / "a.fits").arrays["PRIMARY"].meta
    assert meta.chunk_shape == (*(1,) * (len(shape) - 2), *shape[-2:])
    assert meta.dims == ("axis6", "axis5", "axis4", "z", "y", "x")[-len(shape) :]


@pytest.mark.parametrize("nbytes", [1, 40, 100, 10**6])
def test_chunks_have_at_most_as_many_bytes(tmp_path, reading, nbytes):
    """`chunk_nbytes` cuts where axes divide, planes or not; a number has 4 bytes all the same."""
    fits.PrimaryHDU(extremes(">f4", (4, 6, 10))).writeto(tmp_path / "a.fits")
    meta = reading.check(tmp_path / "a.fits", chunk_nbytes=nbytes).arrays["PRIMARY"].meta
    assert meta.chunk_nbytes <= max(nbytes, 4)
    with pytest.raises(ValueError, match="chunk_nbytes"):
        reading.scan(tmp_path / "a.fits", chunk_nbytes=0)


def test_no_axis_and_empty_axes(tmp_path, reading):
    """An HDU without axes is no array; one of no elements is an array without chunks."""
    empty = fits.ImageHDU(np.zeros((2, 3), ">i2"), name="E")
    fits.HDUList([fits.PrimaryHDU(), empty]).writeto(tmp_path / "a.fits")
    raw = (
        (tmp_path / "a.fits").read_bytes().replace(b"NAXIS2  =                    2", b"NAXIS2  =                    0")
    )
    refs = reading.scan(raw)
    assert list(refs.arrays) == ["E"]
    assert refs.arrays["E"].meta.shape == (0, 3)
    assert len(refs.arrays["E"].chunks) == 0


def test_more_axes_than_readers_have(tmp_path, reading):
    """999 axes are legal, and a problem by name; 32 are read."""
    few, many = np.zeros((1,) * 31 + (3,), "u1"), np.zeros((1,) * 40 + (3,), "u1")
    fits.HDUList([fits.PrimaryHDU(few), fits.ImageHDU(many, name="MANY")]).writeto(tmp_path / "a.fits")
    refs = reading.check(tmp_path / "a.fits")
    assert list(refs.arrays) == ["PRIMARY"]
    assert [(p.path, p.feature) for p in refs.problems] == [("MANY", "rank")]


def test_paths_of_hdus_of_one_name(tmp_path, reading):
    """EXTVER tells HDUs of one EXTNAME apart; where it does not, their number does."""
    hdus = [fits.PrimaryHDU()]
    hdus += [fits.ImageHDU(np.full((2, 2), n, ">i2"), name="SCI", ver=n) for n in (1, 2)]
    hdus += [fits.ImageHDU(np.full((2, 2), n, ">i2"), name="DQ") for n in (3, 4)]
    hdus += [fits.ImageHDU(np.zeros((2, 2), ">i2"), name="A/B"), fits.ImageHDU(np.zeros((2, 2), ">i2"))]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    refs = reading.check(tmp_path / "a.fits")
    assert list(refs.arrays) == ["SCI_1", "SCI_2", "DQ_3", "DQ_4", "A_B", "6"]
    assert reading.values(refs, "DQ_4").tolist() == [[4, 4], [4, 4]]


def test_axes_of_different_lengths_have_different_names(tmp_path, reading):
    """Images of one group that xarray opens together do not disagree about the length of an axis."""
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(np.zeros((2, 3), ">i2"), name="A"),
        fits.ImageHDU(np.zeros((5, 3), ">i2"), name="B"),
    ]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    refs = reading.check(tmp_path / "a.fits")
    assert [a.meta.dims for a in refs.arrays.values()] == [("A_y", "x"), ("B_y", "x")]
    assert dict(xr.open_zarr(ReferenceStore(refs), consolidated=False, zarr_format=2).sizes) == {
        "A_y": 2,
        "B_y": 5,
        "x": 3,
    }


def test_headers_are_attributes(tmp_path, reading):
    """The primary header is the root's, each image has its own, and its unit under the name that CF has."""
    hdu = fits.ImageHDU(np.zeros((2, 2), ">i2"), name="A")
    hdu.header["BUNIT"], hdu.header["EXPTIME"] = "Jy/beam", 2.5
    hdu.header["HISTORY"] = "one"
    hdu.header["HISTORY"] = "two"
    primary = fits.PrimaryHDU()
    primary.header["TELESCOP"] = "VLA"
    fits.HDUList([primary, hdu]).writeto(tmp_path / "a.fits")
    refs = reading.scan(tmp_path / "a.fits")
    assert refs.groups[""]["TELESCOP"] == "VLA"
    attrs = refs.arrays["A"].meta.attrs
    assert (attrs["units"], attrs["BUNIT"], attrs["EXPTIME"], attrs["HISTORY"]) == (
        "Jy/beam",
        "Jy/beam",
        2.5,
        "one\ntwo",
    )


def test_one_hdu_by_number_or_name(tmp_path, reading):
    """`hdu` chooses; one that is not there is refused with those that are."""
    fits.HDUList([fits.PrimaryHDU(np.zeros(2)), fits.ImageHDU(np.zeros(3), name="SCI")]).writeto(tmp_path / "a.fits")
    assert list(reading.scan(tmp_path / "a.fits", hdu=1).arrays) == ["SCI"]
    assert list(reading.scan(tmp_path / "a.fits", hdu="PRIMARY").arrays) == ["PRIMARY"]
    with pytest.raises(ValueError, match="PRIMARY, SCI"):
        reading.scan(tmp_path / "a.fits", hdu="ERR")


def test_random_groups(tmp_path, reading):
    """Parameters and arrays of random groups are arrays along `group`, scaled as astropy scales them."""
    data = np.arange(24, dtype="f4").reshape(4, 1, 2, 3)
    pars = [np.arange(4, dtype="f4") + n for n in range(3)]
    groups = fits.GroupData(data, parnames=["UU", "DATE", "DATE"], pardata=pars, bitpix=-32)
    fits.GroupsHDU(groups).writeto(tmp_path / "a.fits")
    refs = reading.scan(tmp_path / "a.fits")
    assert not refs.problems
    np.testing.assert_array_equal(reading.physical(refs, "PRIMARY/data"), data)
    for name, values in zip(("UU", "DATE", "DATE_2"), pars, strict=True):
        np.testing.assert_array_equal(reading.physical(refs, f"PRIMARY/{name}"), values)
    assert refs.arrays["PRIMARY/data"].meta.dims == ("group", "z", "y", "x")


def test_what_is_no_fits_file(reading):
    """Other bytes are refused, and so is a first header that goes on for ever."""
    with pytest.raises(FormatError, match="begins with"):
        reading.scan(b"<!DOCTYPE html>".ljust(2880))
    with pytest.raises(FormatError, match="END"):
        reading.scan(b"SIMPLE  =                    T".ljust(2880))
