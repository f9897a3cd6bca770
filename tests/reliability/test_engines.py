"""obstore and fsspec in each other's place: the same bytes, and every promise, whichever fetches ranges of S3."""

import asyncio
import json
import multiprocessing
import pickle
import time
from types import SimpleNamespace

import fsspec
import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from faulty_s3 import busy

import chunkmap
from chunkmap.errors import NoSuchFile, SourceError
from chunkmap.frontends.command_line.commands import chunkmap as chunkmap_command
from chunkmap.io import Range, open_source
from chunkmap.io.engines import object_by
from chunkmap.io.opening import open_any
from chunkmap.storage.verbs import load

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

DATA = np.random.default_rng(0).bytes(5 << 20)
URL = "s3://faulty/a.bin"


@pytest.fixture
def asked(s3):
    """What is asked for a file in S3: the headers of each request, as WSGI has them."""
    s3.put("a.bin", DATA)
    found = []

    def note(request):
        if request["REQUEST_METHOD"] == "GET":
            found.append({**request})

    s3.fault = note
    return found


def _by(request):
    """The library that made a request."""
    return "obstore" if "object_store" in request["HTTP_USER_AGENT"] else "fsspec"


def test_both_give_the_same(s3, engine, asked):
    """Ranges that are far apart, touch, overlap, are empty or long are those of the file, by the engine named."""
    source = open_source(URL, storage_options=s3.options)
    wanted = [Range(n * 9_000, 400) for n in range(300)]
    wanted += [Range(0, 5 << 20), Range(7, 0), Range(3, 5), Range(8, 5), Range(5, 9)]
    assert [bytes(block) for block in source.fetch(wanted)] == [DATA[a : a + n] for a, n in wanted]
    assert [bytes(block) for block in source.read_many(wanted)] == [DATA[a : a + n] for a, n in wanted]
    assert {_by(request) for request in asked} == {engine}


def test_both_know_the_same_of_a_file(s3, asked):
    """Length, etag and time of change are those that s3fs gives, so that sets made by one are checked by the other."""
    found = [open_source(URL, storage_options={**s3.options, "engine": by}).target() for by in ("fsspec", "obstore")]
    assert found[0] == found[1]
    assert found[0].size == len(DATA)
    assert found[0].etag
    assert found[0].mtime


def test_a_missing_file_is_named_and_counts_as_no_failure(s3, asked):
    """Files beside others are looked for and often not there: obstore goes on being used."""
    for _ in range(5):
        with pytest.raises(NoSuchFile, match=r"nothing\.bin"):
            open_source("s3://faulty/nothing.bin", storage_options=s3.options)
    open_source(URL, storage_options=s3.options).read(0, 9)
    assert _by(asked[-1]) == "obstore"


def test_long_ranges_stay_apart(s3, asked):
    """Pieces of a long range that touch are requests of their own, side by side, and are not joined again."""
    assert bytes(open_source(URL, storage_options=s3.options).read(0, 5 << 20)) == DATA
    assert len(asked) == 2


def test_obstore_is_taken_where_it_keeps_all_promises(s3, asked):
    """Without a word said, S3 is read by obstore; where `allow` may be broken by a redirect, by fsspec."""
    open_source(URL, storage_options=s3.options).read(0, 9)
    open_source(URL, storage_options=s3.options, permits=lambda _url: None).read(0, 9)
    assert [_by(request) for request in asked] == ["obstore", "fsspec"]


def test_it_knows_what_s3fs_knows(s3, asked, monkeypatch, tmp_path):
    """Keys that are given, of a profile or the environment, none, and who pays: obstore says the same as s3fs."""
    profile = tmp_path / "credentials"
    profile.write_text("[mine]\naws_access_key_id = of-profile\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profile))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-environment")
    s3.fs.chmod("faulty/a.bin", "public-read")
    given = s3.options["client_kwargs"]
    for options in (
        {"key": "a", "secret": "b"},
        {},
        {"anon": True},
        {"key": "a", "secret": "b", "requester_pays": True},
        {"profile": "mine"},
    ):
        for by in ("obstore", "fsspec"):
            source = open_source(URL, storage_options={**options, "client_kwargs": given, "engine": by})
            assert bytes(source.read(5, 5)) == DATA[5:10]
    said = [(_key(request), request.get("HTTP_X_AMZ_REQUEST_PAYER")) for request in asked]
    assert said[::2] == said[1::2]
    assert said[::2] == [("a", None), ("of-environment", None), ("", None), ("a", "requester"), ("of-profile", None)]


def _key(request):
    """Whose signature a request has."""
    return request.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition("/")[0]


def test_a_session_token_is_not_given_to_obstore(s3, asked, monkeypatch):
    """Temporary credentials, given or of the environment, are used by fsspec alone, and the error says why."""
    given = {"client_kwargs": s3.options["client_kwargs"]}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "c")
    open_source(URL, storage_options=given).read(0, 9)
    open_source(URL, storage_options={**s3.options, "token": "c"}).read(0, 9)
    open_source(URL, storage_options=s3.options).read(0, 9)
    assert [_by(request) for request in asked] == ["fsspec", "fsspec", "obstore"]
    assert [request.get("HTTP_X_AMZ_SECURITY_TOKEN") for request in asked] == ["c", "c", None]
    with pytest.raises(SourceError, match="session token"):
        open_source(URL, storage_options={**given, "engine": "obstore"})


def test_no_signature_follows_a_redirect(s3, asked):
    """A store that sends us on to another host gives that one no signature to see."""
    source = open_source(URL, storage_options=s3.options)
    elsewhere = s3.options["client_kwargs"]["endpoint_url"].replace("127.0.0.1", "localhost")
    heard = []

    def send_on(request):
        if request["HTTP_HOST"].startswith("localhost"):
            heard.append([name for name in request if name in ("HTTP_AUTHORIZATION", "HTTP_X_AMZ_SECURITY_TOKEN")])
            return "404 Not Found", [("Content-Length", "0")], [b""]
        return "307 Temporary Redirect", [("Location", f"{elsewhere}/faulty/a.bin"), ("Content-Length", "0")], [b""]

    s3.fault = send_on
    with pytest.raises(SourceError):
        source.read(0, 9)
    assert heard
    assert not any(heard)


def test_who_is_told_when_to_come_again_waits(s3, asked, monkeypatch):
    """Retry-After is heard by one more request than obstore made, alone, and nothing is asked until it is over."""
    source = open_source(URL, storage_options=s3.options)
    waits = []
    monkeypatch.setattr("chunkmap.io.retrying.PATIENCE", 30.0)
    monkeypatch.setattr("chunkmap.io.retrying.time", SimpleNamespace(**{**vars(time), "sleep": waits.append}))

    def fail(request):
        asked.append(request)
        return None if waits else busy(Retry_After="7")

    s3.fault = fail
    wanted = [Range(n * 100_000, 10) for n in range(40)]
    assert [bytes(block) for block in source.fetch(wanted)] == [DATA[a : a + n] for a, n in wanted]
    assert len(waits) == 1
    assert 6 < waits[0] < 10
    assert [_by(request) for request in asked].count("fsspec") == 1 + 40


def test_what_fails_often_is_left_to_fsspec(s3, asked):
    """After three calls that failed obstore is not asked any more, and every read is answered."""
    source = open_source(URL, storage_options=s3.options)
    s3.fault = lambda request: busy() if _by(request) == "obstore" and not asked.append(request) else None
    for n in range(6):
        assert bytes(source.read(n, 9)) == DATA[n : n + 9]
    assert len(asked) == 3


def test_bodies_cut_short_are_fetched_again(s3, asked):
    """An answer that ends before its time, or is of other bytes than asked for, is none: fsspec brings the bytes."""
    source = open_source(URL, storage_options=s3.options)
    size = len(DATA)
    for said, body in ((f"bytes 5-14/{size}", DATA[5:10]), (f"bytes 6-15/{size}", DATA[6:16]), ("", DATA[5:15])):
        headers = [("Content-Length", "10"), ("ETag", '"x"'), ("Last-Modified", "Thu, 01 Jan 2015 00:00:00 GMT")]
        headers += [("Content-Range", said)] if said else []
        answer = ("206 Partial Content" if said else "200 OK", headers, [body])
        s3.fault = lambda request, answer=answer: answer if _by(request) == "obstore" else None
        assert bytes(source.read(5, 10)) == DATA[5:15]


@pytest.mark.parametrize("how", ["opened", "pickled"])
def test_other_bytes_than_asked_for_are_refused_by_both(s3, engine, asked, how):
    """An answer of S3 that says that it is of other bytes than were asked for is an error that says both."""
    source = open_source(URL, storage_options=s3.options)
    source = pickle.loads(pickle.dumps(source)) if how == "pickled" else source
    said = f"bytes 6-15/{len(DATA)}"
    headers = [("Content-Length", "10"), ("ETag", '"x"'), ("Content-Range", said)]
    s3.fault = lambda request: ("206 Partial Content", headers, [DATA[6:16]]) if "HTTP_RANGE" in request else None
    with pytest.raises(SourceError, match="asked for bytes 5 to 14, the server sent bytes 6 to 15"):
        source.read(5, 10)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("200 OK", "the server sent 10 bytes as the whole file"),
        ("202 Accepted", "the server answers 202, in which there is none"),
        ("203 Other", "the server answers 203, in which there is none"),
    ],
)
def test_what_is_no_range_is_refused_by_both(s3, engine, asked, status, says):
    """As many bytes as were asked for, of an answer of S3 that is no range of the object, are not taken for it."""
    source = open_source(URL, storage_options=s3.options)
    s3.fault = lambda request: (status, [("Content-Length", "10")], [DATA[:10]]) if "HTTP_RANGE" in request else None
    with pytest.raises(SourceError, match=says):
        source.read(5, 10)


@pytest.mark.parametrize("how", ["opened", "pickled"])
def test_a_whole_object_that_is_as_short_as_the_range_is_refused_by_both(s3, engine, asked, how):
    """An object that was replaced by one as short as a range from its first byte, sent whole, is not that range."""
    source = open_source(URL, storage_options=s3.options)
    source = pickle.loads(pickle.dumps(source)) if how == "pickled" else source
    s3.fault = lambda request: (
        ("200 OK", [("Content-Length", "10")], [b"0123456789"]) if "HTTP_RANGE" in request else None
    )
    with pytest.raises(SourceError, match=rf"of {len(DATA)} bytes, the server sent 10 bytes as the whole file"):
        source.read(0, 10)


def test_a_whole_object_is_taken_where_it_is_as_long_as_it_was(s3, engine, asked):
    """A store that knows no ranges sends all of an object, from which ranges are taken."""
    source = open_source(URL, storage_options=s3.options)
    whole = [("Content-Length", str(len(DATA)))]
    s3.fault = lambda request: ("200 OK", whole, [DATA]) if "HTTP_RANGE" in request else None
    assert bytes(source.read(0, 10)) == DATA[:10]


def test_an_open_file_pickles_and_is_read_within_a_loop(s3, engine, asked):
    """A source reads on after it was pickled, and where an event loop runs."""
    source = open_source(URL, storage_options=s3.options)
    assert bytes(source.read(5, 10)) == DATA[5:15]
    assert bytes(pickle.loads(pickle.dumps(source)).read(5, 10)) == DATA[5:15]

    async def read():
        return bytes(source.read(6, 10))

    assert asyncio.run(read()) == DATA[6:16]
    assert {_by(request) for request in asked} == {engine}


def _read(options, answers):
    answers.put(bytes(open_source(URL, storage_options=options).read(5, 10)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="the system knows no fork")
def test_a_process_that_was_forked_reads_without_obstore(s3, asked):
    """obstore's threads do not survive a fork: the child is read by fsspec, and does not wait forever."""
    open_source(URL, storage_options=s3.options).read(0, 9)
    how = multiprocessing.get_context("fork")
    answers = how.SimpleQueue()
    child = how.Process(target=_read, args=(s3.options, answers))
    child.start()
    child.join(30)
    try:
        assert child.exitcode == 0
    finally:
        child.kill()
    assert answers.get() == DATA[5:15]
    assert [_by(request) for request in asked] == ["obstore", "fsspec"]


@pytest.mark.parametrize(
    ("options", "path", "why"),
    [
        ({"s3_additional_kwargs": {"SSECustomerKey": "x"}}, "b/k", "s3_additional_kwargs cannot be said"),
        ({"version_aware": True}, "b/k", "version_aware cannot be said"),
        ({"client_kwargs": {"config": object()}}, "b/k", "client_kwargs: config cannot be said"),
        ({"config_kwargs": {"signature_version": "s3"}}, "b/k", "config_kwargs: signature_version cannot be said"),
        ({"config_kwargs": {"s3": {"addressing_style": "virtual"}}}, "b/k", "config_kwargs: s3 cannot be said"),
        ({"client_kwargs": {"verify": "/a/bundle.pem"}}, "b/k", "certificates of one's own"),
        ({"asynchronous": True}, "b/k", "a loop of its own"),
        ({}, "b--use1-az4--x-s3/k", "directory bucket"),
        ({}, "b/a//k", "its key has characters"),
        ({}, "b/../k", "its key has characters"),
        ({}, "b/a%2Fk", "its key has characters"),
        ({}, "b/mañana", "its key has characters"),
    ],
)
def test_what_cannot_be_said_to_obstore_is_named(s3, options, path, why):
    """Options, buckets and keys that obstore may take otherwise than s3fs are read by fsspec; who insists hears why."""
    fs = fsspec.filesystem("s3", **{**s3.options, **options}, skip_instance_cache=True)
    assert object_by(None, fs, path, f"s3://{path}") is None
    assert object_by("fsspec", fs, path, f"s3://{path}") is None
    with pytest.raises(SourceError, match=why):
        object_by("obstore", fs, path, f"s3://{path}")


def test_over_http_obstore_is_refused(server):
    """Who insists on obstore where it cannot show what we promise hears why, and what to do."""
    url = server.put("a.bin", DATA)
    with pytest.raises(SourceError, match=r"S3 alone.*Leave `engine` out"):
        chunkmap.scan(url, engine="obstore")


def test_every_verb_that_reads_files_takes_an_engine(s3, engine, asked, write_series, tmp_path):
    """Scanning one or many, building, combining, opening, verifying and the command line use the engine named."""
    s3.fs.put_file(write_series("a.h5", 1), "faulty/a.h5")
    plain = {name: value for name, value in s3.options.items() if name != "engine"}
    how = {"storage_options": plain, "engine": engine}
    url, out = "s3://faulty/a.h5", str(tmp_path / "a.json")
    refs = chunkmap.scan(url, **how)
    assert chunkmap.scan_many([url], **how)[0].arrays == refs.arrays
    chunkmap.build([url], out, concat_dims=["time"], **how)
    chunkmap.combine([refs], concat_dims=["time"], remote_options=s3.options)
    store = chunkmap.open_store(refs, **how)
    assert store is not None
    assert chunkmap.verify(refs, remote_options=plain, engine=engine)
    words = ["scan", url, "--engine", engine, "--storage-options", json.dumps(plain), "-o", str(tmp_path / "b.json")]
    done = CliRunner().invoke(chunkmap_command, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert load(str(tmp_path / "b.json")).arrays == refs.arrays
    assert {_by(request) for request in asked if request["PATH_INFO"].endswith("a.h5")} == {engine}
    with pytest.raises(ValueError, match="expected 'fsspec', 'obstore', 'curl' or None"):
        chunkmap.scan(url, engine="aiohttp")


def test_a_small_object_is_scanned_with_one_request(s3, asked, tmp_path):
    """How long an object is comes with its first bytes; one of no bytes is asked for in another way."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.arange(1000)
    s3.put("a.h5", (tmp_path / "a.h5").read_bytes())
    s3.put("empty.h5", b"")
    asked.clear()
    assert chunkmap.scan("s3://faulty/a.h5", storage_options=s3.options).targets["s3://faulty/a.h5"].size > 8000
    assert len(asked) == 1
    for _ in range(4):
        with pytest.raises(SourceError, match="the file is empty"):
            chunkmap.scan("s3://faulty/empty.h5", storage_options=s3.options)
    asked.clear()
    chunkmap.scan("s3://faulty/a.h5", storage_options=s3.options)
    assert {_by(request) for request in asked} == {"obstore"}


def test_an_object_replaced_behind_its_first_bytes_is_noticed(s3, asked):
    """Its first bytes came as it was opened: one more read is the second, and may be of another object."""
    source = open_any(URL, storage_options={**s3.options, "engine": "obstore"}, holds=list, ahead=True)
    s3.put("a.bin", DATA[::-1])
    source.read(0, 1 << 20)
    with pytest.raises(SourceError, match="changed while it was read"):
        source.confirm()


def test_many_small_ranges_of_a_bucket_nearby(s3, asked):
    """Where answers come soon few calls are made, one after another: each range is right, and asked for once."""
    source = open_source(URL, storage_options=s3.options)
    source._object._bucket._latency = 0.0
    asked.clear()
    ranges = [Range(n * (len(DATA) // 500), 7) for n in range(500)]
    assert [bytes(view) for view in source.fetch(ranges)] == [DATA[o : o + n] for o, n in ranges]
    assert len(asked) == 500
    assert all(view.readonly for view in source.fetch(ranges[:3]))
