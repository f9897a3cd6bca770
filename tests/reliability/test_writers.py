"""Writers that die, that are two, or that find no room: what readers and the next writer find then."""

import multiprocessing
import os
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import ChunkmapError, OtherWriter, SourceError, StorageError
from chunkmap.io import LocalFolder
from chunkmap.storage import journal, place, publishing

OUT = "memory://reliability/set.parq"


class Killed(BaseException):
    """The process ends: nothing is cleaned up after it."""


@pytest.fixture
def dying(monkeypatch):
    """Makes the memory filesystem end the writer at its n-th change; nobody waits to see whether it is dead."""
    monkeypatch.setattr(journal, "_DEAD", 0.0)
    fs = fsspec.filesystem("memory")
    left = [-1]

    def counted(name):
        real = getattr(MemoryFileSystem, name)

        def call(self, *args, **options):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return real(self, *args, **options)

        monkeypatch.setattr(MemoryFileSystem, name, call)

    for name in ("pipe_file", "cp_file", "rm_file"):
        counted(name)

    def at(change: int) -> None:
        left[0] = change

    yield at
    left[0] = -1
    if fs.exists("/reliability"):
        fs.rm("/reliability", recursive=True)


def _values():
    return chunkmap.open_dataset(OUT)["v"][:, 0, 0].values.tolist()


@pytest.mark.parametrize("verb", ["build", "rebuild", "append"])
def test_a_writer_into_an_object_store_may_die_at_every_change(write_series, dying, verb):
    """At each put, copy and removal: the old set is read or the new one, never a mixture; the run then completes."""
    files = [write_series(f"{k}.h5", k, first=4.0 * k) for k in range(4)]
    how = {"concat_dims": ["time"], "record_size": 3}
    old = {"build": [], "rebuild": files[:2], "append": files[2:]}[verb]
    build = lambda: chunkmap.build(files, OUT, **how)  # noqa: E731
    run = (lambda: chunkmap.append(OUT, files[:2])) if verb == "append" else build
    fs = fsspec.filesystem("memory")
    if old:
        chunkmap.build(old, OUT, **how)
    held = {path: fs.cat_file(path) for path in fs.find("/reliability")} if old else {}
    whole = [float(k) for k in range(4) for _ in range(4)]
    before = [value for value in whole if files[int(value)] in old]
    outcomes = set()
    for change in range(1, 200):
        if fs.exists("/reliability"):
            fs.rm("/reliability", recursive=True)
        fs.pipe(held)
        dying(change)
        try:
            run()
        except Killed:
            dying(-1)
        else:
            break
        found = [] if not old and not _is_there() else _values()
        assert found in (before, whole), change
        outcomes.add(len(found))
        run() if found == before else build()
        assert _values() == whole, change
        left = [path for path in fs.find("/reliability") if ".chunkmap-" in path]
        assert {Path(path).name for path in left} <= {".chunkmap-targets.parq"}, left
    assert change > 8
    assert outcomes == {len(before), 16}


def _is_there() -> bool:
    try:
        chunkmap.load(OUT)
    except SourceError:
        return False
    return True


class Waits(Exception):
    """A writer waits for another one."""


def _interrupted(monkeypatch, dying, change, other):
    """Have another writer run, as far as it gets, before this one's n-th change; it waits for nobody."""
    real = MemoryFileSystem.pipe_file, MemoryFileSystem.cp_file, MemoryFileSystem.rm_file
    left = [change]

    def waits(_seconds):
        raise Waits

    def hooked(call):
        def changed(self, *args, **options):
            left[0] -= 1
            if left[0] == 0:
                with suppress(Killed, Waits, OtherWriter):
                    other()
                dying(-1)
            return call(self, *args, **options)

        return changed

    monkeypatch.setattr(journal, "time", SimpleNamespace(sleep=waits, monotonic=lambda: 0.0))
    monkeypatch.setattr(journal, "_DEAD", 1.0)
    for name, call in zip(("pipe_file", "cp_file", "rm_file"), real, strict=True):
        monkeypatch.setattr(MemoryFileSystem, name, hooked(call))
    return left


def _write(verb, paths):
    """Build a set of some files, or add them to the one that is there."""
    if verb == "append":
        chunkmap.append(OUT, paths, overwrite=True)
    else:
        chunkmap.build(paths, OUT, concat_dims=["time"], record_size=3)


CHANGES = {"build": 11, "rebuild": 25, "append": 22}
"""Puts, copies and removals of a run in that test."""

DEATHS = [0, 5, 9]
"""The change with which the other writer dies; 0 if it lives."""


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("verb", ["build", "rebuild", "append"])
def test_of_two_writers_into_an_object_store_one_is_whole(write_series, dying, monkeypatch, verb, death):
    """Whenever another one writes, or dies writing, between two changes of a writer: never a mixture, and who says that
    it is done has done it; who is told of the other may run again.
    """
    files = [write_series(f"{k}.h5", k, first=4.0 * k) for k in range(5)]
    fs = fsspec.filesystem("memory")
    monkeypatch.setattr(journal, "_BATCH", 2)
    if verb != "build":
        _write("build", files[:1])
    held = {path: fs.cat_file(path) for path in fs.find("/reliability")} if verb != "build" else {}
    before = [0] if verb != "build" else []

    def write(numbers):
        return partial(_write, verb, [files[number] for number in numbers])

    def other():
        dying(death or -1)
        write([3, 4])()

    mine, others = ([0, 1, 2], [0, 3, 4]) if verb == "append" else ([1, 2], [3, 4])
    outcomes = set()
    for change in range(1, 100):
        if fs.exists("/reliability"):
            fs.rm("/reliability", recursive=True)
        fs.pipe(held)
        with monkeypatch.context() as patched:
            left = _interrupted(patched, dying, change, other)
            try:
                write([1, 2])()
                said = mine
            except OtherWriter:
                said = None
        found = [int(value) for value in dict.fromkeys(_values())] if _is_there() else []
        assert found in ([said] if said else [others, before]), (change, found)
        outcomes.add((said is None, tuple(found)))
        if left[0] > 0:
            break
        if said is None and (found == before or verb != "append"):
            write([1, 2])()
            assert list(dict.fromkeys(_values())) == mine, change
    assert change == CHANGES[verb] + 1
    assert (False, tuple(mine)) in outcomes
    if not death:
        assert (True, tuple(others)) in outcomes


def _append(out, path, barrier, said):
    barrier.wait()
    try:
        chunkmap.append(out, [path], concat_dims=["time"])
        said.put("done")
    except ChunkmapError as error:
        said.put(f"{type(error).__name__}: {error}")


@pytest.mark.parametrize("out", ["set.parq", "set.json"])
def test_of_appends_at_once_none_is_lost(write_series, tmp_path, out):
    """Three that add to one set at once all do: the one that comes late reads it, and plans, again."""
    files = [write_series(f"{k}.h5", k, first=4.0 * k) for k in range(5)]
    context = multiprocessing.get_context("fork")
    for trial in range(3):
        where = f"{tmp_path}/{trial}-{out}"
        chunkmap.build(files[:2], where, concat_dims=["time"])
        barrier, said = context.Barrier(3), context.Queue()
        writers = [context.Process(target=_append, args=(where, path, barrier, said)) for path in files[2:]]
        for writer in writers:
            writer.start()
        says = sorted(said.get(timeout=60) for _ in writers)
        for writer in writers:
            writer.join()
        assert says == ["done"] * 3
        dataset = chunkmap.open_dataset(where)
        assert sorted(dataset["v"][:, 0, 0].values.tolist()) == [float(k) for k in range(5) for _ in range(4)]
        assert sorted(dataset["time"].values.tolist()) == list(range(20))


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["set.parq", "set.json"])
def test_a_set_that_was_replaced_meanwhile_is_read_again(write_series, tmp_path, name, overwrite):
    """A build between reading and writing of an append is seen: what it wrote is added to, and not written over."""
    files = [write_series(f"{k}.h5", k, first=4.0 * k) for k in range(4)]
    out = str(tmp_path / name)
    chunkmap.build(files[:2], out, concat_dims=["time"])

    def other(refs):
        if not other.done:
            other.done = True
            chunkmap.build(files[2:3], out, concat_dims=["time"])
        return refs

    other.done = False
    if overwrite:
        with pytest.raises(OtherWriter, match="another writer"):
            chunkmap.append(out, files[3:], preprocess=other, overwrite=True, concat_dims=["time"])
    else:
        chunkmap.append(out, files[3:], preprocess=other, concat_dims=["time"])
    values = chunkmap.open_dataset(out)["v"][:, 0, 0].values.tolist()
    assert values == [float(k) for k in ([2] if overwrite else [2, 3]) for _ in range(4)]


def test_a_set_that_build_gave_is_not_read_from_another_file(write_series, tmp_path):
    """When another build has replaced the file, the set of the first is refused, not read with the other's chunks."""
    paths = [write_series("a.h5", 1), write_series("b.h5", 2)]
    for out in ("set.json", "set.parq"):
        mine = chunkmap.build(paths[:1], str(tmp_path / out), concat_dims=["time"])
        chunkmap.build(paths[1:], str(tmp_path / out), concat_dims=["time"])
        with pytest.raises(StorageError, match=r"replaced|damaged"):
            _ = chunkmap.open_dataset(mine)["v"].values


def test_an_open_set_without_checksums_is_not_mixed_with_another(write_series, tmp_path):
    """A reader of a set as kerchunk writes it hears that another one took its place."""
    out = tmp_path / "set.parq"
    chunkmap.build([write_series("a.h5", 1, steps=12)], out, concat_dims=["time"], record_size=2)
    for name in (".chunkmap.json", ".chunkmap-targets.parq"):
        (out / name).unlink()
    dataset = chunkmap.open_dataset(out)
    assert set(dataset["v"][0:4, 0, 0].values) == {1}
    chunkmap.build([write_series("b.h5", 2, steps=12)], out, concat_dims=["time"], record_size=2)
    with pytest.raises(StorageError, match="replaced after it was opened"):
        _ = dataset["v"][2:8].values


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writer that is killed is a fork of this process")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("rename", [2, 3])
def test_a_kill_between_two_renames_leaves_a_way_back(write_series, tmp_path, monkeypatch, rename):
    """Where names cannot be exchanged, the set that had made way is read, or the new one; and the next writer there
    puts all in order.
    """
    out = tmp_path / "out" / "set.parq"
    chunkmap.write(chunkmap.scan(write_series("a.h5", 1)), out)
    before = chunkmap.load(out)
    monkeypatch.setattr(place, "_exchange", lambda _one, _other: False)
    assert _killed_at(rename, lambda: chunkmap.write(before, out)) == -9
    assert out.exists() is (rename == 3)
    assert chunkmap.load(out).arrays == before.arrays
    chunkmap.write(before, out)
    assert [path.name for path in out.parent.iterdir()] == ["set.parq"]
    assert chunkmap.load(out).arrays == before.arrays


def _killed_at(rename, call):
    """How a process ends that is killed before its n-th renaming of a path."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    real, left = Path.rename, [rename]

    def renamed(self, target):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), 9)
        return real(self, target)

    Path.rename = renamed
    try:
        call()
    finally:
        os._exit(1)


def test_what_the_dead_left_is_removed_and_what_lives_is_not(write_series, tmp_path):
    """Leftovers that no process holds go with the next run to that output; those of one that runs stay."""
    out = tmp_path / "out"
    out.mkdir()
    names = [".chunkmap-dead.tmp", ".set.parq.dead.tmp", ".chunkmap-alive.tmp", ".set.parq.alive.tmp", ".other.tmp"]
    for name in names:
        (out / name).mkdir()
    held = [os.open(out / name, os.O_RDONLY) for name in names[2:4]]
    for file in held:
        publishing.hold(file)
    chunkmap.build([write_series("a.h5", 1)], out / "set.parq", concat_dims=["time"])
    assert {path.name for path in out.iterdir()} == {*names[2:], "set.parq"}
    for file in held:
        os.close(file)


@pytest.mark.parametrize("name", ["set.parq", "set.json"])
def test_what_is_made_is_not_taken_for_what_the_dead_left(write_series, tmp_path, monkeypatch, name):
    """Who looks for leftovers while another one has made his, and not yet locked it, waits, and leaves it alone."""
    refs = chunkmap.scan(write_series("a.h5", 1))
    real, lookers = publishing.hold, []

    def looked_for(file):
        looker = Thread(target=publishing.clear_leftovers, args=(tmp_path / "out", f".{name}.", ".tmp"))
        looker.start()
        looker.join(0.2)
        assert os.fstat(file).st_nlink
        real(file)
        lookers.append(looker)

    monkeypatch.setattr(publishing, "hold", looked_for)
    chunkmap.write(refs, tmp_path / "out" / name)
    for looker in lookers:
        looker.join()
    assert lookers
    assert chunkmap.load(tmp_path / "out" / name).arrays == refs.arrays


@pytest.mark.parametrize("name", ["set.parq", "set.json"])
def test_what_is_complete_is_not_taken_for_what_the_dead_left(write_series, tmp_path, monkeypatch, name):
    """Who looks for leftovers when another one's set is written, and not yet in its place, leaves it alone."""
    refs, out, looked = chunkmap.scan(write_series("a.h5", 1)), tmp_path / "out", []
    real = publishing.keep_rights

    def look(old, new):
        looked.append(new)
        publishing.clear_leftovers(out, f".{name}.", ".tmp")
        real(old, new)

    monkeypatch.setattr(publishing, "keep_rights", look)
    chunkmap.write(refs, out / name)
    assert looked
    assert chunkmap.load(out / name).arrays == refs.arrays


@pytest.mark.parametrize("name", ["set.parq", "set.json"])
def test_an_output_behind_a_link_keeps_its_place_and_mode(write_series, tmp_path, name):
    """A set behind a symbolic link is replaced where it lies, with the mode it had; the link stays."""
    path = write_series("a.h5", 1)
    (tmp_path / "disk").mkdir()
    real, link = tmp_path / "disk" / name, tmp_path / name
    chunkmap.write(chunkmap.scan(path), real)
    real.chmod(0o750)
    link.symlink_to(real)
    chunkmap.build([path], link, concat_dims=["time"])
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o750
    assert [entry.name for entry in real.parent.iterdir()] == [name]
    assert len(chunkmap.load(link).arrays["v"].chunks) == 4


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("name", ["set.parq", "set.json"])
def test_an_output_keeps_its_owner(write_series, tmp_path, name):
    """What root builds in place of somebody's set, behind a link or not, is theirs, with all that is in it."""
    path = write_series("a.h5", 1)
    out, link = tmp_path / "disk" / name, tmp_path / name
    chunkmap.build([path], out, concat_dims=["time"])
    link.symlink_to(out)
    for number, verb in enumerate((chunkmap.build, chunkmap.append)):
        for file in (out, *out.rglob("*")):
            os.chown(file, 12000 + number, 13000)
        where = link if number == 0 else out
        verb(*(([path], where) if verb is chunkmap.build else (where, [path])), concat_dims=["time"])
        owners = {(file.stat().st_uid, file.stat().st_gid) for file in (out, *out.rglob("*"))}
        assert owners == {(12000 + number, 13000)}


def test_an_output_keeps_its_group_where_its_owner_may_not_be_given(write_series, tmp_path, monkeypatch):
    """Who is not root gives what he writes to the group that had it."""
    refs = chunkmap.scan(write_series("a.h5", 1))
    chunkmap.write(refs, tmp_path / "set.parq")
    real, given = place.os.stat_result, []

    def chown(path, owner, group):
        if owner != -1:
            raise PermissionError(1, "Operation not permitted")
        given.append((Path(path).name, group))

    monkeypatch.setattr(place.os, "chown", chown)
    old = (tmp_path / "set.parq").stat()
    monkeypatch.setattr(
        Path, "stat", _of_another(tmp_path / "set.parq", real((*old[:4], old.st_uid + 1, 77, *old[6:])))
    )
    chunkmap.write(refs, tmp_path / "set.parq")
    assert {group for _, group in given} == {77}
    assert {".zmetadata", "refs.0.parq"} <= {name for name, _ in given}


def _of_another(path, found):
    """What `Path.stat` says, but for one file, of which it says something else."""
    real = Path.stat
    return lambda self, **options: found if self == path else real(self, **options)


@pytest.mark.parametrize("name", ["set.parq", "set.json"])
def test_a_full_disk_is_our_own_error(write_series, tmp_path, monkeypatch, name):
    """What the system says of an output is a SourceError that names it, and leaves the old set."""
    refs = chunkmap.scan(write_series("a.h5", 1))
    chunkmap.write(refs, tmp_path / name)

    def full(_file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publishing, "_settle", full)
    with pytest.raises(SourceError, match=rf"{name}.*cannot be written.*No space left"):
        chunkmap.write(refs, tmp_path / name)
    assert chunkmap.load(tmp_path / name).arrays == refs.arrays
    with pytest.raises(SourceError, match=r"cannot be written.*too long"):
        chunkmap.write(refs, tmp_path / ("n" * 300 + name))


def test_directories_are_settled(write_series, tmp_path, monkeypatch):
    """The names of files are on the disk, in every directory of a set and in the one above it."""
    settled = []
    monkeypatch.setattr(publishing, "settle_directory", lambda path: settled.append(path.name))
    refs = chunkmap.scan(write_series("a.h5", 1))
    chunkmap.write(refs, tmp_path / "set.parq")
    assert {"v", "time", tmp_path.name} <= set(settled)
    settled.clear()
    chunkmap.write(refs, tmp_path / "set.json")
    assert settled == [tmp_path.name]


def test_files_of_two_writers_are_not_taken_for_one_set(write_series, tmp_path, monkeypatch):
    """Who reads the metadata of the old set, and then what is said of the partitions of the new one, reads again."""
    files, out = [write_series(f"{k}.h5", k, first=4.0 * k) for k in range(3)], tmp_path / "set.parq"
    chunkmap.build(files[:1], out, concat_dims=["time"])
    old = (out / ".zmetadata").read_bytes()
    chunkmap.build(files[1:], out, concat_dims=["time"])
    real, mixed = LocalFolder.read_many, [True]

    def read_many(folder, names, **options):
        found = real(folder, names, **options)
        return [old, *found[1:]] if names[0] == ".zmetadata" and mixed and mixed.pop() else found

    monkeypatch.setattr(LocalFolder, "read_many", read_many)
    found = chunkmap.load(out).arrays["v"]
    assert not mixed
    assert read_array(found, Fetcher())[:, 0, 0].tolist() == [1.0] * 4 + [2.0] * 4
