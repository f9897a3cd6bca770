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
sys.path.insert(0, "")
import chunkmap
from chunkmap.storage import publishing
publishing._exchange = lambda one, other: False
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


FULL = """
import os, resource, signal, sys, tempfile
import chunkmap
from chunkmap.errors import ChunkmapError
tempfile.gettempdir()  # Python looks for it by writing a file there, once
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
verb, first, second, out, cache = sys.argv[1:]
before = chunkmap.load(out)
for most in (0, 10, 300, 600, 800, 1000, 2000, 8000, 10**6):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    try:
        if verb == "build":
            chunkmap.build([second], out, concat_dims=["time"], cache=cache)
        elif verb == "append":
            chunkmap.append(out, [second], concat_dims=["time"])
        else:
            chunkmap.write(chunkmap.load(out), out)
        said = "done"
    except ChunkmapError as error:
        said = f"{type(error).__name__} {error}"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(most, said)
    if said == "done":
        break
    assert chunkmap.load(out).arrays == before.arrays
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the length of files is limited by Unix")
@pytest.mark.parametrize("verb", ["build", "append", "write"])
@pytest.mark.parametrize("name", ["set.parq", "set.json"])
def test_a_disk_that_is_full_at_any_byte(write_series, tmp_path, verb, name):
    """However little there is room for, what cannot be written is an error that names it, and the old set is whole."""
    files = [write_series("a.h5", 1, steps=200), write_series("b.h5", 2, first=200.0, steps=200)]
    out = tmp_path / "out" / name
    chunkmap.build(files[:1], out, concat_dims=["time"], record_size=20)
    run = [sys.executable, "-c", FULL, verb, *files, str(out), str(tmp_path / "cache")]
    found = subprocess.run(run, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    *failed, last = found.stdout.splitlines()
    assert len(failed) >= 3
    assert last.endswith("done"), found.stdout
    assert all("SourceError" in line and "too large" in line for line in failed), found.stdout
    assert [entry.name for entry in out.parent.iterdir()] == [name]


REFUSING = """
import errno, os, sys
import chunkmap
from chunkmap.errors import ChunkmapError
from chunkmap.storage import publishing
verb, first, second, out, directory = sys.argv[1:]
WRITE = os.O_WRONLY | os.O_RDWR
CHANGES = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.chmod", "os.chown"}
KINDS = [errno.ENOSPC, errno.EROFS, errno.ENAMETOOLONG, None]
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
real = os.fsync
os.fsync = lambda file: (refuse() if left[0] > 0 else None, real(file))[1]
verbs = {
    "build": lambda: chunkmap.build([second], out, concat_dims=["time"], cache=os.path.join(directory, "cache")),
    "append": lambda: chunkmap.append(out, [second], concat_dims=["time"]),
    "write": lambda: chunkmap.write(chunkmap.load(out), out),
}
before = chunkmap.load(out)
verbs[verb]()
after = chunkmap.load(out)
chunkmap.write(before, out)
for step in range(1, 200):
    left[0], kind[0] = step, KINDS[step % 4]
    try:
        verbs[verb]()
        said = "done"
    except (ChunkmapError, MemoryError) as error:
        said = f"{type(error).__name__} {error}"
    reached, left[0] = left[0] <= 0, 0
    now = chunkmap.load(out)
    if not reached:
        break
    print(step, kind[0], said)
    assert said == "done" or now.arrays == before.arrays or kind[0] is None, step
    assert now.arrays in (before.arrays, after.arrays), step
    if now.arrays != before.arrays:
        chunkmap.write(before, out)
assert said == "done"
for name in os.listdir(os.path.dirname(out)):
    os.utime(os.path.join(os.path.dirname(out), name), (1e9, 1e9))
verbs["build"]()
assert os.listdir(os.path.dirname(out)) == [os.path.basename(out)], os.listdir(os.path.dirname(out))
"""


@pytest.mark.parametrize("verb", ["build", "append", "write"])
@pytest.mark.parametrize("name", ["set.parq", "set.json"])
def test_a_system_that_refuses_any_step(write_series, tmp_path, verb, name):
    """A full or read-only disk, too long a name, or no memory at any step of a writer: it ends in an error that names
    the output, with the old set whole, or it is done (without memory: one of both). The next run removes what is left.
    """
    files = [write_series("a.h5", 1), write_series("b.h5", 2, first=4.0)]
    out = tmp_path / "out" / name
    chunkmap.build(files[:1], out, concat_dims=["time"], record_size=2)
    run = [sys.executable, "-c", REFUSING, verb, *files, str(out), str(tmp_path)]
    found = subprocess.run(run, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    lines = [line.split(maxsplit=2) for line in found.stdout.splitlines()]
    assert len(lines) > 6
    failed = [(kind, said) for _, kind, said in lines if said != "done"]
    assert {kind for kind, _ in failed} >= {"28", "30", "36", "None"}
    for kind, said in failed:
        assert said.startswith("MemoryError" if kind == "None" else "SourceError"), said
        assert kind == "None" or (name in said and "cannot be written" in said), said


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
for more in range(0, 96, 8):
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
        data = np.random.default_rng(0).random((400, 100, 100))
        time = file.create_dataset("time", data=np.arange(400.0))
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
