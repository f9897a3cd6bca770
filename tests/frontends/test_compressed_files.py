"""Files that are compressed as a whole: scanned once, kept with the set, read by range."""

import dataclasses
import gzip
import json
import pickle
from functools import partial
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
import xarray as xr
from click.testing import CliRunner
from compressed_kinds import KINDS, WHOLE, bzipped, dataset, framed, gzipped, tar_bz2, tar_gz, zipped
from fsspec.implementations.reference import ReferenceNotReachable

import chunkmap
from chunkmap.errors import ChunkmapError, NotPortable, SourceError, StorageError, Unsupported
from chunkmap.execution.cache import ScanCache
from chunkmap.execution.readable import set_or_scan
from chunkmap.frontends import opening
from chunkmap.frontends.command_line.commands import chunkmap as commands
from chunkmap.frontends.command_line.contents import human
from chunkmap.io.compressed import building
from chunkmap.io.compressed import source as compressed_source
from chunkmap.model.points import Points
from chunkmap.model.readers import READERS

pytestmark = pytest.mark.usefixtures("close_points")


@pytest.fixture
def here(tmp_path):
    """Puts a file here, and gives its path."""

    def put(name, data):
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return put


@KINDS
@pytest.mark.parametrize("name", ["set.json", "set.parq", "set.json.gz"])
def test_one_set_over_many_of_them(plain, here, tmp_path, kind, name):
    """Built, added to, opened and verified as a set of plain files is; what is stored holds the points."""
    urls, out = list(kind(plain, here)), str(tmp_path / name)
    chunkmap.build(urls[:2], out, concat_dims="time")
    chunkmap.append(out, urls[2:])
    assert chunkmap.open_dataset(out, check="etag").load().equals(WHOLE)
    assert chunkmap.verify(out)
    stored = chunkmap.load(out)
    assert all(len(target.points) > 100 for target in stored.targets.values())
    again = str(tmp_path / f"again-{'set.parq' if name.endswith('json') else 'set.json'}")
    chunkmap.write(stored, again)
    assert chunkmap.open_dataset(pickle.loads(pickle.dumps(chunkmap.open_store(again)))).load().equals(WHOLE)


def test_one_is_opened_as_any_other_file(plain, here, tmp_path):
    """A file of gzip is no set of JSON, which may be compressed too: engine and commands scan it."""
    url, out = next(iter(gzipped(plain, here))), tmp_path / "set.json"
    with xr.open_dataset(url, engine="chunkmap") as opened:
        assert opened.load().equals(dataset(0))
    assert CliRunner().invoke(commands, ["scan", url, "-o", str(out)]).exit_code == 0
    assert chunkmap.open_dataset(str(out)).load().equals(dataset(0))
    assert "int v(time, x)" in CliRunner().invoke(commands, ["dump", url]).output


@pytest.mark.parametrize("kind", [bzipped, framed])
def test_what_else_compresses_is_opened_by_the_engine(plain, here, kind):
    """A file of bzip2 or zstd is no set of JSON either, and a set that zstd compressed is one under any name."""
    url = next(iter(kind(plain, here)))
    with xr.open_dataset(url, engine="chunkmap") as opened:
        assert opened.load().equals(dataset(0))
    refs = here("set.json.zst", b"")
    chunkmap.write(chunkmap.scan(url), refs)
    with xr.open_dataset(here("set", Path(refs).read_bytes()), engine="chunkmap") as opened:
        assert opened.load().equals(dataset(0))


@KINDS
def test_combined_in_memory(plain, here, kind):
    """Coordinates of compressed files are read for combining, and chunks of what comes of it."""
    sets = [chunkmap.scan(url) for url in kind(plain, here)]
    combined = chunkmap.combine(sets, concat_dims="time", inline_threshold=200)
    assert chunkmap.open_dataset(combined).load().equals(WHOLE)
    assert chunkmap.diagnose(sets, concat_dims="time").fits


ENGINE = partial(xr.open_dataset, engine="chunkmap")


@pytest.mark.parametrize("opened", [ENGINE, chunkmap.open_store, partial(set_or_scan, file_options=None)])
@pytest.mark.parametrize("link", ["", "gzip://m0.nc::"])
def test_what_opens_one_fetches_it_once(plain, range_server, monkeypatch, opened, link):
    """Telling that a file behind a server is no set costs nothing beside its scan: not a byte twice, one set of points,
    whether its name has a link or not.
    """
    url = link + next(iter(gzipped(plain, range_server.put)))
    size, made, real = len(range_server.files["/m0.nc.gz"]), [], building.build_points
    monkeypatch.setattr(compressed_source, "build_points", lambda *given: made.append(given) or real(*given))
    for verb in (chunkmap.scan, opened):
        range_server.forget()
        made.clear()
        verb(url)
        assert len(range_server.heads) <= 1  # the first bytes may come with the length
        assert (sum(length for _, _, length in range_server.gets), len(made)) == (size, 1)


def test_a_file_is_opened_as_its_scan_is_told(plain, range_server):
    """Options of opening among those of the scan open the file anew, by the name that they give it."""
    url = next(iter(gzipped(plain, range_server.put)))
    assert opening.open_references(url, scan_options={"url": "other.nc.gz"})[0].name == "other.nc.gz"
    store = opening.open_references(url, scan_options={"timeout": 5, "format": "hdf5"})[0]
    assert store == chunkmap.scan(url)


@KINDS
@pytest.mark.parametrize("name", ["set.json", "set.parq"])
def test_inspect_says_what_points_cost_and_who_reads(plain, here, tmp_path, kind, name):
    """Their share of the compressed files, each counted once; and that no other reader follows a chained URL."""
    urls, out = list(kind(plain, here)), str(tmp_path / name)
    chunkmap.build(urls, out, concat_dims="time")
    size = sum(Path(path).stat().st_size for path in {url.rpartition("::")[2] for url in urls})
    found = json.loads(CliRunner().invoke(commands, ["inspect", out, "--json"]).output)
    cost = sum(len(target.points) for target in chunkmap.load(out).targets.values())
    assert found["restart_points"] == {"files": 3, "bytes": cost, "compressed_bytes": size}
    assert found["arrays"]["time"]["not_read_by"] == {}
    assert set(found["arrays"]["v"]["not_read_by"]) == {reader.name for reader in READERS if 2 in reader.codecs}
    shown = CliRunner().invoke(commands, ["inspect", out, "v"]).output
    assert f"restart points of 3 compressed files: {human(cost)}, {100 * cost / size:.2g} % of {human(size)}" in shown
    assert "zarr-python 3: all but v (files within compressed ones, but through chunkmap.open_store)" in shown
    with pytest.warns(NotPortable, match="files within compressed ones"):
        chunkmap.write(chunkmap.load(out), str(tmp_path / "all.json"), portable=True)
    with pytest.raises(ReferenceNotReachable):
        fsspec.filesystem("reference", fo=str(tmp_path / "all.json"), remote_protocol="file").cat_file("v/3.0")


@KINDS
def test_a_changed_file_is_refused(plain, here, tmp_path, kind):
    """A file of another length, of another time, or with other bytes within is an error, and a failure of `verify`."""
    url = next(iter(kind(plain, here)))
    refs = chunkmap.scan(url)
    path = tmp_path / url.rpartition("/")[2]
    data = path.read_bytes()
    path.write_bytes(data + b"\0")
    with pytest.raises(SourceError, match="changed since it was scanned"):
        chunkmap.open_dataset(refs).load()
    assert not chunkmap.verify(refs)
    middle = len(data) // 8
    path.write_bytes(data[:middle] + bytes(40) + data[middle + 40 :])
    with pytest.raises(ChunkmapError, match=r"restart point|too early"):
        chunkmap.open_dataset(refs).load()
    assert not chunkmap.verify(refs)


@pytest.mark.parametrize("kind", [gzipped, zipped, bzipped, framed, tar_gz, tar_bz2])
def test_references_mean_the_same_to_fsspec(plain, here, kind):
    """Where fsspec knows the chain, it reads the bytes of a chunk that we read."""
    url = next(iter(kind(plain, here)))
    refs = chunkmap.scan(url)
    name, offset, length = refs.to_dict()["refs"]["v/3.0"]
    protocol = name.partition("://")[0]
    if protocol not in fsspec.available_protocols():
        with pa.input_stream(name.partition("::")[2], {"gzip": "gzip", "bz2": "bz2", "zstd": "zstd"}[protocol]) as file:
            theirs = file.read(offset + length)[offset:]
    else:
        with fsspec.open(name) as file:
            file.seek(offset)
            theirs = file.read(length)
    assert theirs == WHOLE.v[3].values.tobytes()


@KINDS
def test_a_set_without_points_is_refused_by_name(plain, here, kind):
    """References of another tool to compressed members are no reason to decompress whole archives unasked."""
    refs = chunkmap.scan(next(iter(kind(plain, here))))
    foreign = chunkmap.ReferenceSet.from_dict(refs.to_dict())
    with pytest.raises(Unsupported, match="no restart points"):
        chunkmap.open_dataset(foreign).load()


def test_points_of_another_file_are_no_points(plain, here):
    """A set in which somebody exchanged the points of two files gives errors, never the bytes of the wrong one."""
    one, other = [chunkmap.scan(url) for url in list(gzipped(plain, here))[:2]]
    (url, known), points = *one.targets.items(), next(iter(other.targets.values())).points
    wrong = chunkmap.ReferenceSet(
        one.arrays, one.groups, targets={url: type(known)(known.size, known.etag, known.mtime, points)}
    )
    with pytest.raises(ChunkmapError):
        chunkmap.open_dataset(wrong).load()


@KINDS
@pytest.mark.parametrize("change", ["first", "length", "frame", "no block"])
def test_points_that_lead_elsewhere_are_refused(plain, here, kind, change):
    """A file begins with what its stream does, or with a block of its archive, and is as long as its pieces."""
    refs = chunkmap.scan(next(iter(kind(plain, here))))
    ((url, known),) = refs.targets.items()
    points = Points.from_bytes(known.points)
    inner = url.startswith("tar://")
    changes = {
        "first": {"first": points.first + 7, "length": points.length - 7},
        "length": {"length": points.length - 200_000},
        "frame": {"frame": "deflate" if points.frame == "gzip" else "gzip"},
        "no block": {"first": points.first + 512 * 200, "length": points.length - 512 * 200},
    }
    points = dataclasses.replace(points, **changes[change])
    target = dataclasses.replace(known, points=points.to_bytes())
    wrong = dataclasses.replace(refs, targets={url: target})
    kinds = (ChunkmapError,) if inner else (SourceError, StorageError)
    with pytest.raises(kinds, match="another file|cannot be right|restart point" if not inner else None):
        chunkmap.open_dataset(wrong).load()


def test_a_scan_is_found_in_the_cache(plain, here, tmp_path):
    """Points are kept in the cache of scans with the set, for a file that did not change."""
    urls = list(gzipped(plain, here))
    for _ in range(2):
        sets = chunkmap.scan_many(urls, cache=ScanCache(str(tmp_path / "cache")))
        assert chunkmap.open_dataset(chunkmap.combine(sets, concat_dims="time")).load().equals(WHOLE)
    assert len(list((tmp_path / "cache").rglob("*.table"))) == 3


def test_a_file_within_a_compressed_archive_is_a_folder_too(plain, here):
    """An archive as a whole is decompressed first, then told: one that holds no format is refused as a plain one is."""
    tar = next(tar_gz(plain, here)).partition("::")[2]
    with pytest.raises(ChunkmapError):
        chunkmap.scan(tar)


def test_compressed_twice_is_refused_by_name(plain, here):
    """A compressed file within a compressed archive has no points that lead to it."""
    inner = gzip.compress((plain / "m0.nc").read_bytes())
    path = here("twice.gz", gzip.compress(inner))
    with pytest.raises(Unsupported, match="within a compressed"):
        chunkmap.scan(path)
