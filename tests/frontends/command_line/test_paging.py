"""What is longer than the terminal goes through the user's pager."""

import os
import subprocess
import sys

import h5py
import pytest

import chunkmap

pty = pytest.importorskip("pty", reason="a system without terminals of this kind")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A set of forty arrays."""
    folder = tmp_path_factory.mktemp("paging")
    with h5py.File(folder / "a.h5", "w") as file:
        for number in range(40):
            file.create_dataset(f"v{number:02}", data=[number])
    chunkmap.write(chunkmap.scan(folder / "a.h5"), folder / "a.json")
    return folder / "a.json"


@pytest.mark.parametrize("verb", ["inspect", "dump"])
@pytest.mark.parametrize(("lines", "is_paged"), [(30, True), (1000, False)])
def test_long_results_are_paged_on_a_terminal(stored, tmp_path, verb, lines, is_paged):
    """The pager is asked only where there is more than the terminal shows."""
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {tmp_path / 'paged'}\n")
    pager.chmod(0o755)
    ours, theirs = pty.openpty()
    env = {**os.environ, "PAGER": str(pager), "LINES": str(lines), "COLUMNS": "100", "TERM": "xterm"}
    command = [sys.executable, "-m", "chunkmap", verb, str(stored)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, env=env) as process:
        os.close(theirs)
        shown = _read(ours)
        assert process.wait() == 0
    paged = tmp_path / "paged"
    assert paged.exists() is is_paged
    said = paged.read_text() if is_paged else shown
    assert "v00" in said
    assert "v39" in said
    assert is_paged is ("v39" not in shown)


def _read(terminal):
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:  # the other side is closed
        os.close(terminal)
    return b"".join(parts).decode()
