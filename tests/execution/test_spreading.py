"""Work that is spread over processes without being asked: the same results, errors and warnings, and nothing left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from done_elsewhere import deadly, deadly_slowly, endless, long, noisy, refused_at_seven, told, told_slowly
from sets import files_below
from test_cache import write

import chunkmap
from chunkmap.execution import spreading
from chunkmap.execution import workers as processes
from chunkmap.execution.spreading import spread


@pytest.fixture
def helped(monkeypatch):
    """Processes are started as soon as there is any work for them; what was started is listed."""
    monkeypatch.setattr(spreading, "_TRIED", 0.0)
    monkeypatch.setattr(spreading, "_STARTING", 1e-12)
    started = []

    class Watched(spreading.Workers):
        def __init__(self, function, count):
            super().__init__(function, count)
            started.extend(worker._process for worker in self._all)

    monkeypatch.setattr(spreading, "Workers", Watched)
    return started


@pytest.fixture
def eager(helped, monkeypatch):
    """The same, and all that is begun after that is done by others."""
    monkeypatch.setattr(spreading.Workers, "_next_here", lambda _: None)
    return helped


def as_it_is(outcomes):
    """What is handed over at once, unchanged."""
    return outcomes


def spread_over_two(function, items):
    """What comes of all items, by this process and another one."""
    return spread(function, items, workers=2, pack=as_it_is, unpack=as_it_is)


@pytest.fixture
def caller(monkeypatch):
    """What is done knows which process asks for it."""
    monkeypatch.setenv("CHUNKMAP_TEST_CALLER", str(os.getpid()))


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Twelve files of a cube."""
    folder = tmp_path_factory.mktemp("spread")
    found = [folder / f"{number:02}.nc" for number in range(12)]
    for number, path in enumerate(found):
        write(path, number)
    return found


def all_gone(started):
    return all(process.poll() is not None for process in started)


def test_the_order_is_that_of_the_items(eager):
    """Others do most of it, every result stands where its item stood, and no process is left."""
    found = list(spread_over_two(told, range(40)))
    assert [number for _, number in found] == list(range(40))
    assert [process for process, _ in found] == [os.getpid()] * 2 + [eager[0].pid] * 38
    assert len(eager) == 1
    assert all_gone(eager)


@pytest.mark.usefixtures("caller")
def test_this_process_takes_part(helped):
    """It does what nobody has begun while another one starts, and when that dies at its first item, all the rest."""
    assert [number for _, number in spread_over_two(told_slowly, range(60))] == list(range(60))
    processes = [process for process, _ in spread_over_two(told_slowly, range(60))]
    assert set(processes) == {os.getpid(), helped[1].pid}
    assert processes.count(os.getpid()) > 5
    assert all_gone(helped)
    assert list(spread_over_two(deadly_slowly, range(40))) == list(range(40))
    assert all_gone(helped)


@pytest.mark.usefixtures("eager")
def test_long_questions_and_long_answers():
    """Neither process waits for the other to read, though no pipe holds what is asked, nor what is answered."""
    names = [f"{number}" * 100_000 for number in range(10, 40)]
    assert [len(data) for data in spread_over_two(long, names)] == [4_000_000] * 30


@pytest.mark.usefixtures("caller")
def test_answers_for_which_there_is_no_room(eager, monkeypatch):
    """What cannot be received is done here."""

    def no_room(_):
        raise MemoryError

    monkeypatch.setattr(processes, "_received", no_room)
    assert list(spread_over_two(told, range(40))) == [(os.getpid(), number) for number in range(40)]
    assert len(eager) == 1
    assert all_gone(eager)


def test_where_no_thread_starts_all_is_done_here(helped, monkeypatch):
    """No process is left that nobody would listen to."""
    begun = []
    start = processes._Worker.__init__

    def started(worker, function):
        start(worker, function)
        begun.append(worker._process)

    def refused(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(processes._Worker, "__init__", started)
    monkeypatch.setattr(processes.Thread, "start", refused)
    assert list(spread_over_two(told, range(40))) == [(os.getpid(), number) for number in range(40)]
    assert not helped
    assert len(begun) == 1
    assert all_gone(begun)


def test_little_work_is_done_here():
    """What takes no time starts nothing, whatever there is of it."""
    assert {process for process, _ in spread_over_two(told, range(1000))} == {os.getpid()}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_set_is_the_same(paths, tmp_path, eager, workers):
    """Sets and what is built of them, by one process or several: equal, in order, reported one by one."""
    reported = []
    sets = chunkmap.scan_many(paths, workers=workers, progress=lambda *step: reported.append(step))
    assert sets == [chunkmap.scan(path) for path in paths]
    assert [refs.name for refs in sets] == list(map(str, paths))
    assert [refs.targets for refs in sets] == [chunkmap.scan(path).targets for path in paths]
    assert reported == [(done, 12) for done in range(1, 13)]

    chunkmap.build(paths, tmp_path / "out.parq", concat_dims="time", workers=workers)
    chunkmap.build(paths, tmp_path / "expected.parq", concat_dims="time", executor=ThreadPoolExecutor(1))
    assert files_below(tmp_path / "out.parq") == files_below(tmp_path / "expected.parq")
    assert len(eager) == (0 if workers == 1 else 2)


def test_the_first_error_is_raised(eager):
    """The error of the first item that fails, as it would be here, and nothing is left running."""
    results = spread_over_two(refused_at_seven, range(40))
    assert [next(results) for _ in range(7)] == list(range(7))
    with pytest.raises(chunkmap.FormatError, match="not 7") as caught:
        next(results)
    assert caught.value.url == "a.nc"
    assert all_gone(eager)


def test_files_that_fail_are_left_out(paths, tmp_path, eager):
    """With on_error="skip" by others too: the same sets, and the same warning."""
    (tmp_path / "broken.nc").write_bytes(b"\x89HDF\r\n\x1a\n broken")
    files = [*paths[:6], tmp_path / "broken.nc", *paths[6:]]
    said = []
    for workers in (1, 2):
        with pytest.warns(chunkmap.errors.SkippedFiles) as warned:
            assert len(chunkmap.scan_many(files, workers=workers, on_error="skip")) == 12
        said.append([str(warning.message) for warning in warned])
    assert said[0] == said[1]
    with pytest.raises(chunkmap.ChunkmapError, match=r"broken\.nc"):
        chunkmap.scan_many(files, workers=2)
    assert all_gone(eager)


def test_warnings_come_here_and_prints_do_no_harm(eager):
    """What is warned of elsewhere is warned of here, as the filters of this process say."""
    with pytest.warns(UserWarning, match="number") as warned:
        assert list(spread_over_two(noisy, range(12))) == list(range(12))
    assert [str(warning.message) for warning in warned] == [f"number {number}" for number in range(12)]
    with pytest.raises(UserWarning, match="number 0"):
        list(spread_over_two(noisy, range(12)))


@pytest.mark.usefixtures("caller")
def test_a_worker_that_dies_does_no_harm(eager):
    """What it was asked for is done here."""
    assert list(spread_over_two(deadly, range(12))) == list(range(12))
    assert all_gone(eager)


@pytest.mark.usefixtures("caller")
def test_who_goes_away_leaves_no_process(eager):
    """An interrupted caller ends what runs, however long it would go on."""
    results, gone = spread_over_two(endless, range(12)), threading.Event()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it

    def interrupt(after):
        if not gone.wait(after):  # one that comes while Python tidies up is lost, so there is another
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            interrupt(15)

    threading.Thread(target=interrupt, args=(1,)).start()
    with pytest.raises(KeyboardInterrupt):
        list(results)
    gone.set()
    signal.signal(signal.SIGINT, before)
    assert len(eager) == 1
    assert all_gone(eager)


def test_in_a_running_event_loop(paths, eager):
    """As in a notebook, whose loop runs while a cell does."""

    async def cell():
        return chunkmap.scan_many(paths, workers=2)

    assert len(asyncio.run(cell())) == 12
    assert len(eager) == 1


def test_on_a_thread_nothing_is_started(paths, eager):
    """Where others may do the same at the same time."""
    with ThreadPoolExecutor(1) as pool:
        assert len(pool.submit(chunkmap.scan_many, paths, workers=2).result()) == 12
    assert not eager


def test_what_cannot_be_sent_is_done_here(eager):
    """A function that is no part of a module."""
    assert list(spread_over_two(lambda number: number, range(12))) == list(range(12))
    assert not eager


def test_a_script_needs_no_main_guard(paths, tmp_path):
    """A script that begins at once, and is run once."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "import chunkmap\n"
        "from chunkmap.execution import spreading\n"
        "spreading._TRIED, spreading._STARTING = 0.0, 1e-12\n"
        "sets = chunkmap.scan_many(sys.argv[1], workers=2)\n"
        "print(len(sets), [refs.name[-5:] for refs in sets] == sorted(refs.name[-5:] for refs in sets))\n"
    )
    command = [sys.executable, script, f"{Path(paths[0]).parent}/*.nc"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "12 True\n"
    assert done.stderr == ""


def test_workers_are_counted_from_one():
    """No worker is no answer."""
    with pytest.raises(ValueError, match="workers is 0, expected 1 or more"):
        chunkmap.scan_many([], workers=0)
