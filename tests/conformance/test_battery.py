"""One battery over every format: what a row of FORMATS reads, it reads wherever it lies, and never wrongly."""

from __future__ import annotations

import bz2
import gzip
import io
import pickle
import random
import warnings
import zipfile
import zlib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array, read_arrays
from chunkmap.errors import ChunkmapError, FormatError
from chunkmap.formats.folders import recognise_any
from chunkmap.frontends.command_line.commands import chunkmap as command
from chunkmap.frontends.oracles import find_oracle
from chunkmap.frontends.oracles.difference import difference
from chunkmap.frontends.verify import verify
from chunkmap.io import open_any

CUTS, SEEDS = 10, 20


def mutations():
    """How the fuzzer damages files."""
    spec = spec_from_file_location("mutations", Path(__file__).parents[1] / "fuzz" / "mutations.py")
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def check(refs, sample, **options):
    """Every array of a set reads as the library of the format read it, and none is missing."""
    computed = {path for path in refs.arrays if path.rpartition("/")[2] in sample.computed}
    assert refs.arrays.keys() - computed == sample.arrays.keys()
    paths = list(sample.arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        fetcher = Fetcher(storage_options=options or None).learn([refs])
        found = read_arrays([refs.arrays[path] for path in paths], fetcher)
    for path, values in zip(paths, found, strict=True):
        assert difference(np.asarray(values), np.asarray(sample.arrays[path])) is None, path


def test_every_row_has_samples(row, samples):
    """A format without samples is none that the battery vouches for."""
    assert samples, f"tests/formats/{row.name}/samples.py: expected samples() with at least one, found none"


def test_recognised_by_content(row, sample, tmp_path):
    """Its bytes tell the format, under a name that tells another; so does what a folder holds."""
    misnamed = tmp_path / "picture.jpg"
    if sample.is_folder:
        for name, data in sample.files.items():
            path = misnamed / name.removeprefix(f"{sample.main}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    else:
        misnamed.write_bytes(sample.files[sample.main])
    if "format" in sample.options:  # nothing tells it
        with pytest.raises(FormatError):
            chunkmap.scan(misnamed)
        return
    lies, found = recognise_any(open_any(misnamed))
    lies.close()
    assert found.name == row.name


def test_equal_to_what_the_library_reads(row, sample, written):
    """Every array has the type and the values that the library gives, and `verify --compare` finds nothing wrong."""
    refs = chunkmap.scan(written(row, sample), **sample.options)
    assert not refs.problems
    check(refs, sample)
    if find_oracle(row) is None or "format" in sample.options:
        return
    report = verify(refs, decode="all", compare=True)
    assert report, str(report)
    counts = report.counts
    computed = sum(finding.where.split("/")[-2] in sample.computed for finding in report.notes if "/" in finding.where)
    assert counts["chunks equal to the original"] == counts["chunks decoded"] - computed > 0, str(report)


def test_cut_anywhere(row, sample, tmp_path):
    """Of a file that ends early nothing is read wrongly: it is refused, or what is missing is said."""
    for name in sorted(sample.files.keys() - set(sample.open_ended))[:6]:
        data = sample.files[name]
        # a file may be whole where a message or a unit of it ends, so not exactly there
        for stop in sorted({min(len(data) * n // CUTS + 7, len(data) - 1) for n in range(CUTS + 1)}):
            path = _with(sample, tmp_path, name, data[:stop])
            _never_wrong(path, sample)


def _with(sample, directory, name, data):
    """The files of a sample, one of which is another; gives the path of the main one."""
    sample.write(directory)
    (directory / name).write_bytes(data)
    return str(directory / sample.main)


def _never_wrong(path, sample):
    try:
        refs = chunkmap.scan(path, **sample.options)
    except ChunkmapError:
        return
    for name, expected in sample.arrays.items():
        if name not in refs.arrays or refs.arrays[name].meta.shape != np.shape(expected):
            assert refs.problems, f"{name} is not as it was, and nothing says so"
            continue
        try:
            values = read_array(refs.arrays[name], Fetcher())
        except ChunkmapError:
            continue
        assert difference(np.asarray(values), np.asarray(expected)) is None, name


@pytest.mark.timeout(30)
def test_damaged_anywhere(row, sample, tmp_path):
    """Damaged bytes are scanned, or refused by an error of chunkmap. They are not decoded: decoders may be native."""
    mutate = mutations().mutate
    documents = [name for name in sorted(sample.files) if sample.is_folder or name == sample.main]
    for seed in range(SEEDS):
        name = documents[seed % len(documents)]
        damaged = _softly(seed, sample) if sample.soft else mutate(seed, sample.files[name], [(0, 2000)])
        try:
            chunkmap.scan(_with(sample, tmp_path, name, damaged), **{"format": row.name, **sample.options}).to_dict()
        except ChunkmapError:
            continue


def _softly(seed, sample):
    """The main file, with some bits of what may be damaged turned over."""
    chance, data = random.Random(seed), bytearray(sample.files[sample.main])
    for start, length in sample.soft:
        data[start + chance.randrange(length)] ^= 1 << chance.randrange(8)
    return bytes(data)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_in_an_archive(row, sample, kind, tmp_path):
    """A member of an archive is read in place: the references are ranges of the archive."""
    path = tmp_path / f"a.{kind}"
    path.write_bytes(getattr(sample, kind)())
    refs = chunkmap.scan(f"{kind}://{sample.main}::{path}", inline_threshold=0, **sample.options)
    check(refs, sample)
    urls = {url for array in refs.arrays.values() for url in array.chunks.urls}
    assert urls == {str(path)}


def deflated(data):
    """The one member of a ZIP archive."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m", data)
    return held.getvalue()


COMPRESSED = {
    "gzip://m::{}": gzip.compress,
    "bz2://m::{}": bz2.compress,
    "zstd://m::{}": lambda data: pa.compress(data, codec="zstd", asbytes=True),
    "zip://m::{}": deflated,
}


@pytest.mark.parametrize("url", COMPRESSED)
def test_compressed_as_a_whole(row, sample, url, tmp_path):
    """A file that is compressed is read from its restart points, and its set is stored with them."""
    if len(sample.files) > 1 or sample.is_folder:
        pytest.skip("of several files, which find one another beside themselves")
    path = tmp_path / "m.packed"
    path.write_bytes(COMPRESSED[url](sample.files[sample.main]))
    chunkmap.write(chunkmap.scan(url.format(path), inline_threshold=0, **sample.options), tmp_path / "set.parq")
    refs = chunkmap.load(tmp_path / "set.parq")
    check(refs, sample)


def test_from_a_slow_server(row, sample, range_server, written):
    """Over HTTP, ten milliseconds away, it is the same set."""
    range_server.latency = 0.01
    for name, data in sample.files.items():
        range_server.put(name, data)
    refs = chunkmap.scan(range_server.url(sample.main), **sample.options)
    check(refs, sample)
    local = chunkmap.scan(written(row, sample), **sample.options)
    assert {path: array.meta for path, array in refs.arrays.items()} == {
        path: array.meta for path, array in local.arrays.items()
    }
    assert refs.groups == local.groups


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_from_an_object_store(row, sample, s3_options):
    """From S3 it is read by range, with the options given."""
    fs = fsspec.filesystem("s3", **s3_options)
    bucket = f"battery-{row.name}-{zlib.crc32(sample.name.encode())}"
    fs.mkdir(bucket)
    fs.pipe({f"{bucket}/{name}": data for name, data in sample.files.items()})
    refs = chunkmap.scan(f"s3://{bucket}/{sample.main}", storage_options=s3_options, **sample.options)
    check(refs, sample, **s3_options)


def test_pickled(row, sample, written):
    """The set, and a dataset that was opened from it, travel to other processes."""
    refs = chunkmap.scan(written(row, sample), **sample.options)
    assert pickle.loads(pickle.dumps(refs)) == refs
    with tree(refs) as opened:
        again = pickle.loads(pickle.dumps(opened))
        compare_tree(again, sample)


def tree(refs_or_path, **options):
    """All groups as xarray opens them, numbers as they are stored."""
    return xr.open_datatree(refs_or_path, engine="chunkmap", decode_cf=False, **options)


def in_words(options):
    """Options of a scan as the command line takes them."""
    said = {name: ",".join(map(str, value)) if isinstance(value, tuple) else value for name, value in options.items()}
    named = ["--format", said.pop("format")] if "format" in said else []
    return [*named, *(word for name, value in said.items() for word in ("--option", f"{name}={value}"))]


def compare_tree(opened, sample):
    """Every variable of a tree has the values of the sample."""
    for path, expected in sample.arrays.items():
        assert difference(opened[f"/{path}"].values, np.asarray(expected)) is None, path


def test_by_every_front_end(row, sample, written, tmp_path):
    """The engine of xarray, a Zarr store, and the command line give the same values."""
    path = written(row, sample)
    with tree(path, scan_options=sample.options) as opened:
        compare_tree(opened, sample)
    place, _, variable = next(iter(sample.arrays)).rpartition("/")
    how = {"decode_cf": False, "scan_options": sample.options}
    with xr.open_dataset(path, engine="chunkmap", group=place or None, **how) as opened:
        assert difference(opened[variable].values, np.asarray(sample.arrays[f"{place}/{variable}".lstrip("/")])) is None
    refs = chunkmap.scan(path, **sample.options)
    group = zarr.open_group(chunkmap.open_store(refs), mode="r")
    for name, expected in sample.arrays.items():
        assert difference(np.asarray(group[name][...]), np.asarray(expected)) is None, name
    out = str(tmp_path / "set.json")
    for words in (["scan", path, "-o", out, *in_words(sample.options)], ["inspect", out]):
        done = CliRunner().invoke(command, words)
        assert done.exit_code == 0, done.output
    assert all(name.rpartition("/")[2] in done.output for name in sample.arrays)
    check(chunkmap.load(out), sample)


@pytest.mark.parametrize("name", ["set.json", "set.parq"])
def test_stored_and_back(row, sample, name, written, tmp_path):
    """Written to JSON or Parquet and loaded, it reads the same."""
    chunkmap.write(chunkmap.scan(written(row, sample), **sample.options), tmp_path / name)
    check(chunkmap.load(tmp_path / name).loaded(), sample)
