"""The collector of cycles looks as often as before once the work is done, however it ends."""

from __future__ import annotations

import gc
from contextlib import suppress
from threading import Barrier, Thread

import pytest
from sets import file

import chunkmap
from chunkmap.execution.collecting import collected_rarely


@pytest.fixture(autouse=True)
def usual():
    """What it was before is what it is afterwards."""
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)


def test_it_looks_less_often_meanwhile(usual):
    """Also after an error, and of two that are nested when the outer one ends."""
    with collected_rarely():
        assert gc.get_threshold()[0] > usual[0]
        with suppress(KeyError), collected_rarely():
            raise KeyError
        assert gc.get_threshold()[0] > usual[0]
    assert gc.get_threshold() == usual


def test_on_threads(usual):
    """The last one that ends puts it back, whichever it is."""
    begun, ended = Barrier(2), Barrier(2)

    def first():
        with collected_rarely():
            begun.wait(10)
        ended.wait(10)

    thread = Thread(target=first)
    thread.start()
    with collected_rarely():
        begun.wait(10)
        ended.wait(10)
        assert gc.get_threshold()[0] > usual[0]
    thread.join()
    assert gc.get_threshold() == usual


def test_what_is_turned_off_stays_so():
    """A program may collect by itself, or more rarely."""
    for threshold in ((0, 10, 10), (10**6, 3, 4)):
        gc.set_threshold(*threshold)
        with collected_rarely():
            assert gc.get_threshold() == threshold
        assert gc.get_threshold() == threshold


def test_verbs_put_it_back(tmp_path, usual):
    """Also where what is asked for cannot be done."""
    chunkmap.combine([file(0, range(4)), file(1, range(4, 8))], concat_dims="time", out=tmp_path / "out.parq")
    with pytest.raises(chunkmap.CombineError):
        chunkmap.combine([file(0, range(4)), file(1, range(2, 6))], concat_dims="time", out=tmp_path / "out.json")
    assert gc.get_threshold() == usual
