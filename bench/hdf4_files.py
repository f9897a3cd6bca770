"""The cases of HDF4: a file of 500 arrays in chunks, and reading a compressed array, beside kerchunk and pyhdf.

pyhdf does not offer chunks: they are written by the library that it brings along, through ctypes.
"""

import ctypes
import shutil

import numpy as np

ARRAYS, CHUNKS, ATTRIBUTES = 500, 100, 4
"""Chunks of each array: 130 end the writing, for a compressed chunk takes two of 65,535 reference numbers a tag."""
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


def scan_core(folder):
    """The library's own verb."""
    import chunkmap

    path = ready(folder, "many.hdf", write_many)
    chunkmap.scan(path, inline_threshold=0)

    def describe(refs):
        chunks = [array.chunks for array in refs.arrays.values()]
        return {"result": [sum(map(len, chunks)), sum(int(c.length.sum()) for c in chunks)]}

    return lambda: chunkmap.scan(path, inline_threshold=0), describe


def scan_door(folder):
    """kerchunk's."""
    from kerchunk.hdf4 import HDF4ToZarr

    path = ready(folder, "many.hdf", write_many)

    def describe(refs):
        ranges = [value for value in refs.values() if isinstance(value, (list, tuple))]
        return {"result": [len(ranges), sum(r[2] for r in ranges)]}

    return lambda: HDF4ToZarr(path, inline_threshold=0).translate(), describe


def walk_pyhdf(folder):
    """pyhdf: open the file and take name and attributes of every array."""
    from pyhdf.SD import SD

    path = ready(folder, "many.hdf", write_many)

    def work():
        file = SD(path)
        found = [file.attributes()]
        for number in range(file.info()[0]):
            array = file.select(number)
            found.append((array.info(), array.attributes()))
            array.endaccess()
        file.end()
        return found

    work()
    return work, lambda _: {}


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
    "hdf4-sds": f"scan one HDF4 file, {ARRAYS} SDS x {CHUNKS} chunks (pyhdf: names and attributes)",
    "hdf4-read": f"read an SDS of {SIDE} x {SIDE}, in {(SIDE // TILE) ** 2} deflated chunks (pyhdf: the same)",
}
