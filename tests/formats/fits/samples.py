"""Files of astropy for the battery."""

import io

import numpy as np
from astropy.io import fits
from sample import Sample

RNG = np.random.default_rng(0)
IMAGE = np.arange(120, dtype="i2").reshape(3, 8, 5)
UNSIGNED = (np.arange(40, dtype="u2") * 1600).reshape(8, 5)
FLOATS = RNG.normal(size=(12, 20)).astype("f4")


def written(*hdus):
    held = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(held)
    return held.getvalue()


def samples():
    """Images plain and unsigned; a table; an image in tiles."""
    image = fits.ImageHDU(IMAGE, name="SCI")
    image.header["OBJECT"] = "M13"
    columns = [
        fits.Column("a", "J", array=np.arange(6)),
        fits.Column("b", "2D", array=np.arange(12.0).reshape(6, 2)),
        fits.Column("s", "5A", array=np.array(["a", "bcd", "", "x", "y", "zzzzz"])),
        fits.Column("l", "L", array=np.arange(6) % 2 == 0),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="TAB")
    in_table = {f"TAB/{c.name}": np.asarray(table.data[c.name]) for c in columns}
    in_table["TAB/s"] = in_table["TAB/s"].astype("S5")
    tiles = fits.CompImageHDU(FLOATS, name="TILES", compression_type="GZIP_2", quantize_level=0, tile_shape=(5, 7))
    rice = fits.CompImageHDU(IMAGE[0], name="RICE", compression_type="RICE_1")
    cases = {
        "images": (written(image, fits.ImageHDU(UNSIGNED, name="U")), {"SCI": IMAGE, "U": UNSIGNED}),
        "table": (written(table), in_table),
        "tiles": (written(tiles, rice), {"TILES": FLOATS, "RICE": IMAGE[0]}),
    }
    return [
        Sample(name=name, files={"a.fits": data}, main="a.fits", arrays=arrays)
        for name, (data, arrays) in cases.items()
    ]
