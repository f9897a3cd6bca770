"""Writes files of every kind at random, each from a seed: `python tests/formats/hdf5/zoo.py DIRECTORY 100`.

h5py and netCDF4 choose among versions of the library, layouts, filters, types, chunk indexes, shapes, user blocks,
orders, page strategies, and data that were written in part, not at all, or cut off again.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import h5py
import hdf5plugin
import netCDF4
import numpy as np

LIBRARIES = ["earliest", "latest", ("earliest", "v110"), ("v108", "v110"), ("v112", "latest")]
TEXTS = ["", "ab", "élève", "a longer text"]
ENUM = {"A": 0, "B": 1, "C": 5}
RECORD = np.dtype([("a", "<i2"), ("b", ">f4"), ("s", "S3")])
FILTERS = [
    {},
    {},
    {"compression": "gzip"},
    {"compression": "gzip", "shuffle": True},
    {"compression": "lzf"},
    {"shuffle": True, "fletcher32": True},
    {"compression": "gzip", "shuffle": True, "fletcher32": True},
    dict(hdf5plugin.Blosc()),
    dict(hdf5plugin.Blosc2()),
    dict(hdf5plugin.Zstd()),
    dict(hdf5plugin.LZ4()),
    dict(hdf5plugin.BZip2()),
    dict(hdf5plugin.Bitshuffle()),
]


def random_dtype(choose):
    """A type that h5py writes."""
    order = choose.choice("<>")
    return choose.choice(
        [
            *(np.dtype(f"{order}{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)),
            *(np.dtype(f"{order}{kind}") for kind in ("f2", "f4", "f8", "c8", "c16")),
            np.dtype(bool),
            h5py.enum_dtype(ENUM, basetype=choose.choice(["i1", "<i4", ">u2"])),
            np.dtype(f"S{choose.randint(1, 9)}"),
            h5py.string_dtype("utf-8", choose.randint(1, 9)),
            h5py.string_dtype(),
            np.dtype((f"{order}i4", (choose.randint(1, 3),))),
            RECORD,
        ]
    )


def random_values(dtype, shape, seed):
    """Values of a type; those of an array type have its axes last."""
    draw = np.random.default_rng(seed)
    if dtype.subdtype is not None:
        return random_values(dtype.base, (*shape, *dtype.shape), seed)
    if dtype.names:
        values = np.zeros(shape, dtype)
        for name in dtype.names:
            values[name] = random_values(dtype[name], shape, seed)
        return values
    if dtype.kind == "O":
        return draw.choice(np.array(TEXTS, object), shape)
    if dtype.kind == "S":
        return draw.choice(np.array([b"", b"ab", b"abcdefghi"]), shape).astype(dtype)
    if dtype.kind == "c":
        return (draw.normal(size=shape) + 1j * draw.normal(size=shape)).astype(dtype)
    if dtype.kind == "f":
        return draw.normal(size=shape).astype(dtype)
    if h5py.check_enum_dtype(dtype):
        return draw.choice(list(ENUM.values()), shape).astype(dtype)
    return draw.integers(0, 2 if dtype.kind == "b" else 100, shape).astype(dtype)


def write_hdf5(path, seed):
    """A file of some datasets in some groups."""
    choose = random.Random(seed)
    options = {"libver": choose.choice(LIBRARIES), "track_order": choose.random() < 0.3}
    options |= choose.choice([{}, {}, {"userblock_size": 1024}, {"fs_strategy": "page", "fs_page_size": 4096}])
    with h5py.File(path, "w", **options) as file:
        for number in range(choose.randint(1, 6)):
            dataset = _dataset(file, choose.choice(["", "g/", "g/h/"]) + f"d{number}", choose)
            for name in range(choose.choice([0, 1, 3, 12])):
                dtype, shape = random_dtype(choose), choose.choice([(), (1,), (3,), (2, 2)])
                values = random_values(dtype, shape, choose.randint(0, 99))
                dataset.attrs.create(f"a{name}", values, (*shape, *dtype.shape), dtype)


def _dataset(file, name, choose):
    dtype, rank = random_dtype(choose), choose.randint(0, 3)
    shape = tuple(choose.randint(1, choose.choice([3, 12, 30])) for _ in range(rank))
    is_plain = dtype.kind in "iuf" and dtype.subdtype is None and h5py.check_enum_dtype(dtype) is None
    options = {"fillvalue": choose.randint(0, 90)} if is_plain and choose.random() < 0.4 else {}
    if dtype.kind != "O" and choose.random() < 0.2:
        options["fill_time"] = choose.choice(["never", "alloc", "ifset"])
    is_chunked = bool(rank) and choose.random() < 0.8
    if is_chunked:
        options["chunks"] = tuple(choose.randint(1, n) for n in shape)
        options["maxshape"] = tuple(choose.choice([n, n, None, n + choose.randint(0, 20)]) for n in shape)
        options |= choose.choice(FILTERS if dtype.kind != "O" else FILTERS[:5])
    dataset = file.create_dataset(name, shape, dtype, **options)
    kind = choose.choice(["whole", "whole", "parts", "nothing"])
    if kind == "whole" or (kind == "parts" and not is_chunked):
        dataset[...] = random_values(dtype, shape, choose.randint(0, 99))
    elif kind == "parts":
        for _ in range(choose.randint(1, 3)):
            starts = [choose.randint(0, n - 1) for n in shape]
            part = tuple(slice(start, choose.randint(start + 1, n)) for start, n in zip(starts, shape, strict=True))
            dataset[part] = random_values(dtype, [p.stop - p.start for p in part], choose.randint(0, 99))
    if is_chunked and choose.random() < 0.3:
        limits = [n + 15 if limit is None else limit for n, limit in zip(shape, dataset.maxshape, strict=True)]
        dataset.resize([choose.randint(1, limit) for limit in limits])
    return dataset


def write_netcdf4(path, seed):
    """A file of variables, coordinates and attributes, in groups in groups."""
    choose = random.Random(seed)
    with netCDF4.Dataset(path, "w") as file:
        _group(file, choose, 0)


ATTRIBUTES = [1, 2.5, "text", "é", "", np.int8(3), np.array([1, 2], "i2"), np.array([1.5], "f4"), ["a", "bb"]]
ENCODINGS = [{}, {}, {"zlib": True}, {"compression": "zstd"}, {"zlib": True, "shuffle": False, "fletcher32": True}]


def _group(group, choose, depth):
    for number in range(choose.choice([0, 1, 4, 15])):
        group.setncattr(f"a{number}", choose.choice(ATTRIBUTES))
    for number in range(choose.randint(1, 3)):
        name, length = f"d{depth}{number}", choose.randint(1, 6)
        group.createDimension(name, choose.choice([None, length]))
        coordinate = group.createVariable(name, choose.choice(["i4", "f8"]), (name,))
        coordinate[:] = np.arange(length) * choose.choice([1, -1])
        coordinate.units = choose.choice(["m", "days since 2000-01-01"])
    names = [name for here in (group.parent, group) if here is not None for name in here.dimensions]
    for number in range(choose.randint(0, 5)):
        _variable(group, f"v{number}", choose.sample(names, min(len(names), choose.randint(0, 3))), choose)
    for number in range(choose.choice([0, 0, 1, 2]) if depth < 2 else 0):
        _group(group.createGroup(f"g{depth}{number}"), choose, depth + 1)


def _variable(group, name, dims, choose):
    kind = choose.choice(["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "S1", str])
    options = choose.choice(ENCODINGS) if dims and kind is not str else {}
    if kind is not str and choose.random() < 0.4:
        options = options | {"fill_value": b"x" if kind == "S1" else choose.randint(0, 9)}
    if kind not in (str, "S1", "i1", "u1") and choose.random() < 0.2:
        kind, options = f">{kind}", options | {"endian": "big"}
    variable = group.createVariable(name, kind, dims, **options)
    variable.setncattr("note", choose.choice(ATTRIBUTES))
    if kind not in (str, "S1") and choose.random() < 0.2:
        variable.setncatts({"scale_factor": 0.5, "add_offset": 3.0})
    variable.set_auto_maskandscale(False)
    if choose.random() < 0.8 or None in _limits(variable):
        seed = choose.randint(0, 99)
        values = random_values(np.dtype("O" if kind is str else kind), variable.shape, seed)
        variable[...] = values if dims else values[()]


def _limits(variable):
    """The length of each dimension, None for the unlimited: where nothing is written along one, readers disagree."""
    return [None if dimension.isunlimited() else len(dimension) for dimension in variable.get_dims()]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for seed in range(int(sys.argv[2])):
        write_hdf5(folder / f"{seed}.h5", seed)
        write_netcdf4(folder / f"{seed}.nc", seed)
