"""The cases of HDF4: 500 arrays of 200 chunks, and reading a compressed array, beside kerchunk and pyhdf.

pyhdf does not offer chunks: they are written by the library that it brings along, through ctypes.
"""

import ctypes
import shutil

import numpy as np

FILES, ARRAYS, CHUNKS, ATTRIBUTES = 2, 250, 200, 4
"""All in one file would be 100,000 chunks, and it holds 65,535: each is an object of the tag DFTAG_CHUNK with a
reference number of its own, which has 16 bits. The library gives everything else numbers that no chunk has, so that
500 arrays of 120 chunks are the most: of 130, `SDend` fails.
"""
SIDE, TILE = 6000, 500
"""Elements of a side of the array that is read, and of its chunks."""

DEFLATE = 4
_INT16, _CHAR = 22, 4
_CREATE, _CHUNKED_AND_COMPRESSED = 4, 3


class ChunkDefinition(ctypes.Structure):
    """`HDF_CHUNK_DEF`: lengths of 32 axes, a coder, a model, and what the coder is told; more room than it needs."""

    _fields_ = (("numbers", ctypes.c_int32 * 128),)


def library():
    """The C library inside pyhdf."""
    from pyhdf import _hdfext

    functions = ctypes.CDLL(_hdfext.__file__)
    functions.SDsetchunk.argtypes = [ctypes.c_int32, ChunkDefinition, ctypes.c_int32]
    return functions


def done(status):
    """A number that a function of the library gave, unless it failed: those of some objects are negative."""
    if status == -1:
        raise OSError("the HDF4 library failed")
    return status


def set_chunks(functions, array, chunk, *numbers, flags=_CHUNKED_AND_COMPRESSED):
    """Store an array in chunks; the numbers are the coder, the model, and what the coder is told."""
    definition = ChunkDefinition()
    definition.numbers[: len(chunk)] = chunk
    definition.numbers[32 : 32 + len(numbers)] = numbers
    done(functions.SDsetchunk(array, definition, flags))


def write_array(functions, file, name, data, *, chunk, attributes=0):
    """An array in deflated chunks, with so many attributes."""
    shape = (ctypes.c_int32 * data.ndim)(*data.shape)
    array = done(functions.SDcreate(file, name.encode(), _INT16, data.ndim, shape))
    set_chunks(functions, array, chunk, DEFLATE, 0, 6)
    start = (ctypes.c_int32 * data.ndim)()
    done(functions.SDwritedata(array, start, None, shape, data.ctypes.data_as(ctypes.c_void_p)))
    for number in range(attributes):
        text = f"attribute {number} of {name}".encode()
        done(functions.SDsetattr(array, f"attribute_{number}".encode(), _CHAR, len(text), text))
    done(functions.SDendaccess(array))


def write_many(path):
    """Arrays of 8 columns and a chunk for every 8 rows."""
    functions = library()
    file = done(functions.SDstart(str(path).encode(), _CREATE))
    data = np.arange(CHUNKS * 64, dtype="i2").reshape(-1, 8)
    for number in range(ARRAYS):
        write_array(functions, file, f"v{number:03}", data, chunk=(8, 8), attributes=ATTRIBUTES)
    done(functions.SDend(file))


def write_large(path):
    """One array that deflates to a third."""
    functions = library()
    file = done(functions.SDstart(str(path).encode(), _CREATE))
    noise = np.random.default_rng(0).integers(0, 30, (SIDE, SIDE))
    data = (np.add.outer(np.arange(SIDE), np.arange(SIDE)) // 7 + noise).astype("i2")
    write_array(functions, file, "large", data, chunk=(TILE, TILE))
    done(functions.SDend(file))


def ready(folder, name, write):
    """The path of a file, which is written where it is needed first, in one step."""
    path = folder / name
    if not path.exists():
        write(path.with_suffix(".part"))
        shutil.move(path.with_suffix(".part"), path)
    return str(path)


def many(folder):
    """The files of many arrays."""
    return [ready(folder, f"many_{number}.hdf", write_many) for number in range(FILES)]


def scan_core(folder):
    """The library's own verb."""
    import chunkmap

    paths = many(folder)
    chunkmap.scan(paths[0], inline_threshold=0)

    def describe(sets):
        chunks = [array.chunks for refs in sets for array in refs.arrays.values()]
        return {"result": [sum(map(len, chunks)), sum(int(c.length.sum()) for c in chunks)]}

    return lambda: [chunkmap.scan(path, inline_threshold=0) for path in paths], describe


def scan_door(folder):
    """kerchunk's."""
    from kerchunk.hdf4 import HDF4ToZarr

    paths = many(folder)

    def describe(sets):
        ranges = [value for refs in sets for value in refs.values() if isinstance(value, (list, tuple))]
        return {"result": [len(ranges), sum(r[2] for r in ranges)]}

    return lambda: [HDF4ToZarr(path, inline_threshold=0).translate() for path in paths], describe


def walk_pyhdf(folder):
    """pyhdf: open each file and take name and attributes of every array."""
    from pyhdf.SD import SD

    paths = many(folder)

    def walk(path):
        file = SD(path)
        found = [file.attributes()]
        for number in range(file.info()[0]):
            array = file.select(number)
            found.append((array.info(), array.attributes()))
            array.endaccess()
        file.end()
        return found

    walk(paths[0])
    return lambda: [walk(path) for path in paths], lambda _: {}


def read_core(folder):
    """A whole array through references; chunks are decoded on as many threads as there are cores."""
    import chunkmap

    refs = chunkmap.scan(ready(folder, "large.hdf", write_large), inline_threshold=0)
    dataset = chunkmap.open_dataset(refs)
    return lambda: dataset["large"].values, lambda values: {"result": int(values.sum(dtype="i8"))}


def read_pyhdf(folder):
    """The same by pyhdf."""
    from pyhdf.SD import SD

    path = ready(folder, "large.hdf", write_large)
    return lambda: SD(path).select(0).get(), lambda values: {"result": int(values.sum(dtype="i8"))}


CASES = {
    "hdf4-sds": (scan_core, scan_door, None, None, None, None, None, walk_pyhdf),
    "hdf4-read": (read_core, None, None, None, None, None, None, read_pyhdf),
}
TITLES = {
    "hdf4-sds": f"scan {FILES} HDF4 files of {ARRAYS} SDS x {CHUNKS} chunks (pyhdf: names and attributes)",
    "hdf4-read": f"read an SDS of {SIDE} x {SIDE}, in {(SIDE // TILE) ** 2} deflated chunks (pyhdf: the same)",
}
