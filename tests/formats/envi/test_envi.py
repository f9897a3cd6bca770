"""ENVI's and ESRI's headers: what is read through references is what GDAL reads, and the library spectral."""

import numpy as np
import pytest
import rasterio
import spectral.io.envi
import xarray as xr

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import ChunkmapError, FormatError, NoSuchFile, TruncatedFile, Unsupported
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource

CODES = {"u1": 1, "i2": 2, "i4": 3, "f4": 4, "f8": 5, "c8": 6, "c16": 9, "u2": 12, "u4": 13, "i8": 14, "u8": 15}
SHAPE = (2, 4, 3)  # bands, rows, columns
ORDERS = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}
UTM = "map info = {UTM, 1.5, 2, 500000, 4500000, 30, 20, 13, North, WGS-84, units=Meters}\n"


def written(folder, more="", *, dtype="i2", interleave="bsq", order="<", offset=0, shape=SHAPE, suffix=".img"):
    """The header and the pixels of an image, and its values as bands, rows, columns."""
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    stored = values.transpose(ORDERS[interleave]).astype(np.dtype(dtype).newbyteorder(order))
    (folder / f"a{suffix}").write_bytes(b"-" * offset + stored.tobytes())
    text = f"ENVI\ndescription = {{\n of\n words}}\nsamples = {shape[2]}\nlines = {shape[1]}\nbands = {shape[0]}\n"
    text += f"header offset = {offset}\nfile type = ENVI Standard\ndata type = {CODES[dtype]}\n"
    text += f"interleave = {interleave}\nbyte order = {int(order == '>')}\n{more}"
    (folder / "a.hdr").write_text(text)
    return folder / "a.hdr"


def esri(folder, text, values, suffix=".bil"):
    """A header of ESRI and its pixels."""
    (folder / "a.hdr").write_text(text)
    (folder / f"a{suffix}").write_bytes(values if isinstance(values, bytes) else values.tobytes())
    return folder / "a.hdr"


def bands_first(refs):
    """The values of the image as bands, rows, columns."""
    array = refs.arrays["image"]
    values = read_array(array, Fetcher())
    if values.ndim == 2:
        return values[None]
    return values.transpose([array.meta.dims.index(dim) for dim in ("band", "y", "x")])


def gdal(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.filterwarnings("ignore:Setting the .* on a NumPy array:DeprecationWarning")  # spectral does
@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("interleave", ORDERS)
def test_pixels_are_those_of_gdal_and_spectral(tmp_path, dtype, interleave):
    """Every type, interleave and byte order, behind other bytes or not, of one band or several."""
    for order, offset, shape in (("<", 0, SHAPE), (">", 7, SHAPE), ("<", 3, (1, 4, 3))):
        path = written(tmp_path, dtype=dtype, interleave=interleave, order=order, offset=offset, shape=shape)
        refs = chunkmap.scan(path, inline_threshold=0)
        found = bands_first(refs)
        expected = gdal(tmp_path / "a.img")
        assert found.dtype.newbyteorder("=") == expected.dtype
        np.testing.assert_array_equal(found, expected)
        other = spectral.io.envi.open(str(path), str(tmp_path / "a.img")).load(dtype=dtype, scale=False)
        np.testing.assert_array_equal(found.transpose(1, 2, 0), np.asarray(other))
        assert refs.arrays["image"].chunks.urls == (str(tmp_path / "a.img"),)
        assert not refs.problems


def test_coordinates_are_the_middles_of_pixels(tmp_path):
    """x, y and the affine transform are those of GDAL; what is said by band lies along the bands."""
    more = UTM + "wavelength units = Nanometers\nwavelength = {400.5,\n 500}\nband names = {red, near infrared}\n"
    path = written(tmp_path, more + "bbl = {1, 0}\ndata ignore value = 3\nsensor type = AVIRIS\n", interleave="bil")
    with xr.open_dataset(path, engine="chunkmap") as found, rasterio.open(tmp_path / "a.img") as expected:
        t = expected.transform
        np.testing.assert_allclose(found.x, [t.c + (i + 0.5) * t.a for i in range(3)])
        np.testing.assert_allclose(found.y, [t.f + (i + 0.5) * t.e for i in range(4)])
        assert found.image.dims == ("y", "band", "x")
        assert found.wavelength.values.tolist() == [400.5, 500]
        assert found.wavelength.units == "Nanometers"
        assert found.band_names.values.tolist() == ["red", "near infrared"]
        assert "bbl" in found.coords
        assert tuple(map(float, found.spatial_ref.GeoTransform.split())) == t.to_gdal()
        np.testing.assert_array_equal(np.isnan(found.image.values), found.image.values != found.image.values)
        assert int(np.isnan(found.image).sum()) == 1
        assert found.attrs["sensor_type"] == "AVIRIS"


@pytest.mark.parametrize(
    ("dtype", "text", "fill_value"),
    [
        ("i8", "9007199254740993", 9007199254740993),
        ("u8", "18446744073709551615", 18446744073709551615),
        ("i2", "-32768.0", -32768),
        ("i2", "3.5", None),
        ("u1", "-1", None),
        ("f4", "-3.4028235e+38", np.finfo("f4").min),
        ("f4", "1e40", None),
        ("f8", "1e40", 1e40),
        ("f4", "inf", np.inf),
    ],
)
def test_missing_pixels_are_those_of_the_value_itself(tmp_path, dtype, text, fill_value):
    """A value that pixels cannot have stands for none of them; a whole number of 64 bits is not rounded."""
    refs = chunkmap.scan(written(tmp_path, f"data ignore value = {text}\n", dtype=dtype))
    assert refs.arrays["image"].meta.fill_value == fill_value


def test_attributes_of_the_root_are_what_is_nowhere_else(tmp_path):
    """Texts are whole, whatever commas they have; what is a coordinate or says where pixels are stands there only."""
    wkt = 'PROJCS["a",GEOGCS["b",DATUM["c"]],UNIT["Meter",1.0]]'
    more = f"coordinate system string = {{{wkt}}}\nwavelength = {{400, 500}}\nwavelength units = nm\nsensor = X, Y\n"
    more += "description = {one, two}\ndefault bands = {2, 1}\n"
    refs = chunkmap.scan(written(tmp_path, UTM + more))
    assert refs.attrs.keys() == {"description", "file_type", "map_info", "sensor", "default_bands"}
    assert (refs.attrs["description"], refs.attrs["default_bands"]) == ("one, two", [2, 1])
    assert refs.arrays["spatial_ref"].meta.attrs["crs_wkt"] == wkt
    assert refs.arrays["wavelength"].meta.attrs["units"] == "nm"


def test_an_image_that_is_called_a_header_names_its_header(tmp_path):
    """The image, scanned as ENVI, is refused with the name of the header beside it; a wrong option is named."""
    written(tmp_path)
    with pytest.raises(FormatError, match=r"scan that: 'a\.hdr'"):
        chunkmap.scan(tmp_path / "a.img", format="envi")
    with pytest.raises(NoSuchFile, match=r"'b\.img'; that is what the option data says"):
        chunkmap.scan(tmp_path / "a.hdr", data="b.img")


def test_turned_images_have_no_axes(tmp_path):
    """A rotation is in the transform, as GDAL has it, and there is no x or y."""
    path = written(tmp_path, UTM.replace("1.5, 2,", "1, 1,").replace("units", "rotation=30, units"))
    refs = chunkmap.scan(path)
    with rasterio.open(tmp_path / "a.img") as expected:
        found = tuple(map(float, refs.arrays["spatial_ref"].meta.attrs["GeoTransform"].split()))
        np.testing.assert_allclose(found, expected.transform.to_gdal())
    assert not refs.arrays.keys() & {"x", "y"}


@pytest.mark.parametrize(
    ("more", "scale", "problem"),
    [
        ("reflectance scale factor = 100\n", 0.01, False),
        ("data gain values = {2, 2}\ndata offset values = {1, 1}\n", 2, False),
        ("data gain values = {2, 3}\n", 1, True),
        ("data gain values = {2, 2}\nreflectance scale factor = 100\n", 1, True),
    ],
)
def test_scales(tmp_path, more, scale, problem):
    """One scale for all is CF's, one for each band a problem: CF has no words for it."""
    path = written(tmp_path, more)
    assert bool(chunkmap.scan(path).problems) is problem
    with xr.open_dataset(path, engine="chunkmap") as found:
        offset = 1 if scale == 2 else 0
        np.testing.assert_allclose(found.image.values.ravel(), np.arange(24) * scale + offset, rtol=1e-6)


def test_spectral_libraries(tmp_path):
    """Rows of a library are spectra with names, columns are bands."""
    path = written(tmp_path, "spectra names = {grass, soil}\nwavelength = {1, 2, 3}\n", shape=(1, 2, 3), suffix=".sli")
    path.write_text(path.read_text().replace("ENVI Standard", "ENVI Spectral Library"))
    with xr.open_dataset(path, engine="chunkmap") as found:
        assert found.image.dims == ("spectrum", "band")
        assert found.spectra_names.values.tolist() == ["grass", "soil"]
        assert found.wavelength.values.tolist() == [1, 2, 3]


def test_how_the_pixels_are_found(tmp_path):
    """By the header's name, by an option, and never by a guess among several."""
    path = written(tmp_path, suffix=".dat")
    assert chunkmap.scan(path, inline_threshold=0).arrays["image"].chunks.urls == (str(tmp_path / "a.dat"),)
    (tmp_path / "a").write_bytes(b"too short")
    assert chunkmap.scan(path, inline_threshold=0).arrays["image"].chunks.urls == (str(tmp_path / "a.dat"),)
    (tmp_path / "a.img").write_bytes((tmp_path / "a.dat").read_bytes())
    with pytest.raises(FormatError, match="option data"):
        chunkmap.scan(path)
    refs = chunkmap.scan(path, data="a.img", inline_threshold=0)
    assert refs.arrays["image"].chunks.urls == (str(tmp_path / "a.img"),)
    path.rename(tmp_path / "b.bil.hdr")
    with pytest.raises(NoSuchFile, match=r"looked for 'b\.bil'"):
        chunkmap.scan(tmp_path / "b.bil.hdr")
    with pytest.raises(FormatError, match=r"scan that: 'x\.hdr'"):
        scan_source(BytesSource(bytes(100), "x.bsq"))


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("file type = ENVI Standard", "file compression = 1", Unsupported, "compressed as a whole"),
        ("ENVI Standard", "TIFF", Unsupported, "file of type 'TIFF'"),
        ("data type = 2", "data type = 7", Unsupported, "data type '7'"),
        ("byte order = 0", "major frame offsets = {0, 8}", Unsupported, "frame offsets"),
        ("samples = 3", "samples = -3", FormatError, "'samples'"),
        ("samples = 3", "", FormatError, "'samples'"),
        ("interleave = bsq", "interleave = tile", FormatError, "interleave"),
        ("words}", "words", FormatError, "no closing brace"),
        ("lines = 4", "lines = 40", TruncatedFile, "cut short"),
        ("lines = 4", "lines = 400000000000", TruncatedFile, "cut short"),
    ],
)
def test_what_is_refused(tmp_path, old, new, error, words):
    """Pixels that do not stand one after the other, and headers that say what cannot be."""
    path = written(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(error, match=words):
        chunkmap.scan(path)


KINDS = {"u1": (8, "UNSIGNEDINT"), "i1": (8, "SIGNEDINT"), "u2": (16, ""), "i4": (32, "SIGNEDINT"), "f4": (32, "FLOAT")}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("layout", ORDERS)
def test_pixels_of_esri_are_those_of_gdal(tmp_path, dtype, layout):
    """Every type, layout and byte order."""
    bits, kind = KINDS[dtype]
    for order in "<>":
        text = f"NROWS 4\nNCOLS 3\nNBANDS 2\nNBITS {bits}\nBYTEORDER {'IM'[order == '>']}\nLAYOUT {layout.upper()}\n"
        text += f"PIXELTYPE {kind}\n" if kind else ""
        values = np.arange(24).reshape(SHAPE).astype(np.dtype(dtype).newbyteorder(order))
        path = esri(tmp_path, text + "SKIPBYTES 5\n", b"-" * 5 + values.transpose(ORDERS[layout]).tobytes())
        found, expected = bands_first(chunkmap.scan(path)), gdal(tmp_path / "a.bil")
        assert found.dtype.newbyteorder("=") == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("more", "suffix"),
    [
        ("NBITS 16\nULXMAP 10\nULYMAP 20\nXDIM 0.5\nYDIM 0.25\nNODATA -9999\n", ".bil"),
        ("NBITS 8\nXLLCORNER 10\nYLLCORNER 20\nCELLSIZE 0.5\nNODATA -1\n", ".bil"),
        ("NBITS 8\nXLLCENTER 10\nYLLCENTER 20\nCELLSIZE 0.5\n", ".bil"),
        ("xllcorner 10\nyllcorner 20\ncellsize 0.5\nNODATA_value -9999\nbyteorder MSBFIRST\n", ".flt"),
    ],
)
def test_places_and_missing_pixels_of_esri_are_those_of_gdal(tmp_path, more, suffix):
    """All ways of saying where the corner is; a type that is not said; the system that a `.prj` beside it names."""
    path = esri(tmp_path, "nrows 4\nncols 3\n" + more, bytes(range(60, 108)), suffix)
    wkt = 'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0]]'
    (tmp_path / "a.prj").write_text(wkt)
    refs = chunkmap.scan(path)
    with rasterio.open(tmp_path / f"a{suffix}") as expected:
        array, t = refs.arrays["image"], expected.transform
        assert array.meta.dtype.newbyteorder("=") == expected.dtypes[0]
        np.testing.assert_array_equal(read_array(array, Fetcher()), expected.read(1))
        assert array.meta.fill_value == expected.nodata
        np.testing.assert_allclose(read_array(refs.arrays["x"], Fetcher()), [t.c + (i + 0.5) * t.a for i in range(3)])
        np.testing.assert_allclose(read_array(refs.arrays["y"], Fetcher()), [t.f + (i + 0.5) * t.e for i in range(4)])
    assert refs.arrays["spatial_ref"].meta.attrs["crs_wkt"] == wkt


@pytest.mark.parametrize(
    ("layout", "more", "strides"),
    [
        ("BIL", "BANDROWBYTES 8\nTOTALROWBYTES 20\n", {"y": 20, "band": 8, "x": 2}),
        ("BIL", "TOTALROWBYTES 14\n", {"y": 14, "band": 6, "x": 2}),
        ("BIP", "TOTALROWBYTES 14\n", {"y": 14, "x": 4, "band": 2}),
        ("BSQ", "BANDGAPBYTES 10\n", {"band": 34, "y": 6, "x": 2}),
    ],
)
def test_bytes_between_rows_and_bands(tmp_path, layout, more, strides):
    """They are passed over, as ESRI says; GDAL does not."""
    raw = np.arange(60, dtype="<u2").tobytes()
    path = esri(tmp_path, f"NROWS 4\nNCOLS 3\nNBANDS 2\nNBITS 16\nBYTEORDER I\nLAYOUT {layout}\n{more}", raw)
    expected = np.ndarray(SHAPE, "<u2", raw, strides=[strides[dim] for dim in ("band", "y", "x")])
    np.testing.assert_array_equal(bands_first(chunkmap.scan(path)), expected)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("NBITS 4\n", Unsupported, "pixels of 4 bits"),
        ("NBITS 64\n", Unsupported, "pixels of 64 bits"),
        ("BYTEORDER X\n", FormatError, "BYTEORDER"),
        ("TOTALROWBYTES 2\n", FormatError, "bytes apart"),
        ("xllcorner 0\n1 2 3\n4 5 6\n", Unsupported, "ASCII grid"),
        ("ULXMAP a\nULYMAP 2\n", FormatError, "'ULXMAP'"),
    ],
)
def test_what_is_refused_of_esri(tmp_path, text, error, words):
    """Parts of bytes, text, and headers that say what cannot be."""
    with pytest.raises(error, match=words):
        chunkmap.scan(esri(tmp_path, "NROWS 4\nNCOLS 3\n" + text, bytes(100)))


def test_every_cut_is_an_error(tmp_path):
    """A file of pixels that ends early is refused, and so is a header without the words that matter."""
    path = written(tmp_path, dtype="u1")
    data, text = (tmp_path / "a.img").read_bytes(), path.read_text()
    for stop in range(len(data)):
        (tmp_path / "a.img").write_bytes(data[:stop])
        with pytest.raises(ChunkmapError):
            chunkmap.scan(path)
    (tmp_path / "a.img").write_bytes(data)
    for stop in range(text.index("samples")):
        path.write_text(text[:stop])
        with pytest.raises(ChunkmapError):
            chunkmap.scan(path)


def test_chunks(tmp_path):
    """A chunk a band, or rows; or as many bytes as one asks for."""
    assert chunkmap.scan(written(tmp_path)).arrays["image"].meta.chunk_shape == (1, 4, 3)
    path = written(tmp_path, interleave="bil")
    assert chunkmap.scan(path).arrays["image"].meta.chunk_shape == (4, 2, 3)
    array = chunkmap.scan(path, chunk_nbytes=24, name="v", inline_threshold=0).arrays["v"]
    assert array.meta.chunk_shape == (2, 2, 3)
    assert set(array.chunks.length.tolist()) == {24}
