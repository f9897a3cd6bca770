"""Ranges of web servers by libcurl: the one plain answer is taken, of anything else aiohttp asks again."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import pickle
import re
import socket
import ssl
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from fsspec.implementations.http import HTTPFileSystem
from multidict import CIMultiDict

from chunkmap.errors import NoSuchFile, SourceError
from chunkmap.io import Range, open_any, open_source
from chunkmap.io.http_client import CONNECTIONS

DATA = np.random.default_rng(0).bytes(300_000)
PART = DATA[5:15]
_OPEN = Path("/proc/self/fd")
RANGED = f"Content-Range: bytes 5-14/{len(DATA)}"


class Scripted:
    """A server that answers a request for a range as it is told, once, and all others well."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        """What is answered to requests for ranges, as it is sent, before all is well; b"" ends the connection."""
        self.asked: list[tuple[str, str]] = []
        """Who asked for a range: "curl" or "aiohttp", and for which."""
        self.ends = False
        """Whether every connection ends after an answer, without a word."""
        self.extra = b""
        """What is sent behind every answer."""
        self.etags: dict[int, str] = {}
        """Other etags than "one", by the first byte of a range."""
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/a.bin"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        held = b""
        with connection:
            while True:
                while b"\r\n\r\n" not in held:
                    more = connection.recv(65536)
                    if not more:
                        return
                    held += more
                head, _, held = held.partition(b"\r\n\r\n")
                answer = self._answer(head.decode("latin-1"))
                connection.sendall(answer + (self.extra if answer else b""))
                if self.ends or not answer:
                    return

    def _answer(self, head: str) -> bytes:
        found = re.search(r"\r\nrange: bytes=(\d+)-(\d+)", head, re.IGNORECASE)
        if found is None:
            return answer("200 OK", f"Content-Length: {len(DATA)}", "Accept-Ranges: bytes")
        first, stop = int(found[1]), int(found[2]) + 1
        self.asked.append(("aiohttp" if "gzip" in head else "curl", f"{first}-{stop - 1}"))
        if self.answers:
            return self.answers.pop(0)
        body = DATA[first:stop]
        ranged = f"Content-Range: bytes {first}-{first + len(body) - 1}/{len(DATA)}"
        etag = self.etags.get(first, '"one"')
        return answer("206 Partial Content", f"Content-Length: {len(body)}", ranged, f"ETag: {etag}", body=body)


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    """An answer as it is sent."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1") + body


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    served = Scripted()
    yield served
    served.close()


@pytest.fixture
def alone(monkeypatch) -> Iterator[None]:
    """aiohttp fetches no ranges: who reads reads by curl."""

    async def refuse(*_: object, **__: object) -> None:
        raise AssertionError("aiohttp was asked")

    HTTPFileSystem.clear_instance_cache()
    monkeypatch.setattr(HTTPFileSystem, "_cat_file", refuse)
    yield
    HTTPFileSystem.clear_instance_cache()  # those that were made meanwhile keep what was put into them


def spread(count: int, nbytes: int = 10) -> list[Range]:
    """Ranges that are not joined."""
    return [Range(n * (len(DATA) // count), nbytes) for n in range(count)]


def read(source, ranges: list[Range]) -> None:
    """Fetch, and compare with what the server has."""
    assert [bytes(view) for view in source.fetch(ranges)] == [DATA[o : o + n] for o, n in ranges]


@pytest.mark.usefixtures("alone")
def test_plain_answers_are_taken(range_server):
    """Ranges, many and long ones, and how long a file is, are had without aiohttp; what is read cannot be changed."""
    url = range_server.put("a.bin", DATA)
    source = open_source(url)
    assert source.size() == len(DATA)
    assert source.target().etag == range_server.etag
    read(source, spread(400))
    read(source, [Range(0, len(DATA)), Range(0, 0), Range(7, 100_000)])
    assert all(view.readonly for view in source.fetch(spread(3)))
    assert len(range_server.heads) == 1
    ahead = open_any(url, ahead=True)
    read(ahead, [Range(5, 10), Range(0, len(DATA))])
    assert len(range_server.heads) == 1


PLAIN = ("206 Partial Content", "Content-Length: 10", RANGED)


@pytest.mark.parametrize(
    "said",
    [
        answer("200 OK", f"Content-Length: {len(DATA)}", body=DATA),
        answer("206 Partial Content", "Content-Length: 10", body=PART),
        answer("206 Partial Content", "Content-Length: 9", RANGED, body=PART[:9]),
        answer(*PLAIN, "Set-Cookie: a=b", body=PART),
        answer(*PLAIN, "Content-Length: 4", body=PART),
        answer(*PLAIN, f"Content-Range: bytes 6-15/{len(DATA)}", body=PART),
        answer(*PLAIN, body=PART[:4]),
        answer(*PLAIN, 'ETag : "other"', body=PART),
        answer(*PLAIN, " folded: x", body=PART),
        answer("2060 Partial Content", *PLAIN[1:], body=PART),
        answer(*PLAIN[::2], "Transfer-Encoding: chunked", body=b"a\r\n" + PART + b'\r\n0\r\nETag: "other"\r\n\r\n'),
        answer("301 Moved", "Location: /b.bin", "Content-Length: 0"),
        answer("204 No Content"),
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 10\r\n" + RANGED.encode(),
    ],
    ids=lambda said: said[:60].decode("latin-1"),
)
def test_of_what_is_not_plain_aiohttp_asks_again(scripted, said):
    """What can be read in two ways, or is no range, or ends early, is not taken: what is read then is what aiohttp is
    sent.
    """
    scripted.answers = [said]
    scripted.ends = b"Connection: close" in said or not said.endswith(PART)
    source = open_source(scripted.url)
    assert bytes(source.read(5, 10)) == PART
    assert scripted.asked == [("curl", "5-14"), ("aiohttp", "5-14")]


@pytest.mark.parametrize(
    "said",
    [
        answer("206 Partial Content", "Content-Length: 10", f"Content-Range: bytes 6-15/{len(DATA)}", body=PART),
        answer("206 Partial Content", "Content-Length: 10", "Content-Range: bytes 5-14/12", body=PART),
        answer(
            "206 Partial Content", "Content-Length: 10", f"Content-Range: bytes 6-15/{len(DATA)}", RANGED, body=PART
        ),
        answer("202 Accepted", "Content-Length: 10", RANGED, body=PART),
        answer(*PLAIN, "Content-Type: multipart/byteranges; boundary=x", body=PART),
    ],
    ids=lambda said: said[:80].decode("latin-1"),
)
def test_what_is_no_such_range_is_an_error(scripted, said):
    """Answers of other bytes, or of several ranges, are taken by neither."""
    scripted.answers = [said, said]
    with pytest.raises(SourceError):
        open_source(scripted.url).read(5, 10)


def test_what_is_wrong_again_and_again_is_left_to_aiohttp(scripted):
    """After three calls in a row that had no plain answer a server is not asked so any more."""
    source = open_source(scripted.url)
    for _ in range(3):
        scripted.answers = [answer("206 Partial Content", "Content-Length: 10", body=PART)]
        assert bytes(source.read(5, 10)) == PART
    scripted.asked.clear()
    assert bytes(source.read(5, 10)) == PART
    assert scripted.asked == [("aiohttp", "5-14")]


def test_connections_that_end_are_replaced(scripted):
    """Servers end connections after an answer, without a word too: what is read is right, whoever asks again."""
    source = open_source(scripted.url)
    read(source, spread(5))
    scripted.ends = True
    read(source, spread(100))
    scripted.ends = False
    read(source, spread(5))


@pytest.mark.usefixtures("alone")
def test_what_nobody_asked_for_is_not_taken_for_an_answer(scripted):
    """What is sent behind an answer ends the connection: it is not read as the answer to the next request."""
    source = open_source(scripted.url)
    scripted.extra = answer("206 Partial Content", "Content-Length: 10", RANGED, body=b"0123456789")
    for _ in range(5):
        assert bytes(source.read(5, 10)) == PART


@pytest.mark.usefixtures("alone")
def test_connections_are_used_again(scripted):
    """One file after another is read over few connections."""
    source = open_source(scripted.url)
    for _ in range(20):
        read(source, spread(5))
    assert scripted.connections <= 10


@pytest.mark.usefixtures("alone")
def test_who_has_read_holds_no_bytes(scripted):
    """What came is let go with who asked for it."""
    view = open_source(scripted.url).fetch([Range(0, 10)])[0]
    held = weakref.ref(view.obj)
    del view
    gc.collect()
    assert held() is None


@pytest.mark.usefixtures("alone")
def test_a_change_in_any_answer_is_seen(scripted):
    """Of many answers, one with another etag is enough for the file to be refused."""
    source = open_source(scripted.url)
    read(source, spread(60))
    scripted.etags = {spread(60)[37].offset: '"two"'}
    with pytest.raises(SourceError, match="changed while it was read: it had the etags"):
        source.fetch(spread(60))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"headers": {"X-Api-Key": "one", "Accept": "image/tiff"}},
        {"client_kwargs": {"headers": {"User-Agent": "me"}}, "cookies": {"a": "b"}},
        {"client_kwargs": {"auth": "user"}},
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_sent_is_what_aiohttp_sends(recording, options):
    """Headers, cookies and passwords that were given are sent as aiohttp sends them."""
    sent, client = {}, options.get("client_kwargs", {})
    if "auth" in client:
        options = {"client_kwargs": {"auth": aiohttp.BasicAuth(client["auth"], "word")}}
    for engine in (None, "fsspec"):
        recording.heads.clear()
        source = open_source(f"{recording.url}?x=%20y", storage_options={**options, "engine": engine})
        assert bytes(source.read(5, 10)) == PART
        first, *lines = recording.heads[-1].split("\r\n")
        named = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        sent[engine] = first, {name: value for name, value in named.items() if name != "accept-encoding"}
    assert sent[None] == sent["fsspec"]


@pytest.fixture
def recording(monkeypatch) -> Iterator[Scripted]:
    """A server that keeps the heads of requests."""
    served = Scripted()
    served.heads = []
    real = served._answer
    monkeypatch.setattr(served, "_answer", lambda head: served.heads.append(head) or real(head))
    yield served
    served.close()


@pytest.mark.parametrize(
    "options",
    [
        {"client_kwargs": {"trust_env": True}},
        {"ssl": False},
        {"params": {"a": "b"}},
        {"headers": {"Expect": "nothing"}},
        {"client_kwargs": {"headers": CIMultiDict([("X-Name", "a"), ("x-name", "b")])}},
        {"client_kwargs": {"headers": [("X-Name", "a"), ("X-Name", "b")], "cookies": {"a": "b"}}},
        {"headers": {"X-Name": "a", "x-name": "b"}},
        {"headers": {"X-Name": "caf\u00e9"}},
        {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=5)}},
    ],
)
def test_what_cannot_be_said_is_asked_by_aiohttp(scripted, options):
    """Where something was said of requests that we do not know how to say, aiohttp says it."""
    scripted.answers = []
    source = open_source(scripted.url, storage_options=options)
    source.fetch([Range(5, 10)])
    assert {by for by, _ in scripted.asked} == {"aiohttp"}


@pytest.mark.parametrize("cookies", [None, {"c": "d"}])
def test_headers_that_were_given_twice_are_sent_twice(recording, cookies):
    """Both are, beside others of ours too."""
    headers = CIMultiDict([("X-Name", "a"), ("X-Name", "b")])
    options = {"client_kwargs": {"headers": headers, **({"cookies": cookies} if cookies else {})}}
    assert bytes(open_source(recording.url, storage_options=options).read(5, 10)) == PART
    assert re.findall("X-Name: (.*)\r", recording.heads[-1]) == ["a", "b"]


def test_cookies_of_a_server_are_sent_by_aiohttp(scripted):
    """A server that gives out cookies is asked by the client that keeps them."""
    scripted.answers = [answer(*PLAIN, "Set-Cookie: a=b", body=PART)] * 2
    source = open_source(scripted.url.replace("127.0.0.1", "localhost"))
    for _ in range(2):
        assert bytes(source.read(5, 10)) == PART
    assert [by for by, _ in scripted.asked] == ["curl", "aiohttp", "aiohttp"]


@pytest.mark.usefixtures("alone")
def test_what_is_far_has_many_connections_but_not_too_many(range_server):
    """Where answers take long, more of them are waited for at once: 256 in all, whoever asks."""
    sources = [open_source(range_server.put(f"{n}.bin", DATA)) for n in range(3)]
    range_server.latency = 0.3
    ranges = spread(200)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda source: read(source, ranges), sources))
    assert 100 < range_server.busiest <= CONNECTIONS


@pytest.mark.usefixtures("alone")
@pytest.mark.skipif(not _OPEN.is_dir(), reason="open files cannot be counted")
def test_connections_that_wait_are_not_too_many(range_server):
    """However many filesystems were read by, no more than twice 256 connections are kept in all."""
    url = range_server.put("a.bin", DATA)
    range_server.latency = 0.05
    before = len(list(_OPEN.iterdir()))
    for n in range(4):
        read(open_source(url, storage_options={"headers": {"X-Number": str(n)}}), spread(256))
    kept = len(list(_OPEN.iterdir())) - before
    assert kept <= 2 * 2 * CONNECTIONS + 50  # the server has the other end of each


@pytest.mark.usefixtures("alone")
def test_a_source_reads_on_after_pickling_in_a_loop_and_in_many_threads(range_server):
    """Sources pickle, and are read where an event loop runs, and by many threads at once."""
    source = open_any(range_server.put("a.bin", DATA), ahead=True)
    again = pickle.loads(pickle.dumps(source))
    read(again, spread(9))

    async def within() -> None:
        read(source, spread(9))

    asyncio.run(within())
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: read(source, spread(40)), range(32)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="the system knows no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_that_was_forked_has_connections_of_its_own(range_server):
    """Connections are not shared with a child: both read on, and each what it asked for."""
    source = open_source(range_server.put("a.bin", DATA))
    read(source, spread(20))
    child = multiprocessing.get_context("fork").Process(target=read, args=(source, spread(100)))
    child.start()
    for _ in range(20):
        read(source, spread(50))
    child.join(20)
    assert child.exitcode == 0


@pytest.mark.parametrize("body", [b"", b"there is a page of it"])
@pytest.mark.parametrize("status", [404, 403, 416])
def test_an_error_is_said_as_it_was_answered(scripted, status, body):
    """An answer that is an error by its status is asked for once, and is what aiohttp's answer would be."""
    source = open_source(scripted.url)
    scripted.answers = [answer(f"{status} No", f"Content-Length: {len(body)}", body=body)]
    with pytest.raises(SourceError, match=str(status)) as raised:
        source.read(5, 10)
    assert isinstance(raised.value, NoSuchFile) == (status == 404)
    assert scripted.asked == [("curl", "5-14")]


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Slow  down", "418", "500 ", "409 \u00e4"])
def test_an_error_has_the_reason_that_the_server_gives(scripted, status, monkeypatch):
    """What the line of the status says is in the message, whoever reads."""
    monkeypatch.setattr("chunkmap.io.retrying.PATIENCE", 0)
    monkeypatch.setattr("chunkmap.io.retrying.SHORT_PATIENCE", 0)
    said = set()
    for engine in ("curl", "fsspec"):
        source = open_source(scripted.url, storage_options={"engine": engine})
        scripted.answers = [answer(status, "Content-Length: 0")]
        with pytest.raises(SourceError, match=status[:3]) as caught:
            source.read(5, 10)
        said.add(re.sub(r" in [0-9.]+ s", "", str(caught.value)))
    assert len(said) == 1


@pytest.mark.usefixtures("alone")
def test_a_server_that_encrypts(range_server, tls, monkeypatch):
    """Over TLS, ranges of any length are right; a certificate that nobody vouches for is none."""
    url = tls(range_server, DATA)
    tls.trust(monkeypatch)
    source = open_any(url, ahead=True)
    assert source.size() == len(DATA)
    read(source, [*spread(60), Range(0, len(DATA)), Range(1, 200_000)])
    assert not range_server.heads


def test_a_certificate_that_nobody_vouches_for(range_server, tls):
    """It is refused by both: nothing is asked of that server."""
    url = tls(range_server, DATA)
    with pytest.raises(SourceError, match="certificate verify failed"):
        open_source(url)
    assert not range_server.heads
    assert not range_server.gets


@pytest.fixture
def tls(tmp_path):
    """Makes a server encrypt; gives the URL of what it serves then."""
    made = _certificate()
    (tmp_path / "both.pem").write_bytes(made)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")

    def encrypt(server, data: bytes) -> str:
        served = server._server
        served.socket = context.wrap_socket(served.socket, server_side=True, do_handshake_on_connect=False)
        return server.put("a.bin", data).replace("http://127.0.0.1", "https://localhost")

    def trust(monkeypatch) -> None:
        path = tmp_path / "trusted.pem"
        path.write_bytes(made[made.index(b"-----BEGIN CERT") :])
        monkeypatch.setenv("SSL_CERT_FILE", str(path))

    encrypt.trust = trust
    return encrypt


def _certificate() -> bytes:
    """A key, and a certificate of this machine that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    signed = made.sign(key, hashes.SHA256())
    plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key.private_bytes(*plain) + signed.public_bytes(Encoding.PEM)


BESIDE_ECCODES = """
import sys
import eccodes  # brings a libcurl that is too old for pycurl, which finds it in place of its own
from chunkmap.errors import SourceError
from chunkmap.io import open_source

print(open_source(sys.argv[1]).read(5, 10).hex())
try:
    open_source(sys.argv[1], storage_options={"engine": "curl"})
except SourceError as error:
    print(error)
"""


def test_where_pycurl_cannot_be_loaded_fsspec_reads(scripted):
    """Beside another libcurl files are read all the same; who insists on curl is told why."""
    words = [sys.executable, "-c", BESIDE_ECCODES, scripted.url]
    data, said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert bytes.fromhex(data) == PART
    assert {who for who, _ in scripted.asked} == {"aiohttp"}
    assert "engine='curl' cannot read it: pycurl cannot be loaded" in said
    assert "import it before anything else" in said


def test_grib_leaves_pycurl_usable(scripted):
    """Who reads GRIB first has curl still: it is loaded before eccodes."""
    code = "import sys, chunkmap.codecs.grib.eccodes, chunkmap.io as io; io.open_source(sys.argv[1]).read(5, 10)"
    subprocess.run([sys.executable, "-c", code, scripted.url], check=True)
    assert {who for who, _ in scripted.asked} == {"curl"}
