"""A set reads no more of this machine than whoever opens it allows."""

import asyncio
import os
import pickle

import fsspec
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.core.buffer import default_buffer_prototype

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.trust import Trust
from chunkmap.access.values import read_array
from chunkmap.errors import SourceError, Unsupported
from chunkmap.frontends.opening import open_store

FAR = "https://example.org/sets/set.json"


def naming(url, codec="null"):
    """A set of one chunk of four bytes, somewhere."""
    return {
        "version": 1,
        "refs": {
            ".zgroup": '{"zarr_format": 2}',
            "x/.zarray": '{"shape": [4], "chunks": [4], "dtype": "|u1", "compressor": ' + codec + ', "filters": null,'
            ' "fill_value": null, "order": "C", "zarr_format": 2}',
            "x/.zattrs": '{"_ARRAY_DIMENSIONS": ["n"]}',
            "x/0": [url, 0, 4],
        },
    }


@pytest.fixture
def secret(tmp_path):
    """A file of this machine."""
    path = tmp_path / "private" / "secret"
    path.parent.mkdir()
    path.write_bytes(b"abcd")
    return str(path)


@pytest.fixture
def served(range_server):
    """Store a set on a web server; gives its URL."""
    import orjson

    return lambda document: range_server.put("set.json", orjson.dumps(document))


@pytest.mark.parametrize("form", ["{}", "file://{}", "file:{}", "local://{}", "file://localhost/..{}", "tar://m::{}"])
def test_a_set_from_elsewhere_may_not_name_local_files(secret, served, form):
    """Whatever way a local file is written, it is not read, and the refusal says what to pass."""
    dataset = chunkmap.open_dataset(served(naming(form.format(secret))))
    with pytest.raises(SourceError) as caught:
        dataset.x.values  # noqa: B018 - reading is what is tested
    assert "pass allow=[" in str(caught.value) or "'..'" in str(caught.value)


@pytest.mark.parametrize(
    "form",
    [
        "simplecache::{}",
        "simplecache::file://{}",
        "filecache::file:{}",
        "blockcache::local://{}",
        "zip://m::file://{}",
        "tar://m::simplecache::{}",
        "reference://m::file://{}",
        "reference://m::{}",
        "dir://m::file://{}",
        "FILE://{}",
        "File:{}",
        "file://%2e%2e{}",
        "//{}",
        "/{}",
        "\\\\server\\share{}",
        "~/../..{}",
        "{}\0.nc",
        "zip://m::",
        "data:,abcd{}",
        "asynclocal://{}",
        "arrow_hdfs://{}",
        "git://{}",
        "libarchive://m::{}",
    ],
)
@pytest.mark.parametrize("remote_protocol", [None, "file", "https"])
def test_no_chain_and_no_spelling_leads_to_a_local_file(secret, form, remote_protocol):
    """Caches, archives, filesystems in filesystems and odd spellings are no way round, with a protocol or without."""
    url = form.format(secret)
    for trust in (Trust(FAR), Trust(FAR, ["https://example.org"]), Trust(None, ["s3://", "/data"])):
        fetcher = Fetcher(trust=trust, remote_protocol=remote_protocol)
        if remote_protocol == "https" and "://" not in url and "::" not in url:
            assert fetcher.resolved(url) == f"https://{url}"
            continue
        with pytest.raises(SourceError):
            fetcher.source(url)


def test_no_file_is_opened_before_its_url_is_trusted(secret, served, monkeypatch):
    """A refusal comes before fsspec, or the system, has seen the URL."""
    from chunkmap.access import fetching

    dataset = chunkmap.open_dataset(served(naming(f"simplecache::file://{secret}")))
    monkeypatch.setattr(fetching, "open_source", None)
    with pytest.raises(SourceError, match="is not the member of an archive"):
        dataset.x.values  # noqa: B018


def test_parquet_from_elsewhere_is_held_to_the_same(secret, range_server, tmp_path):
    """A directory on a server may name no more than a file of JSON on it."""
    chunkmap.write(chunkmap.load(naming(secret)), tmp_path / "set.parq")
    for path in (tmp_path / "set.parq").rglob("*"):
        if path.is_file():
            url = range_server.put(str(path.relative_to(tmp_path)), path.read_bytes())
    root = url.partition("/set.parq")[0] + "/set.parq"
    dataset = chunkmap.open_dataset(root)
    with pytest.raises(SourceError, match="on this machine"):
        dataset.x.values  # noqa: B018
    report = chunkmap.verify(root, decode="all")
    assert not report
    assert "on this machine" in str(report)


def test_what_the_refusal_says_works(secret, served):
    """The advice of the message, followed, reads the file."""
    url = served(naming(secret))
    with pytest.raises(SourceError, match="pass allow=") as caught:
        chunkmap.open_dataset(url).x.values  # noqa: B018
    advised = str(caught.value).partition("allow=['")[2].partition("'")[0]
    assert chunkmap.open_dataset(url, allow=[advised]).x.values.tolist() == [97, 98, 99, 100]
    assert xr.open_dataset(url, engine="chunkmap", allow=["/"]).x.values.tolist() == [97, 98, 99, 100]


def test_every_way_in_is_guarded(secret, served):
    """zarr's reading, a set that was loaded first, a store made by hand, a worker's copy and trees are all refused."""
    url = served(naming(secret))
    stores = [open_store(url), chunkmap.ReferenceStore(chunkmap.load(url)), pickle.loads(pickle.dumps(open_store(url)))]
    for store in stores:
        with pytest.raises(SourceError, match="on this machine"):
            zarr.open_group(store, mode="r", zarr_format=2)["x"][:]
    for opened in (chunkmap.open_dataset(chunkmap.load(url)), xr.open_datatree(url, engine="chunkmap")):
        with pytest.raises(SourceError, match="on this machine"):
            opened["x"].values  # noqa: B018


def test_a_local_set_may_name_what_it_likes(secret, tmp_path, range_server, monkeypatch):
    """Sets of one's own go on as they did: absolute, relative, climbing, remote."""
    monkeypatch.chdir(tmp_path / "private")
    far = range_server.put("a", b"abcd")
    for url in (secret, "secret", "../private/secret", f"file://{secret}", far):
        assert chunkmap.open_dataset(naming(url)).x.values.tolist() == [97, 98, 99, 100]


def test_a_set_from_elsewhere_may_name_the_network(served, range_server):
    """Its references into files on servers are read."""
    url = served(naming(range_server.put("a", b"abcd")))
    assert chunkmap.open_dataset(url).x.values.tolist() == [97, 98, 99, 100]


def test_sets_and_files_in_memory_are_of_this_process():
    """fsspec's memory is no other machine."""
    fsspec.filesystem("memory").pipe("/trust/a", b"abcd")
    chunkmap.write(chunkmap.load(naming("memory://trust/a")), "memory://trust/set.json")
    assert chunkmap.open_dataset("memory://trust/set.json").x.values.tolist() == [97, 98, 99, 100]


@pytest.mark.parametrize(
    ("url", "allow", "passes"),
    [
        ("s3://bucket/a.nc", ["s3://bucket"], True),
        ("s3://bucket/a.nc", ["s3://bucket/"], True),
        ("s3://bucket/a.nc", ["s3://"], True),
        ("s3://bucket/a.nc", ["s3://bucket/a.nc"], True),
        ("s3://bucket-2/a.nc", ["s3://bucket"], False),
        ("s3://bucket/a.nc", ["https://bucket"], False),
        ("s3://bucket/a.nc", [], False),
        ("s3://bucket/../other/a.nc", ["s3://bucket"], False),
        ("https://h/a/%2e%2e/b", ["https://h/a"], False),
        ("https://h@evil/a", ["https://h"], False),
        ("sftp://host/a", ["sftp://host"], True),
        ("tar://a/b.nc::s3://bucket/a.tar", ["s3://bucket"], True),
        ("tar://a/b.nc::/etc/a.tar", ["s3://bucket"], False),
        ("simplecache::s3://bucket/a.nc", ["s3://bucket"], False),
        ("zip::s3://bucket/a.zip", ["s3://bucket"], False),
        ("/data/a.nc", ["/data"], True),
        ("file:///data/a.nc", ["/data/"], True),
        ("/data/a.nc", ["file:///data"], True),
        ("/data-2/a.nc", ["/data"], False),
        ("/data/../etc/passwd", ["/data"], False),
        ("/data/a.nc", ["/"], True),
        ("/data/a.nc", ["s3://"], False),
    ],
)
def test_a_prefix_ends_where_a_part_of_a_path_ends(url, allow, passes):
    """`allow` compares whole parts, whole protocols, and the file that a chain ends with."""
    trust = Trust(None, allow)
    if passes:
        trust.check(url)
    else:
        with pytest.raises(SourceError):
            trust.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "reference://x",
        "sftp://host/a",
        "a.nc",
        "memory://a",
        "simplecache::https://h/a",
        "data:,abcd",
        "https://h/../a",
    ],
)
def test_odd_ways_are_refused_to_sets_from_elsewhere(url):
    """Only stores of data that are read by range may be named unasked."""
    with pytest.raises(SourceError):
        Trust(FAR).check(url)


@pytest.mark.parametrize("allow", [None, ["s3://bucket/"]])
def test_a_url_that_is_its_own_content_is_not_advised(allow):
    """Nobody is told to allow `data:`; the message does not repeat the bytes."""
    with pytest.raises(SourceError, match="hold them inline") as error:
        Trust("https://example.org/set.json", allow).check("data:text/plain;base64," + "A" * 1000)
    assert "allow" not in str(error.value)
    assert len(str(error.value)) < 300


def test_a_set_may_name_files_where_it_lies_itself():
    """A set that came over an unusual protocol may name files over the same."""
    Trust("sftp://host/set.json").check("sftp://host/a.nc")


def test_a_link_does_not_lead_out(secret, tmp_path):
    """What is compared is the file, not the name of the link to it."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "link").symlink_to(secret)
    opened = chunkmap.open_dataset(naming(str(tmp_path / "open" / "link")), allow=[str(tmp_path / "open")])
    with pytest.raises(SourceError, match="not among"):
        opened.x.values  # noqa: B018


def test_a_text_is_no_list():
    """`allow="/data"` would allow every letter of it."""
    with pytest.raises(TypeError, match=r"\['/data'\]"):
        Trust(allow="/data")


def test_chunks_that_are_programs_are_not_read(tmp_path):
    """The codec that unpickles is refused by every reader, wherever the set came from."""

    class Program:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was-run"),)

    (tmp_path / "data").write_bytes(pickle.dumps(Program()))
    document = naming(str(tmp_path / "data"), '{"id": "pickle", "protocol": 5}')
    document["refs"]["x/0"] = [str(tmp_path / "data")]
    refs = chunkmap.load(document)
    with pytest.raises(Unsupported, match="pickle"):
        read_array(refs.arrays["x"], Fetcher())
    with pytest.raises(Unsupported, match="pickle"):
        asyncio.run(chunkmap.ReferenceStore(refs).get("x/0", default_buffer_prototype()))
    assert not (tmp_path / "was-run").exists()


def test_files_that_changed_are_refused_when_asked(tmp_path):
    """`check="etag"` reads what is as it was, and refuses what changed, or what nothing is known of."""
    import h5py

    path, out = str(tmp_path / "a.h5"), str(tmp_path / "set.parq")
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(1000)
    refs = chunkmap.scan(path)
    chunkmap.write(refs, out)
    for opened in (refs, out):
        assert int(chunkmap.open_dataset(opened, check="etag").x.sum()) == 499500
    worker = pickle.dumps(open_store(out, check="etag"))
    os.utime(path, (1, 1))
    for store in (open_store(refs, check="etag"), open_store(out, check="etag"), pickle.loads(worker)):
        with pytest.raises(SourceError, match="changed since it was scanned"):
            zarr.open_group(store, mode="r", zarr_format=2)["x"][:]
    assert int(chunkmap.open_dataset(out).x.sum()) == 499500
    with pytest.raises(SourceError, match="does not say what it was like"):
        chunkmap.open_dataset(refs.to_dict(), check="etag").x.values  # noqa: B018
    with pytest.raises(ValueError, match="expected 'etag'"):
        chunkmap.open_dataset(refs, check="size")


def test_an_etag_that_changed_is_refused(range_server):
    """A server's other content of equal length is told by its etag."""
    from chunkmap.model import Target

    url = range_server.put("a", b"abcd")
    refs = chunkmap.load(naming(url))
    chunks = refs.arrays["x"].chunks
    for etag, passes in (('"one"', True), ('"two"', False)):
        known = chunkmap.ReferenceSet(refs.arrays, targets={url: Target(size=4, etag=etag)})
        if passes:
            assert bytes(Fetcher(expected=known.targets).fetch(chunks)[0]) == b"abcd"
        else:
            with pytest.raises(SourceError, match="expected etag '\"two\"', found '\"one\"'"):
                Fetcher(expected=known.targets).fetch(chunks)
