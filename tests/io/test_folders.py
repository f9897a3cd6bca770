"""Folders: directories, object stores, memory, what is behind HTTP, and archives, all listed as columns."""

import pickle
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import fsspec
import numpy as np
import pytest

from chunkmap.errors import FormatError, NoSuchFile, SourceError, Unsupported
from chunkmap.io import ArchiveFolder, Folder, LocalFolder, Range, archive_kind, local_folder, open_any, open_source

FILES = {".zgroup": b"{}", "a/0.0": b"0123456789", "a/0.1": b"", "a/b/c/1": b"xyz", "b": b"b" * 1000}


@pytest.fixture(scope="module")
def s3(s3_options):
    """A bucket with the files in it; its storage options."""
    fs = fsspec.filesystem("s3", **s3_options)
    fs.mkdir("folders")
    fs.pipe({f"folders/set/{name}": data for name, data in FILES.items()})
    return s3_options


@pytest.fixture(params=["local", "memory", "zip", "tar", "zip in tar", "s3"])
def folder(request, tmp_path):
    """The same files in a folder of every kind that can be listed."""
    with _folder(request, tmp_path) as found:
        yield found


def _folder(request, tmp_path):
    if request.param == "local":
        for name, data in FILES.items():
            (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / name).write_bytes(data)
        return open_any(tmp_path / "set")
    if request.param == "memory":
        fsspec.filesystem("memory").pipe({f"/folders/{name}": data for name, data in FILES.items()})
        return open_any("memory://folders")
    if request.param == "s3":
        return open_any("s3://folders/set", storage_options=request.getfixturevalue("s3"))
    if request.param == "tar":
        return open_any(f"tar://set::{_tar(tmp_path / 'a.tar', {f'set/{n}': d for n, d in FILES.items()})}")
    packed = _zip(tmp_path / "a.zip", FILES)
    if request.param == "zip":
        return open_any(f"zip://::{packed}")
    return open_any(f"zip://::tar://in/a.zip::{_tar(tmp_path / 'b.tar', {'in/a.zip': packed.read_bytes()})}")


def _zip(path, files, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def _tar(path, files):
    import io

    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_listing_has_names_and_sizes_as_columns(folder):
    """A listing has every file below, sorted by name, with its size in a column."""
    listing = folder.listing()
    assert listing.names == sorted(FILES)
    assert listing.sizes.dtype == np.int64
    assert listing.sizes.tolist() == [len(FILES[name]) for name in listing.names]
    assert folder.listing("a").names == ["0.0", "0.1", "b/c/1"] == listing.below("a").names
    assert folder.listing("nothing").names == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_files_are_read_by_name(folder):
    """Whole files, ranges and sizes are those of the files; a file that is not there is None, -1, or NoSuchFile."""
    assert folder.read_many(["b", "none", "a/b/c/1", "a/0.1"]) == [FILES["b"], None, b"xyz", b""]
    ranges = folder.read_ranges(["b", "a/0.0", "a/0.0"], [Range(10, 4), Range(2, 3), Range(0, 1)])
    assert list(map(bytes, ranges)) == [b"bbbb", b"234", b"0"]
    assert folder.sizes(["none", "b", "a/0.1"]).tolist() == [-1, 1000, 0]
    assert bytes(folder.open("a/0.0").read(1, 2)) == b"12"
    with pytest.raises(NoSuchFile):
        folder.open("none").read(0, 1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "", "a\0", "a\\b"])
def test_no_name_leads_out_of_a_folder(folder, name):
    """A name that would lead out of the folder is refused by every way of reading."""
    for read in (folder.open, lambda n: folder.read_many([n]), lambda n: folder.sizes([n])):
        with pytest.raises(SourceError, match="not the name of a file"):
            read(name)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_of_an_archive_are_ranges_of_it(tmp_path, kind):
    """A listing of an archive says where in the file each member is."""
    path = _zip(tmp_path / "a", FILES) if kind == "zip" else _tar(tmp_path / "a", FILES)
    source = open_source(path)
    assert archive_kind(source) == kind
    listing = ArchiveFolder(kind, source).listing()
    data = path.read_bytes()
    assert listing.within.url == str(path)
    for name, start, size in zip(listing.names, listing.within.starts, listing.sizes, strict=True):
        assert data[start : start + size] == FILES[name]


def test_members_of_nested_archives_are_ranges_of_the_outermost(tmp_path):
    """Where a member of an archive in an archive is, is said of the file that is there."""
    packed = _zip(tmp_path / "a.zip", FILES).read_bytes()
    path = _tar(tmp_path / "b.tar", {"in/a.zip": packed})
    listing = open_any(f"zip://a::tar://in/a.zip::{path}").listing()
    row = listing.names.index("0.0")
    start = int(listing.within.starts[row])
    assert listing.within.url == str(path)
    assert path.read_bytes()[start : start + 10] == FILES["a/0.0"]


def test_compressed_members_are_listed_and_read_whole(tmp_path):
    """A deflated member has no range; short ones are read whole, and opening one says how to store it."""
    folder = open_any(f"zip://::{_zip(tmp_path / 'a.zip', FILES, zipfile.ZIP_DEFLATED)}")
    listing = folder.listing()
    assert listing.within.starts[listing.names.index("b")] == -1
    assert listing.sizes[listing.names.index("b")] == 1000
    assert folder.read_many(["b", "a/b/c/1"]) == [FILES["b"], FILES["a/b/c/1"]]
    with pytest.raises(Unsupported, match="zip -0"):
        folder.open("b")


def test_damage_in_compressed_members_is_named(tmp_path):
    """A deflated member whose bytes were changed is a FormatError that names it."""
    path = _zip(tmp_path / "a.zip", {"b": bytes(range(256)) * 40}, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    data[60:80] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(FormatError, match="'b' cannot be decompressed"):
        open_any(f"zip://::{path}").read_many(["b"])


def test_a_page_of_a_web_server_may_be_a_folder(range_server):
    """Over HTTP, where nothing can be listed, a URL is a folder when it holds a file that makes it one."""
    for name, data in FILES.items():
        range_server.put(f"set/{name}", data)
    folder = open_any(range_server.url("set"), holds=lambda: ("zarr.json", ".zgroup"))
    assert folder.listing() is None
    assert folder.read_many(["b", "none"]) == [FILES["b"], None]
    assert folder.sizes(["b", "none", "a/0.0"]).tolist() == [1000, -1, 10]
    assert [bytes(r) for r in folder.read_ranges(["b", "a/0.0"], [Range(1, 2), Range(3, 2)])] == [b"bb", b"34"]
    with pytest.raises(NoSuchFile):
        open_any(range_server.url("nothing"), holds=lambda: ("zarr.json", ".zgroup"))


def test_sizes_over_http_are_asked_for_at_once(range_server):
    """The sizes of many files behind a slow server are asked for side by side."""
    names = [f"set/{n}" for n in range(20)]
    for name in names:
        range_server.put(name, b"1234")
    folder = open_any(range_server.url("set") + "/")
    range_server.together = 6
    assert folder.sizes([str(n) for n in range(20)]).tolist() == [4] * 20
    assert range_server.busiest > 5


def test_a_folder_behind_a_busy_server_is_read(range_server):
    """Files of a folder that fail for a moment are asked for again, and only those."""
    for name, data in FILES.items():
        range_server.put(f"set/{name}", data)
    range_server.failures["/set/b"] = [503, 0]
    folder = open_any(range_server.url("set") + "/")
    assert folder.read_many(["b", "a/0.0"]) == [FILES["b"], FILES["a/0.0"]]
    assert [path for path, *_ in range_server.gets].count("/set/a/0.0") == 1


def test_what_may_not_be_read_is_an_error_unless_optional(range_server):
    """A file that may not be read is an error, and is not there for who asks for one that need not be."""
    range_server.put("set/b", b"b")
    range_server.errors["/set/b"] = 403
    folder = open_any(range_server.url("set") + "/")
    assert folder.read_many(["b"], optional=True) == [None]
    with pytest.raises(SourceError, match="403"):
        folder.read_many(["b"])


def test_links_to_directories_above_are_refused(tmp_path):
    """A link that leads round in a circle ends the listing with an error, not the program."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    with pytest.raises(SourceError, match="directory above"):
        LocalFolder(tmp_path).listing()


def test_a_slow_directory_is_walked_by_many(tmp_path, monkeypatch):
    """Where a filesystem is slow, the same files are found by several threads."""
    for number in range(30):
        (tmp_path / f"{number % 3}" / f"{number}").mkdir(parents=True)
        (tmp_path / f"{number % 3}" / f"{number}" / "file").write_bytes(b"1" * number)
    quick = LocalFolder(tmp_path).listing()
    for name in ("_SLOW", "_SLOW_DIRECTORY", "_PATIENCE"):
        monkeypatch.setattr(f"chunkmap.io.local_folder.{name}", 0)
    pools = []
    monkeypatch.setattr(local_folder, "ThreadPoolExecutor", lambda n: pools.append(n) or ThreadPoolExecutor(n))
    slow = LocalFolder(tmp_path).listing()
    assert len(pools) == 1
    assert quick.names == slow.names
    assert quick.sizes.tolist() == slow.sizes.tolist()


def test_links_to_files_have_the_size_of_the_file(tmp_path):
    """A link to a file is listed with the length of what it leads to; one that leads nowhere is not listed."""
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "c").symlink_to("nowhere")
    assert dict(zip(*_columns(LocalFolder(tmp_path).listing()), strict=True)) == {"a": 5, "b": 5}


def _columns(listing):
    return listing.names, listing.sizes.tolist()


def test_what_lies_at_a_url_is_a_source_or_a_folder(tmp_path):
    """A file opens as a source, a directory as a folder, a name of nothing as an error that names it."""
    path = _zip(tmp_path / "a.zip", FILES)
    assert open_any(path).size() == path.stat().st_size
    assert open_any(f"zip://a/0.0::{path}").size() == 10
    folders: list[Folder] = [open_any(tmp_path), open_any(f"zip://a::{path}")]
    assert [folder.listing().names for folder in folders] == [["a.zip"], ["0.0", "0.1", "b/c/1"]]
    with pytest.raises(SourceError, match="no member 'none'"):
        open_any(f"zip://none::{path}")
    with pytest.raises(NoSuchFile):
        open_any(tmp_path / "none")


def test_folders_can_be_pickled(tmp_path):
    """A folder goes to another process and lists the same there, an archive that was read already too."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d/x").write_bytes(b"123")
    path = _zip(tmp_path / "a.zip", FILES)
    for url in (str(tmp_path / "d"), f"zip://::{path}", f"zip://a::{path}"):
        folder = open_any(url)
        names = folder.listing().names
        with pickle.loads(pickle.dumps(folder)) as again:
            assert again.listing().names == names
            assert again.open(names[0]).size() == folder.open(names[0]).size()
    assert bytes(pickle.loads(pickle.dumps(open_any(path))).read(0, 2)) == b"PK"


def test_a_directory_is_listed_in_the_order_of_whole_names(tmp_path):
    """Files beside a directory come before or after all that is in it, as their names and its name with a slash do."""
    names = ["a", "a-b", "a.c/x", "a/1", "a/1.0/y", "a/1/z", "a/10", "a0", "b/c/d/e", "b/c/d.e", "b-", "é"]
    files = [name for name in names if not any(other.startswith(f"{name}/") for other in names)]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    listing = LocalFolder(tmp_path).listing()
    assert listing.names == sorted(files)
    assert listing.sizes.tolist() == [len(name.encode()) for name in sorted(files)]
