"""What is said while it works: logs for who asks, bars for who looks, and how to go on after an interruption."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from days import write_days
from invoking import run

import chunkmap as library
from chunkmap.errors import NotInstalled


@pytest.fixture
def days(tmp_path, monkeypatch):
    """The current directory holds two days."""
    monkeypatch.chdir(tmp_path)
    write_days(2)
    return tmp_path


def test_what_happens_is_logged(days, caplog):
    """Scans with their cost, decisions, what came from the cache and what was written, each under its name."""
    how = {"concat_dims": ["time"], "cache": "kept"}
    with caplog.at_level(logging.INFO, "chunkmap"):
        library.build(["d0.nc", "d1.nc"], "a.json", **how)
        library.build(["d0.nc", "d1.nc"], "a.json", **how)
    said = [(record.name, record.getMessage()) for record in caplog.records]
    assert sum(name == "chunkmap.scan" and "hdf5, 2 arrays" in text and " bytes" in text for name, text in said) == 2
    assert sum(name == "chunkmap.cache" for name, _ in said) == 2
    assert sum(name == "chunkmap.write" and text.startswith("a.json") for name, text in said) == 2


def test_what_is_tried_again_is_logged(range_server, caplog):
    """A server that is busy for a moment is heard of by who listens."""
    url = range_server.put("a.npy", b"\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"
                           .ljust(127) + b"\n" + bytes(12))  # fmt: skip
    range_server.failures["/a.npy"] = [503]
    with caplog.at_level(logging.INFO, "chunkmap.retry"):
        library.scan(url)
    assert "try 1 failed, the next one in 0." in caplog.text


def test_nothing_is_said_to_who_does_not_ask(days):
    """A script that sets up no logging sees nothing of it, warnings of `logging` included."""
    code = "import chunkmap; chunkmap.build('d*.nc', 'a.json', concat_dims=['time'], progress=True)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("words", [("-v", "scan", "d0.nc"), ("scan", "d0.nc", "-v")])
def test_the_command_line_says_more_when_asked(days, words):
    """-v, before or after the command, shows on standard error what is logged; without it, and after it, nothing is."""
    level = logging.getLogger("chunkmap").level
    assert "chunkmap.scan: " in run(*words).stderr
    assert logging.getLogger("chunkmap").level == level
    assert "chunkmap.scan" not in run("scan", "d0.nc").stderr


def test_progress_is_drawn_for_a_person_only(days, monkeypatch, capsys):
    """progress=True draws a bar a step on a terminal, and nothing elsewhere; standard output stays free."""
    library.build("d*.nc", "a.json", concat_dims=["time"], progress=True)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    library.build("d*.nc", "a.json", concat_dims=["time"], progress=True)
    library.scan_many("d*.nc", progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "scanning" in err
    assert "combining and writing" in err


def test_progress_needs_rich(days, monkeypatch):
    """Without it, the error names the extra."""
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    with pytest.raises(NotInstalled, match=r"progress=True needs the package rich.*chunkmap\[cli\]"):
        library.scan_many("d*.nc", progress=True)


@pytest.fixture
def interrupted(monkeypatch):
    """Somebody presses Ctrl-C when the second file is scanned."""
    from chunkmap.execution import cached, scanning

    def scan(url, **how):
        if url.endswith("d1.nc"):
            raise KeyboardInterrupt
        return library.scan(url, **how)

    monkeypatch.setattr(scanning, "scan", scan)
    monkeypatch.setattr(cached, "scan", scan)


def test_an_interruption_says_how_to_go_on(days, interrupted):
    """The traceback of the library has a note: with a cache the same call goes on, else a cache would have helped."""
    with pytest.raises(KeyboardInterrupt) as caught:
        library.build("d*.nc", "a.json", concat_dims=["time"])
    assert "With cache='DIR', what was scanned is kept" in caught.value.__notes__[0]
    with pytest.raises(KeyboardInterrupt) as caught:
        library.build("d*.nc", "a.json", concat_dims=["time"], cache="kept")
    assert "kept in kept: the same call goes on from there" in caught.value.__notes__[0]


def test_an_interruption_of_the_command_line_is_one_line(days, interrupted):
    """It says how to go on, in terms of options; nothing is left of the output."""
    words = ("build", "d0.nc", "d1.nc", "-o", "a.json", "--concat", "time")
    result = run(*words)
    assert result.exit_code == 130
    (line,) = result.stderr.splitlines()
    assert line.startswith("Stopped; nothing half-written is left. With --cache DIR, what was scanned is kept, and a")
    result = run(*words, "--cache", "kept")
    assert result.stderr.splitlines()[0].endswith("is kept in kept: the same command goes on from there")
    assert sorted(path.name for path in Path().iterdir()) == ["d0.nc", "d1.nc", "kept"]
