"""Servers that answer wrongly, change their files, are silent, or refuse."""

import io
import json
import re
import socket
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import aiohttp
import fsspec
import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFileSystem

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.errors import NoSuchFile, SourceError
from chunkmap.frontends.command_line.commands import chunkmap as chunkmap_command
from chunkmap.io import Range, http_client, open_source
from chunkmap.model import ChunkManifest

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


AMISS = ["bytes={0}-{1}/{2}", "BYTES {0} - {1} / {2}", "bytes {0}-{1}", "{0}-{1}/{2}"]


@pytest.mark.parametrize("written", AMISS)
def test_ranges_that_are_written_amiss_are_compared_too(server, written):
    """A Content-Range in another form than the standard's says which bytes came all the same."""
    source, shift = open_source(server.put("a.bin", DATA)), [0]

    def answer(request):
        first, stop = (n + shift[0] for n in request.asked(len(DATA)))
        request.answer(206, DATA[first:stop], Content_Range=written.format(first, stop - 1, len(DATA)))
        return True

    server.fault = answer
    assert source.read(1000, 10) == DATA[1000:1010]
    shift[0] = -100
    with pytest.raises(SourceError, match="asked for bytes 1000 to 1009, the server sent bytes 900 to 909 of"):
        source.read(1000, 10)


@pytest.mark.parametrize("said", ["bytes */300000", "bytes 1000-1009/0x", "pages 1-2/3"])
def test_ranges_that_cannot_be_read_are_refused(server, said):
    """A Content-Range that does not say which bytes came is an error that quotes it."""
    source = open_source(server.put("a.bin", DATA))
    server.fault = lambda request: request.answer(206, DATA[1000:1010], Content_Range=said) is None
    with pytest.raises(SourceError, match=f"asked for bytes 1000 to 1009, the server sent '{re.escape(said)}'"):
        source.read(1000, 10)


def test_a_part_is_not_taken_for_the_whole(server, sets):
    """A set that is asked for whole, of which the answer says that it is a part, is an error, whatever is in it."""
    text = json.dumps({"version": 1, "refs": {}}).encode()
    server.fault = lambda request: request.answer(206, text, Content_Range=f"bytes 0-{len(text) - 1}/9999") is None
    with pytest.raises(SourceError, match="asked for the whole file, the server sent bytes 0 to"):
        chunkmap.load(sets["json"])


def test_an_answer_that_is_no_http_is_named(server):
    """What cannot be read as an answer of HTTP is not called a refusal of the server."""
    url = server.put("a.bin", DATA)
    for sent in (
        b"\0\1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 50_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    ):
        server.fault = lambda request, sent=sent: (
            request.wfile.write(sent),
            setattr(request, "close_connection", True),
        )
        with pytest.raises(SourceError, match="the server's answer cannot be read as HTTP"):
            open_source(url)


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


def test_a_body_without_an_end_is_not_taken(server, monkeypatch):
    """An answer that sends more than was asked for is given up as soon as it does; and one of a set, which is asked for
    whole, at a bound.
    """
    monkeypatch.setattr(http_client, "_UNTOLD", 1 << 20)
    source, sent = open_source(server.put("a.bin", DATA)), []

    def endless(request):
        if "Range" in request.headers:
            first, stop = request.asked(len(DATA))
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {first}-{stop - 1}/{len(DATA)}")
        else:
            request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        with suppress(OSError):
            for _ in range(1000):
                request.wfile.write(b"10000\r\n" + bytes(65536) + b"\r\n")
                sent.append(65536)
        request.close_connection = True
        return True

    server.fault = endless
    with pytest.raises(SourceError, match="expected 10 bytes at the most, the server sends more"):
        source.read(1000, 10)
    with pytest.raises(SourceError, match="expected 1,048,576 bytes at the most, the server sends more"):
        chunkmap.load(server.put("a.json", b"{}"))
    assert sum(sent) < 32 << 20


def _hdf5(seed, steps=40):
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        h5.create_dataset("v", data=np.random.default_rng(seed).random((steps, 100)), chunks=(1, 100))
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


@pytest.mark.parametrize("road", ["read", "json", "parquet"])
@pytest.mark.parametrize(
    ("status", "says"), [(401, "credentials"), (403, "forbids"), (410, "410 Gone"), (451, "legal")]
)
def test_refusals_are_named_on_every_road(server, sets, road, status, says):
    """Reading chunks, and sets of JSON and Parquet, call an answer what it is too."""

    def refuse(request):
        request.answer(status, b"")
        return True

    dataset = chunkmap.open_dataset(sets["read"])
    server.fault = refuse
    with pytest.raises(SourceError, match=says):
        _ = dataset["v"].values if road == "read" else chunkmap.load(sets[road])


@pytest.mark.parametrize("after", ["7", "date"])
@pytest.mark.parametrize("road", ["scan", "read", "json", "parquet"])
def test_who_is_told_when_to_come_again_waits(server, sets, monkeypatch, road, after):
    """Retry-After, in seconds or as a date, is how long scans, reads and sets at rest wait at least."""
    waits, busy = [], [True]
    monkeypatch.setattr("chunkmap.io.retrying.PATIENCE", 30.0)
    monkeypatch.setattr("chunkmap.io.retrying.time", SimpleNamespace(**{**vars(time), "sleep": waits.append}))
    text = format_datetime(datetime.now(UTC) + timedelta(seconds=9)) if after == "date" else after

    def fail(request):
        if request.command == "GET" and busy:
            busy.pop()
            request.answer(503, b"", Retry_After=text)
            return True
        return False

    dataset = chunkmap.open_dataset(sets["read"])
    server.fault = fail
    if road == "scan":
        chunkmap.scan(sets["scan"])
    else:
        _ = dataset["v"].values if road == "read" else chunkmap.load(sets[road])
    assert not busy
    assert len(waits) == 1
    assert 6 < waits[0] < 10


def test_a_server_that_takes_no_connection_is_given_up(monkeypatch):
    """What is not connected within `timeout` ends too: here the queue of a socket that nobody serves is full."""
    monkeypatch.setattr("chunkmap.io.retrying.PATIENCE", 0.3)
    with socket.socket() as waiting, ExitStack() as held:
        waiting.bind(("127.0.0.1", 0))
        waiting.listen(0)
        for _ in range(4):
            one = held.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(waiting.getsockname())
        started = time.monotonic()
        url = f"http://127.0.0.1:{waiting.getsockname()[1]}/a.bin"
        with pytest.raises(SourceError, match=r"tried \d+ times? in"):
            open_source(url, storage_options={"timeout": 0.2})
        assert time.monotonic() - started < 8


def test_redirects_in_a_circle_are_named(server):
    """A redirect to itself is an error that says so."""

    def turn(request):
        request.answer(302, b"", Location=request.path)
        return True

    url = server.put("a.bin", DATA)
    server.fault = turn
    with pytest.raises(SourceError, match="in a circle"):
        open_source(url)


def _redirected(server):
    """A URL whose file is had from another host, to which requests are sent on; and that one's."""
    url = server.put("a.bin", DATA)
    elsewhere = url.replace("127.0.0.1", "localhost").replace("a.bin", "b.bin")
    server.put("b.bin", DATA)

    def send_on(request):
        if request.path == "/a.bin":
            request.answer(302, b"", Location=elsewhere)
        return request.path == "/a.bin"

    server.fault = send_on
    return url, elsewhere


@pytest.mark.parametrize(
    ("options", "secrets"),
    [
        ({"client_kwargs": {"headers": {"X-Api-Key": "secret", "Cookie": "a=secret", "Authorization": "secret"}}}, 3),
        ({"headers": {"X-Api-Key": "secret"}, "cookies": {"a": "secret", "b": "secret"}}, 3),
        ({"client_kwargs": {"cookies": [("a", "secret"), ("b", "secret")]}}, 2),
    ],
)
def test_secrets_do_not_follow_a_redirect(server, options, secrets):
    """Headers that may be secrets, and cookies, are sent to the host that was named, and to no other it sends us to."""
    url, _ = _redirected(server)
    source = open_source(url, storage_options=options)
    assert bytes(source.read(5, 10)) == DATA[5:15]
    sent = [" ".join(headers.values()) for path, headers in server.seen if path == "/a.bin"]
    assert sent
    assert all(text.count("secret") == secrets for text in sent)
    assert not any("secret" in " ".join(headers.values()) for path, headers in server.seen if path == "/b.bin")
    assert any("Range" in headers for path, headers in server.seen if path == "/b.bin")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("options", [lambda auth: {"client_kwargs": {"auth": auth}}, lambda auth: {"auth": auth}])
def test_a_password_does_not_follow_a_redirect(server, options):
    """A name and a password for every request of a client, or for each, are sent to the host that was named alone."""
    url, _ = _redirected(server)
    source = open_source(url, storage_options=options(aiohttp.BasicAuth("user", "secret")))
    assert bytes(source.read(5, 10)) == DATA[5:15]
    had = {path: {headers.get("Authorization") for at, headers in server.seen if at == path} for path, _ in server.seen}
    assert had == {"/a.bin": {aiohttp.BasicAuth("user", "secret").encode()}, "/b.bin": {None}}


def test_a_redirect_obeys_allow(server, tmp_path):
    """A file that a set, or another file, names may be allowed, and what its server sends us on to must be as well."""
    url, elsewhere = _redirected(server)
    refs = {
        ".zgroup": '{"zarr_format":2}',
        "x/.zarray": ZARRAY,
        "x/.zattrs": '{"_ARRAY_DIMENSIONS":["d"]}',
        "x/0": [url, 0, 8],
    }
    allow = [url]
    with pytest.raises(SourceError, match=r"sends us on to .*localhost.* pass allow="):
        _ = chunkmap.open_dataset(refs, allow=allow)["x"].values
    assert chunkmap.open_dataset(refs, allow=[*allow, elsewhere])["x"].values.tobytes() == DATA[:8]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (8,), "u1", external=[(url, 0, 8)])
    (problem,) = chunkmap.scan(tmp_path / "a.h5", allow=allow).problems
    assert "sends us on to" in problem.message
    found = chunkmap.scan(tmp_path / "a.h5", allow=[*allow, elsewhere])
    assert found.problems == ()
    assert found.arrays["x"].chunks.row(0)[0] == url


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("file:///etc/hosts", "sends us on to file:///etc/hosts"),
        ("/etc/hosts", "no such file"),
        ("ftp://localhost/a.bin", "sends us on to ftp://localhost/a.bin"),
        ("s3://bucket/a.bin", "sends us on to s3://bucket/a.bin"),
        ("data:,abc", "sends us on to data:,abc"),
    ],
)
def test_a_redirect_leads_to_no_file(server, to, says):
    """Whatever a server sends us on to is asked of a web server, and is never a file of this machine."""

    def send_on(request):
        if request.path == "/a.bin":
            request.answer(302, b"", Location=to)
        return request.path == "/a.bin"

    url = server.put("a.bin", DATA)
    server.fault = send_on
    with pytest.raises(SourceError, match=says):
        open_source(url)


@pytest.mark.parametrize("status", [204, 300, 304])
def test_answers_without_a_file_are_named(server, status):
    """An answer that is no error, and in which there is no file, is an error that says which it was."""

    def answer(request):
        request.answer(status, b"other files" if status == 300 else b"")
        return True

    url = server.put("a.bin", DATA)
    server.fault = answer
    with pytest.raises(SourceError, match=f"answers {status}"):
        open_source(url).read(0, 4)


def test_what_a_file_names_elsewhere_is_asked_for_without_secrets(server, tmp_path):
    """A file on another server that `allow` permits is not sent the credentials of the one that names it."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        other = server.put("raw.bin", DATA).replace("127.0.0.1", "localhost")
        file.create_dataset("x", (8,), "u1", external=[(other, 0, 8)])
    url = server.put("a.h5", (tmp_path / "a.h5").read_bytes())
    options = {"headers": {"X-Api-Key": "secret"}, "cookies": {"a": "secret"}}
    found = chunkmap.scan(url, storage_options=options, allow=[other])
    assert (found.problems, found.arrays["x"].chunks.row(0)[0]) == ((), other)
    sent = {path: [" ".join(headers.values()) for of, headers in server.seen if of == path] for path, _ in server.seen}
    assert all(text.count("secret") == 2 for text in sent["/a.h5"])
    assert sent["/raw.bin"]
    assert not any("secret" in text for text in sent["/raw.bin"])


def test_a_jar_of_cookies_keeps_to_its_hosts(server):
    """Cookies in a jar are sent to the hosts that it names, and do not follow a redirect."""
    import aiohttp
    from yarl import URL

    url, _ = _redirected(server)

    async def jar():
        held = aiohttp.CookieJar(unsafe=True)
        held.update_cookies({"a": "secret"}, URL(url))
        return held

    options = {"client_kwargs": {"cookie_jar": fsspec.asyn.sync(fsspec.asyn.get_loop(), jar)}}
    assert bytes(open_source(url, storage_options=options).read(5, 10)) == DATA[5:15]
    sent = {path: [" ".join(headers.values()) for of, headers in server.seen if of == path] for path, _ in server.seen}
    assert sent["/a.bin"]
    assert all("secret" in text for text in sent["/a.bin"])
    assert sent["/b.bin"]
    assert not any("secret" in text for text in sent["/b.bin"])


ZARRAY = (
    '{"zarr_format":2,"shape":[8],"chunks":[8],"dtype":"|u1","compressor":null,"filters":null,"fill_value":null,'
    '"order":"C","dimension_separator":"."}'
)


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
    received = "" if sent is None else "received 100 of 1000 bytes, "
    with pytest.raises(SourceError, match=rf"as long as `timeout` allows.*\({received}tried \d+ times? in [\d.]+ s"):
        source.read(0, 1000)
    assert time.monotonic() - started < 8


@pytest.fixture
def sets(server, tmp_path):
    """A file of HDF5 and its set, served as JSON and as Parquet: the URLs by kind."""
    (tmp_path / "a.h5").write_bytes(_hdf5(0))
    refs = chunkmap.scan(server.put("a.h5", _hdf5(0)))
    chunkmap.write(refs, tmp_path / "set.json")
    chunkmap.write(refs, tmp_path / "set.parq")
    for path in sorted((tmp_path / "set.parq").rglob("*.*")):
        if path.is_file():
            server.put(f"set.parq/{path.relative_to(tmp_path / 'set.parq')}", path.read_bytes())
    root = refs.name.removesuffix("/a.h5")
    served = server.put("set.json", (tmp_path / "set.json").read_bytes())
    return {"scan": refs.name, "read": refs, "json": served, "parquet": f"{root}/set.parq"}


@pytest.mark.parametrize("stalls", [False, True])
@pytest.mark.parametrize("verb", ["scan", "scan_many", "build", "load", "open_store", "open_dataset", "verify", "cli"])
def test_every_verb_has_a_limit_of_time(server, sets, tmp_path, monkeypatch, *, verb, stalls):
    """`timeout=`, and `--timeout`, end the waiting for a server that says nothing, or no more after some bytes."""
    monkeypatch.setattr("chunkmap.io.retrying.PATIENCE", 0.3)

    def silent(request):
        if stalls:
            request.send_response(206 if "Range" in request.headers else 200)
            request.send_header("Content-Length", "10000")
            request.end_headers()
            request.wfile.write(b"0123456789")
            request.wfile.flush()
        return server.over.wait(10)

    server.fault = lambda request: (not stalls or request.command == "GET") and silent(request)
    given = {"timeout": 0.2}
    url = sets["scan"]
    calls = {
        "scan": lambda: chunkmap.scan(url, **given),
        "scan_many": lambda: chunkmap.scan_many([url, url], **given),
        "build": lambda: chunkmap.build([url], tmp_path / "out.parq", concat_dims=["time"], **given),
        "load": lambda: chunkmap.load(sets["json"], **given),
        "open_store": lambda: chunkmap.open_store(sets["parquet"], **given),
        "open_dataset": lambda: chunkmap.open_dataset(sets["read"], **given)["v"].values,
    }
    started = time.monotonic()
    if verb == "cli":
        result = CliRunner().invoke(chunkmap_command, ["scan", "--timeout", "0.2", url])
        assert result.exit_code == 1
        said = result.output
    elif verb == "verify":
        said = str(chunkmap.verify(sets["read"], **given, **({"decode": "all"} if stalls else {})))
    else:
        with pytest.raises(SourceError) as caught:
            calls[verb]()
        said = str(caught.value)
    assert time.monotonic() - started < 8
    assert "as long as `timeout` allows" in " ".join(said.split())
    assert "tried" in said


def test_a_set_without_a_sidecar_is_read_where_nothing_is_listed(server, sets):
    """A Parquet set as kerchunk writes it has its chunks on a web server that lists nothing, and not 0 of them."""
    for name in (".chunkmap.json", ".chunkmap-targets.parq"):
        server.files.pop(f"/set.parq/{name}", None)
    found = chunkmap.load(sets["parquet"])
    assert found.arrays["v"].chunks == sets["read"].arrays["v"].chunks
    assert len(found.arrays["v"].chunks) == 40


@pytest.mark.parametrize("timeout", [0, -1, True, "5"])
def test_a_limit_that_is_none_is_refused(timeout):
    """A limit of time that is no number of seconds is a ValueError."""
    with pytest.raises(ValueError, match="expected seconds"):
        chunkmap.scan("https://example.org/a.nc", timeout=timeout)


def test_a_file_that_changes_while_it_is_read_is_refused(server, sets):
    """A long-lived reader without check= hears, too, that the server answers from another file than before."""
    server.headers = {"ETag": '"one"'}
    dataset = chunkmap.open_dataset(sets["read"])
    assert dataset["v"][0].shape == dataset["v"][0].values.shape
    server.headers = {"ETag": '"two"'}
    with pytest.raises(SourceError, match="changed while it was read"):
        _ = dataset["v"][1].values


def test_a_file_that_changes_and_loses_its_etag_is_refused(server, sets):
    """Where only some answers have an etag, a time of change that no answer with an etag had says that it changed."""
    at = "Thu, 01 Jan {} 00:00:00 GMT"
    server.headers = {"ETag": '"one"', "Last-Modified": at.format(2015)}
    dataset = chunkmap.open_dataset(sets["read"])
    _ = dataset["v"][0].values
    del server.headers["ETag"]
    _ = dataset["v"][1].values
    server.headers["Last-Modified"] = at.format(2016)
    with pytest.raises(SourceError, match="changed while it was read: it was changed at"):
        _ = dataset["v"][2].values


def test_a_file_that_changes_between_two_openings_of_a_reader_is_refused(server, sets, monkeypatch):
    """A reader of more files than are held open remembers what those were like that it let go."""
    monkeypatch.setattr("chunkmap.access.fetching._OPEN", 1)
    server.headers = {"ETag": '"one"'}
    fetcher = Fetcher()
    first, other = sets["read"].arrays["v"].manifest(), ChunkManifest.single(server.put("b.bin", DATA), 0, 9, ndim=1)
    for chunks in (first, other, first, other):
        fetcher.fetch(chunks, np.array([0]))
    server.headers = {"ETag": '"two"'}
    for _ in range(2):
        with pytest.raises(SourceError, match="changed while it was read: expected etag"):
            fetcher.fetch(first, np.array([1]))


def test_a_file_that_changes_while_it_is_scanned_is_refused(server):
    """A scan too hears that the server answers from another file than at first: of one that takes several requests."""
    etags = ["one", "two"]
    server.fault = lambda _request: server.headers.update({"ETag": etags.pop(0)}) if etags else False
    with pytest.raises(SourceError, match="changed while it was read"):
        chunkmap.scan(server.put("a.h5", _hdf5(0, steps=1000)))
    assert not etags


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


def test_a_server_without_ranges_sends_a_file_once(range_server):
    """Of a server that answers with the whole file, one answer is taken, however many ranges are wanted of it."""
    range_server.serves_ranges = False
    source = open_source(range_server.put("a.bin", DATA))
    found = source.read_many([Range(offset, 10) for offset in range(0, 290_000, 10_000)])
    assert [bytes(block) for block in found] == [DATA[offset : offset + 10] for offset in range(0, 290_000, 10_000)]
    assert len(range_server.gets) == 1


def test_a_large_file_is_not_taken_whole(range_server, monkeypatch):
    """What a server without ranges sends beyond a bound is refused before it is read; the error says what to do."""
    monkeypatch.setattr("chunkmap.io.http_client.WHOLE", 100_000)
    range_server.serves_ranges = False
    source = open_source(range_server.put("a.bin", DATA))
    with pytest.raises(SourceError, match=r"not serve ranges: asked for bytes=5-14, .* 300000 bytes.* Download it"):
        source.read(5, 10)


@pytest.mark.parametrize("road", ["scan", "read", "json", "parquet"])
def test_what_fails_for_a_moment_passes_on_every_road(server, sets, road):
    """503, 429 with Retry-After, a reset and a body cut short are tried again: by scans, reads, and sets at rest."""
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

    dataset = chunkmap.open_dataset(sets["read"])
    server.fault = fail
    want = np.random.default_rng(0).random((40, 100))
    if road == "scan":
        dataset = chunkmap.open_dataset(chunkmap.scan(sets["scan"]))
    elif road != "read":
        dataset = chunkmap.open_dataset(chunkmap.load(sets[road]))
    assert np.array_equal(dataset["v"].values, want)
    assert not faults
