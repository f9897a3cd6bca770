"""Sources that are at hand: local files, bytes in memory, file objects, and the view of a source as a file."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.errors import SourceError, TruncatedFile
from chunkmap.io import BytesSource, FileObjectSource, FileView, Range, open_source
from chunkmap.io.joining import coalesce

DATA = bytes(np.random.default_rng(1).integers(0, 256, 700_000, dtype="u1"))


class Trickle(io.RawIOBase):
    """A file that gives at most three bytes at a time."""

    def __init__(self, data):
        super().__init__()
        self._file = io.BytesIO(data)

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        return self._file.seek(offset, whence)

    def readinto(self, buffer):
        piece = self._file.read(min(3, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.fixture
def sources(tmp_path):
    """The same bytes as every kind of source."""
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        yield {
            "local": open_source(path),
            "url": open_source(f"file://{path}"),
            "memory": BytesSource(DATA),
            "object": open_source(file, url="a.bin"),
            "trickle": FileObjectSource(Trickle(DATA)),
        }


@pytest.mark.parametrize("kind", ["local", "url", "memory", "object", "trickle"])
def test_sources_keep_their_promises(sources, kind):
    """Every source gives exactly the bytes of a range, and TruncatedFile for one past the end."""
    source = sources[kind]
    assert source.size() == len(DATA)
    assert [bytes(v) for v in source.read_many([Range(5, 4), Range(0, 0), Range(1, 2)])] == [DATA[5:9], b"", DATA[1:3]]
    assert source.target().size == len(DATA)
    for offset, length in ((len(DATA), 1), (-1, 1), (0, -1), (len(DATA) + 1, 0)):
        with pytest.raises(TruncatedFile):
            source.read(offset, length)
    out = bytearray(4)
    source.read_into(5, memoryview(out))
    assert bytes(out) == DATA[5:9]
    with pytest.raises(TruncatedFile):
        source.read_into(len(DATA) - 3, memoryview(out))


def test_a_local_file_that_is_cut_short_meanwhile(tmp_path):
    """Bytes that are no longer there are an error, and do not end the process."""
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(100))
    source = open_source(path)
    path.write_bytes(bytes(10))
    with pytest.raises(TruncatedFile, match="only 10 in all"):
        source.read_into(0, memoryview(bytearray(100)))


def test_url_is_what_references_call_a_file(tmp_path):
    """A file may be scanned under another name than the one it is opened by."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    assert open_source(path).url == str(path)
    assert open_source(path, url="s3://b/a.bin").url == "s3://b/a.bin"


def test_local_files_that_cannot_be_read(tmp_path):
    """A missing file and a directory are SourceErrors that say so; an empty file has no bytes."""
    with pytest.raises(SourceError, match="no such file"):
        open_source(tmp_path / "no.nc")
    with pytest.raises(SourceError, match="directory"):
        open_source(tmp_path)
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source(f"{tmp_path}/a\0b")
    (tmp_path / "empty").touch()
    assert open_source(tmp_path / "empty").size() == 0


def test_file_objects_that_cannot_be_read(tmp_path):
    """A file of text, a pipe and a closed file are SourceErrors."""
    with pytest.raises(SourceError, match="binary"):
        open_source(io.StringIO("abc"))
    with pytest.raises(TypeError, match="expected a path, a URL or an open binary file"):
        open_source(object())
    file = io.BytesIO(b"abcdef")
    source = open_source(file)
    file.close()
    with pytest.raises(SourceError, match="cannot be read"):
        source.read(0, 3)


def test_file_object_that_is_cut_short():
    """A file that ends before its size is a SourceError, not short data."""
    file = io.BytesIO(b"abcdef")
    source = open_source(file)
    file.truncate(2)
    with pytest.raises(SourceError, match="gave 2"):
        source.read(0, 3)


def test_view_reads_like_a_file():
    """A view of a source reads, seeks and ends as the file itself does."""
    view, file = FileView(BytesSource(DATA)), io.BytesIO(DATA)
    for offset, whence, length in ((0, 0, 10), (262_140, 0, 10), (-5, 2, 10), (3, 1, 5), (10**7, 0, 4)):
        assert view.seek(offset, whence) == file.seek(offset, whence)
        expected = file.read(length)
        found = b""
        while len(found) < len(expected):
            found += view.read(length - len(found))
        assert found == expected
        assert view.tell() == file.tell()
    assert view.seekable()
    assert view.readable()
    assert io.BufferedReader(FileView(BytesSource(DATA))).read() == DATA


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 500)), max_size=30),
    st.integers(0, 300),
    st.integers(1, 2000),
)
def test_coalescing_keeps_every_range(pairs, gap, longest):
    """Each range lies where it is said to lie in what is fetched; no joined request is longer than the bound."""
    ranges = [Range(*pair) for pair in pairs]
    fetched, found = coalesce(ranges, gap=gap, longest=longest)
    for (offset, length), (number, start) in zip(ranges, found, strict=True):
        assert fetched[number].offset + start == offset
        assert start + length <= fetched[number].length
    alone = {r.length for r in ranges}
    assert all(r.length <= longest or r.length in alone for r in fetched)
    assert [r.offset for r in fetched] == sorted(r.offset for r in fetched)
