"""S3 through moto: writers that are cut off at every change, two writers, and stores that are busy or silent."""

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from faulty_s3 import busy
from fsspec.implementations.memory import MemoryFileSystem

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import ChunkmapError, OtherWriter, SourceError
from chunkmap.storage import journal
from chunkmap.storage.journal import JOURNAL

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

OUT = "s3://faulty/set.parq"


def _values(s3):
    return _values_of(chunkmap.load(OUT, storage_options=s3.options))


def _values_of(refs):
    return read_array(refs.arrays["v"], Fetcher())[:, 0, 0].tolist()


def _left(files):
    """The values of what a writer left, or none where no set is: read from a copy of the bucket in another store, which
    answers at once.
    """
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    for name, data in files.items():
        MemoryFileSystem().pipe_file(f"/faulty/{name}", data)
    try:
        return _values_of(chunkmap.load(OUT.replace("s3:", "memory:")))
    except SourceError:
        return []


POINTS = {"build": 10, "rebuild": 16, "append": 16}
"""Puts, copies and removals of a run."""


@pytest.mark.parametrize("verb", ["build", "rebuild", "append"])
def test_a_writer_may_be_cut_off_at_every_change(s3, write_series, monkeypatch, verb):
    """Old or new is read after every put, copy and removal of a writer; one that is cut off there says so, and the run
    can be repeated.
    """
    monkeypatch.setattr(journal, "_DEAD", 0.0)
    files = [write_series(f"{k}.h5", k, first=4.0 * k) for k in range(4)]
    how = {"concat_dims": ["time"], "record_size": 8}
    old = {"build": [], "rebuild": files[:2], "append": files[2:]}[verb]

    def build():
        chunkmap.build(files, OUT, output_options=s3.options, **how)

    def run():
        if verb == "append":
            chunkmap.append(OUT, files[:2], output_options=s3.options)
        else:
            build()

    if old:
        chunkmap.build(old, OUT, output_options=s3.options, **how)
    held = s3.files()
    whole = [float(k) for k in range(4) for _ in range(4)]
    before = [value for value in whole if files[int(value)] in old]
    with s3.states() as states:
        run()
    found = [_left(state) for state in states]
    assert len(found) == POINTS[verb] + 1
    assert all(values in (before, whole) for values in found)
    assert (found[0], found[-1]) == (before, whole)
    for changes in range(1, POINTS[verb], 4):
        s3.restore(held)
        s3.dies_after(changes)
        with pytest.raises(ChunkmapError):
            run()
        assert s3.is_dead
        s3.dies_after(None)
        left = _left(s3.files())
        assert left in (before, whole)
        assert not left or left == _values(s3)
        run() if left == before else build()
        assert _values(s3) == whole, changes
        temporary = [path for path in s3.files() if ".chunkmap-" in path]
        assert [path for path in temporary if not path.endswith(".chunkmap-targets.parq")] == []


def test_two_writers_who_publish_at_once_are_one_after_the_other(s3, write_series, monkeypatch):
    """The put of the journal is conditional: of two appends the later one hears of it, and nothing of it is left."""
    files = [write_series(f"{k}.h5", k, first=4.0 * k) for k in range(4)]
    chunkmap.build(files[:2], OUT, output_options=s3.options, concat_dims=["time"])
    before = s3.files()
    where = f"/faulty/set.parq/{JOURNAL}"
    conditions = []

    def other_was_first(request):
        if request["REQUEST_METHOD"] == "PUT" and request["PATH_INFO"] == where:
            conditions.append(request.get("HTTP_IF_NONE_MATCH"))
            s3.restore({**s3.files(), where.removeprefix("/faulty/"): b'{"waiting":{}}'})

    s3.fault = other_was_first
    with pytest.raises(OtherWriter, match="another writer"):
        chunkmap.append(OUT, files[2:3], output_options=s3.options, overwrite=True)
    assert len(conditions) == 1
    assert set(conditions) == {"*"}
    found = s3.files()
    assert {name: found[name] for name in before} == before
    s3.fault = lambda _request: None
    monkeypatch.setattr(journal, "_DEAD", 0.0)
    chunkmap.append(OUT, files[2:3], output_options=s3.options)
    assert len(_values(s3)) == 12


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("road", ["scan", "read", "json", "parquet", "build"])
def test_a_store_that_is_busy_for_a_moment_is_asked_again(s3, write_series, monkeypatch, road):
    """SlowDown, with and without Retry-After, and RequestTimeout pass: scanning, reading, sets at rest, and writing."""
    path = write_series("a.h5", 1)
    s3.fs.put_file(path, "faulty/a.h5")
    options = {"storage_options": s3.options}
    refs = chunkmap.scan("s3://faulty/a.h5", **options)
    for name in ("set.json", "set.parq"):
        chunkmap.write(refs, f"s3://faulty/{name}", **options)
    monkeypatch.setattr("chunkmap.io.retrying.PATIENCE", 30.0)
    faults = [busy(), busy(Retry_After="0"), ("400 Bad Request", busy()[1], [TIMED_OUT])]
    s3.fault = lambda request: faults.pop() if faults and _is_of(request, road) else None
    if road == "scan":
        assert chunkmap.scan("s3://faulty/a.h5", **options).arrays == refs.arrays
    elif road == "read":
        assert (read_array(refs.arrays["v"], Fetcher(**options)) == 1).all()
    elif road == "build":
        chunkmap.build([path], OUT, output_options=s3.options, concat_dims=["time"])
    else:
        name = {"json": "set.json", "parquet": "set.parq"}[road]
        assert chunkmap.load(f"s3://faulty/{name}", **options).arrays == refs.arrays
    assert not faults


TIMED_OUT = b"<?xml version='1.0'?><Error><Code>RequestTimeout</Code><Message>Idle too long</Message></Error>"


def _is_of(request, road):
    return (
        request["REQUEST_METHOD"] == ("PUT" if road == "build" else "GET")
        and "list-type" not in (request["QUERY_STRING"])
    )


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("road", ["scan", "read", "json", "parquet", "build", "verify"])
def test_a_store_that_is_silent_is_given_up(s3, write_series, monkeypatch, road):
    """On every road `timeout` ends the waiting, and the error says how long and how often it was tried."""
    monkeypatch.setattr("chunkmap.io.retrying.PATIENCE", 0.3)
    path = write_series("a.h5", 1)
    s3.fs.put_file(path, "faulty/a.h5")
    refs = chunkmap.scan("s3://faulty/a.h5", storage_options=s3.options)
    for name in ("set.json", "set.parq"):
        chunkmap.write(refs, f"s3://faulty/{name}", storage_options=s3.options)
    s3.fault = lambda _request: s3.over.wait(20) and None
    given = {"storage_options": s3.options, "timeout": 0.2}
    roads = {
        "scan": lambda: chunkmap.scan("s3://faulty/a.h5", **given),
        "read": lambda: chunkmap.open_dataset(refs, **given)["v"].values,
        "json": lambda: chunkmap.load("s3://faulty/set.json", **given),
        "parquet": lambda: chunkmap.load("s3://faulty/set.parq", **given),
        "build": lambda: chunkmap.build(
            [path], OUT, output_options=s3.options, timeout=0.2, concat_dims=["time"], record_size=100
        ),
        "verify": lambda: chunkmap.verify(refs, remote_options=s3.options, timeout=0.2),
    }
    started = time.monotonic()
    said = _said(roads[road])
    assert time.monotonic() - started < 10
    assert "tried" in said
    assert " s" in said


def _said(call):
    """What a call says of a server that is silent."""
    try:
        return str(call())
    except ChunkmapError as error:
        return str(error)


@pytest.mark.usefixtures("engine")
def test_an_object_that_is_replaced_under_a_long_lived_reader_is_refused(s3, write_series):
    """With check="etag" every read of an object in S3 is compared with what was scanned, not only the first."""
    s3.fs.put_file(write_series("a.h5", 1), "faulty/a.h5")
    options = {"storage_options": s3.options}
    chunkmap.write(chunkmap.scan("s3://faulty/a.h5", **options), OUT, **options)
    dataset = chunkmap.open_dataset(OUT, check="etag", remote_options=s3.options, **options)
    assert (dataset["v"][0].values == 1).all()
    s3.fs.put_file(write_series("b.h5", 2), "faulty/a.h5")
    with pytest.raises(SourceError, match="changed"):
        _ = dataset["v"][3].values


def test_two_appends_at_once_lose_nothing(s3, write_series):
    """Two that add to one set in a bucket at once both do, the one after the other."""
    files = [write_series(f"{k}.h5", k, first=4.0 * k) for k in range(4)]
    chunkmap.build(files[:2], OUT, output_options=s3.options, concat_dims=["time"])
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda path: chunkmap.append(OUT, [path], output_options=s3.options), files[2:]))
    assert sorted(_values(s3)) == [float(k) for k in range(4) for _ in range(4)]


def test_of_two_first_builds_one_is_whole(s3, write_series):
    """Whichever put of a first build into an empty place another one comes before, one of them is what is read."""
    files = [write_series(f"{k}.h5", k, first=4.0 * k) for k in range(4)]
    how = {"output_options": s3.options, "concat_dims": ["time"], "record_size": 8}
    outcomes = set()
    for put in range(1, 100):
        s3.restore({})
        left, late = [put], []

        def interrupt(request, left=left):
            left[0] -= request["REQUEST_METHOD"] == "PUT"
            if left[0] == 0:
                left[0] = -1000
                if request["PATH_INFO"].endswith(".zmetadata"):
                    return  # the last put: who begins now waits until it is there
                chunkmap.build(files[2:], OUT, **how)

        s3.fault = interrupt
        try:
            chunkmap.build(files[:2], OUT, **how)
        except OtherWriter as error:
            late.append(error)
        s3.fault = lambda _request: None
        assert _left(s3.files()) == [float(k) for k in ((2, 3) if late else (0, 1)) for _ in range(4)]
        outcomes.add(bool(late))
        if left[0] > 0:
            break
    assert put > 5
    assert outcomes == {False, True}


def test_a_set_of_json_that_was_replaced_in_the_same_moment_is_not_lost(s3, write_series):
    """The put of an append is conditional for JSON too: what another one put just before is added to."""
    files = [write_series(f"{k}.h5", k, first=4.0 * k) for k in range(4)]
    out = OUT.replace(".parq", ".json")
    chunkmap.build(files[:2], out, output_options=s3.options, concat_dims=["time"])
    others = []

    def other_was_first(request):
        if request["REQUEST_METHOD"] == "PUT" and not others:
            others.append(request)
            chunkmap.append(out, files[2:3], output_options=s3.options, concat_dims=["time"])

    s3.fault = other_was_first
    chunkmap.append(out, files[3:], output_options=s3.options, concat_dims=["time"])
    array = chunkmap.load(out, storage_options=s3.options).arrays["v"]
    assert read_array(array, Fetcher())[::4, 0, 0].tolist() == [0, 1, 2, 3]


def test_who_waits_for_a_writer_that_lives_does_not_take_it_for_dead(s3, write_series, monkeypatch):
    """While a journal changes, and until it is gone, the next writer waits; one that was taken for dead hears of it."""
    files = [write_series(f"{k}.h5", k, first=4.0 * k) for k in range(4)]
    chunkmap.build(files[:2], OUT, output_options=s3.options, concat_dims=["time"])
    where = f"set.parq/{JOURNAL}"
    looks = []

    def look(_seconds):
        looks.append(20.0)
        s3.put(where, b'{"waiting":{},"beat":%d}' % len(looks) if len(looks) < 5 else None)

    s3.put(where, b'{"waiting":{}}')
    monkeypatch.setattr(journal, "time", SimpleNamespace(sleep=look, monotonic=lambda: sum(looks)))
    chunkmap.append(OUT, files[2:3], output_options=s3.options)
    assert len(looks) == 5
    assert len(_values(s3)) == 12


def test_a_writer_that_was_taken_for_dead_changes_nothing_more(s3, write_series):
    """Between two steps of publishing a writer looks whether it is still the one that does."""
    files = [write_series(f"{k}.h5", k, first=4.0 * k) for k in range(4)]
    chunkmap.build(files[:2], OUT, output_options=s3.options, concat_dims=["time"])
    done = []

    def completed(request):
        if request["REQUEST_METHOD"] == "PUT" and JOURNAL in request["PATH_INFO"]:
            done.append(request["PATH_INFO"])
        elif done and request["REQUEST_METHOD"] == "GET" and JOURNAL in request["PATH_INFO"]:
            return "404 Not Found", [("Content-Length", "0")], [b""]
        return None

    s3.fault = completed
    with pytest.raises(OtherWriter, match="took this one for dead"):
        chunkmap.append(OUT, files[2:3], output_options=s3.options, overwrite=True)
    assert len(done) == 1
    s3.fault = lambda _request: None
    assert len(_values(s3)) == 8
