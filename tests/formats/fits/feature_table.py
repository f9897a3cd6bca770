"""The table of docs/fits.md: each feature is written by astropy, scanned, read through the references and compared.

python tests/formats/test_feature_tables.py fits      writes the table anew
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "fits.md"
RNG = np.random.default_rng(0)
FLOATS = RNG.normal(size=(32, 40)).astype(">f4")
INTEGERS = RNG.integers(0, 200, (32, 40)).astype(">i2")


def load(name):
    """A module that lies beside this one."""
    spec = importlib.util.spec_from_file_location(f"fits_{name}", HERE / f"{name}.py")
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


def image(data, **header):
    hdu = fits.ImageHDU(data)
    hdu.header.update(header)
    return hdu


def tiles(data, algorithm, **options):
    options.setdefault("tile_shape", (8, 12))
    return fits.CompImageHDU(data, compression_type=algorithm, **options)


def table(*columns, **header):
    made = [fits.Column(name, form, array=np.asarray(data), **more) for name, form, data, more in columns]
    hdu = fits.BinTableHDU.from_columns(made)
    hdu.header.update(header)
    return hdu


def column(form, data, **more):
    return table(("C", form, data, more), ("OTHER", "J", np.arange(len(data)), {}))


def rows(dtype):
    found = np.empty(3, object)
    found[:] = [np.arange(n).astype(dtype) for n in (2, 0, 3)]
    return found


def ascii_table(form, data, **more):
    return fits.TableHDU.from_columns([fits.Column("C", form, array=data, **more)])


def groups():
    data = fits.GroupData(FLOATS.reshape(4, 8, 40), parnames=["U"], pardata=[np.arange(4, dtype="f4")], bitpix=-32)
    return fits.GroupsHDU(data)


def tiles_by_hand(*columns, **keywords):
    hdu = table(("COMPRESSED_DATA", "PB()", rows("u1"), {}), *columns)
    hdu.header.update(ZIMAGE=True, ZBITPIX=16, ZNAXIS=1, ZNAXIS1=3, ZTILE1=1, **keywords)
    return hdu


FEATURES = {
    "Images": {
        "integers of 8, 16, 32 and 64 bits": [image(INTEGERS.astype(t)) for t in ("u1", ">i2", ">i4", ">i8")],
        "unsigned integers, signed bytes (BZERO)": [image(INTEGERS.astype(t)) for t in (">u2", ">u4", ">u8")]
        + [image((INTEGERS - 100).astype("i1"))],
        "real numbers of 32 and 64 bits": [image(FLOATS), image(FLOATS.astype(">f8"))],
        "BSCALE and BZERO": image(INTEGERS, BSCALE=0.5, BZERO=3.0),
        "BLANK": image(INTEGERS, BLANK=5),
        "1 to 32 axes": [image(INTEGERS.reshape((*(1,) * 30, 32, 40))), image(INTEGERS[0])],
        "more than 32 axes": image(INTEGERS.reshape((*(1,) * 31, 32, 40))),
        "random groups": groups(),
    },
    "Compressed images": {
        "RICE_1 *": tiles(INTEGERS, "RICE_1"),
        "GZIP_1": tiles(INTEGERS, "GZIP_1"),
        "GZIP_2": tiles(INTEGERS, "GZIP_2"),
        "HCOMPRESS_1 *": tiles(INTEGERS, "HCOMPRESS_1"),
        "PLIO_1 *": tiles(INTEGERS, "PLIO_1"),
        "NOCOMPRESS": tiles(INTEGERS, "NOCOMPRESS"),
        "real numbers as they are": tiles(FLOATS, "GZIP_2", quantize_level=0),
        "real numbers, NO_DITHER *": tiles(FLOATS, "RICE_1", quantize_method=-1),
        "real numbers, SUBTRACTIVE_DITHER_1 *": tiles(FLOATS, "RICE_1", quantize_method=1, dither_seed=5),
        "real numbers, SUBTRACTIVE_DITHER_2 *": tiles(FLOATS, "RICE_1", quantize_method=2, dither_seed=5),
        "undefined pixels (ZBLANK)": tiles(np.where(FLOATS > 2, np.nan, FLOATS), "GZIP_1", dither_seed=5),
        "masks of undefined pixels (ZMASKCMP)": tiles_by_hand(
            ("NULL_PIXEL_MASK", "PB()", rows("u1"), {}), ZCMPTYPE="GZIP_1"
        ),
        "PLIO_1 of unsigned integers of 16 bits": tiles_by_hand(ZCMPTYPE="PLIO_1", BZERO=32768),
    },
    "Binary tables": {
        "integers and real numbers (B, I, J, K, E, D)": [column(c, np.arange(3)) for c in "BIJKED"],
        "complex numbers (C, M)": [column(c, np.arange(3) * 1j) for c in "CM"],
        "truth values (L)": column("L", [True, False, True]),
        "bits (X)": column("11X", RNG.integers(0, 2, (3, 11)).astype(bool)),
        "text (A)": column("5A", [b"a", b"b c ", b"ddddd"]),
        "shapes (TDIM)": column("6J", np.arange(18).reshape(3, 2, 3), dim="(3,2)"),
        "TSCAL and TZERO": table(("C", "I", [1, 2, 3], {}), TSCAL1=0.5, TZERO1=3.0),
        "unsigned integers (TZERO)": column("I", np.array([1, 2, 65535], "u2"), bzero=2**15),
        "TNULL": table(("C", "J", np.arange(3), {"null": 1})),
        "various lengths (P, Q)": [column(f"{d}{c}()", rows(t)) for d in "PQ" for c, t in (("I", "i2"), ("D", "f8"))],
        "a table compressed by columns (ZTABLE)": table(("C", "J", np.arange(3), {}), ZTABLE=True),
    },
    "ASCII tables": {
        "text (A)": ascii_table("A5", ["ab", "c d"]),
        "integers (I)": [ascii_table(f"I{n}", [1, -2]) for n in (4, 9, 18)],
        "real numbers (F, E, D)": [ascii_table(f, [1.5, -2.25]) for f in ("F8.3", "E12.4", "D20.10")],
    },
}


def outcome(made, reading):
    """What becomes of a feature. Raises AssertionError where it is read wrongly."""
    hdus = made if isinstance(made, list) else [made]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = [] if isinstance(hdus[0], fits.GroupsHDU) else [fits.PrimaryHDU()]
        fits.HDUList([*first, *hdus]).writeto("feature.fits", overwrite=True)
    refs = reading.scan("feature.fits")
    if refs.problems:
        assert not refs.arrays
        return f"refused: {refs.problems[0].feature}"
    assert reading.check("feature.fits").arrays
    return "exact"


def printed():
    """The lines between the marks."""
    reading, lines, before = load("reading"), [], Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        try:
            os.chdir(folder)
            for area, features in FEATURES.items():
                lines += [f"| {area} | |", "|---|---|"]
                lines += [f"| {name} | {outcome(made, reading)} |" for name, made in features.items()]
                lines.append("")
        finally:
            os.chdir(before)
    return "\n".join(lines).rstrip()
