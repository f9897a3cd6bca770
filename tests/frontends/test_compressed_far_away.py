"""Files that are compressed as a whole, behind HTTP and on S3: sets over them, and what is fetched for a chunk."""

from __future__ import annotations

import zlib

import fsspec
import pytest
from compressed_kinds import KINDS, WHOLE

import chunkmap
from chunkmap.errors import ChunkmapError, SourceError

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.usefixtures("close_points"),
]


class OnHttp:
    """Files behind a server; sets over them are kept here."""

    def __init__(self, server, folder):
        self.out, self.data = str(folder), {}
        self.read, self.written, self.loaded = {}, {}, {}
        self._server = server

    def put(self, name, data):
        """Put a file there, and give its URL."""
        self.data[name] = data
        return self._server.put(name, data)

    def fetched(self):
        """How many bytes each request for a compressed file got since this was asked last."""
        found = [length for _, _, length in self._server.gets]
        self._server.forget()
        return found


class OnS3:
    """Files in a bucket, and sets beside them."""

    def __init__(self, options, gets, bucket):
        self.out, self.data = f"s3://{bucket}", {}
        self.loaded = {"storage_options": options}
        self.read, self.written = (self.loaded | {name: options} for name in ("remote_options", "output_options"))
        self._fs, self._gets = fsspec.filesystem("s3", **options), gets
        self._fs.mkdir(bucket)

    def put(self, name, data):
        """Put a file there, and give its URL."""
        self.data[name] = data
        self._fs.pipe(f"{self.out}/{name}", data)
        return f"{self.out}/{name}"

    def fetched(self):
        """How many bytes each request for a compressed file got since this was asked last."""
        found = [size for path, size in self._gets if path.rpartition("/")[2] in self.data]
        self._gets.clear()
        return found


@pytest.fixture(params=["http", "s3"])
def far(request, tmp_path):
    """Files far away."""
    if request.param == "http":
        return OnHttp(request.getfixturevalue("range_server"), tmp_path)
    bucket = f"b{zlib.crc32(request.node.nodeid.encode())}"
    return OnS3(*map(request.getfixturevalue, ("s3_options", "s3_gets")), bucket)


@KINDS
@pytest.mark.parametrize(("name", "other"), [("set.json", "other.parq"), ("set.parq", "other.json")])
def test_one_set_over_many_of_them(plain, far, kind, name, other):
    """Built, added to, verified, written as the other kind of set, and read whole."""
    urls, out = list(kind(plain, far.put)), f"{far.out}/{name}"
    chunkmap.build(urls[:2], out, concat_dims="time", **far.written)
    chunkmap.append(out, urls[2:], **far.written)
    assert chunkmap.open_dataset(out, **far.read).load().equals(WHOLE)
    assert chunkmap.verify(out, **far.read)
    stored = chunkmap.load(out, **far.loaded)
    assert all(len(target.points) > 100 for target in stored.targets.values())
    chunkmap.write(stored, f"{far.out}/{other}", **far.loaded)
    assert chunkmap.open_dataset(f"{far.out}/{other}", **far.read).load().equals(WHOLE)


@KINDS
def test_little_is_fetched_for_a_chunk(plain, far, kind):
    """The scan fetches a file once, and a directory at its end; a chunk is one or two requests for a small part."""
    url, out = next(iter(kind(plain, far.put))), f"{far.out}/set.json"
    size = len(far.data[url.rpartition("/")[2]])
    refs = chunkmap.scan(url, **far.loaded)
    assert sum(far.fetched()) < size + (1 << 17)
    chunkmap.write(refs, out, **far.loaded)
    array = chunkmap.open_dataset(out, **far.read).v
    far.fetched()
    assert array[7].load().equals(WHOLE.v[7])
    found = far.fetched()
    assert 1 <= len(found) <= 2
    assert sum(found) < size / 2


@KINDS
def test_combined_in_memory(plain, far, kind):
    """Scanned apart, combined, and read: coordinates are read by range, too."""
    sets = [chunkmap.scan(url, **far.loaded) for url in kind(plain, far.put)]
    combined = chunkmap.combine(sets, concat_dims="time", inline_threshold=200, **far.loaded)
    options = {name: value for name, value in far.read.items() if name == "remote_options"}
    assert chunkmap.open_dataset(combined, **options).load().equals(WHOLE)


@KINDS
@pytest.mark.parametrize("name", ["set.json", "set.parq"])
def test_what_changed_is_refused(plain, far, kind, name):
    """One of another length, or with other bytes within: reading is an error, and verifying a failure."""
    urls, out = list(kind(plain, far.put)), f"{far.out}/{name}"
    chunkmap.build(urls, out, concat_dims="time", **far.written)
    changed = urls[0].rpartition("/")[2]
    data = far.data[changed]
    far.put(changed, data + b"\0")
    assert not chunkmap.verify(out, **far.read)
    with pytest.raises(SourceError, match="changed since it was scanned"):
        chunkmap.open_dataset(out, **far.read).load()
    middle = len(data) // 8
    far.put(changed, data[:middle] + bytes(40) + data[middle + 40 :])
    assert not chunkmap.verify(out, decode="all", **far.read)
    with pytest.raises(ChunkmapError, match=r"restart point|too early"):
        chunkmap.open_dataset(out, **far.read).load()
