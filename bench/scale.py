"""How time and memory of a streamed combine grow with the number of references.

    python bench/scale.py [SETS ...] [--variables N] [--chunks N] [--dir DIRECTORY] [--workers N]

For each number of SETS: so many reference sets of N variables of N chunks each are written as Parquet (in one process,
before the clock starts), and combined along time into one Parquet set in a fresh process, whose seconds and largest
memory are printed. The inputs are synthetic: nothing is read through them but their coordinates.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import chunkmap
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet


def main():
    """Measure every size, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", type=int, default=[100, 1000])
    parser.add_argument("--variables", type=int, default=10)
    parser.add_argument("--chunks", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--dir")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        combine(Path(given.run), given.workers)
        return
    for count in given.sets:
        with tempfile.TemporaryDirectory(dir=given.dir) as name:
            measure(Path(name), count, given)


def measure(folder, count, given):
    """Make the inputs, combine them, and say what it took."""
    for number in range(count):
        chunkmap.write(one(number, given.variables, given.chunks), folder / "in" / f"{number:06d}.parq")
    words = [sys.executable, __file__, "--run", str(folder), "--workers", str(given.workers)]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    found |= {"references": count * given.variables * given.chunks}
    found["references a second"] = round(found["references"] / found["seconds"])
    found["bytes a reference"] = round(found["bytes"] / found["references"], 2)
    print(json.dumps(found), flush=True)
    shutil.rmtree(folder / "in")


def one(number, variables, chunks):
    """A set of one file: `variables` fields of `chunks` steps, lengths random as compressed chunks have them."""
    url = f"s3://bucket/model/run-{number // 100:04d}/output-{number:06d}.nc"
    random = np.random.default_rng(number)
    times = np.arange(number * chunks, (number + 1) * chunks, dtype="i8")
    time_meta = ArrayMeta(
        shape=times.shape,
        chunk_shape=times.shape,
        dtype=times.dtype,
        dims=("time",),
        attrs={"units": "hours since 1950-01-01"},
    )
    arrays = {"time": ManifestArray(time_meta, ChunkManifest.single(times.tobytes(), 0, times.nbytes, 1))}
    meta = ArrayMeta(
        shape=(chunks, 720, 1440),
        chunk_shape=(1, 720, 1440),
        dtype=np.dtype("<f4"),
        compressor={"id": "zlib", "level": 4},
        dims=("time", "lat", "lon"),
        attrs={"units": "K", "long_name": "a field"},
    )
    for variable in range(variables):
        length = random.integers(900_000, 1_100_000, chunks).astype(np.uint64)
        offset = np.cumsum(length) + np.uint64(variable * 2**32)
        columns = (np.ones(chunks, np.uint32), offset, length)
        manifest = ChunkManifest.from_columns((chunks, 1, 1), np.arange(chunks), (None, url), columns)
        arrays[f"field{variable:02d}"] = ManifestArray(meta, manifest)
    return ReferenceSet(arrays, {"": {"title": "a model"}}, (), {}, url)


def combine(folder, workers):
    """The work that is measured."""
    from concurrent.futures import ProcessPoolExecutor

    inputs = sorted((folder / "in").iterdir())
    executor = ProcessPoolExecutor(workers) if workers > 1 else None
    start = time.perf_counter()
    chunkmap.combine(inputs, out=folder / "out.parq", concat_dims=["time"], executor=executor)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    nbytes = sum(path.stat().st_size for path in (folder / "out.parq").rglob("*.parq"))
    print(json.dumps({"seconds": round(seconds, 2), "largest memory (MB)": memory >> 20, "bytes": nbytes}))


if __name__ == "__main__":
    main()
