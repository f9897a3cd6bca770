"""Files that are compressed as a whole, in every way that is read by range, and what they hold."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xarray as xr

LENGTH = 10_000
Put = Callable[[str, bytes], str]
"""Puts a file somewhere, and gives its URL."""


def dataset(number: int) -> xr.Dataset:
    """Ten chunks of 40 KB, of plain bytes: a file of a model, which is compressed afterwards."""
    walk = np.cumsum(np.random.default_rng(number).integers(-3, 4, (10, LENGTH)), axis=1)
    coords = {"time": np.arange(10) + 10 * number}
    return xr.Dataset({"v": (("time", "x"), walk.astype("i4"))}, coords=coords)


WHOLE = xr.concat([dataset(number) for number in range(3)], "time")


def write_plain(folder: Path) -> Path:
    """Three files that are not compressed yet, in a folder."""
    for number in range(3):
        encoding = {"v": {"chunksizes": (1, LENGTH)}}
        dataset(number).to_netcdf(folder / f"m{number}.nc", engine="h5netcdf", encoding=encoding)
    return folder


def gzipped(plain: Path, put: Put) -> Iterator[str]:
    """Files of gzip, of two members each."""
    for number in range(3):
        data = (plain / f"m{number}.nc").read_bytes()
        yield put(f"m{number}.nc.gz", gzip.compress(data[:200_000], 1) + gzip.compress(data[200_000:], 1))


def zipped(plain: Path, put: Put) -> Iterator[str]:
    """Deflated members of ZIP archives, chained."""
    for number in range(3):
        path = plain / f"m{number}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("first", b"before" * 1000)
            archive.write(plain / f"m{number}.nc", "in/m.nc")
        yield f"zip://in/m.nc::{put(path.name, path.read_bytes())}"


def bzipped(plain: Path, put: Put) -> Iterator[str]:
    """Files of bzip2, of blocks of 100 kB."""
    for number in range(3):
        yield put(f"m{number}.nc.bz2", bz2.compress((plain / f"m{number}.nc").read_bytes(), 1))


def framed(plain: Path, put: Put) -> Iterator[str]:
    """Files of zstd, of several frames."""
    for number in range(3):
        yield put(f"m{number}.nc.zst", in_frames((plain / f"m{number}.nc").read_bytes()))


def in_frames(data: bytes) -> bytes:
    """Frames of 80 kB."""
    parts = [data[at : at + 80_000] for at in range(0, len(data), 80_000)]
    return b"".join(pa.compress(part, codec="zstd", asbytes=True) for part in parts)


def tar_gz(plain: Path, put: Put) -> Iterator[str]:
    """Members of a TAR archive that gzip compressed, chained."""
    return _members(put("m.tar.gz", gzip.compress(_archive(plain), 1)))


def tar_bz2(plain: Path, put: Put) -> Iterator[str]:
    """The same of bzip2."""
    return _members(put("m.tar.bz2", bz2.compress(_archive(plain), 1)))


def tar_zst(plain: Path, put: Put) -> Iterator[str]:
    """The same of zstd."""
    return _members(put("m.tzst", in_frames(_archive(plain))))


def _archive(plain: Path) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for number in range(3):
            archive.add(plain / f"m{number}.nc", f"m{number}.nc")
    return whole.getvalue()


def _members(url: str) -> Iterator[str]:
    return (f"tar://m{number}.nc::{url}" for number in range(3))


KINDS = pytest.mark.parametrize("kind", [gzipped, zipped, bzipped, framed, tar_gz, tar_bz2, tar_zst])
