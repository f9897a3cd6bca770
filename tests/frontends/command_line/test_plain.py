"""What is written without rich is what rich writes."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.frontends.command_line import plain
from chunkmap.frontends.command_line.contents import NUMBERS, TEXTS, Contents, safe
from chunkmap.frontends.command_line.drawing import drawn

NARROW = st.text(st.characters(max_codepoint=0x2FF)).map(safe)
ROWS = st.lists(st.tuples(*[NARROW] * len(TEXTS + NUMBERS)), max_size=3)


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    """Nothing in the environment says that the output is a terminal."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@given(NARROW, ROWS, st.lists(NARROW, max_size=3))
def test_it_is_what_rich_writes(name, rows, lines):
    """Tables of any texts of one width, and the lines around them, to the letter."""
    contents = Contents(name, rows, lines)
    assert plain.is_enough(contents)
    assert plain.written(contents) == drawn(contents)


def test_long_names_are_not_broken():
    """A file or a pipe has no width: who reads it by lines finds the name of a set in one."""
    contents = Contents("/archive" * 30, [["cell"] * len(TEXTS + NUMBERS)], ["line " * 50])
    assert plain.written(contents).splitlines()[0] == drawn(contents).splitlines()[0] == contents.name
    assert plain.written(contents) == drawn(contents)


@pytest.mark.parametrize("text", ["語", "e\u0301", "😀", "x" * 5000])
def test_characters_of_other_widths_are_richs(text):
    """What is wider than one column, stands above another character, or needs a second line."""
    assert not plain.is_enough(Contents("name", [[text] * len(TEXTS + NUMBERS)], []))
    assert plain.is_enough(Contents("name", [["µ °C"] * len(TEXTS + NUMBERS)], ["語"]))
    assert not plain.is_enough(Contents("name", [], ["x" * 5000]))


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_terminals_are_richs(name, monkeypatch):
    """A terminal, or what the environment says is one, has its headings drawn bold."""
    contents = Contents("name", [], [])
    monkeypatch.setenv(name, "1")
    assert not plain.is_enough(contents)
    monkeypatch.delenv(name)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert not plain.is_enough(contents)
