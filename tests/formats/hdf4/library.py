"""The C library inside pyhdf, for what pyhdf does not offer: chunks, NBIT, number types, images and annotations."""

import ctypes
import runpy
from contextlib import contextmanager
from pathlib import Path

import numpy as np

_BENCH = runpy.run_path(str(Path(__file__).parents[3] / "bench" / "hdf4_files.py"))
library, done, set_chunks, ChunkDefinition = map(_BENCH.get, ("library", "done", "set_chunks", "ChunkDefinition"))
c_int32, c_double = ctypes.c_int32, ctypes.c_double
LIBRARY = library()
for _name in ("SDsetfillvalue", "SDreaddata", "SDwritedata", "GRwriteimage", "GRreadimage"):
    getattr(LIBRARY, _name).restype = ctypes.c_int

NONE, RLE, NBIT, SKPHUFF, DEFLATE, JPEG = 0, 1, 2, 3, 4, 7
LITTLE, NATIVE = 0x4000, 0x1000
TYPES = {"i1": 20, "u1": 21, "i2": 22, "u2": 23, "i4": 24, "u4": 25, "f4": 5, "f8": 6, "S1": 4}
READ, WRITE, CREATE = 1, 2, 4
CHUNKED, CHUNKED_NBIT = 1, 5
NDG = 720


def ints(*numbers):
    """An array of 32-bit integers."""
    return (ctypes.c_int32 * max(len(numbers), 1))(*numbers)


def pointer(values):
    """Where the values of a numpy array are."""
    return values.ctypes.data_as(ctypes.c_void_p)


def text():
    """Room for a name."""
    return ctypes.create_string_buffer(256)


@contextmanager
def sd_file(path, mode=CREATE):
    """A file as SD opens it."""
    file = done(LIBRARY.SDstart(str(path).encode(), mode))
    yield file
    done(LIBRARY.SDend(file))


@contextmanager
def gr_file(path, mode=CREATE):
    """A file as GR opens it."""
    file = done(LIBRARY.Hopen(str(path).encode(), mode, 0))
    images = done(LIBRARY.GRstart(file))
    yield images
    done(LIBRARY.GRend(images))
    done(LIBRARY.Hclose(file))


def create(file, name, values, *, flags=0, shape=None, kind=None):
    """A data set of the type and shape of some values."""
    number = (TYPES[values.dtype.str[1:]] if kind is None else kind) | flags
    shape = values.shape if shape is None else shape
    return done(LIBRARY.SDcreate(file, name.encode(), number, values.ndim, ints(*shape)))


def put(array, values, start=None):
    """Write values into a data set, and leave it."""
    values = np.ascontiguousarray(values)
    start = ints(*(start or [0] * values.ndim))
    done(LIBRARY.SDwritedata(array, start, None, ints(*values.shape), pointer(values)))
    done(LIBRARY.SDendaccess(array))


def get(path, number, shape, dtype):
    """A data set by its number, as the library reads it."""
    out = np.zeros(shape, dtype)
    with sd_file(path, READ) as file:
        array = done(LIBRARY.SDselect(file, number))
        done(LIBRARY.SDreaddata(array, ints(*[0] * len(shape)), None, ints(*shape), pointer(out)))
        done(LIBRARY.SDendaccess(array))
    return out


def put_row(array, values, row):
    """Write one row of some values into a data set."""
    data = np.ascontiguousarray(values[row : row + 1])
    start = ints(row, *[0] * (values.ndim - 1))
    done(LIBRARY.SDwritedata(array, start, None, ints(*data.shape), pointer(data)))


def nbit(array, start, bits, *, sign=False, ones=False):
    """Store only some of the bits."""
    done(LIBRARY.SDsetnbitdataset(array, start, bits, int(sign), int(ones)))


def create_image(images, name, pixels, interlace=0):
    """An image of the type of its pixels, `(y, x, component)`."""
    rows, columns, components = pixels.shape
    number = TYPES[pixels.dtype.str[1:]]
    size = ints(columns, rows)
    return done(LIBRARY.GRcreate(images, name.encode(), components, number, interlace, size))


def compress_image(image, coder, *numbers):
    """Compress an image as a whole."""
    done(LIBRARY.GRsetcompress(image, coder, ints(*numbers, 0, 0, 0, 0)))


def chunk_image(image, chunk, *numbers):
    """Store an image in chunks of so many columns and rows."""
    definition = ChunkDefinition()
    definition.numbers[: len(chunk)] = chunk
    definition.numbers[32 : 32 + len(numbers)] = numbers
    LIBRARY.GRsetchunk.argtypes = [ctypes.c_int32, ChunkDefinition, ctypes.c_int32]
    done(LIBRARY.GRsetchunk(image, definition, 3 if numbers else CHUNKED))


def put_image(image, pixels, interlace=0):
    """Write an image `(y, x, component)`, which was created for an interlace, and leave it."""
    size = ints(pixels.shape[1], pixels.shape[0])
    pixels = np.ascontiguousarray(pixels.transpose([(0, 1, 2), (0, 2, 1), (2, 0, 1)][interlace]))
    done(LIBRARY.GRwriteimage(image, ints(0, 0), ints(1, 1), size, pointer(pixels)))
    done(LIBRARY.GRendaccess(image))


def put_palette(image, colours):
    """256 colours of an image."""
    palette = done(LIBRARY.GRgetlutid(image, 0))
    done(LIBRARY.GRwritelut(palette, 3, 21, 0, 256, pointer(np.ascontiguousarray(colours))))


def get_image(path, number, dtype):
    """An image `(y, x, component)` by its number, as the library reads it."""
    with gr_file(path, READ) as images:
        image = done(LIBRARY.GRselect(images, number))
        found, name = [ints(0) for _ in range(4)], text()
        size = ints(0, 0)
        done(LIBRARY.GRgetiminfo(image, name, found[0], found[1], found[2], size, found[3]))
        out = np.zeros((size[1], size[0], found[0][0]), dtype)
        done(LIBRARY.GRreqimageil(image, 0))
        done(LIBRARY.GRreadimage(image, ints(0, 0), ints(1, 1), size, pointer(out)))
        done(LIBRARY.GRendaccess(image))
    return out


def annotate(path, texts, target=None):
    """Annotations: of the file, or of an object by its tag and reference number."""
    file = done(LIBRARY.Hopen(str(path).encode(), WRITE, 0))
    notes = done(LIBRARY.ANstart(file))
    for kind, text in texts:
        note = LIBRARY.ANcreatef(notes, kind) if target is None else LIBRARY.ANcreate(notes, *target, kind)
        done(LIBRARY.ANwriteann(done(note), text.encode(), len(text)))
        done(LIBRARY.ANendaccess(note))
    done(LIBRARY.ANend(notes))
    done(LIBRARY.Hclose(file))
