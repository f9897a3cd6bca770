"""Random FITS files, written by astropy: images, tables and compressed images of every kind."""

import warnings

import numpy as np
from astropy.io import fits
from hypothesis import strategies as st

IMAGES = ["u1", "i1", ">i2", ">u2", ">i4", ">u4", ">i8", ">u8", ">f4", ">f8"]
COLUMNS = {"L": "?", "B": "u1", "I": "i2", "J": "i4", "K": "i8", "E": "f4", "D": "f8", "C": "c8", "M": "c16"}


@st.composite
def images(draw):
    """An image of any type and up to five axes, perhaps scaled, perhaps with undefined pixels."""
    dtype = np.dtype(draw(st.sampled_from(IMAGES)))
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=5)))
    hdu = fits.ImageHDU(numbers(draw, dtype, shape))
    if dtype.str in {"|u1", ">i2", ">i4", ">f4"} and draw(st.booleans()):
        hdu.header["BSCALE"], hdu.header["BZERO"] = draw(st.sampled_from([(0.5, 1.0), (-2.0, 0.0), (1.0, 7.0)]))
    if dtype.str in {"|u1", ">i2", ">i4"} and draw(st.booleans()):
        hdu.header["BLANK"] = draw(st.integers(0, 100))
    return named(draw, hdu)


@st.composite
def compressed(draw):
    """An image in tiles, by any algorithm that holds its numbers."""
    dtype = np.dtype(draw(st.sampled_from(["u1", ">i2", ">i4", ">f4", ">f8"])))
    shape = tuple(draw(st.lists(st.integers(4, 17), min_size=2, max_size=3)))
    is_real = dtype.kind == "f"
    algorithms = ["RICE_1", "GZIP_1", "GZIP_2"] + ([] if is_real else ["PLIO_1", "NOCOMPRESS"])
    tile = tuple(draw(st.integers(1, n)) for n in shape)
    if is_real:
        data = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape).astype(dtype)
        if draw(st.booleans()):
            data.ravel()[:: draw(st.integers(2, 9))] = draw(st.sampled_from([0.0, np.nan]))
    else:
        data = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 120, shape).astype(dtype)
    hdu = fits.CompImageHDU(
        data,
        compression_type=draw(st.sampled_from(algorithms)),
        tile_shape=tile,
        quantize_level=draw(st.sampled_from([0, 4, 16])) if is_real else 16,
        quantize_method=draw(st.sampled_from([-1, 1, 2])),
        dither_seed=draw(st.integers(1, 10_000)),
    )
    return named(draw, hdu)


@st.composite
def tables(draw):
    """A binary table of a few columns of any type, fixed or of various lengths."""
    rows = draw(st.integers(1, 9))
    columns = [draw(column(f"C{n}", rows)) for n in range(draw(st.integers(1, 6)))]
    return named(draw, fits.BinTableHDU.from_columns(columns))


@st.composite
def column(draw, name, rows):
    """One column."""
    letter = draw(st.sampled_from([*COLUMNS, "A", "X", "P", "Q"]))
    if letter == "A":
        width = draw(st.integers(1, 7))
        texts = draw(st.lists(st.text("abc ", max_size=width), min_size=rows, max_size=rows))
        return fits.Column(name, f"{width}A", array=np.array(texts, f"S{width}"))
    if letter == "X":
        count = draw(st.integers(2, 20))
        return fits.Column(name, f"{count}X", array=numbers(draw, np.dtype("?"), (rows, count)))
    if letter in "PQ":
        element = draw(st.sampled_from(list(COLUMNS)))
        array = np.empty(rows, object)
        array[:] = [numbers(draw, np.dtype(COLUMNS[element]), (n,)) for n in draw(lengths(rows))]
        return fits.Column(name, f"{letter}{element}()", array=array)
    shape = tuple(draw(st.lists(st.integers(1, 3), max_size=3)))
    dim = f"({','.join(map(str, reversed(shape)))})" if len(shape) > 1 else None
    array = numbers(draw, np.dtype(COLUMNS[letter]), (rows, *shape))
    return fits.Column(name, f"{int(np.prod(shape)) if shape else ''}{letter}", array=array, dim=dim)


def lengths(rows):
    return st.lists(st.integers(0, 5), min_size=rows, max_size=rows)


def numbers(draw, dtype, shape):
    """Random numbers of a type."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "fc":
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype.newbyteorder("="), endpoint=True).astype(dtype)


def named(draw, hdu):
    """The HDU, which may have a name that others have as well, and a version."""
    name = draw(st.sampled_from(["", "SCI", "ERR"]))
    if name:
        hdu.name, hdu.ver = name, draw(st.integers(1, 3))
    return hdu


def files():
    """The HDUs of a file, after an empty primary one."""
    return st.lists(st.one_of(images(), compressed(), tables()), min_size=1, max_size=4)


def write(path, hdus):
    """The file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    return path
