"""Scientific data sets as pyhdf writes and reads them."""

import numpy as np
import pytest
from pyhdf.SD import SD, SDC

import chunkmap

NUMBERS = {
    SDC.INT8: "i1",
    SDC.UINT8: "u1",
    SDC.INT16: "i2",
    SDC.UINT16: "u2",
    SDC.INT32: "i4",
    SDC.UINT32: "u4",
    SDC.FLOAT32: "f4",
    SDC.FLOAT64: "f8",
}


@pytest.fixture
def write(tmp_path):
    """Write arrays by pyhdf; gives the path and what pyhdf reads of each."""

    def make(fill):
        path = tmp_path / "a.hdf"
        sd = SD(str(path), SDC.WRITE | SDC.CREATE)
        fill(sd)
        sd.end()
        return path

    return make


def read_by_pyhdf(path, number=0):
    sd = SD(str(path), SDC.READ)
    sds = sd.select(number)
    value = sds.get()
    sds.endaccess()
    sd.end()
    return value


@pytest.mark.parametrize("number_type", NUMBERS)
def test_every_number_type(write, scanned, values, number_type):
    """Numbers of every type read as pyhdf reads them."""
    expected = np.arange(12).reshape(3, 4).astype(NUMBERS[number_type])

    def fill(sd):
        sds = sd.create("x", number_type, (3, 4))
        sds[:] = expected
        sds.endaccess()

    path = write(fill)
    refs = scanned(path)
    assert refs.problems == ()
    assert refs.arrays["x"].meta.dtype.str[1:] == NUMBERS[number_type]
    np.testing.assert_array_equal(values(refs, "x"), read_by_pyhdf(path))


@pytest.mark.parametrize(
    ("compression", "number_type"),
    [
        ((SDC.COMP_RLE,), SDC.INT16),
        ((SDC.COMP_SKPHUFF, 2), SDC.INT16),
        ((SDC.COMP_SKPHUFF, 8), SDC.FLOAT64),
        ((SDC.COMP_DEFLATE, 6), SDC.FLOAT32),
        ((SDC.COMP_DEFLATE, 1), SDC.UINT8),
    ],
)
def test_compressed_wholly(write, scanned, values, compression, number_type):
    """An array that is compressed as a whole is one chunk, and reads as pyhdf reads it."""
    numbers = np.random.default_rng(1).integers(0, 5, (20, 30)).astype(NUMBERS[number_type])

    def fill(sd):
        sds = sd.create("x", number_type, (20, 30))
        sds.setcompress(*compression)
        sds[:] = numbers
        sds.endaccess()

    path = write(fill)
    refs = scanned(path)
    assert len(refs.arrays["x"].chunks) == 1
    np.testing.assert_array_equal(values(refs, "x"), numbers)
    np.testing.assert_array_equal(read_by_pyhdf(path), numbers)


def test_names_scales_and_attributes(write, scanned, values):
    """Axes have the names and values that were given, and attributes are those that pyhdf shows."""

    def fill(sd):
        sd.title = "a file"
        sds = sd.create("t", SDC.INT16, (2, 3))
        sds[:] = [[1, 2, 3], [4, 5, 6]]
        for axis, name in enumerate(("y", "x")):
            sds.dim(axis).setname(name)
        sds.dim(1).setscale(SDC.FLOAT32, [10.0, 20.0, 30.0])
        sds.dim(1).setstrs("longitude", "degrees_east", "F5.1")
        sds.attr("numbers").set(SDC.INT32, [1, 2, 3])
        sds.attr("one").set(SDC.FLOAT64, 2.5)
        sds.units = "K"
        sds.endaccess()

    refs = scanned(write(fill))
    assert refs.attrs == {"title": "a file"}
    assert refs.arrays["t"].meta.dims == ("y", "x")
    assert refs.arrays["t"].meta.attrs == {"numbers": [1, 2, 3], "one": 2.5, "units": "K"}
    assert refs.arrays["x"].meta.attrs == {"long_name": "longitude", "units": "degrees_east", "format": "F5.1"}
    assert values(refs, "x").tolist() == [10, 20, 30]


@pytest.mark.parametrize("number_type", NUMBERS)
def test_never_written_reads_as_the_default_fill(write, scanned, values, number_type):
    """An array that was never written reads as the library's default fill, of unsigned types the signed one's bytes."""
    path = write(lambda sd: sd.create("x", number_type, (2, 3)).endaccess())
    refs = scanned(path)
    assert len(refs.arrays["x"].chunks) == 0
    np.testing.assert_array_equal(values(refs, "x"), read_by_pyhdf(path))


def test_never_written_reads_as_its_fill_value(write, scanned, values):
    """The fill value of an array is what never-written elements read as, and what is masked."""

    def fill(sd):
        sds = sd.create("x", SDC.INT16, (2, 3))
        sds.setfillvalue(-5)
        sds.endaccess()

    refs = scanned(write(fill))
    assert refs.arrays["x"].meta.fill_value == -5
    assert "_FillValue" not in refs.arrays["x"].meta.attrs
    assert values(refs, "x").tolist() == [[-5] * 3] * 2


def test_written_in_part(write, scanned, values):
    """An array that was written in part is wholly there."""

    def fill(sd):
        sds = sd.create("x", SDC.INT32, (4, 3))
        sds.setfillvalue(9)
        sds[1] = [1, 2, 3]
        sds.endaccess()

    path = write(fill)
    np.testing.assert_array_equal(values(scanned(path), "x"), read_by_pyhdf(path))


def test_unlimited_and_never_written(write, scanned, values):
    """An unlimited array that was never written has no rows: pyhdf refuses to read it."""
    path = write(lambda sd: sd.create("x", SDC.INT32, (SDC.UNLIMITED, 3)).endaccess())
    refs = scanned(path)
    assert refs.arrays["x"].meta.shape == (0, 3)
    assert values(refs, "x").shape == (0, 3)


@pytest.mark.parametrize("columns", [5, 1000, 3000])
def test_unlimited_arrays_that_grew_in_turn(write, scanned, values, columns):
    """Rows that were appended in turn to two arrays lie in linked blocks, longer than the data, and are found."""
    rng = np.random.default_rng(3)
    numbers = rng.integers(-99, 99, (2, 70, columns)).astype("i2")

    def fill(sd):
        both = [sd.create(name, SDC.INT16, (SDC.UNLIMITED, columns)) for name in ("a", "b")]
        for row in range(70):
            for sds, data in zip(both, numbers, strict=True):
                sds[row : row + 1] = data[row : row + 1]
        for sds in both:
            sds.endaccess()

    path = write(fill)
    refs = scanned(path)
    for number, name in enumerate("ab"):
        np.testing.assert_array_equal(values(refs, name), numbers[number])
        np.testing.assert_array_equal(read_by_pyhdf(path, number), numbers[number])


def test_unlimited_axes_of_several_lengths(write, scanned):
    """Where arrays of one file have grown to different lengths, each keeps its own, and so the axis its own name."""

    def fill(sd):
        for name, rows in (("a", 3), ("b", 5)):
            sds = sd.create(name, SDC.INT16, (SDC.UNLIMITED, 2))
            sds.dim(0).setname("record")
            sds[0:rows] = np.ones((rows, 2), "i2")
            sds.endaccess()

    refs = scanned(write(fill))
    assert refs.arrays["a"].meta.dims[0] == "record"
    assert refs.arrays["b"].meta.dims[0] == "record_5"


def test_names_that_stand_twice(write, scanned, values):
    """Of two arrays of one name both are there; the second has another name, and says so."""

    def fill(sd):
        for number in (1, 2):
            sds = sd.create("a/b", SDC.INT16, (1,))
            sds[:] = [number]
            sds.endaccess()

    refs = scanned(write(fill))
    assert [values(refs, name).tolist() for name in ("a_b", "a_b_2")] == [[1], [2]]
    assert refs.arrays["a_b_2"].meta.attrs["hdf4_name"] == "a/b"


def test_calibration_is_converted(write, scanned):
    """HDF4 takes the offset off before it scales: xarray, which adds it afterwards, gives the same numbers."""

    def fill(sd):
        sds = sd.create("x", SDC.INT16, (3,))
        sds.setcal(0.5, 0.0, 10.0, 0.0, SDC.INT16)
        sds[:] = [10, 12, 20]
        sds.endaccess()

    path = write(fill)
    attrs = scanned(path).arrays["x"].meta.attrs
    assert (attrs["scale_factor"], attrs["add_offset"], attrs["hdf4_add_offset"]) == (0.5, -5.0, 10.0)
    assert scanned(path, calibration="cf").arrays["x"].meta.attrs["add_offset"] == 10.0
    with chunkmap.open_dataset(path) as dataset:
        assert dataset["x"].values.tolist() == [0.0, 1.0, 5.0]


def external(sd):
    """An array whose values are in a file beside."""
    sds = sd.create("x", SDC.INT16, (2, 3))
    sds.setexternalfile("outside.dat", 10)
    sds[:] = [[1, 2, 3], [4, 5, 6]]
    sds.endaccess()


def test_external_elements(write, scanned, values, tmp_path, monkeypatch):
    """Values in a file beside are referred to where they are."""
    monkeypatch.chdir(tmp_path)
    refs = scanned(write(external))
    (url,) = refs.arrays["x"].chunks.urls
    assert url.endswith("outside.dat")
    assert refs.targets[url].size == (tmp_path / "outside.dat").stat().st_size
    assert values(refs, "x").tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("length", [None, 12])
def test_external_elements_that_are_not_there(write, scanned, tmp_path, monkeypatch, length):
    """Where the file beside is missing, or too short, that is a problem that names it."""
    monkeypatch.chdir(tmp_path)
    path = write(external)
    (tmp_path / "outside.dat").unlink()
    if length is not None:
        (tmp_path / "outside.dat").write_bytes(bytes(length))
    refs = scanned(path)
    assert "x" not in refs.arrays
    assert "outside.dat" in refs.problems[0].message


def test_characters(write, scanned, values):
    """Characters are text of one byte each, as pyhdf reads them."""

    def fill(sd):
        sds = sd.create("x", SDC.CHAR, (2, 3))
        sds[:] = [["a", "b", "c"], ["d", "e", "f"]]
        sds.endaccess()

    refs = scanned(write(fill))
    assert values(refs, "x").tobytes() == b"abcdef"
