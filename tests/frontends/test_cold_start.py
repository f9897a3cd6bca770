"""What a process loads for a small thing: nobody should wait for packages that are not needed."""

import json
import os
import subprocess
import sys

import pytest

import chunkmap

CODE = """
import json, sys
from chunkmap.frontends.command_line import main
try:
    main()
except SystemExit as end:
    code = end.code
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""
SERVERS = {"fsspec", "asyncio", "aiohttp", "ssl", "s3fs"}
OTHERS = {"zarr", "xarray", "pandas", "dask", "h5py", "cftime", "icechunk", "pyarrow"}
HEAVY = {
    *("numcodecs", "rich", "zlib_ng"),
    *("email", "http", "socket", "random", "hashlib"),
    *("multiprocessing", "subprocess"),
    *("tarfile", "zipfile", "tempfile", "shutil", "bz2", "lzma"),
    *("importlib.metadata", "difflib", "click.shell_completion"),
}
"""What codecs, terminals, servers, processes, archives and plugins need, and a plain file or set of this machine does
not.
"""


def loaded(folder, *words):
    """The modules that a command loads, each under its full name."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "FORCE_", "TTY_"))}
    words = [sys.executable, "-c", CODE, *words]
    done = subprocess.run(words, cwd=folder, env=plain, capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert not code, done.stderr
    return set(modules)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a small file and its set."""
    h5py = pytest.importorskip("h5py")
    folder = tmp_path_factory.mktemp("small")
    with h5py.File(folder / "small.nc", "w") as file:
        file.create_dataset("v", data=range(1000), chunks=(100,), compression="gzip", shuffle=True)
    chunkmap.write(chunkmap.scan(folder / "small.nc"), folder / "small.json")
    return folder


def test_the_overview_of_the_commands_loads_none_of_them(folder):
    """`chunkmap --help` is click and the table of commands: no numpy, and none of our rooms but the command line."""
    modules = loaded(folder, "--help")
    assert not modules & {"numpy", "rich", *SERVERS, *OTHERS}
    ours = {name for name in modules if name.startswith("chunkmap.")}
    rooms = {name for name in ours if not name.startswith("chunkmap.frontends")}
    assert rooms <= {"chunkmap.errors", "chunkmap.packages", "chunkmap.version"}


@pytest.mark.parametrize(
    ("words", "most"),
    [(("--help",), 7), (("scan", "small.nc"), 168), (("inspect", "small.json"), 107), (("dump", "small.nc"), 166)],
)
def test_no_more_modules_of_ours_are_loaded_than_before(folder, words, most):
    """Each costs half a millisecond. A number that has become smaller is written here."""
    assert most - 3 <= len([name for name in loaded(folder, *words) if name.startswith("chunkmap")]) <= most


@pytest.mark.parametrize("words", [("scan", "small.nc"), ("inspect", "small.json")])
def test_what_is_plain_is_shown_without_codecs_terminals_and_archives(folder, words):
    """No chunk is decoded, nothing is compressed as a whole, no other process is started, and nobody sees colours."""
    assert not loaded(folder, *words) & HEAVY


@pytest.mark.parametrize(
    ("words", "needs"),
    [
        (("scan", "small.nc"), "chunkmap.formats.hdf5.scanner"),
        (("inspect", "small.json"), "chunkmap.storage.json.reading"),
        (("dump", "small.nc"), "chunkmap.frontends.cdl"),
    ],
)
def test_what_is_here_is_read_without_what_reads_servers(folder, words, needs):
    """A scan and a look at a set load no client of servers, no other store, and no library that opens datasets."""
    modules = loaded(folder, *words)
    assert needs in modules
    assert not modules & {*SERVERS, *OTHERS}


@pytest.mark.parametrize("name", ["out.json", "out.parq"])
def test_a_set_is_written_here_without_what_writes_elsewhere(folder, name):
    """Arrow is not let ask pandas whether it was handed one of its own, and no client of servers is loaded, neither for
    a new set nor in place of an old one.
    """
    for _ in range(2):
        assert not loaded(folder, "scan", "small.nc", "-o", name) & {"pandas", "fsspec", "asyncio", "aiohttp"}


VERBS = "import sys; from chunkmap import scan, combine; print(*sys.modules)"


def test_the_verbs_are_imported_without_what_reads_servers_and_other_stores():
    """What scans and combines is there before any codec, client of servers, or store is needed."""
    done = subprocess.run([sys.executable, "-c", VERBS], capture_output=True, text=True, check=True)
    unwanted = {"numcodecs", "rich", "http", "email", "zipfile", "tarfile", "multiprocessing", "importlib.metadata"}
    assert not set(done.stdout.split()) & {*SERVERS, *OTHERS - {"cftime"}, *unwanted}


ENGINES = """
import sys, xarray
from importlib.metadata import entry_points
ours = [point for point in entry_points(group="xarray.backends") if point.name in ("chunkmap", "kerchunk")]
engines = [point.load()() for point in ours]
assert len(engines) == 2
assert not any(engine.guess_can_open(given) for engine in engines for given in ("a.nc", b"", 3))
print(*(name for name in sys.modules if name.split(".")[0] in ("chunkmap", "kerchunk", "zarr", "numcodecs", "fsspec")))
import numcodecs, zarr.registry
zarr.registry.get_codec_class("bytes"), numcodecs.get_codec({"id": "zlib"})
print(*(name for name in sys.modules if name.split(".")[0] in ("chunkmap", "kerchunk")))
"""


def test_who_opens_other_files_loads_nothing_that_opens():
    """xarray loads every engine before it opens a file: ours are then two classes, and what `import kerchunk` promises,
    its codecs; no zarr, no fsspec, nothing of what opens or scans. Codecs of others load none of ours.
    """
    done = subprocess.run([sys.executable, "-c", ENGINES], capture_output=True, text=True, check=True)
    first, after = (set(line.split()) for line in done.stdout.splitlines())
    assert {"chunkmap.frontends.xarray_entries", "kerchunk.xarray_backend"} <= first
    assert not {name for name in first if name.split(".")[0] in ("zarr", "fsspec")}
    rooms = {name.split(".")[1] for name in first if name.startswith("chunkmap.")}
    assert rooms == {"codecs", "errors", "frontends", "packages", "version"}
    assert len([name for name in first if name.startswith("kerchunk")]) == 3
    assert after <= first
