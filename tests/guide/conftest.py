"""Real files for the ways of working that kerchunk's guide describes, and a real cluster of processes."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Six monthly NetCDF4 files of one cube, and the dataset that they make together."""
    folder = tmp_path_factory.mktemp("months")
    months = [_month(number) for number in range(6)]
    paths = []
    for number, dataset in enumerate(months):
        path = folder / f"month_{number:02d}.nc"
        encoding = {"temp": {"zlib": True, "chunksizes": (1, 4, 5)}, "time": {"units": "days since 2000-01-01"}}
        dataset.to_netcdf(path, engine="netcdf4", format="NETCDF4", unlimited_dims=["time"], encoding=encoding)
        paths.append(str(path))
    return paths, xr.concat(months, "time", data_vars="minimal")


def _month(number):
    time = np.datetime64("2000-01-01", "ns") + np.arange(number * 3, number * 3 + 3).astype("m8[D]")
    rng = np.random.default_rng(number)
    return xr.Dataset(
        {
            "temp": (("time", "lat", "lon"), rng.normal(size=(3, 4, 5)).astype("f4"), {"units": "K"}),
            "mask": (("lat", "lon"), np.arange(20, dtype="i2").reshape(4, 5)),
        },
        {"time": time, "lat": np.linspace(-60, 60, 4), "lon": np.linspace(0, 288, 5)},
        {"title": "six months"},
    )


@pytest.fixture(scope="session")
def cluster_client():
    """A client of a cluster of two worker processes."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def on_cluster(cluster_client):
    """Dask computes on the cluster while a test runs."""
    with cluster_client.as_current():
        yield cluster_client
