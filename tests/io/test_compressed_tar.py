"""TAR archives that are compressed as a whole: one pass for all members, and their names."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from contextlib import closing

import pytest
from tests.io.compressed.streams import bzipped, framed, members, numbers

from chunkmap.errors import NoSuchFile, SourceError, Unsupported
from chunkmap.io import compressed_tar, expand_urls, open_source
from chunkmap.io.compressed import source

BODIES = {f"d/m{number}.nc": numbers(200_000, number) for number in range(4)}
NAMES = ["a.tar.gz", "a.tgz", "a.tar.bz2", "a.tbz2", "a.tar.zst", "a.tzst", "named-otherwise"]


def archive(compress, bodies=BODIES):
    """An archive that is compressed."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, body in bodies.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return compress(whole.getvalue())


@pytest.fixture
def passes(monkeypatch):
    """The archives that were gone through."""
    found, real = [], source.build_points

    def counted(outer, *more, **how):
        found.append(outer.url)
        return real(outer, *more, **how)

    monkeypatch.setattr(source, "build_points", counted)
    return found


def read(url):
    """A whole member."""
    with closing(open_source(url, make_points=True)) as found:
        return bytes(found.read(0, found.size()))


@pytest.mark.parametrize("name", NAMES)
def test_members_are_found_by_one_pass(tmp_path, passes, name):
    """Wildcards, and each of the members that they stand for, whatever the archive is called."""
    compress = {"b": bzipped, "z": framed}.get(
        name.removeprefix("a.").removeprefix("t").removeprefix("ar.")[0], members
    )
    (tmp_path / name).write_bytes(archive(compress))
    urls = expand_urls(f"tar://d/*.nc::{tmp_path / name}")
    assert urls == [f"tar://{member}::{tmp_path / name}" for member in BODIES]
    assert expand_urls(f"tar://**/m[12].nc::{tmp_path / name}") == urls[1:3]
    assert [read(url) for url in urls] == list(BODIES.values())
    assert len(passes) == 1
    for wrong in ("*.nc", "d/m9*"):
        with pytest.raises(SourceError, match="no file matches"):
            expand_urls(f"tar://{wrong}::{tmp_path / name}")
    with pytest.raises(NoSuchFile, match=r"no member 'd/m9.nc'"):
        read(f"tar://d/m9.nc::{tmp_path / name}")


def test_an_archive_that_changed_is_gone_through_again(tmp_path, passes):
    """Another length or another time of change is another archive."""
    path = tmp_path / "a.tar.gz"
    for seed in range(3):
        body = numbers(200_000, seed)
        path.write_bytes(archive(members, {"m": body}))
        os.utime(path, (seed, seed))
        assert read(f"tar://m::{path}") == body
    assert len(passes) == 3


def test_threads_wait_for_the_one_pass(tmp_path, passes):
    """Members that are opened side by side go through their archive once."""
    (tmp_path / "a.tgz").write_bytes(archive(members))
    found = {}

    def one(name):
        found[name] = read(f"tar://{name}::{tmp_path / 'a.tgz'}")

    threads = [threading.Thread(target=one, args=(name,)) for name in BODIES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == BODIES
    assert len(passes) == 1


def test_far_away_an_archive_is_fetched_once(range_server):
    """Members after the first are read by range."""
    data = archive(members)
    url = range_server.put("a.tar.gz", data)
    assert read(f"tar://d/m0.nc::{url}") == BODIES["d/m0.nc"]
    range_server.forget()
    assert read(f"tar://d/m3.nc::{url}") == BODIES["d/m3.nc"]
    assert sum(length for _, _, length in range_server.gets) < 2 * len(data)


def test_what_is_kept_is_bounded(tmp_path, passes, monkeypatch):
    """Of many archives the last ones are kept, of a large one itself."""
    monkeypatch.setattr(compressed_tar, "_MOST", 5000)
    for number in range(6):
        (tmp_path / f"{number}.tgz").write_bytes(archive(members, {"m": numbers(50_000, number)}))
        read(f"tar://m::{tmp_path / f'{number}.tgz'}")
        assert sum(known.nbytes for known in compressed_tar._known.values()) <= 5000
    assert read(f"tar://m::{tmp_path / '5.tgz'}") == numbers(50_000, 5)
    assert len(passes) == 6
    monkeypatch.setattr(compressed_tar, "_MOST", 1)
    read(f"tar://m::{tmp_path / '0.tgz'}")
    assert len(compressed_tar._known) == 1


def test_an_archive_that_cannot_be_listed_is_an_error_of_ours(tmp_path):
    """One that is damaged, compressed or not, ends a wildcard by its name."""
    (tmp_path / "a.tar").write_bytes(b"no archive at all" * 100)
    (tmp_path / "a.tgz").write_bytes(archive(members)[:-20_000])
    before = len(compressed_tar._passes)
    for name in ("a.tar", "a.tgz"):
        with pytest.raises(SourceError, match=name):
            expand_urls(f"tar://*::{tmp_path / name}")
    assert len(compressed_tar._passes) == before


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_are_found(tmp_path, form):
    """A name that a header has no room for stands in a member before it, as each kind of archive has it."""
    name, body, whole = "d" * 120 + "/" + "é" * 80 + "/m", numbers(100_000), io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=form) as tar:
        info = tarfile.TarInfo(name)
        info.size = len(body)
        tar.addfile(info, io.BytesIO(body))
    (tmp_path / "a.tgz").write_bytes(members(whole.getvalue()))
    assert read(f"tar://{name}::{tmp_path / 'a.tgz'}") == body


def test_a_sparse_member_is_refused(tmp_path):
    """What it holds is no range of the archive, compressed or not."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("m")
        info.size, info.pax_headers = 4, {"GNU.sparse.map": "0,4", "GNU.sparse.size": "9"}
        tar.addfile(info, io.BytesIO(b"some"))
    (tmp_path / "a.tgz").write_bytes(members(whole.getvalue()))
    with pytest.raises(Unsupported, match="stored sparse"):
        read(f"tar://m::{tmp_path / 'a.tgz'}")
