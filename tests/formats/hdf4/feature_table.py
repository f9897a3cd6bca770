"""The table of docs/hdf4.md: each feature is written by the library, scanned, read through references and compared.

python tests/formats/test_feature_tables.py hdf4      writes the table anew

What the library of pyhdf cannot write is made byte by byte; what the library reads is the truth wherever it reads it.
"""

from __future__ import annotations

import os
import runpy
import struct
import tempfile
import zlib
from contextlib import chdir
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import imagecodecs
import numpy as np
import zarr

import chunkmap

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "hdf4.md"
LIBRARY = SimpleNamespace(**runpy.run_path(str(HERE / "library.py")))
Recipe = runpy.run_path(str(HERE / "recipes.py"))["Recipe"]

VALUES = (np.arange(12 * 10) % 50).reshape(12, 10)


# ---------------------------------------------------------------------- arrays


def array(path, dtype, *, flags=0, kind=None, prepare=None, rows=None, shape=None):
    """One data set, as SD writes and reads it; `prepare` says how it is stored."""
    values = (VALUES + 65).astype("u1").view("S1") if dtype == "S1" else VALUES.astype(dtype)
    with LIBRARY.sd_file(path) as file:
        made = LIBRARY.create(file, "x", values, flags=flags, kind=kind, shape=shape)
        if prepare is not None:
            prepare(made)
        LIBRARY.put(made, values if rows is None else values[:rows])
    return {"x": LIBRARY.get(path, 0, values.shape, values.dtype)}


def types(flags=0):
    """Data sets of every number type."""
    return [partial(array, dtype=dtype, flags=flags) for dtype in ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8")]


def compressed(*coder):
    """As a whole."""
    numbers = LIBRARY.ints(*coder[1:], 0, 0, 0, 0)
    return partial(array, dtype="i2", prepare=lambda made: LIBRARY.done(
        LIBRARY.LIBRARY.SDsetcompress(made, coder[0], numbers)))  # fmt: skip


def in_chunks(*coder, flags=3, dtype="i2"):
    """In chunks that do not end with the array."""
    return partial(array, dtype=dtype, prepare=lambda made: LIBRARY.set_chunks(
        LIBRARY.LIBRARY, made, (5, 4), *coder, flags=flags))  # fmt: skip


def bits(**how):
    """Some bits of each number alone."""
    return partial(array, dtype="i2", prepare=lambda made: LIBRARY.nbit(made, 5, 6, **how))


def growing(path, columns=10, rows=40):
    """Two data sets that grew in turn, a row at a time."""
    values = np.arange(rows * columns).reshape(rows, columns).astype("i2")
    with LIBRARY.sd_file(path) as file:
        both = [LIBRARY.create(file, name, values, shape=(0, columns)) for name in "xy"]
        for row in range(rows):
            for made in both:
                LIBRARY.put_row(made, values, row)
        for made in both:
            LIBRARY.done(LIBRARY.LIBRARY.SDendaccess(made))
    return {name: LIBRARY.get(path, number, values.shape, "i2") for number, name in enumerate("xy")}


def external(path):
    """Values in a file beside."""
    with chdir(path.parent):
        return array(path, "i2", prepare=lambda made: LIBRARY.done(
            LIBRARY.LIBRARY.SDsetexternalfile(made, b"beside.dat", 0)))  # fmt: skip


def recipe(path, make, shape=(12, 10), dtype="i2", *, expected=None, **how):
    """A file made byte by byte; without `expected`, the library says what stands there."""
    made = Recipe()
    data = make(made) if make is not None else None
    variable, _ = made.sds("x", shape, dtype, data, **how)
    made.root([variable])
    path.write_bytes(made.bytes())
    return {"x": LIBRARY.get(path, 0, shape, dtype) if expected is None else expected}


BIG = VALUES.astype(">i2")


def szip(made):
    stream = imagecodecs.szip_encode(BIG.tobytes(), 4 | 16, 8, 16, 64)
    head = b"\0" + len(stream).to_bytes(4, "big")
    return made.compressed(702, head + bytes(stream), BIG.nbytes, (5, ">IIIBB", 120, 64, 4 | 16, 16, 8))


def stream_in_blocks(made):
    stream = zlib.compress(BIG.tobytes())
    cut = len(stream) // 2
    _, ref = made.linked(40, [stream[:cut], stream[cut:]], len(stream), block_length=len(stream))
    made.objects.insert(1, (101, 999, b"x"))
    return made.add(702 | 0x4000, struct.pack(">HHiHHHH", 3, 0, BIG.nbytes, ref, 0, 4, 6))


def single_file(path):
    """An array of DFSD, with a scale of one axis, as DFSD reads it."""
    functions, values, scale = LIBRARY.LIBRARY, VALUES.astype("f4"), np.arange(10, dtype="f4") * 2
    sizes, name = LIBRARY.ints(*values.shape), os.fspath(path).encode()
    LIBRARY.done(functions.DFSDclear())
    LIBRARY.done(functions.DFSDsetNT(LIBRARY.TYPES["f4"]))
    LIBRARY.done(functions.DFSDsetdims(2, sizes))
    LIBRARY.done(functions.DFSDsetdimscale(2, 10, LIBRARY.pointer(scale)))
    LIBRARY.done(functions.DFSDputdata(name, 2, sizes, LIBRARY.pointer(values)))
    found = np.zeros(values.shape, "f4")
    LIBRARY.done(functions.DFSDrestart())
    LIBRARY.done(functions.DFSDgetdata(name, 2, sizes, LIBRARY.pointer(found)))
    return {"Data-Set-2": found, "fakeDim1": scale}


def blocks(made, spare=40):
    raw = BIG.tobytes()
    return made.linked(702, [raw[:80], raw[80:160], raw[160:] + b"\x7f" * spare], len(raw))


def in_a_vdata(path):
    made = Recipe()
    values = made.vdata("Values", "Data0.0", [("Values", 22, 2, 1)], 3, bytes(6))
    variable = made.vgroup("x", "Var0.0", [made.dimension("x_0", 3), made.nt("i2"), values])
    made.root([variable])
    path.write_bytes(made.bytes())
    return {"x": np.zeros(3, "i2")}


# ---------------------------------------------------------------------- missing data


def never(path, dtype, *, shape=(3, 2), fill=None, reads=None):
    """A data set that was never written; what the library reads then is what the table says."""
    values = np.zeros(shape, dtype)
    with LIBRARY.sd_file(path) as file:
        made = LIBRARY.create(file, "x", values)
        if fill is not None:
            LIBRARY.done(LIBRARY.LIBRARY.SDsetfillvalue(made, LIBRARY.pointer(np.array([fill], dtype))))
        LIBRARY.done(LIBRARY.LIBRARY.SDendaccess(made))
    found = LIBRARY.get(path, 0, shape, dtype) if shape[0] else values
    assert reads is None or (found == np.array(reads, dtype)).all(), found
    return {"x": found}


def in_part(path, *, chunks=False):
    """Some rows of a data set, in chunks too."""

    def prepare(made):
        LIBRARY.done(LIBRARY.LIBRARY.SDsetfillvalue(made, LIBRARY.pointer(np.array([-7], "i2"))))
        if chunks:
            LIBRARY.set_chunks(LIBRARY.LIBRARY, made, (4, 10), 4, 0, 6)

    return array(path, "i2", prepare=prepare, rows=4)


def calibrated(path):
    """Scale and offset, which the library's users apply as `scale * (stored - offset)`."""
    numbers = np.array([0.5, 0, 10, 0])

    def prepare(made):
        set_ = LIBRARY.LIBRARY.SDsetcal
        set_.argtypes = [LIBRARY.c_int32, *[LIBRARY.c_double] * 4, LIBRARY.c_int32]
        LIBRARY.done(set_(made, *numbers, 22))

    return {"x": 0.5 * (array(path, "i2", prepare=prepare)["x"] - 10.0)}


# ---------------------------------------------------------------------- images


PIXELS = (np.arange(8 * 8 * 3) * 5 % 256).astype("u1").reshape(8, 8, 3)


def image(path, pixels=PIXELS, *, interlace=0, prepare=None):
    """An image, as GR writes and reads it."""
    with LIBRARY.gr_file(path) as images:
        made = LIBRARY.create_image(images, "x", pixels, interlace)
        if prepare is not None:
            prepare(made)
        LIBRARY.put_image(made, pixels, interlace)
    found = LIBRARY.get_image(path, 0, pixels.dtype)
    return {"x": found[..., 0] if pixels.shape[2] == 1 else found}


def image_never_written(path, *fill, components=1, chunk=None):
    """An image that was created and never written, with or without a fill value."""
    pixels = np.zeros((6, 6, components), "i2")
    with LIBRARY.gr_file(path) as images:
        made = LIBRARY.create_image(images, "x", pixels)
        if fill:
            numbers = LIBRARY.pointer(np.array(fill, "i2"))
            LIBRARY.done(LIBRARY.LIBRARY.GRsetattr(made, b"FillValue", 22, len(fill), numbers))
        if chunk is not None:
            LIBRARY.chunk_image(made, chunk)
        LIBRARY.done(LIBRARY.LIBRARY.GRendaccess(made))
    found = LIBRARY.get_image(path, 0, pixels.dtype)
    return {"x": found[..., 0] if components == 1 else found}


def packed_image(*coder, pixels=PIXELS):
    return partial(image, pixels=pixels, prepare=lambda made: LIBRARY.compress_image(made, *coder))


def image_in_chunks(chunk, *coder, pixels=PIXELS):
    return partial(image, pixels=pixels, prepare=lambda made: LIBRARY.chunk_image(made, chunk, *coder))


def with_palette(path):
    colours = (np.arange(768) % 251).astype("u1").reshape(256, 3)
    found = image(path, PIXELS[..., :1], prepare=lambda made: LIBRARY.put_palette(made, colours))
    return {**found, "x_palette": colours}


def raster_8(path, coding):
    """An image of 8 bits, as DFR8 writes it; coded by runs or by IMCOMP."""
    pixels = np.ascontiguousarray(PIXELS[..., 0])
    LIBRARY.done(LIBRARY.LIBRARY.DFR8restart())
    if coding == 12:
        LIBRARY.done(LIBRARY.LIBRARY.DFR8setpalette(LIBRARY.pointer(np.zeros(768, "u1"))))
    LIBRARY.done(LIBRARY.LIBRARY.DFR8putimage(str(path).encode(), LIBRARY.pointer(pixels), 8, 8, coding))
    out = np.zeros((8, 8), "u1")
    LIBRARY.done(LIBRARY.LIBRARY.DFR8getimage(str(path).encode(), LIBRARY.pointer(out), 8, 8, None))
    return {"Raster Image #0": out}


def raster_24(path, interlace):
    """An image of 24 bits, as DF24 writes and reads it: GR takes all of them to stand by pixel."""
    pixels = np.ascontiguousarray(PIXELS[:6].transpose([(0, 1, 2), (0, 2, 1), (2, 0, 1)][interlace]))
    LIBRARY.done(LIBRARY.LIBRARY.DF24restart())
    LIBRARY.done(LIBRARY.LIBRARY.DF24setil(interlace))
    LIBRARY.done(LIBRARY.LIBRARY.DF24putimage(str(path).encode(), LIBRARY.pointer(pixels), 8, 6))
    out, sizes = np.zeros((6, 8, 3), "u1"), [LIBRARY.ints(0) for _ in range(3)]
    LIBRARY.done(LIBRARY.LIBRARY.DF24restart())
    LIBRARY.done(LIBRARY.LIBRARY.DF24getdims(str(path).encode(), *sizes))
    LIBRARY.done(LIBRARY.LIBRARY.DF24reqil(0))
    LIBRARY.done(LIBRARY.LIBRARY.DF24getimage(str(path).encode(), LIBRARY.pointer(out), 8, 6))
    return {"Raster Image #0": out}


WIDE = PIXELS[:4]

SMALL = {"i1": -127, "u1": 129, "i2": -32767, "u2": 32769, "i4": -2147483647, "u4": 2147483649}
DEFAULTS = {**SMALL, "f4": 9.969209968386869e36, "f8": 9.969209968386869e36}

FEATURES = {
    "Number types": {
        "8, 16, 32 bit integers, 32 and 64 bit floats": types(),
        "the same, little-endian": types(LIBRARY.LITTLE),
        "the same, native": types(LIBRARY.NATIVE),
        "64 bit integers": [partial(recipe, make=lambda made: made.add(702, BIG.astype(">i8").tobytes()),
                                    dtype="i8", expected=VALUES.astype("i8"))],
        "characters": [partial(array, dtype="S1")],
        "unsigned characters": [partial(array, dtype="u1", kind=3)],
        "numbers of VAX, Cray or Convex": [partial(recipe, make=lambda made: made.add(702, BIG.tobytes()), kind=2,
                                                   expected=BIG)],
    },
    "Where values are": {
        "in one piece": [partial(array, dtype="i2")],
        "in one piece, by DFSD, and scales of axes": [single_file],
        "deflate": [compressed(LIBRARY.DEFLATE, 6)],
        "run lengths": [compressed(LIBRARY.RLE)],
        "skipping Huffman": [compressed(LIBRARY.SKPHUFF, 2)],
        "NBIT": [bits(), bits(sign=True), bits(ones=True)],
        "szip": [partial(recipe, make=szip, expected=VALUES)],
        "coder of none": [partial(recipe, make=lambda made: made.compressed(702, BIG.tobytes(), 240, (0, ">")))],
        "JPEG, which the library has for images alone": [
            partial(recipe, make=lambda made: made.compressed(702, b"xyz", 240, (7, ">")), expected=VALUES)],
        "arithmetic, IMCOMP": [partial(recipe, make=lambda made, n=n: made.compressed(702, b"xyz", 240, (n, ">")),
                                       expected=VALUES) for n in (6, 12)],
        "chunks": [in_chunks(flags=1)],
        "chunks, deflate": [in_chunks(LIBRARY.DEFLATE, 0, 6), in_chunks(LIBRARY.DEFLATE, 0, 1, dtype="f8")],
        "chunks, run lengths": [in_chunks(LIBRARY.RLE)],
        "chunks, skipping Huffman": [in_chunks(LIBRARY.SKPHUFF, 0, 2)],
        "chunks, NBIT": [in_chunks(5, 6, 1, 0, flags=LIBRARY.CHUNKED_NBIT)],
        "linked blocks that end with rows": [partial(recipe, make=blocks)],
        "linked blocks that grew in turn": [growing],
        "linked blocks longer than the data": [partial(recipe, make=partial(blocks, spare=4000))],
        "a compressed stream in linked blocks": [partial(recipe, make=stream_in_blocks)],
        "in a file beside": [external],
        "in a Vdata (before release 3.3)": [in_a_vdata],
    },
    "What was never written": {
        **{f"`{dtype}`: {fill}": [partial(never, dtype=dtype, reads=fill)] for dtype, fill in DEFAULTS.items()},
        "characters: null bytes": [partial(never, dtype="S1", reads=b"")],
        "its fill value, where it has one": [partial(never, dtype="i2", fill=-5)],
        "rows of an array that was written in part": [in_part],
        "chunks": [partial(in_part, chunks=True)],
        "an unlimited array: no rows; the library refuses to read it": [partial(never, dtype="i2", shape=(0, 2))],
    },
    "Scale and offset": {"`scale_factor * (stored - add_offset)`, by xarray": [calibrated]},
    "Images": {
        "8, 16 and 32 bits": [partial(image, pixels=PIXELS[:5, :, :1].astype(d)) for d in ("u1", "i2", "f4")],
        "several components, by pixel, row or plane": [
            *[partial(image, interlace=n) for n in range(3)], *[partial(raster_24, interlace=n) for n in range(3)]],
        "palettes": [with_palette],
        "deflate, run lengths, skipping Huffman": [packed_image(LIBRARY.DEFLATE, 6), packed_image(LIBRARY.RLE),
                                                   packed_image(LIBRARY.SKPHUFF, 1)],
        "never written: zero, or `FillValue`": [
            image_never_written, partial(image_never_written, chunk=(3, 4)),
            *[lambda path, c=c: image_never_written(path, 7, chunk=c) for c in (None, (3, 4))],
            partial(image_never_written, components=2, chunk=(3, 4)),
            lambda path: image_never_written(path, 7, 7, components=2)],
        "never written: one `FillValue` for each component": [
            lambda path, c=c: image_never_written(path, 7, 8, components=2, chunk=c) for c in (None, (3, 4))],
        "JPEG": [packed_image(LIBRARY.JPEG, 90, 1), packed_image(LIBRARY.JPEG, 90, 1, pixels=PIXELS[..., :1])],
        "chunks of a square image": [image_in_chunks((3, 4)), *[image_in_chunks((3, 4), *coder) for coder in (
            (LIBRARY.DEFLATE, 0, 6), (LIBRARY.RLE, 0), (LIBRARY.SKPHUFF, 0, 1))]],
        "another image in one chunk": [image_in_chunks((8, 4), pixels=WIDE)],
        "another image in several chunks": [image_in_chunks((3, 2), pixels=WIDE)],
        "DFR8: plain, run lengths": [partial(raster_8, coding=n) for n in (0, 11)],
        "DFR8: IMCOMP": [partial(raster_8, coding=12)],
    },
}  # fmt: skip


# ---------------------------------------------------------------------- what becomes of them


def read(refs, path):
    """An array of a set; one with scale or offset as xarray decodes it."""
    array = refs.arrays[path]
    if "scale_factor" in array.meta.attrs:
        with chunkmap.open_dataset(refs) as dataset:
            return dataset[path].values
    values = zarr.open_array(chunkmap.open_store(refs), path=path, mode="r", zarr_format=2)[...]
    order = [end for end in ("_y", "_x", "_component") if any(name.endswith(end) for name in array.meta.dims or ())]
    if order[:1] != ["_y"]:
        return values
    ends = [f"_{name.rpartition('_')[2]}" for name in array.meta.dims]
    return values.transpose([ends.index(end) for end in order])


def outcome(make):
    """What becomes of one file. Raises AssertionError where it is read wrongly."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.hdf"
        expected = make(path)
        refs = chunkmap.scan(os.fspath(path), inline_threshold=0)
        if refs.problems:
            assert not refs.arrays.keys() & expected.keys()
            return f"refused: {refs.problems[0].feature}"
        for name, values in expected.items():
            found = read(refs, name)
            assert found.shape == values.shape, name
            np.testing.assert_array_equal(found, values)
        inline = any(refs.arrays[name].chunks.is_inline.any() for name in expected)
    return "exact, held inline where it is not one range" if inline else "exact"


def printed():
    """The lines between the marks."""
    lines = []
    for area, features in FEATURES.items():
        lines += [f"| {area} | |", "|---|---|"]
        for name, makers in features.items():
            lines.append(f"| {name} | {', '.join(dict.fromkeys(outcome(make) for make in makers))} |")
        lines.append("")
    return "\n".join(lines[:-1])
