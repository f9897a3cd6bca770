"""Sources behind a server: HTTP from a real server, S3 from moto's, and fsspec's memory."""

import pickle
import threading
from importlib.util import find_spec

import fsspec
import h5py
import numpy as np
import pytest

import chunkmap
from chunkmap.errors import SourceError, TruncatedFile
from chunkmap.io import Range, RemoteSource, open_source
from chunkmap.io.filesystem import locate

HEADS = 0 if find_spec("pycurl") else 1
"""Requests that say how long a file is before it is scanned: with curl its first bytes do."""

DATA = bytes(np.random.default_rng(0).integers(0, 256, 1_000_000, dtype="u1"))


def test_http_ranges_are_what_the_server_has(range_server):
    """A range over HTTP holds the bytes of the file, and the source knows its size and etag."""
    source = open_source(range_server.put("a.bin", DATA))
    assert source.size() == len(DATA)
    assert bytes(source.read(10, 5)) == DATA[10:15]
    assert source.target().etag == '"one"'


def test_near_ranges_are_one_request(range_server):
    """Ranges nearer than the gap are fetched by one request, far ones by their own, in the order asked for."""
    source = open_source(range_server.put("a.bin", DATA))
    range_server.forget()
    ranges = [Range(900_000, 7), Range(100, 10), Range(300, 10), Range(50, 0), Range(105, 3)]
    assert [bytes(v) for v in source.read_many(ranges)] == [DATA[o : o + n] for o, n in ranges]
    assert sorted(first for _, first, _ in range_server.gets) == [50, 900_000]


def test_far_ranges_are_fetched_at_once(range_server):
    """Ten far ranges wait for the server together, not one after the other."""
    source = open_source(range_server.put("a.bin", DATA))
    range_server.together = 10
    source.read_many([Range(n * 100_000, 10) for n in range(10)])
    assert len(range_server.gets) == range_server.busiest == 10


def test_long_ranges_are_fetched_side_by_side(range_server):
    """A range longer than a request may be comes in pieces at once, and is whole."""
    located = locate(range_server.put("a.bin", DATA))
    source = RemoteSource(located.fs, located.path, located.url, longest=100_000)
    range_server.together = 10
    assert [bytes(v) for v in source.read_many([Range(7, 950_000), Range(3, 0)])] == [DATA[7:950_007], b""]
    assert len(range_server.gets) == range_server.busiest == 10


@pytest.mark.parametrize("status", [403, 404, 500])
def test_http_errors_name_the_url(range_server, status):
    """A refused or failing URL is a SourceError that names it."""
    url = range_server.put("a.bin", DATA)
    range_server.errors["/a.bin"] = status
    with pytest.raises(SourceError, match=r"a\.bin"):
        open_source(url).read(0, 10)


def test_error_after_opening_is_a_source_error(range_server):
    """A server that begins to fail after the file was opened gives a SourceError, not short data."""
    source = open_source(range_server.put("a.bin", DATA))
    range_server.errors["/a.bin"] = 500
    with pytest.raises(SourceError, match="500"):
        source.read(0, 10)


@pytest.mark.parametrize("failures", [[503, 503], [0, 0], [429, 0], [500]])
def test_what_fails_for_a_moment_is_tried_again(range_server, failures):
    """A server that is busy or drops connections twice is asked again, and only for what is missing."""
    source = open_source(range_server.put("a.bin", DATA))
    range_server.failures["/a.bin"] = list(failures)
    ranges = [Range(n * 100_000, 10) for n in range(10)]
    assert [bytes(v) for v in source.read_many(ranges)] == [DATA[o : o + n] for o, n in ranges]
    assert sorted(first for _, first, _ in range_server.gets) == [r.offset for r in ranges]


def test_what_will_not_pass_is_not_tried_again(range_server):
    """A missing or forbidden file is asked for once."""
    source = open_source(range_server.put("a.bin", DATA))
    range_server.failures["/a.bin"] = [403, 403]
    with pytest.raises(SourceError, match="403"):
        source.read(0, 10)
    assert range_server.failures["/a.bin"] == [403]


def test_a_file_that_changes_is_an_error(range_server):
    """Another etag or another length than in an answer before is a SourceError that says so."""
    source = open_source(range_server.put("a.bin", DATA))
    source.read(0, 10)
    range_server.etag = '"two"'
    with pytest.raises(SourceError, match=r"changed while it was read.*one.*two"):
        source.read(20, 10)
    source = open_source(range_server.url("a.bin"))
    source.read(0, 10)
    range_server.put("a.bin", DATA + b"more")
    with pytest.raises(SourceError, match=r"changed while it was read.*1000000 bytes, then 1000004"):
        source.read(20, 10)


@pytest.mark.parametrize("engine", ["curl", "fsspec"])
def test_a_file_that_changes_after_pickling_is_an_error(range_server, engine):
    """Who reads on from a pickle hears of a change too."""
    first = open_source(range_server.put("a.bin", DATA), storage_options={"engine": engine})
    source = pickle.loads(pickle.dumps(first))
    first.close()
    assert bytes(source.read(0, 10)) == DATA[:10]
    range_server.etag = '"another"'
    with pytest.raises(SourceError, match="changed while it was read: it had the etags"):
        source.read(0, 10)


def test_a_scan_of_a_changing_file_is_refused(range_server, tmp_path):
    """A file that is replaced between two rounds of one scan gives no references, and no error about its format."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for number in range(20):
            file.create_dataset(f"x{number}", data=np.zeros((10, 50_000)), chunks=(1, 50_000))
    data = path.read_bytes()
    url = range_server.put("a.h5", data)
    chunkmap.scan(url)
    rounds = len(range_server.gets)
    assert rounds > 1
    assert len(range_server.heads) == HEADS

    class Replaced(list):
        def append(self, get):
            super().append(get)
            range_server.etag = '"two"'

    range_server.gets = Replaced()
    with pytest.raises(SourceError, match="changed while it was read"):
        chunkmap.scan(url)


@pytest.mark.parametrize(("engine", "heads"), [(None, HEADS), ("fsspec", 1)])
def test_a_small_file_is_scanned_with_one_request(range_server, tmp_path, engine, heads):
    """One GET is enough for a file that is fetched whole: how long it is comes with its bytes. fsspec asks before."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(1000)
    chunkmap.scan(range_server.put("a.h5", path.read_bytes()), engine=engine)
    assert len(range_server.heads) == heads
    assert [length for _, _, length in range_server.gets] == [path.stat().st_size]


def test_far_files_are_scanned_side_by_side(range_server, tmp_path):
    """Without an executor, files on a server wait for it together, and come back in their order."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(1000)
    urls = [range_server.put(f"{number}.h5", path.read_bytes()) for number in range(8)]
    threads = set()
    sets = chunkmap.scan_many(urls, progress=lambda _done, _all: threads.add(threading.get_ident()))
    assert [refs.name for refs in sets] == urls
    assert threads - {threading.get_ident()}


def test_server_without_ranges_is_asked_once(range_server):
    """From a server that sends whole files, the file is taken once and every range is right."""
    range_server.serves_ranges = False
    source = open_source(range_server.put("a.bin", DATA))
    range_server.forget()
    assert bytes(source.read(10, 5)) == DATA[10:15]
    assert bytes(source.read(900_000, 5)) == DATA[900_000:900_005]
    assert len(range_server.gets) == 1


def test_unknown_length_is_refused(range_server):
    """A file whose length the server does not tell is refused when it is opened."""
    range_server.says_length = range_server.serves_ranges = False
    with pytest.raises(SourceError, match="how long"):
        open_source(range_server.put("a.bin", DATA))


def test_file_that_shrank_is_a_source_error(range_server):
    """A file that is shorter than it was when it was opened is an error, not short data."""
    source = open_source(range_server.put("a.bin", DATA))
    range_server.put("a.bin", DATA[:1000])
    with pytest.raises(SourceError):
        source.read(500, 1000)


def test_past_the_end_is_truncated(range_server):
    """A range past the end is a TruncatedFile with its offset; the server is not asked."""
    source = open_source(range_server.put("a.bin", DATA))
    range_server.forget()
    with pytest.raises(TruncatedFile) as caught:
        source.read_many([Range(0, 1), Range(len(DATA) - 1, 2)])
    assert caught.value.offset == len(DATA) - 1
    assert pickle.loads(pickle.dumps(caught.value)).offset == caught.value.offset
    assert not range_server.gets


def test_memory_files_are_read():
    """fsspec's memory filesystem is a source like any other; a missing file and a directory are SourceErrors."""
    fs = fsspec.filesystem("memory")
    fs.pipe("/remote_test/a.bin", DATA)
    try:
        source = open_source("memory://remote_test/a.bin")
        assert bytes(source.read(3, 4)) == DATA[3:7]
        assert source.read_many([]) == []
        for wrong in ("memory://remote_test/no.bin", "memory://remote_test"):
            with pytest.raises(SourceError):
                open_source(wrong)
    finally:
        fs.rm("/remote_test", recursive=True)


def test_unknown_protocol_is_a_source_error():
    """A protocol that fsspec does not know is a SourceError."""
    with pytest.raises(SourceError, match="nosuch"):
        open_source("nosuch://bucket/a.nc")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_s3_objects_are_read_with_storage_options(s3_options):
    """An S3 object is read by range, through the options given; a missing key is a SourceError."""
    fs = fsspec.filesystem("s3", **s3_options)
    fs.mkdir("bucket")
    fs.pipe("bucket/a.bin", DATA)
    source = open_source("s3://bucket/a.bin", storage_options=s3_options)
    assert source.size() == len(DATA)
    assert [bytes(v) for v in source.read_many([Range(900_000, 3), Range(1, 2)])] == [
        DATA[900_000:900_003],
        DATA[1:3],
    ]
    assert source.target().etag
    assert source.target().mtime
    with pytest.raises(SourceError, match="no such"):
        open_source("s3://bucket/no.bin", storage_options=s3_options)


@pytest.mark.parametrize(
    ("error", "match"),
    [
        (PermissionError("Forbidden"), "may not be read"),
        (IsADirectoryError("d"), "directory"),
        (FileNotFoundError("f"), "no such file"),
        (RuntimeError("odd"), "RuntimeError: odd"),
    ],
)
def test_errors_of_filesystems_are_source_errors(error, match):
    """Whatever a filesystem raises becomes a SourceError with its reason, and the cause behind it."""

    class Refusing(fsspec.AbstractFileSystem):
        def info(self, path, **options):
            raise error

    with pytest.raises(SourceError, match=match) as caught:
        RemoteSource(Refusing(), "a.nc", "refusing://a.nc")
    assert caught.value.__cause__ is error
