"""Files with a packing each, beside as many that are packed alike: combining them, and reading what comes of it.

Both are done by turns, and the best of all tries counts: `python bench/variants.py [FILES]` prints a table.
"""

import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

import chunkmap

TRIES = 5
SHAPE = (4, 90, 180)
READ = 400
"""Times that are read: one chunk each."""


def write(path, number, *, alike):
    """A file of four times; 0.01 and 1 are the packing of all, where they are alike."""
    with h5py.File(path, "w") as file:
        file.create_dataset("time", data=np.arange(4) + 4 * number).make_scale("time")
        values = file.create_dataset("v", SHAPE, "i2", chunks=(1, *SHAPE[1:]), compression="gzip", shuffle=True)
        values.dims[0].attach_scale(file["time"])
        values.attrs["_FillValue"] = np.int16(-32767)
        values.attrs["scale_factor"] = 0.01 + (0 if alike else number * 1e-5)
        values.attrs["add_offset"] = 1.0 + (0 if alike else number)
        values[:] = np.cumsum(np.random.default_rng(number).integers(-2, 3, SHAPE), 2)
    return str(path)


def by_turns(works):
    """The least seconds that each of some works took."""
    least = dict.fromkeys(works, np.inf)
    for _ in range(TRIES):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            least[name] = min(least[name], time.perf_counter() - start)
    return least


def main(count):
    """Write the files, measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        sets = {}
        for name in ("alike", "unlike"):
            files = [write(Path(folder) / f"{name}-{n}.nc", n, alike=name == "alike") for n in range(count)]
            sets[name] = chunkmap.scan_many(files)
        how = {"concat_dims": "time", "load_below": 0}

        def combine(name):
            return chunkmap.combine(sets[name], variants=name == "unlike", **how)

        combined = {name: combine(name) for name in sets}
        found = {name: chunkmap.open_dataset(refs) for name, refs in combined.items()}
        print(f"| {count:,} files | alike, s | with a packing each, s | speed |\n|---|---|---|---|")
        rows = {
            "combine": by_turns({name: lambda name=name: combine(name) for name in sets}),
            f"read {READ} chunks, unpacked": by_turns({n: lambda n=n: found[n].v[:READ].values for n in sets}),
        }
        for what, least in rows.items():
            ratio = least["alike"] / least["unlike"]
            print(f"| {what} | {least['alike']:.3f} | {least['unlike']:.3f} | {ratio:.2f} |")
        for name, refs in combined.items():
            chunks = refs.arrays["v"].chunks
            print(f"{name}: {chunks.nbytes / len(chunks):.0f} bytes a chunk")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
