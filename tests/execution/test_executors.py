"""Whoever scans, combines and writes: the set is the same, and a worker that dies does no harm."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sets import file, files_below
from test_cache import write

import chunkmap
from kerchunk.combine import MultiZarrToZarr, auto_dask
from kerchunk.hdf import SingleHdf5ToZarr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Six files of a cube, and the set that is built of them one after another."""
    folder = tmp_path_factory.mktemp("cube")
    paths = [folder / f"{number}.nc" for number in range(6)]
    for number, path in enumerate(paths):
        write(path, number)
    chunkmap.build(paths, folder / "serial.parq", concat_dims="time", record_size=5)
    return paths, files_below(folder / "serial.parq")


class Stranger:
    """An executor of no known family: it submits, and its futures have results, and what else is asked of them."""

    class Future:
        def __init__(self, result):
            self.result = lambda: result
            self.cancel = lambda: False
            self.add_done_callback = lambda function: function(self)

    def submit(self, function, item):
        return self.Future(pickle.loads(pickle.dumps(function))(pickle.loads(pickle.dumps(item))))


@pytest.mark.parametrize("executor", ["threads", "processes", "pool", "stranger", "cluster"])
def test_any_executor_is_as_none(built, tmp_path, executor, request):
    """Threads, processes, executors of the caller and a Dask cluster write the very same files."""
    paths, expected = built
    if executor == "pool":
        executor = ThreadPoolExecutor(2)
    elif executor == "stranger":
        executor = Stranger()
    elif executor == "cluster":
        executor = request.getfixturevalue("cluster_client")

    chunkmap.build(paths, tmp_path / "out.parq", concat_dims="time", record_size=5, executor=executor)

    assert files_below(tmp_path / "out.parq") == expected


def test_an_append_on_a_cluster(built, tmp_path, cluster_client):
    """Appending on a cluster, through a cache that all workers share, gives the same set as well."""
    paths, expected = built
    shared = {"executor": cluster_client, "cache": tmp_path / "cache"}

    chunkmap.build(paths[:4], tmp_path / "out.parq", concat_dims="time", record_size=5, **shared)
    chunkmap.append(tmp_path / "out.parq", paths[4:], **shared)

    assert files_below(tmp_path / "out.parq") == expected


class Perilous:
    """Submits to a cluster; the first worker that begins a call of some name is killed in the middle of it."""

    def __init__(self, client, name, flag):
        self.client, self.name, self.flag = client, name, str(flag)

    def submit(self, function, item):
        def perilous(function, item, flag, kill):
            result = function(item)
            try:
                os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return result
            os.kill(os.getpid(), kill)
            return result

        named = getattr(function, "__qualname__", "") or type(function).__qualname__
        if self.name not in named:
            return self.client.submit(function, item)
        return self.client.submit(perilous, function, item, self.flag, signal.SIGKILL)


@pytest.mark.parametrize("name", ["_ScanOne", "_Writing.run"])
def test_a_worker_is_killed(built, tmp_path, cluster_client, name):
    """A worker that dies while it scans or writes is started again, its task is repeated, and the set is whole."""
    paths, expected = built
    flag = tmp_path / "a worker was killed"

    chunkmap.build(
        paths, tmp_path / "out.parq", concat_dims="time", record_size=5, executor=Perilous(cluster_client, name, flag)
    )

    assert flag.exists()
    assert files_below(tmp_path / "out.parq") == expected
    cluster_client.wait_for_workers(1, timeout=60)


@pytest.mark.parametrize("stage", ["scan", "combine"])
def test_a_worker_of_a_tree_is_killed(built, tmp_path, cluster_client, stage):
    """A worker that dies while it scans or combines for `auto_dask` takes its tables with it, and the set is whole."""
    urls = list(map(str, built[0]))
    flag, kill = str(tmp_path / "a worker was killed"), signal.SIGKILL

    def once(asked):
        if asked == stage:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
                os.kill(os.getpid(), kill)

    class Perilous(SingleHdf5ToZarr):
        def references(self):
            once("scan")
            return super().references()

    def time(index, group, dim, name):
        once("combine")
        return group["time"][:]

    how = {"concat_dims": ["time"]}
    with cluster_client.as_current():
        refs = auto_dask(urls, Perilous, {}, {**how, "coo_map": {"time": time}}, n_batches=3)

    assert Path(flag).exists()
    assert refs == MultiZarrToZarr([SingleHdf5ToZarr(url).translate() for url in urls], **how).translate()
    cluster_client.wait_for_workers(1, timeout=60)


@pytest.mark.parametrize("executor", [None, "threads"])
def test_what_overlaps_is_refused_alike(tmp_path, executor):
    """Two inputs that claim one cell are named, whoever places them, and nothing is written."""
    sets = [file(0, range(4)), file(1, range(3, 7))]
    with pytest.raises(chunkmap.CombineError, match=r"file-0000\.nc and .*file-0001\.nc both hold time = 2000-01-04"):
        chunkmap.combine(sets, out=tmp_path / "out.parq", concat_dims="time", executor=executor, record_size=3)
    assert list(tmp_path.iterdir()) == []


def test_workers_that_share_no_directory(tmp_path):
    """Workers whose files do not arrive are noticed."""

    class Elsewhere(ThreadPoolExecutor):
        def submit(self, function, task):
            future = super().submit(function, task)
            future.result()
            for place in task.files.values():
                Path(place.at.path).unlink(missing_ok=True)
            return future

    with (
        Elsewhere(1) as pool,
        pytest.raises(chunkmap.StorageError, match="the workers need a directory that they share"),
    ):
        chunkmap.combine(
            [file(0, range(4)), file(1, range(4, 8))], out=tmp_path / "o.parq", concat_dims="time", executor=pool
        )
