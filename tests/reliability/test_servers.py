"""Servers that answer wrongly, change their files, are silent, or refuse."""

import io
import time

import fsspec
import h5py
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import chunkmap
from chunkmap.errors import NoSuchFile, SourceError
from chunkmap.io import Range, open_source

DATA = bytes(np.random.default_rng(0).integers(0, 256, 300_000, dtype="u1"))


@pytest.mark.parametrize("shift", [-100, 1])
def test_other_bytes_than_asked_for_are_refused(server, shift):
    """A 206 answer whose Content-Range names other bytes than were asked for is an error that says both."""
    source = open_source(server.put("a.bin", DATA))

    def shifted(request):
        first, stop = (n + shift for n in request.asked(len(DATA)))
        request.answer(206, DATA[first:stop], Content_Range=f"bytes {first}-{stop - 1}/{len(DATA)}")
        return True

    server.fault = shifted
    with pytest.raises(SourceError, match=rf"asked for bytes 1000 to 1009, .* sent bytes {1000 + shift} to"):
        source.read(1000, 10)


def test_another_total_is_refused(server):
    """A 206 answer of the bytes asked for, out of a file of another length, is an error."""
    source = open_source(server.put("a.bin", DATA))

    def longer(request):
        first, stop = request.asked(len(DATA))
        request.answer(206, DATA[first:stop], Content_Range=f"bytes {first}-{stop - 1}/{len(DATA) + 1}")
        return True

    server.fault = longer
    with pytest.raises(SourceError, match="changed while it was read"):
        source.read(1000, 10)


def _hdf5(seed):
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        h5.create_dataset("v", data=np.random.default_rng(seed).random((40, 100)), chunks=(1, 100))
    return file.getvalue()


def test_a_file_of_the_same_length_without_etags_is_seen_to_differ(server, tmp_path):
    """Where a server has no etags, Last-Modified is recorded, verified, and checked by check="etag"."""
    server.headers = {"Last-Modified": "Thu, 01 Jan 2015 00:00:00 GMT"}
    url = server.put("a.h5", _hdf5(0))
    out = str(tmp_path / "a.parq")
    chunkmap.write(chunkmap.scan(url), out)
    assert chunkmap.load(out).targets[url].mtime == 1420070400
    assert chunkmap.verify(out)
    server.headers = {"Last-Modified": "Fri, 02 Jan 2015 00:00:00 GMT"}
    server.put("a.h5", _hdf5(1))
    assert not chunkmap.verify(out)
    with pytest.raises(SourceError, match="changed since it was scanned"):
        _ = chunkmap.open_dataset(out, check="etag")["v"].values


def test_last_modified_that_says_now_is_not_recorded(server):
    """A server that calls every answer new says nothing of the file, and is not held to it."""
    server.headers = {"Last-Modified": "Thu, 01 Jan 2099 00:00:00 GMT"}
    assert chunkmap.scan(server.put("a.h5", _hdf5(0))).targets.popitem()[1].mtime is None


class Etagged(MemoryFileSystem):
    """An object store in memory that has etags, as S3 does."""

    protocol = "etagged"
    store: dict = {}  # noqa: RUF012 - as fsspec has it
    pseudo_dirs = [""]  # noqa: RUF012

    def info(self, path, **options):
        known = super().info(path, **options)
        return {**known, "ETag": str(hash(bytes(self.store[self._strip_protocol(path)].getvalue())))}

    @classmethod
    def _strip_protocol(cls, path):
        return MemoryFileSystem._strip_protocol(path.replace("etagged://", "memory://"))


def test_check_of_a_long_lived_reader(tmp_path):
    """With check="etag", an object that is replaced after it was first read is refused at the next read."""
    fsspec.register_implementation("etagged", Etagged, clobber=True)
    fs = fsspec.filesystem("etagged")
    fs.pipe("etagged://a.h5", _hdf5(0))
    out = str(tmp_path / "a.parq")
    chunkmap.write(chunkmap.scan("etagged://a.h5"), out)
    dataset = chunkmap.open_dataset(out, check="etag")
    assert np.array_equal(dataset["v"][3].values, np.random.default_rng(0).random((40, 100))[3])
    fs.pipe("etagged://a.h5", _hdf5(1))
    with pytest.raises(SourceError, match="changed"):
        _ = dataset["v"][30].values


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (400, "400 Bad Request"),
        (401, "credentials"),
        (403, "forbids"),
        (404, "no such file"),
        (410, "410 Gone"),
        (416, "fewer bytes"),
        (451, "legal"),
        (501, "501 Not Implemented"),
    ],
)
def test_refusals_are_named(server, status, says):
    """Each answer that will be no other one is an error that says which it was, when opening and when reading."""
    source = open_source(server.put("a.bin", DATA))

    def refuse(request):
        request.answer(status, b"")
        return True

    server.fault = refuse
    for read in (lambda: open_source(source.url), lambda: source.read(0, 10)):
        with pytest.raises(SourceError, match=says) as caught:
            read()
        assert isinstance(caught.value, NoSuchFile) is (status in (404, 410))


def test_redirects_in_a_circle_are_named(server):
    """A redirect to itself is an error that says so."""

    def turn(request):
        request.answer(302, b"", Location=request.path)
        return True

    url = server.put("a.bin", DATA)
    server.fault = turn
    with pytest.raises(SourceError, match="in a circle"):
        open_source(url)


def test_secrets_do_not_follow_a_redirect(server):
    """Headers that may be secrets are sent to the host that was named, and not to another one it sends us to."""
    url = server.put("a.bin", DATA)
    elsewhere = url.replace("127.0.0.1", "localhost").replace("a.bin", "b.bin")
    server.put("b.bin", DATA)

    def send_on(request):
        if request.path == "/a.bin":
            request.answer(302, b"", Location=elsewhere)
        return request.path == "/a.bin"

    server.fault = send_on
    options = {"client_kwargs": {"headers": {"X-Api-Key": "secret", "Cookie": "a=secret", "Authorization": "secret"}}}
    source = open_source(url, storage_options=options)
    assert bytes(source.read(5, 10)) == DATA[5:15]
    sent = [" ".join(headers.values()) for path, headers in server.seen if path == "/a.bin"]
    assert all(text.count("secret") == 3 for text in sent)
    assert not any("secret" in " ".join(headers.values()) for path, headers in server.seen if path == "/b.bin")
    assert any("Range" in headers for path, headers in server.seen if path == "/b.bin")


@pytest.mark.parametrize("sent", [None, 100])
def test_silence_ends(server, sent):
    """A server that sends nothing, or no more, is given up after `timeout` without a byte, and the error says so."""
    url = server.put("a.bin", DATA)
    source = open_source(url, storage_options={"timeout": 0.2})

    def stall(request):
        if sent is not None:
            request.send_response(206)
            request.send_header("Content-Length", "1000")
            request.send_header("Content-Range", f"bytes 0-999/{len(DATA)}")
            request.end_headers()
            request.wfile.write(DATA[:sent])
            request.wfile.flush()
        server.over.wait(10)
        return True

    server.fault = stall
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"as long as `timeout` allows.*tried \d+ time"):
        source.read(0, 1000)
    assert time.monotonic() - started < 8


def test_progress_may_take_its_time(server):
    """A transfer that makes progress is not ended, though it takes longer than `timeout` in all."""
    source = open_source(server.put("a.bin", DATA), storage_options={"timeout": 0.5})

    def drip(request):
        first, stop = request.asked(len(DATA))
        request.send_response(206)
        request.send_header("Content-Length", str(stop - first))
        request.send_header("Content-Range", f"bytes {first}-{stop - 1}/{len(DATA)}")
        request.end_headers()
        for at in range(first, stop, 10):
            request.wfile.write(DATA[at : at + 10])
            request.wfile.flush()
            server.over.wait(0.1)
        return True

    server.fault = drip
    assert bytes(source.fetch([Range(0, 100)])[0]) == DATA[:100]


@pytest.mark.parametrize("road", ["scan", "read", "json", "parquet"])
def test_what_fails_for_a_moment_passes_on_every_road(server, tmp_path, road):
    """503, 429 with Retry-After, a reset and a body cut short are tried again: by scans, reads, and sets at rest."""
    (tmp_path / "a.h5").write_bytes(_hdf5(0))
    url = server.put("a.h5", _hdf5(0))
    refs = chunkmap.scan(url)
    chunkmap.write(refs, str(tmp_path / "set.json"))
    chunkmap.write(refs, str(tmp_path / "set.parq"))
    sets = {"json": server.put("set.json", (tmp_path / "set.json").read_bytes())}
    for path in sorted((tmp_path / "set.parq").rglob("*.*")):
        if path.is_file():
            served = server.put(f"set.parq/{path.relative_to(tmp_path / 'set.parq')}", path.read_bytes())
            sets["parquet"] = served.partition("/set.parq")[0] + "/set.parq"
    faults = [503, 429, 0, -1]

    def fail(request):
        fault = faults.pop() if faults and request.command == "GET" else None
        if fault is None:
            return False
        if fault > 0:
            request.answer(fault, b"", Retry_After="0")
        elif fault < 0:
            request.send_response(206 if "Range" in request.headers else 200)
            request.send_header("Content-Length", "1000")
            request.end_headers()
            request.wfile.write(b"short")
        request.close_connection = True
        return True

    dataset = chunkmap.open_dataset(refs)
    server.fault = fail
    want = np.random.default_rng(0).random((40, 100))
    if road == "scan":
        dataset = chunkmap.open_dataset(chunkmap.scan(url))
    elif road != "read":
        dataset = chunkmap.open_dataset(chunkmap.load(sets[road]))
    assert np.array_equal(dataset["v"].values, want)
    assert not faults
