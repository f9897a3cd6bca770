"""Members of archives as ranges of the archives."""

import contextlib
import io
import struct
import tarfile
import zipfile

import fsspec
import pytest

from chunkmap.errors import ChunkmapError, FormatError, SourceError, TruncatedFile, Unsupported
from chunkmap.io import BytesSource, members, open_source, outermost
from chunkmap.io.archive import deflated_member, open_member

DATA = bytes(range(256)) * 40


def zip_bytes(method=zipfile.ZIP_STORED, name="d/a.bin", **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method, **options) as archive:
        archive.writestr("first.txt", b"before")
        archive.writestr("d/", b"")
        archive.writestr(name, DATA)
    return file.getvalue()


def tar_bytes(kind="w", name="d/a.bin"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=kind) as archive:
        folder = tarfile.TarInfo("d")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        info = tarfile.TarInfo(name)
        info.size = len(DATA)
        archive.addfile(info, io.BytesIO(DATA))
    return file.getvalue()


def with_longer_local_extra(data):
    """The first member's local header given an extra field that the central directory does not have."""
    extra = struct.pack("<HH9s", 0x5455, 9, b"\x03" + bytes(8))
    name_length = struct.unpack_from("<H", data, 26)[0]
    local = data[:28] + struct.pack("<H", len(extra)) + data[30 : 30 + name_length] + extra
    rest = bytearray(data[30 + name_length :])
    end = rest.rindex(b"PK\x05\x06")
    directory = struct.unpack_from("<I", rest, end + 16)[0]
    struct.pack_into("<I", rest, end + 16, directory + len(extra))
    return local + bytes(rest)


@pytest.mark.parametrize(("kind", "content"), [("zip", zip_bytes()), ("tar", tar_bytes())])
def test_member_is_a_range_of_the_archive(tmp_path, kind, content):
    """A stored member reads as its bytes, and says where in the archive they are."""
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content)
    for url in (f"{kind}://d/a.bin::{path}", f"{kind}://d/a.bin::file://{path}"):
        source = open_source(url)
        assert source.url == url
        assert bytes(source.read(0, source.size())) == DATA
        assert bytes(source.read_many([(3, 4)])[0]) == DATA[3:7]
        outer, first, length = members(source)[url]
        assert outer == url.partition("::")[2]
        assert content[first : first + length] == DATA
        assert outermost(source).size() == len(content)


def test_offset_comes_from_the_local_header(tmp_path):
    """Info-ZIP writes a longer extra field before the data than in the directory; the data are found all the same."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.bin", DATA)
    content = with_longer_local_extra(file.getvalue())
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("a.bin") == DATA
    source = open_source(f"zip://a.bin::{path}")
    assert bytes(source.read(0, source.size())) == DATA


def test_zip64_member_is_found(tmp_path):
    """A member written with ZIP64 sizes is found like any other."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, archive.open("a.bin", "w", force_zip64=True) as member:
        member.write(DATA)
    source = open_source(f"zip://a.bin::{path}")
    assert bytes(source.read(0, source.size())) == DATA


def test_nested_archives_are_ranges_of_the_outermost(tmp_path):
    """A member of a ZIP in a TAR is a range of the TAR."""
    inner = zip_bytes()
    path = tmp_path / "outer.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("in.zip")
        info.size = len(inner)
        archive.addfile(info, io.BytesIO(inner))
    source = open_source(f"zip://d/a.bin::tar://in.zip::{path}")
    assert bytes(source.read(0, source.size())) == DATA
    outer, first, length = members(source)[source.url]
    assert outer == str(path)
    assert path.read_bytes()[first : first + length] == DATA


def test_archives_over_http_and_memory(range_server):
    """Members are found in archives behind a server, in few requests."""
    url = f"tar://d/a.bin::{range_server.put('a.tar', tar_bytes())}"
    source = open_source(url)
    assert bytes(source.read(100, 50)) == DATA[100:150]
    assert len(range_server.gets) <= 3
    fsspec.filesystem("memory").pipe("/archive_test.zip", zip_bytes())
    try:
        source = open_source("zip://d/a.bin::memory://archive_test.zip")
        assert bytes(source.read(0, source.size())) == DATA
    finally:
        fsspec.filesystem("memory").rm("/archive_test.zip")


def test_options_of_the_outer_file_are_passed_on(range_server):
    """Options for the file that holds the archive come as `target_options`, or by the protocol's name."""
    url = range_server.put("a.zip", zip_bytes())
    for options in ({"target_options": {"block_size": 100}}, {"http": {"block_size": 100}}, {"zip": {}}):
        source = open_source(f"zip://d/a.bin::{url}", storage_options=options)
        assert bytes(source.read(0, 4)) == DATA[:4]


def test_names_with_a_dot_are_the_same(tmp_path):
    """`tar cf a.tar ./x` names its members with `./`, and users leave it out."""
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes(name="./x/a.bin"))
    assert open_source(f"tar://x/a.bin::{path}").size() == len(DATA)


@pytest.mark.parametrize(
    ("name", "content", "member", "error", "match"),
    [
        ("zip", zip_bytes(zipfile.ZIP_BZIP2), "d/a.bin", Unsupported, "bzip2"),
        ("zip", zip_bytes(zipfile.ZIP_LZMA), "d/a.bin", Unsupported, "LZMA"),
        ("tar", tar_bytes("w:bz2"), "d/a.bin", Unsupported, "no restart points"),
        ("tar", tar_bytes("w:xz"), "d/a.bin", Unsupported, "xz"),
        ("zip", zip_bytes(), "no.bin", SourceError, "first.txt, d/, d/a.bin"),
        ("tar", tar_bytes(), "no.bin", SourceError, "no member"),
        ("zip", zip_bytes(), "d/", SourceError, "directory"),
        ("tar", tar_bytes(), "d", SourceError, "not a file"),
        ("zip", b"", "a", FormatError, "ZIP"),
        ("tar", b"x" * 2000, "a", FormatError, "TAR"),
        ("zip", b"PK\x05\x06" + b"\xff" * 18, "a", FormatError, "ZIP"),
    ],
)
def test_what_is_no_range_is_refused(tmp_path, name, content, member, *, error, match):
    """Compressed members, directories, missing members and what is no archive are refused, each with its reason."""
    path = tmp_path / "archive"
    path.write_bytes(content)
    with pytest.raises(error, match=match):
        open_source(f"{name}://{member}::{path}")


def test_encrypted_member_is_refused(tmp_path):
    """The flag of encryption in the directory is seen."""
    content = bytearray(zip_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(Unsupported, match="encrypted"):
        open_source(f"zip://d/a.bin::{tmp_path / 'a.zip'}")


def test_sparse_tar_member_is_refused(tmp_path):
    """A member of which the archive keeps only the pieces that are not empty has no range of its own."""
    info = tarfile.TarInfo("a.bin")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:398], header[398:410] = b"00000000000\0", b"00000000000\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    (tmp_path / "a.tar").write_bytes(bytes(header[:512]) + bytes(1024))
    with pytest.raises(Unsupported, match="sparse"):
        open_source(f"tar://a.bin::{tmp_path / 'a.tar'}")


def test_cut_archives_raise_only_our_errors(tmp_path):
    """However an archive is cut, what comes out is an error of ours, or the member whole."""
    path = tmp_path / "cut"
    for kind, content in (("zip", zip_bytes()), ("tar", tar_bytes())):
        for stop in range(0, len(content), 97):
            path.write_bytes(content[:stop])
            with contextlib.suppress(ChunkmapError):
                assert bytes(open_source(f"{kind}://d/a.bin::{path}").read(0, len(DATA))) == DATA


def test_deflated_member_is_found_with_its_header(tmp_path):
    """A deflated member is given as the range that begins at its local header."""
    content = zip_bytes(zipfile.ZIP_DEFLATED)
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    first, length = deflated_member("d/a.bin", open_source(path), "u")
    assert content[first : first + 4] == b"PK\x03\x04"
    assert content[first + length : first + length + 2] == b"PK"
    stored = tmp_path / "stored.zip"
    stored.write_bytes(zip_bytes())
    with pytest.raises(Unsupported):
        deflated_member("d/a.bin", open_source(stored), "u")


def test_damaged_zip_members_are_refused(tmp_path):
    """A directory that points where no local header is, and sizes that contradict one another, are FormatErrors."""
    content = bytearray(zip_bytes())
    entry = content.rindex(b"PK\x01\x02")
    wrong_offset, wrong_size = bytearray(content), bytearray(content)
    struct.pack_into("<I", wrong_offset, entry + 42, 5)
    struct.pack_into("<I", wrong_size, entry + 24, 5)
    for damaged, match in ((wrong_offset, "local header"), (wrong_size, "take")):
        (tmp_path / "a.zip").write_bytes(damaged)
        with pytest.raises(FormatError, match=match):
            open_source(f"zip://d/a.bin::{tmp_path / 'a.zip'}")


def test_errors_of_the_outer_file_are_told_as_they_are(range_server):
    """A server that fails while an archive is searched is a SourceError, not a wrong archive."""
    for kind, content in (("zip", zip_bytes()), ("tar", tar_bytes())):
        url = range_server.put(f"a.{kind}", content)
        outer = open_source(url)
        range_server.errors[f"/a.{kind}"] = 500
        with pytest.raises(SourceError, match="500"):
            open_member(kind, "d/a.bin", outer, "u")


def test_reading_past_a_member_is_refused(tmp_path):
    """A range past the end of a member is refused, though the archive goes on."""
    (tmp_path / "a.zip").write_bytes(zip_bytes())
    source = open_source(f"zip://d/a.bin::{tmp_path / 'a.zip'}")
    for read in (lambda: source.read(len(DATA), 1), lambda: source.read_many([(len(DATA), 1)])):
        with pytest.raises(TruncatedFile):
            read()
    assert source.target().size == len(DATA)
    source.close()


class Unseekable(io.RawIOBase):
    """Where an archive is written as it comes: sizes of members follow them."""

    def __init__(self, file):
        self._file = file

    def writable(self):
        return True

    def write(self, data):
        return self._file.write(data)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_sizes_of_members_may_stand_elsewhere(method, streams, force):
    """In fields of ZIP64, or behind the member; the directory says them, and something may stand before it all."""
    held = io.BytesIO()
    with zipfile.ZipFile(Unseekable(held) if streams else held, "w", method) as archive:
        archive.comment = b"PK" * 30_000
        with archive.open("m", "w", force_zip64=force) as member:
            member.write(DATA)
    outer = BytesSource(b"#!/bin/sh\n" * 50 + held.getvalue(), "a.zip")
    with contextlib.closing(open_member("zip", "m", outer, "zip://m::a.zip", make_points=True)) as found:
        assert bytes(found.read(0, found.size())) == DATA
