"""Which pages belong together: stacks, OME, ImageJ, pyramids, SubIFDs, as tifffile has them."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import xarray as xr
from oracle import assert_same, by_tifffile, scanned, values

import chunkmap
from chunkmap.errors import Unsupported
from chunkmap.formats.tiff.metadata import read_gdal, read_ome

STACKS = {
    "shaped": ({"metadata": {}, "photometric": "minisblack"}, ("axis_0", "axis_1", "y", "x")),
    "axes": ({"metadata": {"axes": "TCYX"}, "photometric": "minisblack"}, ("t", "c", "y", "x")),
    "one directory": ({"truncate": True, "photometric": "minisblack"}, ("axis_0", "axis_1", "y", "x")),
    "imagej": ({"imagej": True, "metadata": {"axes": "TCYX"}}, ("t", "c", "y", "x")),
    "ome": ({"ome": True, "photometric": "minisblack", "metadata": {"axes": "TCYX"}}, ("t", "c", "y", "x")),
    "compressed ome": ({"ome": True, "photometric": "minisblack", "compression": "zlib"}, ("t", "c", "y", "x")),
}


@pytest.mark.parametrize("name", STACKS)
def test_stacks(tmp_path, name):
    """Pages in one array, along the axes that the writer names."""
    options, dims = STACKS[name]
    path = tmp_path / ("a.ome.tif" if "ome" in name else "a.tif")
    data = np.arange(2 * 3 * 40 * 50, dtype="u2").reshape(2, 3, 40, 50)
    tifffile.imwrite(path, data, **options)
    found = scanned(path)
    assert_same(values(found), by_tifffile(path))
    if name != "compressed ome":
        assert found.arrays["image"].meta.dims == dims
    assert found.problems == ()


def test_pages_of_other_layouts_are_images_of_their_own(tmp_path):
    """Equal pages make a stack, wherever they stand; others are further images, in groups."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for number, shape in enumerate([(20, 30), (20, 30), (7, 9), (20, 30)]):
            writer.write(np.full(shape, number, "u1"), metadata=None, contiguous=False)
    found = scanned(path)
    assert found.arrays["image"].meta.dims == ("page", "y", "x")
    for number, name in enumerate(("image", "image_1/image")):
        assert_same(values(found, name), by_tifffile(path, number))
    assert_same(values(scanned(path, image=1)), by_tifffile(path, 1))
    for wrong in ({"image": 5}, {"level": 1}):
        with pytest.raises(Unsupported):
            scanned(path, **wrong)


def test_a_pyramid_of_an_ome_tiff(tmp_path):
    """Levels in SubIFDs, of every plane of a series, and a second series of another shape."""
    path = tmp_path / "a.ome.tif"
    rng = np.random.default_rng(0)
    with tifffile.TiffWriter(path) as writer:
        options = {"photometric": "minisblack", "tile": (16, 16), "compression": "zlib"}
        size = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
        first = rng.integers(0, 999, (2, 3, 64, 80), "u2")
        writer.write(first, metadata={"axes": "TCYX", **size}, subifds=2, **options)
        writer.write(first[..., ::2, ::2], subfiletype=1, **options)
        writer.write(first[..., ::4, ::4], subfiletype=1, **options)
        writer.write(rng.integers(0, 255, (40, 50, 3), "u1"), photometric="rgb", metadata={"axes": "YXS"})
    found = scanned(path)
    for level in range(3):
        assert_same(values(found, f"{level}/image" if level else "image"), by_tifffile(path, 0, level))
    assert_same(values(found, "image_1/image"), by_tifffile(path, 1))
    assert found.groups[""]["PhysicalSizeX"] == 0.5
    assert found.groups[""]["name"] == "Image0"
    assert [entry["path"] for entry in found.groups[""]["multiscales"][0]["datasets"]] == [
        "image",
        "1/image",
        "2/image",
    ]


def test_a_tree_of_levels(tmp_path):
    """Overviews, and further images, are groups of one tree beside the image, in which attributes name their paths."""
    path = tmp_path / "a.tif"
    data = np.random.default_rng(0).integers(0, 99, (64, 96), "u1")
    with tifffile.TiffWriter(path) as writer:
        for image, other in ((data, 0), (data[:48, :48], 1)):
            writer.write(image, tile=(16, 16), subifds=2, metadata=None, description=str(other))
            writer.write(image[::2, ::2], tile=(16, 16), subfiletype=1, metadata=None)
            writer.write(image[::4, ::4], tile=(16, 16), subfiletype=1, metadata=None)
    with xr.open_datatree(path, engine="chunkmap") as tree:
        assert set(tree.groups) == {"/", *("/0", "/1", "/2"), *(f"/image_1{end}" for end in ("", "/0", "/1", "/2"))}
        for number, step in enumerate((1, 2, 4)):
            np.testing.assert_array_equal(tree[f"{number}/image"], data[::step, ::step])
            np.testing.assert_array_equal(tree[f"image_1/{number}/image"], data[:48:step, :48:step])
        paths = [dataset["path"] for dataset in tree.attrs["multiscales"][0]["datasets"]]
        assert paths == ["0/image", "1/image", "2/image"]
    with xr.open_dataset(path, engine="chunkmap", group="image_1/1") as found:
        np.testing.assert_array_equal(found["image"], data[:48:2, :48:2])


def test_volumes(tmp_path):
    """Tiles may have a depth."""
    data = np.arange(20 * 40 * 50, dtype="u2").reshape(20, 40, 50)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, volumetric=True, tile=(8, 16, 16), photometric="minisblack", metadata=None)
    found = scanned(path)
    assert found.arrays["image"].meta.dims == ("z", "y", "x")
    assert found.arrays["image"].meta.chunk_shape == (8, 16, 16)
    assert_same(values(found), by_tifffile(path))


def test_pixels_in_ycbcr_as_asked(tmp_path):
    """JPEG's colours are red, green and blue, as tifffile reads them, or as they are stored (as they were given)."""
    y, x = np.mgrid[:64, :96]
    data = np.stack([x * 2, y * 3, 255 - x], -1).astype("u1")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, photometric="ycbcr", subsampling=(2, 2), compression="jpeg", tile=(32, 32))
    found = scanned(path)
    assert_same(values(found), by_tifffile(path))
    assert found.arrays["image"].meta.attrs["photometric"] == "RGB"
    stored = scanned(path, ycbcr="stored")
    assert stored.arrays["image"].meta.attrs["photometric"] == "YCbCr"
    assert np.abs(values(stored)[..., 0] - data[..., 0].astype(float)).max() < 3


def test_texts_that_are_no_metadata():
    """Bombs of entities, and XML that breaks off, say nothing."""
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><GDALMetadata><Item name="t">&a;</Item></GDALMetadata>'
    assert read_gdal(bomb).domains == {}
    assert read_gdal("<GDALMetadata><Item").domains == {}
    huge = '<OME><Image><Pixels DimensionOrder="XYZCT" SizeZ="99999" SizeC="99999" SizeT="99999"/></Image></OME>'
    assert read_ome(huge) is None


def ome_of_files(folder, names, data, **options):
    """An OME-TIFF of several files: a plane of the first axis in each."""
    uuids = [f"urn:uuid:00000000-0000-0000-0000-{number:012}" for number in range(len(names))]
    blocks = "".join(
        f'<TiffData FirstT="{number}" IFD="0" PlaneCount="1"><UUID FileName="{name}">{uuid}</UUID></TiffData>'
        for number, (name, uuid) in enumerate(zip(names, uuids, strict=True))
    )
    count, length, width = data.shape
    for name, uuid, plane in zip(names, uuids, data, strict=True):
        text = (
            f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}">'
            f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="{width}"'
            f' SizeY="{length}" SizeZ="1" SizeC="1" SizeT="{count}">{blocks}</Pixels></Image></OME>'
        )
        tifffile.imwrite(folder / name, plane, description=text, metadata=None, photometric="minisblack", **options)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (16, 16)}])
def test_planes_in_other_files(tmp_path, options):
    """An OME-TIFF of several files is one array, from whichever of them it is scanned; they are targets of the set."""
    names = ["a.ome.tif", "b.ome.tif", "c.ome.tif"]
    data = np.random.default_rng(0).integers(0, 9999, (3, 40, 50), "u2")
    ome_of_files(tmp_path, names, data, **options)
    for name in names:
        found = chunkmap.scan(tmp_path / name, inline_threshold=0)
        assert found.problems == ()
        assert_same(values(found), by_tifffile(tmp_path / name))
        assert set(found.targets) == {str(tmp_path / other) for other in names}


def test_other_files_that_are_not_there(tmp_path):
    """Where a file is missing, or lies elsewhere, the pages are given as they are, with a problem that names it."""
    data = np.ones((2, 40, 50), "u2")
    ome_of_files(tmp_path, ["a.ome.tif", "b.ome.tif"], data)
    (tmp_path / "b.ome.tif").unlink()
    found = chunkmap.scan(tmp_path / "a.ome.tif")
    assert found.arrays["image"].meta.shape == (40, 50)
    assert [p.feature for p in found.problems] == ["OME-TIFF of several files"]
    assert "b.ome.tif" in found.problems[0].message
    (tmp_path / "below").mkdir()
    ome_of_files(tmp_path / "below", ["a.ome.tif", "../b.ome.tif"], data)
    refused = chunkmap.scan(tmp_path / "below" / "a.ome.tif")
    assert "b.ome.tif" in refused.problems[0].message
    assert refused.arrays["image"].meta.shape == (40, 50)
