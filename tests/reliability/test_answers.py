"""Answers of servers that are no error, and whose body is not the file, or not as much of it as they say."""

import gzip
import io
import json

import h5py
import numpy as np
import pytest

import chunkmap
from chunkmap.errors import NoSuchFile, SourceError
from chunkmap.io import http_client, open_source
from chunkmap.io.retrying import causes

DATA = bytes(np.random.default_rng(0).integers(0, 256, 30_000, dtype="u1"))
OTHER = bytes(np.random.default_rng(1).integers(0, 256, 30_000, dtype="u1"))


def _in_parts(request, status, body, **headers):
    """An answer that does not say how long it is."""
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    return True


@pytest.mark.parametrize("status", [201, 202, 203, 207, 226, 299, 301, 302, 307, 308, 399])
def test_what_is_neither_the_file_nor_a_range_of_it_is_not_taken(server, status):
    """Accepted for later, made by a proxy, elsewhere without saying where: of any answer but 200 and 206 nothing is
    taken, however many bytes come.
    """
    source, text = open_source(server.put("a.bin", DATA)), server.put("a.json", b"")

    def answer(request):
        first, stop = request.asked(len(DATA))
        ranged = "Range" in request.headers
        request.answer(status, OTHER[first:stop] if ranged else b'{"version": 1, "refs": {}}')
        return True

    server.fault = answer
    with pytest.raises(SourceError, match=f"expected a file, the server answers {status}"):
        source.read(1000, 10)
    with pytest.raises(SourceError, match=f"expected a file, the server answers {status}"):
        chunkmap.load(text)


@pytest.mark.parametrize("first", [0, 1000])
def test_a_whole_file_that_is_as_short_as_the_range_is_not_taken(server, first):
    """A 200 answer is the whole file: where that has no more bytes than were asked for, they are other bytes, or those
    of another file, though the answer does not say how long it is.
    """
    source = open_source(server.put("a.bin", DATA))
    server.fault = lambda request: _in_parts(request, 200, OTHER[:10])
    with pytest.raises(SourceError, match=r"it does not serve ranges, or the|changed while it was read"):
        source.read(first, 10)


def test_a_whole_file_that_does_not_say_how_long_it_is_is_taken(server):
    """The same of a server that knows no ranges, and sends the file itself."""
    source = open_source(server.put("a.bin", DATA))
    server.fault = lambda request: _in_parts(request, 200, DATA)
    assert bytes(source.read(1000, 10)) == DATA[1000:1010]


def test_several_ranges_in_one_answer_are_refused(server):
    """An answer of several ranges, with text between them, is not taken for the one that was asked for."""
    source = open_source(server.put("a.bin", DATA))
    body = b"--X\r\nContent-Range: bytes 1000-1009/30000\r\n\r\n"
    server.fault = lambda request: (
        request.answer(206, body[:10], Content_Type="multipart/byteranges; boundary=X") is None
    )
    with pytest.raises(SourceError, match=r"asked for bytes=1000-1009, the server sent several ranges \(multipart"):
        source.read(1000, 10)


@pytest.mark.parametrize("length", [4500, 8000])
def test_numbers_without_an_end_in_a_range_are_refused(server, length):
    """A Content-Range whose numbers are longer than any file is an error that quotes it."""
    source = open_source(server.put("a.bin", DATA))
    said = f"bytes 1000-1009/{'9' * length}"
    server.fault = lambda request: request.answer(206, DATA[1000:1010], Content_Range=said) is None
    with pytest.raises(SourceError, match="asked for bytes 1000 to 1009, the server sent 'bytes 1000-1009/999"):
        source.read(1000, 10)


@pytest.mark.parametrize("name", ["Last-Modified", "Date"])
@pytest.mark.parametrize(
    "date", ["Thu, 01 Jan 2015 00:00:00 +9999999999999999", "Thu, 01 Jan 99999999999 00:00:00 GMT"]
)
def test_dates_that_no_clock_shows_are_none(server, name, date):
    """A date outside of what a clock can show says nothing, and keeps no file shut."""
    server.headers = {"Last-Modified": "Thu, 01 Jan 2015 00:00:00 GMT", name: date}
    assert bytes(open_source(server.put("a.bin", DATA)).read(1000, 10)) == DATA[1000:1010]


def test_a_retry_after_that_no_clock_shows_is_none(server):
    """The same of the date at which to come again."""
    source, busy = open_source(server.put("a.bin", DATA)), [503, 503]

    def fail(request):
        if busy:
            request.answer(busy.pop(), b"", Retry_After="Thu, 01 Jan 2015 00:00:00 +9999999999999999")
            return True
        return False

    server.fault = fail
    assert bytes(source.read(1000, 10)) == DATA[1000:1010]


@pytest.mark.parametrize("told", [True, False])
def test_what_is_compressed_on_its_way_becomes_no_gigabytes(server, monkeypatch, told):
    """A Content-Encoding makes no more of an answer than a set may become, whether it says how long it is or not."""
    monkeypatch.setattr(http_client, "SWOLLEN_SPARE", 1 << 16)
    body, made = gzip.compress(bytes(64 << 20)), []
    real = http_client._counting()._read_up_to

    async def counted(self, most):
        try:
            return await real(self, most)
        finally:
            made.append(self.content.total_bytes)

    monkeypatch.setattr(http_client._counting(), "_read_up_to", counted)

    def answer(request):
        if told:
            request.answer(200, body, Content_Encoding="gzip")
            return True
        return _in_parts(request, 200, body, Content_Encoding="gzip")

    server.fault = answer
    with pytest.raises(SourceError, match="bytes at the most, the server sends more"):
        chunkmap.load(server.put("a.json", b"{}"))
    assert 0 < max(made) < 16 << 20


def test_a_set_that_is_compressed_on_its_way_is_read(server):
    """What servers compress as they send it is read as ever."""
    text = json.dumps({"version": 1, "refs": {"v/.zattrs": json.dumps({"a": "b" * 10_000})}}).encode()
    server.fault = lambda request: request.answer(200, gzip.compress(text), Content_Encoding="gzip") is None
    assert chunkmap.load(server.put("a.json", b"")).name.endswith("a.json")


@pytest.mark.parametrize("to", ["javascript:alert(1)", "s3://bucket/a.h5", "http://[::bad", "http://"])
def test_a_scan_of_what_leads_nowhere_ends(server, to):
    """A scan of a file whose server sends us on to what is no URL of a file ends, and does not call it missing."""
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        h5["v"] = np.arange(4)

    def send_on(request):
        if request.path == "/a.h5":
            request.answer(302, b"", Location=to)
        return request.path == "/a.h5"

    server.fault = send_on
    with pytest.raises(SourceError) as caught:
        chunkmap.scan(server.put("a.h5", file.getvalue()))
    assert not isinstance(caught.value, NoSuchFile)
    assert len(list(causes(caught.value))) < 10


def test_errors_that_are_one_anothers_cause_are_looked_at_once():
    """Whoever raises an error from one that it caused itself keeps nobody looking for causes."""
    one, other = ValueError("one"), KeyError("other")
    one.__cause__, other.__cause__ = other, one
    assert list(causes(one)) == [one, other]
