"""Files with a packing each, beside as many that are packed alike: combining them, and reading what comes of it.

The other side is our own work on files that are alike, in the same run: what it costs that they are not.
`VARIANTS_FILES=100` takes fewer.
"""

import os

import numpy as np

FILES = int(os.environ.get("VARIANTS_FILES", "1000"))
SHAPE = (4, 90, 180)
READ = 400
"""Times that are read: one chunk each."""

HOW = {"concat_dims": "time", "load_below": 0}


def write(path, number, *, alike):
    """A file of four times; 0.01 and 1 are the packing of all, where they are alike."""
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("time", data=np.arange(4) + 4 * number).make_scale("time")
        values = file.create_dataset("v", SHAPE, "i2", chunks=(1, *SHAPE[1:]), compression="gzip", shuffle=True)
        values.dims[0].attach_scale(file["time"])
        values.attrs["_FillValue"] = np.int16(-32767)
        values.attrs["scale_factor"] = 0.01 + (0 if alike else number * 1e-5)
        values.attrs["add_offset"] = 1.0 + (0 if alike else number)
        values[:] = np.cumsum(np.random.default_rng(number).integers(-2, 3, SHAPE), 2)


def scanned(folder, name):
    """The sets of all files of one kind, which are written when they are not there yet."""
    import chunkmap

    below = folder / "variants"
    below.mkdir(exist_ok=True)
    paths = [below / f"{name}-{number}.nc" for number in range(FILES)]
    for number, path in enumerate(paths):
        if not path.exists():
            write(path, number, alike=name == "alike")
    return chunkmap.scan_many(list(map(str, paths)))


def combining(name):
    """Sets of files of one kind to one set."""

    def prepare_run(folder):
        import chunkmap

        sets = scanned(folder, name)

        def describe(outcome):
            return {"result": len(outcome.arrays["v"].chunks)}

        return lambda: chunkmap.combine(sets, variants=name == "unlike", **HOW), describe

    return prepare_run


def reading(name):
    """Chunks of many files of one kind, unpacked."""

    def prepare_run(folder):
        import chunkmap

        refs = chunkmap.combine(scanned(folder, name), variants=name == "unlike", **HOW)
        values = chunkmap.open_dataset(refs).v[:READ]
        return lambda: values.values, lambda outcome: {"result": outcome.size}

    return prepare_run


CASES = {
    f"variants-{what}": (of("unlike"), *[None] * 7, of("alike"))
    for what, of in {"combine": combining, "read": reading}.items()
}
TITLES = {
    "variants-combine": f"combine {FILES:,} files with a packing each (other side: as many that are alike)",
    "variants-read": f"read {READ} chunks of them, unpacked (other side: of those that are alike)",
}
