"""Systems that lack what Linux has, and disks and memory that end."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

import chunkmap

ELSEWHERE = """
import os, sys
sys.modules["fcntl"] = None
for name in ("pread", "preadv", "chown"):
    delattr(os, name)
real = os.open
def open_file(path, *args, **options):
    if isinstance(path, (str, os.PathLike)) and os.path.isdir(path):
        raise PermissionError(13, "a directory cannot be opened", path)
    return real(path, *args, **options)
os.open = open_file
os.fsync = lambda file: None
sys.path.insert(0, "")
import chunkmap
from chunkmap.storage import place
place._exchange = lambda one, other: False
first, second, directory = sys.argv[1:]
for name in ("set.parq", "set.json", "set.json.zst"):
    out = os.path.join(directory, name)
    for _ in range(2):
        chunkmap.build([first], out, concat_dims=["time"])
    chunkmap.append(out, [second], concat_dims=["time"])
    assert chunkmap.open_dataset(out)["v"][:, 0, 0].values.tolist() == [1.0] * 4 + [2.0] * 4
    assert chunkmap.verify(out, decode="all") or name != "set.parq"
assert sorted(os.listdir(directory)) == ["set.json", "set.json.zst", "set.parq"], os.listdir(directory)
"""


def test_a_system_without_locks_and_reading_at_a_place(write_series, tmp_path):
    """Where there is no fcntl, os.pread, os.chown, and no directory can be opened, as on Windows, all verbs work."""
    files = [write_series("a.h5", 1), write_series("b.h5", 2, first=4.0)]
    (tmp_path / "out").mkdir()
    run = [sys.executable, "-c", ELSEWHERE, *files, str(tmp_path / "out")]
    found = subprocess.run(run, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


WRITING = """
verbs = {
    "build": lambda: chunkmap.build([second], out, concat_dims=["time"], cache=cache),
    "append": lambda: chunkmap.append(out, [second], concat_dims=["time"]),
    "write": lambda: chunkmap.write(before, out),
    "convert": lambda: chunkmap.write(chunkmap.load(other), out),
}
"""
"""What writes a set in place of another one, in the scripts below."""

FULL = (
    """
import os, resource, signal, sys, tempfile
import chunkmap
from chunkmap.errors import ChunkmapError
os.fsync = lambda file: None  # limits of files are felt before
tempfile.gettempdir()  # Python looks for it by writing a file there, once
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
first, second, out, other, cache = sys.argv[1:]
before = chunkmap.load(out)
converted = chunkmap.load(other)
"""
    + WRITING
    + """
for verb, call in verbs.items():
    chunkmap.write(before, out)
    for most in (0, 10, 300, 600, 800, 1000, 2000, 8000, 10**6):
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        try:
            call()
            said = "done"
        except ChunkmapError as error:
            said = f"{type(error).__name__} {error}"
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(verb, most, said)
        if said == "done":
            break
        assert chunkmap.load(out).arrays == before.arrays
"""
)

VERBS = ("build", "append", "write", "convert")


def _outputs(write_series, tmp_path, name, record_size):
    """Two files, the set of the first in one form, and the set of the second in the other."""
    files = [write_series("a.h5", 1, steps=STEPS), write_series("b.h5", 2, first=float(STEPS), steps=STEPS)]
    out = tmp_path / "out" / name
    other = tmp_path / "other" / ("set.json" if name == "set.parq" else "set.parq")
    for file, where in zip(files, (out, other), strict=True):
        chunkmap.build([file], where, concat_dims=["time"], record_size=record_size)
    return [*files, str(out), str(other)]


STEPS = 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the length of files is limited by Unix")
@pytest.mark.parametrize("name", ["set.parq", "set.json"])
def test_a_disk_that_is_full_at_any_byte(write_series, tmp_path, name):
    """However little there is room for, what cannot be written is an error that names it, and the old set is whole."""
    run = [sys.executable, "-c", FULL, *_outputs(write_series, tmp_path, name, 10), str(tmp_path / "cache")]
    found = subprocess.run(run, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    lines = [line.split(maxsplit=2) for line in found.stdout.splitlines()]
    for verb in VERBS:
        *failed, last = [said for one, _, said in lines if one == verb]
        assert len(failed) >= 3, found.stdout
        assert last == "done", found.stdout
        assert all(said.startswith("SourceError") and "too large" in said for said in failed), found.stdout
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == [name]


REFUSING = (
    """
import errno, io, os, pathlib, sys, tempfile
import _io
import chunkmap
from chunkmap.errors import ChunkmapError
from chunkmap.storage import place
first, second, out, other, directory = sys.argv[1:]
tempfile.tempdir = directory
WRITE = os.O_WRONLY | os.O_RDWR
CHANGES = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.chmod", "os.chown"}
KINDS = [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.ENAMETOOLONG, None]
left, kind = [0], [None]
def refuse():
    left[0] -= 1
    if left[0] == 0:
        raise MemoryError if kind[0] is None else OSError(kind[0], os.strerror(kind[0]))
def audit(event, arguments):
    if left[0] > 0 and event in CHANGES and arguments and str(arguments[0]).startswith(directory):
        if event != "open" or isinstance(arguments[2], int) and arguments[2] & WRITE:
            refuse()
sys.addaudithook(audit)
os.fsync = lambda file: refuse() if left[0] > 0 else None
exchange = place._exchange
def exchanging(one, other):
    try:
        return (refuse() if left[0] > 0 else None) or exchange(one, other)
    except (OSError, MemoryError):
        return False  # as where names cannot be exchanged
place._exchange = exchanging
class Refusing(io.FileIO):
    def write(self, data):
        if left[0] > 0:
            refuse()
        return super().write(data)
def opening(real):
    def call(file, mode="r", *more, **options):
        if "b" not in mode or not set(mode) & set("wxa+") or not str(file).startswith(directory):
            return real(file, mode, *more, **options)
        raw = Refusing(file, mode.replace("b", ""), opener=options.get("opener"))
        return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
    return call
io.open, _io.open = opening(io.open), opening(_io.open)
cache = os.path.join(directory, "cache")
before = chunkmap.load(out)
"""
    + WRITING
    + """
def held():  # the bytes of the set: where they are those of a sound one nothing needs to be read
    files = [path for path in [pathlib.Path(out), *pathlib.Path(out).rglob("*")] if path.is_file()]
    return {str(path): path.read_bytes() for path in files}
def put_back():
    if not os.path.exists(out):
        chunkmap.write(before, out)  # what had made way has its name again
    for name in sorted(set(held()) - set(old)):
        os.remove(name)
    for name, data in old.items():
        pathlib.Path(name).write_bytes(data)
chunkmap.write(before, out)
old = held()
for verb, call in verbs.items():
    put_back()
    call()
    after, new = chunkmap.load(out), held()
    put_back()
    for step in range(1, 200):
        for kind[0] in KINDS[step % 3 :: 3]:
            left[0] = step
            try:
                call()
                said = "done"
            except (ChunkmapError, MemoryError) as error:
                said = f"{type(error).__name__} {error}"
            reached, left[0] = left[0] <= 0, 0
            if not reached:
                break
            print(verb, kind[0], said)
            found = held()
            now = before if found == old else after if found == new else chunkmap.load(out)
            assert said == "done" or now.arrays == before.arrays or kind[0] is None, (verb, step)
            assert now.arrays in (before.arrays, after.arrays), (verb, step)
            if found != old:
                put_back()
        if not reached:
            break
    assert said == "done", said
verbs["build"]()
assert os.listdir(os.path.dirname(out)) == [os.path.basename(out)], os.listdir(os.path.dirname(out))
"""
)


@pytest.mark.parametrize("name", ["set.parq", "set.json"])
def test_a_system_that_refuses_any_step(write_series, tmp_path, name):
    """A disk that is full, read-only, forbidden or broken, too long a name, or no memory, at any step of a writer that
    changes something, each write among them: it ends in an error that names the output, with the old set whole, or it
    is done (without memory: one of both). The next run removes what is left.
    """
    run = [sys.executable, "-c", REFUSING, *_outputs(write_series, tmp_path, name, 100), str(tmp_path)]
    found = subprocess.run(run, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr + found.stdout
    lines = [line.split(maxsplit=2) for line in found.stdout.splitlines()]
    for verb in VERBS:
        kinds = [kind for one, kind, _ in lines if one == verb]
        assert len(kinds) > 12, verb
        assert {kind for one, kind, said in lines if one == verb and said != "done"} == KINDS, verb
    for _, kind, said in lines:
        if said != "done":
            assert said.startswith("MemoryError" if kind == "None" else "SourceError"), said
            assert kind == "None" or ((name in said or "cache" in said) and "be written" in said), said


KINDS = {"28", "30", "13", "5", "36", "None"}
"""ENOSPC, EROFS, EACCES, EIO, ENAMETOOLONG, and no memory."""


SHORT = """
import resource, sys
import chunkmap, h5py
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
verb, path, out = sys.argv[1:]
chunkmap.build([path], out, concat_dims=["time"])
before = chunkmap.load(out)
read_array(before.arrays["v"], Fetcher())
pages = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
outcomes = []
for more in range(0, 72, 12):
    resource.setrlimit(resource.RLIMIT_AS, (pages + (more << 20), resource.RLIM_INFINITY))
    try:
        if verb == "read":
            read_array(before.arrays["v"], Fetcher())
        else:
            chunkmap.build([path], out, concat_dims=["time"])
        outcomes.append("done")
    except (MemoryError, chunkmap.ChunkmapError, RuntimeError, OSError) as error:
        outcomes.append(type(error).__name__)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert chunkmap.load(out).arrays == before.arrays, more
print(*outcomes)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the address space of a process is limited by Linux")
@pytest.mark.parametrize("verb", ["read", "build"])
def test_memory_that_ends_at_any_step(tmp_path, verb):
    """However little memory there is, a verb ends in an error or is done, the process lives, and the set is whole.

    Without threads: where one cannot start for want of memory, Python itself waits for it forever.
    """
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = np.random.default_rng(0).random((200, 100, 100))
        time = file.create_dataset("time", data=np.arange(200.0))
        time.make_scale("time")
        file.create_dataset("v", data=data, chunks=(1, 100, 100), compression="gzip", compression_opts=1)
        file["v"].dims[0].attach_scale(time)
    run = [sys.executable, "-c", SHORT, verb, str(path), str(tmp_path / "out.parq")]
    found = subprocess.run(run, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    outcomes = found.stdout.split()
    assert outcomes[-1] == "done"
    if verb == "read":
        assert outcomes[0] != "done"
