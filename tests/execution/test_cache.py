"""A second run scans only what is new, and a run that is killed leaves the old output or the new one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import h5netcdf  # noqa: F401 - xarray writes with it
import numpy as np
import pytest
import xarray as xr
from sets import files_below

import chunkmap
from chunkmap.execution import cached as cache_module


def write(path, number, value=0.0):
    """One step of a cube."""
    dataset = xr.Dataset(
        {"d": (("time", "y", "x"), np.full((1, 4, 6), value + number), {"units": "m"})},
        {"time": ("time", [number], {"units": "days since 2000-01-01"})},
    )
    encoding = {"d": {"chunksizes": (1, 2, 3), "zlib": True}}
    dataset.to_netcdf(path, engine="h5netcdf", unlimited_dims=["time"], encoding=encoding)


@pytest.fixture
def files(tmp_path):
    """Three files of a cube."""
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / f"{number}.nc" for number in range(3)]
    for number, path in enumerate(paths):
        write(path, number)
    return paths


@pytest.fixture
def scans(monkeypatch):
    """The names of the files that are scanned, in the order of scanning."""
    seen, real = [], cache_module.scan

    def counting(url, **options):
        seen.append(url[-4:])
        return real(url, **options)

    monkeypatch.setattr(cache_module, "scan", counting)
    return seen


def test_only_what_is_new_is_scanned(files, scans, tmp_path):
    """A file is scanned once, and again when it has changed, or when other options are asked for."""
    where = {"cache": tmp_path / "cache"}
    first = chunkmap.scan_many(files[:2], **where)
    assert scans == ["0.nc", "1.nc"]

    again = chunkmap.scan_many(files, **where)
    assert scans[2:] == ["2.nc"]
    assert again[:2] == first == chunkmap.scan_many(files[:2])
    assert [refs.targets for refs in again[:2]] == [refs.targets for refs in first]
    assert [refs.name for refs in again] == list(map(str, files))

    write(files[1], 1, value=100.0)
    os.utime(files[1], (1, 1))
    chunkmap.scan_many(files, **where)
    assert scans[3:] == ["1.nc"]

    chunkmap.scan_many(files[:1], inline_threshold=0, **where)
    assert scans[4:] == ["0.nc"]


def test_a_cache_anywhere(files, scans):
    """A cache may be wherever fsspec writes; a built set is the same with and without."""
    import fsspec

    for _ in range(2):
        refs = chunkmap.build(files, "memory://cached/out.parq", concat_dims="time", cache="memory://cached/tables")
    assert len(scans) == 3
    assert refs == chunkmap.combine(chunkmap.scan_many(files), concat_dims="time")
    fsspec.filesystem("memory").rm("/cached", recursive=True)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:40], lambda data: b"x" * len(data), lambda data: data[:-9] + b"x" * 9]
)
def test_a_damaged_entry(files, scans, tmp_path, damage):
    """An entry whose header is damaged is made again, with a warning; damaged columns are an error that says so."""
    chunkmap.scan_many(files[:1], cache=tmp_path / "cache")
    entry = next(path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    header_is_whole = damage(entry.read_bytes())[:-9] == entry.read_bytes()[:-9]
    entry.write_bytes(damage(entry.read_bytes()))

    if header_is_whole:
        with pytest.raises(chunkmap.StorageError, match="remove the file"):
            chunkmap.scan_many(files[:1], cache=tmp_path / "cache")
    else:
        with pytest.warns(UserWarning, match="the file is scanned again"):
            found = chunkmap.scan_many(files[:1], cache=tmp_path / "cache")
        assert len(scans) == 2
        assert found == chunkmap.scan_many(files[:1])


def test_bad_files_do_not_enter(files, scans, tmp_path):
    """A file that cannot be scanned is reported every time, and the others are not scanned again."""
    files[1].write_bytes(b"no NetCDF at all")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"1 of 3 files were skipped: .*1\.nc"):
            chunkmap.build(files, tmp_path / "out.parq", concat_dims="time", cache=tmp_path / "cache", on_error="skip")
    assert sorted(scans) == ["0.nc", "1.nc", "1.nc", "2.nc"]
    assert chunkmap.load(tmp_path / "out.parq").arrays["d"].meta.shape == (2, 4, 6)


KILLED = """
import os, signal, sys
import chunkmap
from chunkmap.storage import publishing

verb, out, cache, after, *files = sys.argv[1:]
left, real, real_swap = int(after), publishing._settle, publishing.swap

def dying(file):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(file)

def swapping(new, target):
    real_swap(new, target)
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

publishing._settle, publishing.swap = dying, swapping
if verb == "build":
    chunkmap.build(files, out, concat_dims="time", cache=cache, record_size=3)
else:
    chunkmap.append(out, files, cache=cache)
"""


@pytest.mark.parametrize(
    ("verb", "after"), [("build", 2), ("build", 5), ("build", 0), ("append", 1), ("append", 3), ("append", 0)]
)
def test_a_run_that_is_killed(files, scans, tmp_path, verb, after):
    """Killed in the middle, a run leaves the old set whole; killed at its end, the new one. The next run completes."""
    out, cache = tmp_path / "out.parq", tmp_path / "cache"
    chunkmap.build(files[:2], out, concat_dims="time", record_size=3)
    old = files_below(out)
    chunkmap.build(files, tmp_path / "new.parq", concat_dims="time", record_size=3)
    new = files_below(tmp_path / "new.parq")
    given = list(map(str, files if verb == "build" else files[2:]))

    killed = subprocess.run([sys.executable, "-c", KILLED, verb, out, cache, str(after or -1), *given], check=False)

    assert killed.returncode == -signal.SIGKILL
    assert files_below(out) == (old if after else new)
    if after:
        if verb == "build":
            chunkmap.build(files, out, concat_dims="time", cache=cache, record_size=3)
            assert len(scans) == 3 - min(after - 1, 3)
        else:
            chunkmap.append(out, given, cache=cache)
        assert files_below(out) == new
