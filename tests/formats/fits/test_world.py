"""World coordinates beside astropy.wcs."""

import warnings

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from astropy.wcs import WCS

from chunkmap.access.store import ReferenceStore

CELESTIAL = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.0,
    "CRVAL2": 2.2,
    "CRPIX1": 5.0,
    "CRPIX2": 4.0,
    "CDELT1": -0.01,
    "CDELT2": 0.01,
    "CUNIT1": "deg",
    "CUNIT2": "deg",
}
SPECTRAL = {"CTYPE3": "FREQ", "CRVAL3": 1.4, "CRPIX3": 1.0, "CDELT3": 0.001, "CUNIT3": "GHz"}
TIME = {"CTYPE4": "TIME", "CRVAL4": 10.0, "CRPIX4": 1.0, "CDELT4": 2.0, "CUNIT4": "s", "MJDREF": 58000.0}


def image(shape, *parts, kind=fits.ImageHDU, **more):
    """An image with these keywords."""
    header = fits.Header()
    for part in parts:
        header.update(part)
    return kind(np.zeros(shape, "i2"), header, **more)


def write(path, *hdus):
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path


def world_of(header, *pixels):
    """What astropy computes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return WCS(header).pixel_to_world_values(*pixels)


def test_celestial_spectral_and_time(tmp_path, reading):
    """Axes that belong together have coordinates of both, others one of their own, in the units that astropy has."""
    hdu = image((2, 3, 7, 9), CELESTIAL, SPECTRAL, TIME, name="CUBE")
    path = write(tmp_path / "a.fits", hdu)
    refs = reading.scan(path, wcs=True)
    assert not refs.problems
    dims = {name: refs.arrays[name].meta.dims for name in ("ra", "dec", "freq", "time")}
    assert dims == {"ra": ("y", "x"), "dec": ("y", "x"), "freq": ("z",), "time": ("axis4",)}
    assert [refs.arrays[name].meta.attrs["units"] for name in dims] == ["deg", "deg", "Hz", "s"]
    grid = np.meshgrid(*map(np.arange, (2, 3, 7, 9)), indexing="ij")
    world = world_of(hdu.header, *reversed(grid))
    np.testing.assert_array_equal(reading.values(refs, "ra"), world[0][0, 0])
    np.testing.assert_array_equal(reading.values(refs, "dec"), world[1][0, 0])
    np.testing.assert_array_equal(reading.values(refs, "freq"), world[2][0, :, 0, 0])
    np.testing.assert_array_equal(reading.values(refs, "time"), world[3][:, 0, 0, 0])
    opened = xr.open_zarr(ReferenceStore(refs), consolidated=False, zarr_format=2, decode_times=False)
    assert set(opened["CUBE"].coords) == {"ra", "dec", "freq", "time"}


def test_they_are_not_there_unless_asked_for(tmp_path, reading):
    """Without `wcs` there are no coordinates; with it, an image without such keywords has none either."""
    path = write(tmp_path / "a.fits", image((7, 9), CELESTIAL, name="A"), image((7, 9), name="B"))
    assert list(reading.scan(path).arrays) == ["A", "B"]
    refs = reading.scan(path, wcs=True)
    assert set(refs.arrays) == {"A", "B", "A_ra", "A_dec"}
    assert refs.arrays["A"].meta.attrs["coordinates"] == "A_ra A_dec"
    assert not refs.problems


def test_of_a_compressed_image(tmp_path, reading):
    """The header of a compressed image is that of a table, and has the image's coordinates all the same."""
    hdu = image((3, 7, 9), CELESTIAL, SPECTRAL, kind=fits.CompImageHDU, name="C")
    path = write(tmp_path / "a.fits", hdu)
    refs = reading.scan(path, wcs=True)
    assert not refs.problems
    grid = np.meshgrid(*map(np.arange, (3, 7, 9)), indexing="ij")
    world = world_of(fits.getheader(path, 1), *reversed(grid))
    np.testing.assert_array_equal(reading.values(refs, "ra"), world[0][0])
    np.testing.assert_array_equal(reading.values(refs, "freq"), world[2][:, 0, 0])


def test_distortions_of_the_header(tmp_path, reading):
    """Distortions by polynomials (SIP) are applied."""
    sip = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-3, "B_0_2": 2e-3}
    hdu = image((7, 9), {**CELESTIAL, **sip}, name="A")
    refs = reading.scan(write(tmp_path / "a.fits", hdu), wcs=True)
    plain = reading.scan(write(tmp_path / "b.fits", image((7, 9), CELESTIAL, name="A")), wcs=True)
    expected = world_of(hdu.header, np.arange(9)[None, :], np.arange(7)[:, None])
    for name, values in zip(("ra", "dec"), expected, strict=True):
        np.testing.assert_array_equal(reading.values(refs, name), values)
        assert not np.allclose(reading.values(plain, name), values, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "broken",
    [
        {"CTYPE1": "RA---ZZZ"},
        {"CTYPE1": "RA---TAN", "CTYPE2": "GLAT-TAN"},
        {"WCSAXES": 3, "CTYPE3": "FREQ"},
        {"CPDIS1": "LOOKUP"},
        {"D2IMDIS1": "LOOKUP", "D2IM1.EXTVER": 1.0, "D2IM1.NAXES": 2, "D2IM1.AXIS.1": 1, "D2IM1.AXIS.2": 2},
        {"D2IMEXT": "a.fits[D2IMARR]", "AXISCORR": 1},
        {"CTYPE1": "WAVE-TAB", "PS1_0": "TABLE", "PS1_1": "COLUMN", "CTYPE2": "DEC--TAN"},
    ],
)
def test_systems_that_astropy_cannot_compute(tmp_path, reading, broken):
    """What astropy refuses, or has other axes than the image, is a problem, and the image is there."""
    path = write(tmp_path / "a.fits", image((7, 9), {**CELESTIAL, **broken}, name="A"))
    refs = reading.scan(path, wcs=True)
    assert list(refs.arrays) == ["A"]
    assert [(p.path, p.feature) for p in refs.problems] == [("A", "WCS")]


def test_no_pixel_is_read(tmp_path, reading):
    """Coordinates refer to headers, and to nothing else; scanning for them reads no more than scanning without."""
    path = write(tmp_path / "a.fits", image((700, 900), CELESTIAL, name="A"))
    refs = reading.scan(path, wcs=True)
    with fits.open(path) as file:
        info = file["A"].fileinfo()
    for name in ("ra", "dec"):
        chunk = refs.arrays[name].chunks[0]
        assert (chunk.offset, chunk.offset + chunk.length) == (info["hdrLoc"], info["datLoc"])
