"""Vdatas, annotations and images."""

import struct

import numpy as np
import pytest
from pyhdf.HDF import HC, HDF
from pyhdf.VS import VS  # noqa: F401 - HDF.vstart looks for it

from chunkmap.codecs.hdf4.rle import Hdf4Rle


@pytest.fixture
def table(tmp_path):
    """A table of three fields, written by pyhdf."""
    path = tmp_path / "table.hdf"
    file = HDF(str(path), HC.WRITE | HC.CREATE)
    vs = file.vstart()
    vdata = vs.create("stations", (("name", HC.CHAR8, 4), ("height", HC.INT16, 1), ("wind", HC.FLOAT32, 2)))
    vdata.write([["abcd", 1, [0.5, 1.5]], ["efgh", -2, [2.5, 3.5]], ["ijkl", 3, [4.5, 5.5]]])
    vdata.attr("origin").set(HC.CHAR8, "somewhere")
    vdata.field("height").attr("units").set(HC.CHAR8, "m")
    vdata.detach()
    vs.end()
    file.close()
    return path


def test_a_table_as_columns(table, scanned, values):
    """Each field of a table is an array that reads its bytes of the shared records."""
    refs = scanned(table)
    assert values(refs, "stations/name").tolist() == [b"abcd", b"efgh", b"ijkl"]
    assert values(refs, "stations/height").tolist() == [1, -2, 3]
    assert values(refs, "stations/wind").tolist() == [[0.5, 1.5], [2.5, 3.5], [4.5, 5.5]]
    assert refs.arrays["stations/height"].meta.attrs == {"units": "m"}
    assert refs.groups["stations"]["origin"] == "somewhere"
    assert "stations/height" not in scanned(table, tables=False).arrays


FIELDS = [("a", 22, 2, 1), ("b", 24, 8, 2)]
RECORDS = np.array([(n, (10 * n, 11 * n)) for n in range(6)], [("a", ">i2"), ("b", ">i4", 2)])


def test_fields_one_behind_the_other(recipe, scanned, values):
    """A table that is stored field by field is read without a codec."""
    data = RECORDS["a"].tobytes() + RECORDS["b"].tobytes()
    recipe.vdata("t", "", FIELDS, 6, data, interlace=1)
    refs = scanned(recipe.bytes())
    assert refs.arrays["t/b"].meta.codecs == ()
    np.testing.assert_array_equal(values(refs, "t/a"), RECORDS["a"])
    np.testing.assert_array_equal(values(refs, "t/b"), RECORDS["b"])


@pytest.mark.parametrize("cut", [20, 25])
def test_a_table_in_linked_blocks(recipe, scanned, values, cut):
    """A table that grew lies in blocks, which may end within a record."""
    raw = RECORDS.tobytes()
    _, ref = recipe.vdata("t", "", FIELDS, 6, None)
    _, first = recipe.add(20, raw[:cut])
    recipe.add(100, b"a label")
    _, second = recipe.add(20, raw[cut:] + bytes(7))
    _, blocks = recipe.add(20, struct.pack(">HHH", 0, first, second))
    recipe.add(1963 | 0x4000, struct.pack(">HiiiH", 1, len(raw), 99, 2, blocks), ref)
    refs = scanned(recipe.bytes())
    np.testing.assert_array_equal(values(refs, "t/a"), RECORDS["a"])
    np.testing.assert_array_equal(values(refs, "t/b"), RECORDS["b"])
    assert refs.attrs["file_label"] == "a label"


def test_annotations(recipe, scanned):
    """Labels and descriptions of the file and of arrays are attributes."""
    variable, ndg = recipe.sds("x", (2,), "i2", recipe.add(702, bytes(4)))
    recipe.root([variable])
    recipe.add(101, b"first")
    recipe.add(101, b"second\0")
    recipe.add(104, struct.pack(">HH", *ndg) + b"of x")
    refs = scanned(recipe.bytes())
    assert refs.attrs["file_description"] == ["first", "second"]
    assert refs.arrays["x"].meta.attrs["label"] == "of x"


def test_annotations_of_vgroups(recipe, scanned):
    """Labels and descriptions of Vgroups, which are no groups here, stand at the root by the names of these."""
    group = recipe.vgroup("observations", "", [])
    recipe.vgroup("others", "", [])
    recipe.add(104, struct.pack(">HH", *group) + b"of the group")
    recipe.add(105, struct.pack(">HH", *group) + b"at length")
    expected = {"observations": {"label": "of the group", "description": "at length"}}
    assert scanned(recipe.bytes()).attrs["vgroup_annotations"] == expected


def image(recipe, data, *, components=1, interlace=0, coding=0, tag=302, dtype="u1"):
    """An image of GR, of 2 rows and 3 columns."""
    described = struct.pack(">iiHHhhHH", 3, 2, *recipe.nt(dtype), components, interlace, coding, 0)
    members = [recipe.add(300, described), recipe.add(tag, data)]
    recipe.vgroup("RIG0.0", "RIG0.0", [recipe.vgroup("picture", "RI0.0", members)])
    return recipe


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4"])
def test_an_image(recipe, scanned, values, dtype):
    """An image has rows and columns."""
    pixels = np.arange(6).reshape(2, 3).astype(np.dtype(dtype).newbyteorder(">"))
    refs = scanned(image(recipe, pixels.tobytes(), dtype=dtype).bytes())
    np.testing.assert_array_equal(values(refs, "picture"), pixels)
    assert "picture" not in scanned(recipe.bytes(), images=False).arrays


@pytest.mark.parametrize(("interlace", "dims"), [(0, "yxc"), (1, "ycx"), (2, "cyx")])
def test_the_interlace_of_an_image(recipe, scanned, values, interlace, dims):
    """Components stand by pixel, by row or by plane: the axes are in the order of the file."""
    refs = scanned(image(recipe, bytes(range(24)), components=4, interlace=interlace).bytes())
    names = {"y": "picture_y", "x": "picture_x", "c": "picture_component"}
    assert refs.arrays["picture"].meta.dims == tuple(names[d] for d in dims)
    assert values(refs, "picture").ravel().tolist() == list(range(24))


@pytest.mark.parametrize("said", [b"text", b""])
def test_a_fill_value_that_is_none(recipe, scanned, values, said):
    """Where the `FillValue` of an image is no number of its type, what was never written is zero."""
    fill = recipe.vdata("FillValue", "RIATTR0.0C", [("FillValue", 4, len(said), len(said))], 1, said)
    described = struct.pack(">iiHHhhHH", 3, 2, *recipe.nt("u1"), 1, 0, 0, 0)
    recipe.vgroup("picture", "RI0.0", [recipe.add(300, described), fill])
    assert values(scanned(recipe.bytes()), "picture").tolist() == [[0, 0, 0]] * 2


def test_an_image_in_runs(recipe, scanned, values):
    """An old image in runs is expanded."""
    stream = Hdf4Rle(6, image=True).encode(bytes([1, 2, 3, 4, 5, 6]))
    refs = scanned(image(recipe, stream, coding=11, tag=303).bytes())
    assert values(refs, "picture").tolist() == [[1, 2, 3], [4, 5, 6]]


def test_an_image_as_jpeg(recipe, scanned, values):
    """An image that is a JPEG stream is decoded."""
    imagecodecs = pytest.importorskip("imagecodecs")
    pixels = np.full((2, 3, 3), 128, np.uint8)
    stream = bytes(imagecodecs.jpeg8_encode(pixels, 95))
    refs = scanned(image(recipe, stream, components=3, coding=15, tag=303).bytes())
    np.testing.assert_array_equal(values(refs, "picture"), imagecodecs.jpeg8_decode(stream))


def test_an_old_image_and_its_palette(recipe, scanned, values):
    """An image from before GR, of 8 bits, is found by its own tags, and its palette beside it."""
    recipe.add(200, struct.pack(">HH", 3, 2), 5)
    recipe.add(202, bytes(range(6)), 5)
    recipe.add(201, bytes(range(256)) * 3, 5)
    refs = scanned(recipe.bytes())
    assert values(refs, "Raster Image #0").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert values(refs, "Raster Image #0_palette").shape == (256, 3)


@pytest.mark.filterwarnings("ignore:.* 1 array is left out")
def test_old_images_of_one_number(recipe, scanned, values):
    """A plain image and one in runs may have one reference number; one as IMCOMP is a problem that names it."""
    recipe.add(200, struct.pack(">HH", 3, 2), 5)
    recipe.add(202, bytes(range(6)), 5)
    recipe.add(203, bytes(Hdf4Rle(6, image=True).encode(bytes(range(6, 12)))), 5)
    recipe.add(204, b"xyz", 5)
    refs = scanned(recipe.bytes())
    with pytest.warns(UserWarning, match="'Raster Image #2': the image is compressed by IMCOMP"):
        assert values(refs, "Raster Image #0").ravel().tolist() == list(range(6))
    with pytest.warns(UserWarning, match="1 array is left out"):
        assert values(refs, "Raster Image #1").ravel().tolist() == list(range(6, 12))
    assert ["IMCOMP" in problem.message for problem in refs.problems] == [True]


def test_imcomp_is_refused_by_name(recipe, scanned):
    """A compression of images that nothing decodes is a problem that names it."""
    (problem,) = scanned(image(recipe, b"xyz", coding=12, tag=303).bytes()).problems
    assert "IMCOMP" in problem.message
