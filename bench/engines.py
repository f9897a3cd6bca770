"""What fetches ranges of objects in S3, beside one another: fsspec, obstore by our reader, and obstore's bare call.

    python bench/engines.py [LATENCY]

prints a table of the processor's time of the client, in seconds, and of the time that passed: the best of three runs,
taken in turn. The server is another process on this machine; `LATENCY` is how many seconds it waits with every answer.
"""

import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SIZE = 640 << 20
"""Bytes of an object: so many that chunks which are read lie too far apart to be joined."""

SHAPES = {"4,000 x 4 KB": (4000, 4096), "2,000 x 64 KB": (2000, 65536), "200 x 1 MB": (200, 1 << 20)}
FILES = 300
"""Files that are scanned."""


@contextmanager
def serving(nbytes_or_file, latency):
    """The address of a server of a process of its own."""
    words = [sys.executable, str(HERE / "bucket_server.py"), str(nbytes_or_file), str(latency)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def options(base, engine):
    """Options of s3fs, and what fetches."""
    return {"key": "a", "secret": "b", "client_kwargs": {"endpoint_url": base}, "engine": engine}


def by_us(base, count, nbytes, engine):
    """Chunks that are far apart, by the reader of chunkmap."""
    from chunkmap.access.fetching import Fetcher
    from chunkmap.model import ChunkManifest

    offsets = np.arange(count, dtype="u8") * (SIZE // count)
    columns = (np.zeros(count, "u4"), offsets, np.full(count, nbytes, "u8"))
    manifest = ChunkManifest.from_columns((count,), np.arange(count), ["s3://bucket/a"], columns)
    fetcher = Fetcher(storage_options=options(base, engine))
    return lambda: fetcher.fetch(manifest)


def bare(base, count, nbytes):
    """The same by `get_ranges`, with nothing around it."""
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        "bucket",
        endpoint=base,
        access_key_id="a",
        secret_access_key="b",
        region="us-east-1",
        client_options={"allow_http": True},
    )
    starts = [n * (SIZE // count) for n in range(count)]
    return lambda: obstore.get_ranges(store, "a", starts=starts, lengths=[nbytes] * count, coalesce=0)


def scans(base, engine):
    """Many files, scanned."""
    import chunkmap

    urls = [f"s3://bucket/{n}.nc" for n in range(FILES)]
    return lambda: chunkmap.scan_many(urls, storage_options=options(base, engine))


def measure(roads):
    """The best time of each road, of the processor and of the clock."""
    best = {}
    for _ in range(3):
        for name, work in roads.items():
            processor, clock = time.process_time(), time.perf_counter()
            work()
            spent = (time.process_time() - processor, time.perf_counter() - clock)
            best[name] = min(best.get(name, spent), spent)
    return best


def report(case, best):
    """One row for each road."""
    least = best.get("get_ranges", best["obstore"])[0]
    for name, (processor, clock) in best.items():
        print(f"| {case} | {name} | {processor:.3f} | {processor / least:.1f} | {clock:.3f} |", flush=True)


def write_file(path):
    """A netCDF file of 200 KB."""
    import h5py

    with h5py.File(path, "w") as file:
        for name in ("a", "b", "c", "d"):
            file.create_dataset(name, data=np.random.default_rng(0).random((64, 100)), chunks=(8, 100))


def main(latency):
    """All cases."""
    print("| case | by | processor, s | beside the least | clock, s |\n|---|---|---|---|---|")
    with serving(SIZE, latency) as base:
        for case, (count, nbytes) in SHAPES.items():
            roads = {engine: by_us(base, count, nbytes, engine) for engine in ("fsspec", "obstore")}
            report(case, measure({**roads, "get_ranges": bare(base, count, nbytes)}))
    with tempfile.TemporaryDirectory() as folder:
        write_file(Path(folder, "a.nc"))
        with serving(Path(folder, "a.nc"), latency) as base:
            report(f"scan of {FILES} files", measure({by: scans(base, by) for by in ("fsspec", "obstore")}))


if __name__ == "__main__":
    main(float((*sys.argv, "0")[1]))
