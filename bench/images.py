"""The cases of TIFF: one file of many tiles, many cloud-optimised files with overviews, a million tiles, a whole image.

The other side is kerchunk's `tiff_to_zarr`, which stands on tifffile, or tifffile itself, up to the JSON of references.
"""

import io
import shutil

import numpy as np
from latency_server import serving

COGS = 100
LARGE = 10_000
"""Pixels of a side of the largest cloud-optimised file."""

AGAIN = 20
"""Times that it is scanned: once is over too soon to be measured."""

SIDE = 16_000
"""Pixels of a square of a million tiles of 16 pixels."""


def prepare(folder):
    """Write the files; nothing happens when they are there already."""
    import tifffile

    folder = folder / "images"
    done = folder / "complete"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "cogs").mkdir(parents=True)
    side = np.arange(4096)
    noise = np.random.default_rng(0).integers(0, 3, (4096, 4096))
    data = (np.add.outer(side, side) // 7 + noise).astype("u2")
    options = {"photometric": "minisblack", "metadata": None, "compression": "zlib"}
    tifffile.imwrite(folder / "tiles.tif", data, tile=(16, 16), **options)
    tifffile.imwrite(folder / "image.tif", np.tile(data, (2, 2)), tile=(256, 256), predictor=True, **options)
    first = folder / "cogs" / "000.tif"
    write_cog(first, data)
    write_cog(folder / "large.tif", np.tile(data, (3, 3))[:LARGE, :LARGE])
    for number in range(1, COGS):
        shutil.copy(first, first.with_name(f"{number:03}.tif"))
    sparse = {"shape": (SIDE, SIDE), "dtype": "u1", "tile": (16, 16), "photometric": "minisblack", "metadata": None}
    tifffile.imwrite(folder / "million.tif", **sparse)
    done.touch()


def write_cog(path, data):
    """A cloud-optimised GeoTIFF, deflated, with overviews."""
    import rasterio

    place = {"crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_600_000)}
    size = {"width": data.shape[1], "height": data.shape[0], "count": 1, "blocksize": 256}
    with rasterio.open(path, "w", driver="COG", dtype="uint16", compress="deflate", **size, **place) as file:
        file.write(data, 1)


def scanned(pattern, times=1):
    """Every file to a set, through the library's own verb."""

    def make(folder):
        import chunkmap

        files = sorted((folder / "images").glob(pattern)) * times
        chunkmap.scan(folder / "images" / "cogs" / "000.tif")
        return lambda: [chunkmap.scan(file, inline_threshold=0) for file in files], lambda _: {}

    return make


def translated(pattern, times=1):
    """Every file to a dictionary, through the names of kerchunk."""

    def make(folder):
        from kerchunk.tiff import tiff_to_zarr

        files = sorted(map(str, (folder / "images").glob(pattern))) * times
        tiff_to_zarr(files[0])
        return lambda: [tiff_to_zarr(file) for file in files], lambda _: {}

    return make


def by_tifffile(pattern, times=1):
    """Every file to the JSON that tifffile writes."""

    def make(folder):
        import tifffile

        files = sorted((folder / "images").glob(pattern)) * times

        def work():
            for file in files:
                with tifffile.TiffFile(file) as opened, opened.series[0].aszarr() as store:
                    store.write_fsspec(io.StringIO(), str(file.parent))

        return work, lambda _: {}

    return make


def whole_core(folder):
    """A whole deflated image: scanned, opened, and read through references."""
    import chunkmap

    def work(name="image.tif"):
        refs = chunkmap.scan(folder / "images" / name, level=0, inline_threshold=0)
        return chunkmap.open_dataset(refs)["image"].values

    work("cogs/000.tif")
    return work, summed


def whole_rasterio(folder):
    """The same by rasterio, on two threads."""
    import rasterio

    def work(name="image.tif"):
        with rasterio.open(folder / "images" / name, num_threads=2) as file:
            return file.read(1)

    work("cogs/000.tif")
    return work, summed


def summed(values):
    """What both sides must agree on; it is no part of reading."""
    return {"result": int(values.sum(dtype="u8"))}


def far_core(folder):
    """A whole cloud-optimised image from a server: scanned, opened and read."""
    import chunkmap

    server = serving(folder / "images")
    base = server.__enter__()

    def work(name="large.tif"):
        refs = chunkmap.scan(f"{base}/{name}", level=0)
        return chunkmap.open_dataset(refs)["image"].values.sum(dtype="u8")

    work("cogs/000.tif")
    return work, finishing(server)


def far_rasterio(folder):
    """The same by rasterio on /vsicurl, on two threads."""
    import rasterio

    server = serving(folder / "images")
    base = server.__enter__()

    def work(name="large.tif"):
        options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_NUM_THREADS": "2"}
        with rasterio.Env(**options), rasterio.open(f"/vsicurl/{base}/{name}") as file:
            return file.read(1).sum(dtype="u8")

    work("cogs/000.tif")
    return work, finishing(server)


def finishing(server):
    """What to say of a sum, when the server is not needed any more."""

    def describe(total):
        server.__exit__(None, None, None)
        return {"result": int(total)}

    return describe


CASES = {
    "tiff-tiles": (scanned("tiles.tif"), translated("tiles.tif"), None),
    "tiff-cogs": (scanned("cogs/*.tif"), translated("cogs/*.tif"), None),
    "tiff-large-cog": (scanned("large.tif", AGAIN), translated("large.tif", AGAIN), None),
    "tiff-million": (scanned("million.tif"), None, None),
    "tiff-tiles-tifffile": (scanned("tiles.tif"), by_tifffile("tiles.tif"), None),
    "tiff-cogs-tifffile": (scanned("cogs/*.tif"), by_tifffile("cogs/*.tif"), None),
    "tiff-large-cog-tifffile": (scanned("large.tif", AGAIN), by_tifffile("large.tif", AGAIN), None),
    "tiff-far-read": (far_core, far_rasterio, None),
    "tiff-read": (whole_core, whole_rasterio, None),
}
"""What each road does in a case."""

BESIDE_OTHERS = ("tiff-tiles-tifffile", "tiff-cogs-tifffile", "tiff-large-cog-tifffile", "tiff-far-read", "tiff-read")
"""Cases whose other side is another library than kerchunk."""

TITLES = {
    "tiff-tiles": "scan one TIFF of 65,536 tiles",
    "tiff-cogs": f"scan {COGS} cloud-optimised GeoTIFFs with overviews",
    "tiff-large-cog": f"scan a cloud-optimised GeoTIFF of {LARGE} x {LARGE} pixels, {AGAIN} times",
    "tiff-million": "scan one TIFF of 1,000,000 tiles",
    "tiff-tiles-tifffile": "scan one TIFF of 65,536 tiles (other side: tifffile's aszarr and write_fsspec)",
    "tiff-cogs-tifffile": f"scan {COGS} cloud-optimised GeoTIFFs (other side: tifffile's aszarr and write_fsspec)",
    "tiff-large-cog-tifffile": "scan that file (other side: tifffile's aszarr and write_fsspec)",
    "tiff-far-read": f"scan and read {LARGE} x {LARGE} pixels, 50 ms away (other side: rasterio on /vsicurl)",
    "tiff-read": "read an image of 134 MB, deflated (other side: rasterio on 2 threads)",
}
