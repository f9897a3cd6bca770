"""Files of a series: what is made once for all of them is what each of them is."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.transform import from_origin

from chunkmap import open_dataset, scan
from chunkmap.formats import tiff
from chunkmap.formats.tiff.plans import Plans


@pytest.fixture(autouse=True)
def plans(monkeypatch):
    """No plan is known yet."""
    monkeypatch.setattr(tiff, "_PLANS", Plans(64))
    return tiff._PLANS._known


def write(path, seed, *, dtype="uint16", driver="COG", **options):
    """A cloud-optimised file of which no other has the pixels, down to an overview of one tile."""
    pixels = np.random.default_rng(seed).integers(1, 200, (2, 500, 700)).astype(dtype)
    profile = {"width": 700, "height": 500, "count": 2, "dtype": dtype, "compress": "deflate", "blocksize": 128}
    profile |= {"crs": "EPSG:32632", "transform": from_origin(500_000, 5_600_000, 10, 10), **options}
    with rasterio.open(path, "w", driver=driver, **profile) as file:
        file.write(pixels)
        file.update_tags(season="wet")
    return path


def anew(path, **options):
    """The set of a file, made without a plan."""
    tiff._PLANS._known.clear()
    return scan(path, **options)


def same(refs, other):
    """Whether two sets are equal in all that they have, in the same order."""
    return refs == other and list(refs.arrays) == list(other.arrays) and refs.targets == other.targets


@pytest.mark.parametrize("options", [{}, {"inline_threshold": 0, "level": 1}, {"ycbcr": "stored"}])
def test_the_next_file_of_a_series(tmp_path, plans, options):
    """The set of a file that is made by the plan of another one is the set of the file itself."""
    first, second = (write(tmp_path / f"{seed}.tif", seed) for seed in (1, 2))
    alone = anew(second, **options)
    scan(first, **options)
    before = len(plans)
    found = scan(second, **options)
    assert len(plans) == before == 1
    assert same(found, alone)
    assert len(found.arrays["image"].chunks) > 1


def test_every_level_has_its_own_tiles(tmp_path, plans):
    """References of a file that has a plan lead into that file, at every level, to what rasterio reads there."""
    scan(write(tmp_path / "1.tif", 1))
    path = write(tmp_path / "2.tif", 2)
    refs = scan(path)
    assert len(plans) == 1
    for level, group in enumerate(("", "1", "2", "3")):
        with rasterio.open(path, **({"overview_level": level - 1} if level else {})) as file:
            found = open_dataset(refs, group=group, mask_and_scale=False)["image"]
            np.testing.assert_array_equal(found.transpose("band", "y", "x"), file.read())


@pytest.mark.parametrize(
    "other",
    [
        {"transform": from_origin(600_000, 5_600_000, 10, 10)},
        {"crs": "EPSG:32633"},
        {"nodata": 7},
        {"dtype": "int16"},
        {"predictor": 2},
        {"compress": "zstd"},
        {"interleave": "band"},
        {"bigtiff": "yes"},
    ],
)
def test_files_that_say_something_else(tmp_path, other):
    """A file that differs in what it says has no part in the plan of the series."""
    scan(write(tmp_path / "1.tif", 1))
    path = write(tmp_path / "2.tif", 1, **other)
    found = scan(path)
    assert same(found, anew(path))


def test_attributes_are_each_file_s_own(tmp_path):
    """Who changes the attributes of one set changes those of no other."""
    first, second = (write(tmp_path / f"{seed}.tif", seed) for seed in (1, 2))
    for path in (first, second):
        changed = scan(path).attrs
        assert isinstance(changed, dict)
        changed["mine"] = 1
    assert "mine" not in scan(first).attrs


def holes(path, seed, missing):
    """A tiled file in which some tiles are not stored."""
    with rasterio.open(
        path, "w", driver="GTiff", width=256, height=256, count=1, dtype="uint8", tiled=True, blockxsize=64,
        blockysize=64, compress="deflate", sparse_ok=True, crs="EPSG:32632", transform=from_origin(0, 0, 10, 10),
    ) as file:  # fmt: skip
        pixels = np.random.default_rng(seed).integers(1, 200, (1, 64, 64), "u1")
        for number in range(16 - missing):
            file.write(pixels, window=rasterio.windows.Window(number % 4 * 64, number // 4 * 64, 64, 64))
    return path


def test_a_file_with_missing_tiles(tmp_path, plans):
    """The next file may lack tiles that the first one has: it is looked at for itself."""
    scan(holes(tmp_path / "1.tif", 1, 0))
    assert len(plans) == 1
    refs = scan(holes(tmp_path / "2.tif", 2, 5))
    assert len(refs.arrays["image"].chunks) == 11


@pytest.mark.parametrize(
    "how",
    [
        {"compression": None},
        {"compression": "zlib", "photometric": "palette", "colormap": np.arange(768, dtype="u2").reshape(3, 256)},
        {"compression": "zlib", "photometric": "minisblack", "shape": (3, 64, 64)},
    ],
)
def test_files_for_themselves(tmp_path, plans, how):
    """Plain pixels, which may be cut anew, colours, which stand elsewhere, and stacks of pages have no plan."""
    shape = how.pop("shape", (64, 64))
    paths = [tmp_path / f"{seed}.tif" for seed in (1, 2)]
    for seed, path in enumerate(paths):
        pixels = np.random.default_rng(seed).integers(0, 200, shape, "u1")
        tifffile.imwrite(path, pixels, tile=(16, 16), metadata=None, **how)
    for path in paths:
        assert len(scan(path).arrays["image"].chunks) == 16 * (3 if len(shape) > 2 else 1)
    assert not plans


def test_only_the_latest_plans_are_kept(tmp_path):
    """There are never more plans than there is room for."""
    tiff._PLANS._most = 2
    for number, nodata in enumerate((1, 2, 3)):
        scan(write(tmp_path / f"{number}.tif", 1, nodata=nodata))
    assert len(tiff._PLANS._known) == 2
