#!/usr/bin/env bash
# HDF4: the chunks of a raster image (GR) that is not square are no rectangles of it, though their lengths and origins are
# given in its columns and rows.
#
# GRwriteimage takes pixels row by row, as GR does everywhere, and stores them, in that order, into a chunked array of as
# many rows as the image has columns. GRreadimage does the same the other way round, so that whole images survive; but
# GRreadchunk, and whoever looks for chunks in the file, finds pieces of several rows. Of a square image the chunks are
# rectangles, of which the two numbers of the origin have changed places. A reader by ranges that believes the header shows
# a scrambled image.
#
# Versions: Python >= 3.11, pyhdf 0.11.7 (it brings HDF 4.2.14 along, which is called through ctypes), numpy 2.4.6.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" "pyhdf==0.11.7" "numpy==2.4.6" >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 -W ignore - "$folder/image.hdf" <<'PY'
import ctypes
import sys
from itertools import product

import numpy as np
from pyhdf import _hdfext

READ, CREATE, UINT8, CHUNKED = 1, 4, 21, 1
Pair = ctypes.c_int32 * 2


class Chunks(ctypes.Structure):
    """HDF_CHUNK_DEF of a plain image: lengths of its axes, and more room than the union needs."""

    _fields_ = (("lengths", ctypes.c_int32 * 128),)


hdf = ctypes.CDLL(_hdfext.__file__)
hdf.GRsetchunk.argtypes = [ctypes.c_int32, Chunks, ctypes.c_int32]
number = [ctypes.c_uint32(), ctypes.c_uint32(), ctypes.c_uint32(), ctypes.create_string_buffer(80)]
hdf.Hgetlibversion(*(ctypes.byref(each) for each in number[:3]), number[3])
print("HDF", ".".join(str(each.value) for each in number[:3]))


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def chunks_of(path, image, chunk):
    """The chunks of an image by their origin (column, row), as GRreadchunk gives them; the whole must survive."""
    height, width = image.shape
    start, size = Pair(0, 0), Pair(width, height)
    file = hdf.Hopen(path.encode(), CREATE, 0)
    images = hdf.GRstart(file)
    one = hdf.GRcreate(images, b"image", 1, UINT8, 0, size)
    layout = Chunks()
    layout.lengths[:2] = chunk
    assert hdf.GRsetchunk(one, layout, CHUNKED) == 0
    assert hdf.GRwriteimage(one, start, None, size, pointer(image)) == 0
    hdf.GRendaccess(one), hdf.GRend(images), hdf.Hclose(file)

    file = hdf.Hopen(path.encode(), READ, 0)
    images = hdf.GRstart(file)
    one = hdf.GRselect(images, 0)
    whole = np.zeros_like(image)
    assert hdf.GRreadimage(one, start, None, size, pointer(whole)) == 0
    assert (whole == image).all(), "the whole image does not survive"
    found = {}
    for origin in product(range(width // chunk[0]), range(height // chunk[1])):
        found[origin] = np.zeros(chunk[0] * chunk[1], "u1")
        assert hdf.GRreadchunk(one, Pair(*origin), pointer(found[origin])) == 0
    hdf.GRendaccess(one), hdf.GRend(images), hdf.Hclose(file)
    return {origin: values.tolist() for origin, values in found.items()}


def cut(array, chunk, origin):
    """The piece of an array in the order of C, by the place of the chunk along each axis."""
    rows, columns = (slice(at * n, (at + 1) * n) for at, n in zip(origin, chunk, strict=True))
    return array[rows, columns].ravel().tolist()


path = sys.argv[1]
square = np.arange(16, dtype="u1").reshape(4, 4)
found = chunks_of(path, square, (2, 2))
print("4 x 4, chunk at column 1, row 0:", found[1, 0], " rectangle of the image:", cut(square, (2, 2), (0, 1)))
assert found[1, 0] == [8, 9, 12, 13] and cut(square, (2, 2), (0, 1)) == [2, 3, 6, 7]

image = np.arange(24, dtype="u1").reshape(4, 6)  # 6 columns, 4 rows
found = chunks_of(path, image, (3, 2))  # chunks of 3 columns and 2 rows
print("6 x 4, chunk at column 0, row 0:", found[0, 0], " rectangle of the image:", cut(image, (2, 3), (0, 0)))
assert found[0, 0] == [0, 1, 4, 5, 8, 9] and cut(image, (2, 3), (0, 0)) == [0, 1, 2, 6, 7, 8]
turned = image.reshape(6, 4)  # the same pixels in the same order, as if the image had 6 rows
assert all(values == cut(turned, (3, 2), origin) for origin, values in found.items()), "chunks are cut otherwise now"
PY
