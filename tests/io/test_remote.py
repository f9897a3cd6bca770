"""Sources behind a server: HTTP from a real server, S3 from moto's, and fsspec's memory."""

import pickle
import time

import fsspec
import numpy as np
import pytest

from chunkmap.errors import SourceError, TruncatedFile
from chunkmap.io import Range, RemoteSource, open_source

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
    range_server.latency = 0.2
    start = time.perf_counter()
    source.read_many([Range(n * 100_000, 10) for n in range(10)])
    assert time.perf_counter() - start < 1.0
    assert len(range_server.gets) == 10


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
def test_s3_objects_are_read_with_storage_options():
    """An S3 object is read by range, through the options given; a missing key is a SourceError."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        options = {"key": "a", "secret": "b", "client_kwargs": {"endpoint_url": f"http://{host}:{port}"}}
        fs = fsspec.filesystem("s3", **options)
        fs.mkdir("bucket")
        fs.pipe("bucket/a.bin", DATA)
        source = open_source("s3://bucket/a.bin", storage_options=options)
        assert source.size() == len(DATA)
        assert [bytes(v) for v in source.read_many([Range(900_000, 3), Range(1, 2)])] == [
            DATA[900_000:900_003],
            DATA[1:3],
        ]
        assert source.target().etag
        assert source.target().mtime
        with pytest.raises(SourceError, match="no such"):
            open_source("s3://bucket/no.bin", storage_options=options)
    finally:
        server.stop()


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
