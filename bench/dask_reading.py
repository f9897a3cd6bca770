"""A mean over many chunks on a Dask cluster of two processes, through each package's engine for xarray.

The graph is made, sent, run, and its result given back: `open_dataset(references, chunks={})` and `mean()`. The cluster
has started before, and its workers have read a small array through the same engine.
"""

STEPS, ROWS, COLUMNS = 10_000, 64, 64
"""As many chunks, of 16 kB."""


def prepare(folder):
    """Write a file, a small one, and their references as JSON."""
    import chunkmap

    (folder / "dask").mkdir(exist_ok=True)
    for name, steps in (("many", STEPS), ("few", 8)):
        if not (folder / "dask" / f"{name}.json").exists():
            write(folder / "dask" / f"{name}.h5", steps)
            refs = chunkmap.scan(str(folder / "dask" / f"{name}.h5"), inline_threshold=0)
            chunkmap.write(refs, folder / "dask" / f"{name}.json")


def write(path, steps):
    """One variable, shuffled and deflated, a step in each chunk."""
    import h5py
    import numpy as np

    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        how = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        field = file.create_dataset("x", (steps, ROWS, COLUMNS), "f4", chunks=(1, ROWS, COLUMNS), **how)
        for first in range(0, steps, 1000):
            count = min(1000, steps - first)
            field[first : first + count] = random.normal(280, 10, (count, ROWS, COLUMNS)).round(1)


def mean(engine):
    """The mean of all values through an engine."""

    def prepared(folder):
        import xarray
        from distributed import Client, LocalCluster

        def work(name="many"):
            dataset = xarray.open_dataset(str(folder / "dask" / f"{name}.json"), engine=engine, chunks={})
            return float(dataset["x"].mean(dtype="f8").compute())

        cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0")
        client = Client(cluster)
        work("few")

        def described(value):
            client.close()
            cluster.close()
            return {"result": round(value, 6)}

        return work, described

    return prepared


CASES = {"dask-mean": (mean("chunkmap"), mean("kerchunk"))}
TITLES = {"dask-mean": "mean of 10,000 chunks x 16 kB, deflated, on two processes of Dask (other side: fsspec, zarr)"}
BESIDE_OTHERS = tuple(CASES)
"""Cases whose other side is another library than kerchunk's own code: its engine is fsspec with zarr."""
