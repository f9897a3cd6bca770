"""Files that are compressed as a whole: scanned once, kept with the set, read by range."""

import bz2
import gzip
import pickle
import tarfile
import zipfile
from functools import partial
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest
import xarray as xr
from click.testing import CliRunner

import chunkmap
from chunkmap.errors import ChunkmapError, SourceError, Unsupported
from chunkmap.execution.cache import ScanCache
from chunkmap.execution.readable import set_or_scan
from chunkmap.frontends import opening
from chunkmap.frontends.command_line.commands import chunkmap as commands
from chunkmap.io.compressed import building
from chunkmap.io.compressed import source as compressed_source

LENGTH = 10_000


@pytest.fixture(autouse=True)
def close_points(monkeypatch):
    """Points every 64 KB, so that small files have many."""
    monkeypatch.setattr(building, "SPACING", 1 << 16)
    monkeypatch.setattr(building, "SHARE", 10.0)


def dataset(number):
    """Ten chunks of 40 KB, of plain bytes: a file of a model, which is compressed afterwards."""
    walk = np.cumsum(np.random.default_rng(number).integers(-3, 4, (10, LENGTH)), axis=1)
    coords = {"time": np.arange(10) + 10 * number}
    return xr.Dataset({"v": (("time", "x"), walk.astype("i4"))}, coords=coords)


WHOLE = xr.concat([dataset(number) for number in range(3)], "time")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Three files that are not compressed yet."""
    folder = tmp_path_factory.mktemp("plain")
    for number in range(3):
        encoding = {"v": {"chunksizes": (1, LENGTH)}}
        dataset(number).to_netcdf(folder / f"m{number}.nc", engine="h5netcdf", encoding=encoding)
    return folder


def gzipped(plain, put):
    """Files of gzip, of two members each."""
    for number in range(3):
        data = (plain / f"m{number}.nc").read_bytes()
        yield put(f"m{number}.nc.gz", gzip.compress(data[:200_000], 1) + gzip.compress(data[200_000:], 1))


def zipped(plain, put):
    """Deflated members of ZIP archives, chained."""
    for number in range(3):
        path = plain / f"m{number}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("first", b"before" * 1000)
            archive.write(plain / f"m{number}.nc", "in/m.nc")
        yield f"zip://in/m.nc::{put(path.name, path.read_bytes())}"


def tarred(plain, put):
    """Members of one TAR archive that is compressed by gzip, chained."""
    path = plain / "m.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for number in range(3):
            archive.add(plain / f"m{number}.nc", f"m{number}.nc")
    url = put(path.name, path.read_bytes())
    return [f"tar://m{number}.nc::{url}" for number in range(3)]


def bzipped(plain, put):
    """Files of bzip2, of blocks of 100 kB."""
    for number in range(3):
        yield put(f"m{number}.nc.bz2", bz2.compress((plain / f"m{number}.nc").read_bytes(), 1))


def framed(plain, put):
    """Files of zstd, of several frames."""
    for number in range(3):
        data = (plain / f"m{number}.nc").read_bytes()
        yield put(f"m{number}.nc.zst", in_frames(data))


def in_frames(data):
    """Frames of 80 kB."""
    parts = [data[at : at + 80_000] for at in range(0, len(data), 80_000)]
    return b"".join(pa.compress(part, codec="zstd", asbytes=True) for part in parts)


KINDS = pytest.mark.parametrize("kind", [gzipped, zipped, tarred, bzipped, framed])


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


@pytest.mark.parametrize(
    ("name", "compress"), [("m.tar.bz2", lambda data: bz2.compress(data, 1)), ("m.tzst", in_frames)]
)
def test_members_of_other_compressed_archives(plain, here, tmp_path, name, compress):
    """A member of a TAR archive that bzip2 or zstd compressed is read by range from the points around it."""
    path = tmp_path / "m.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(3):
            archive.add(plain / f"m{number}.nc", f"m{number}.nc")
    url = here(name, compress(path.read_bytes()))
    out = str(tmp_path / "set.json")
    chunkmap.build([f"tar://m{number}.nc::{url}" for number in range(3)], out, concat_dims="time")
    assert chunkmap.open_dataset(out).load().equals(WHOLE)


@KINDS
def test_combined_in_memory(plain, here, kind):
    """Coordinates of compressed files are read for combining, and chunks of what comes of it."""
    sets = [chunkmap.scan(url) for url in kind(plain, here)]
    combined = chunkmap.combine(sets, concat_dims="time", inline_threshold=200)
    assert chunkmap.open_dataset(combined).load().equals(WHOLE)
    assert chunkmap.diagnose(sets, concat_dims="time").fits


@KINDS
def test_little_is_fetched_for_a_chunk(plain, range_server, tmp_path, kind):
    """Over HTTP a chunk is one or two requests for a part of the file."""
    url = next(iter(kind(plain, range_server.put)))
    out = str(tmp_path / "set.json")
    chunkmap.write(chunkmap.scan(url), out)
    array = chunkmap.open_dataset(out).v
    before = len(range_server.gets)
    assert array[7].load().equals(WHOLE.v[7])
    assert len(range_server.gets) - before <= 2
    fetched = sum(length for _, _, length in range_server.gets[before:])
    assert fetched < len(next(iter(range_server.files.values()))) / 2


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
        assert (len(range_server.heads), sum(length for _, _, length in range_server.gets), len(made)) == (1, size, 1)


def test_a_file_is_opened_as_its_scan_is_told(plain, range_server):
    """Options of opening among those of the scan open the file anew, by the name that they give it."""
    url = next(iter(gzipped(plain, range_server.put)))
    assert opening.open_references(url, scan_options={"url": "other.nc.gz"})[0].name == "other.nc.gz"
    store = opening.open_references(url, scan_options={"timeout": 5, "format": "hdf5"})[0]
    assert store == chunkmap.scan(url)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("kind", [gzipped, zipped])
def test_in_a_bucket(plain, s3_options, kind):
    """Files of gzip, and deflated members of ZIP archives, on S3: built, added to, verified, and read by range."""
    bucket, folder = fsspec.filesystem("s3", **s3_options), f"compressed-{kind.__name__}"
    bucket.mkdir(folder)

    def put(name, data):
        bucket.pipe(f"{folder}/{name}", data)
        return f"s3://{folder}/{name}"

    urls, out = list(kind(plain, put)), f"s3://{folder}/set.parq"
    options = {"storage_options": s3_options, "output_options": s3_options}
    chunkmap.build(urls[:2], out, concat_dims="time", **options)
    chunkmap.append(out, urls[2:], **options)
    read = {"storage_options": s3_options, "remote_options": s3_options}
    assert chunkmap.open_dataset(out, **read).load().equals(WHOLE)
    stored = chunkmap.load(out, storage_options=s3_options)
    assert all(url.startswith(("gzip://", "zip://")) and f"::s3://{folder}/" in url for url in stored.targets)
    assert chunkmap.verify(out, **read)


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


@KINDS
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


def test_a_scan_is_found_in_the_cache(plain, here, tmp_path):
    """Points are kept in the cache of scans with the set, for a file that did not change."""
    urls = list(gzipped(plain, here))
    for _ in range(2):
        sets = chunkmap.scan_many(urls, cache=ScanCache(str(tmp_path / "cache")))
        assert chunkmap.open_dataset(chunkmap.combine(sets, concat_dims="time")).load().equals(WHOLE)
    assert len(list((tmp_path / "cache").rglob("*.table"))) == 3


def test_a_file_within_a_compressed_archive_is_a_folder_too(plain, here):
    """An archive as a whole is decompressed first, then told: one that holds no format is refused as a plain one is."""
    tar = tarred(plain, here)[0].partition("::")[2]
    with pytest.raises(ChunkmapError):
        chunkmap.scan(tar)


def test_compressed_twice_is_refused_by_name(plain, here):
    """A compressed file within a compressed archive has no points that lead to it."""
    inner = gzip.compress((plain / "m0.nc").read_bytes())
    path = here("twice.gz", gzip.compress(inner))
    with pytest.raises(Unsupported, match="within a compressed"):
        chunkmap.scan(path)
