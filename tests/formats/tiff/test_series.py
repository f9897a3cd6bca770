"""Which pages belong together: stacks, OME, ImageJ, pyramids, SubIFDs, as tifffile has them."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from oracle import assert_same, by_tifffile, scanned, values

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
