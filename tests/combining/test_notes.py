"""What a combine decides is said: arrays that it reads and holds inline, and why."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import chunkmap
from chunkmap.frontends.command_line.commands import chunkmap as command

FORMS = ["out.json", "out.parq"]


def write_days(path, first, chunk):
    """Four days of one field, in chunks of so many days."""
    with h5py.File(path, "w") as file:
        file["time"] = np.arange(first, first + 4.0)
        file["time"].make_scale("time")
        file["time"].attrs["units"] = "days since 2015-01-01"
        file.create_dataset("tos", data=np.arange(400.0).reshape(4, 100) + first, chunks=(chunk, 100))
        file["tos"].dims[0].attach_scale(file["time"])


@pytest.fixture
def days(tmp_path, monkeypatch):
    """Three files, the last of which has chunks of another shape."""
    monkeypatch.chdir(tmp_path)
    names = ["a.nc", "b.nc", "c.nc"]
    for number, name in enumerate(names):
        write_days(name, 4 * number, 3 if name == "c.nc" else 2)
    return names


def copied(refs):
    """The arrays that a set says are copies."""
    return [note.path for note in refs.notes if note.check == "inline"]


@pytest.mark.parametrize("out", [None, *FORMS])
def test_what_is_held_inline_is_noted(days, out):
    """The set that comes back names the array, the reason, the first input and the bytes."""
    refs = chunkmap.combine(chunkmap.scan_many(days), concat_dims="time", out=out)
    (note,) = refs.notes
    assert (note.path, note.check, note.refused) == ("tos", "inline", False)
    assert note.message == (
        "chunks are (2, 100) in a.nc but (3, 100) in c.nc: it is read, and held inline (9,600 bytes)"
    )
    assert "1 note" in repr(refs)
    assert "9,600 bytes" in refs._repr_html_()


@pytest.mark.parametrize("out", FORMS)
def test_build_and_append_note_it_too(days, out):
    """Neither verb copies in silence; what is not copied is not noted."""
    assert chunkmap.build(days[:2], out, concat_dims="time").notes == ()
    assert copied(chunkmap.append(out, days[2:], concat_dims="time")) == ["tos"]
    assert copied(chunkmap.build(days, out, concat_dims="time")) == ["tos"]


@pytest.mark.parametrize("verb", ["combine", "build", "append"])
def test_strict_refuses_to_copy(days, verb):
    """With strict=True the same inputs are refused with the reason, and nothing is written."""
    if verb == "append":
        chunkmap.build(days[:2], "out.parq", concat_dims="time")
    before = sorted(Path().iterdir())
    calls = {
        "combine": lambda: chunkmap.combine(chunkmap.scan_many(days), concat_dims="time", strict=True),
        "build": lambda: chunkmap.build(days, "out.json", concat_dims="time", strict=True),
        "append": lambda: chunkmap.append("out.parq", days[2:], strict=True),
    }
    with pytest.raises(chunkmap.CombineError, match=r"in c\.nc\. .*strict=True refuses to read its 9,600 bytes"):
        calls[verb]()
    assert sorted(Path().iterdir()) == before


def test_strict_takes_what_is_not_copied(days):
    """Inputs whose chunks line up are combined as without."""
    sets = chunkmap.scan_many(days[:2])
    assert chunkmap.combine(sets, concat_dims="time", strict=True) == chunkmap.combine(sets, concat_dims="time")


def test_strict_is_remembered(days):
    """A set that was built strictly is added to strictly."""
    chunkmap.build(days[:2], "out.parq", concat_dims="time", strict=True)
    with pytest.raises(chunkmap.CombineError, match="strict=True refuses"):
        chunkmap.append("out.parq", days[2:])


@pytest.mark.parametrize("verb", ["build", "append", "combine"])
def test_the_command_line_says_it(days, verb):
    """Each command has a line for every decision; with --strict it is the error."""

    def run(*words):
        return CliRunner().invoke(command, list(words))

    words = ["build", *days, "-o", "out.json", "--concat", "time"]
    if verb == "append":
        run("build", *days[:2], "-o", "out.parq", "--concat", "time")
        words = ["append", "out.parq", days[2]]
    elif verb == "combine":
        run("scan", *days, "-o", "sets")
        words = ["combine", "sets/*.json", "-o", "out.json", "--concat", "time"]
    refused = run(*words, "--strict")
    assert refused.exit_code == 1
    assert "--strict refuses to read its 9,600 bytes" in refused.stderr
    said = run(*words)
    assert said.exit_code == 0, said.stderr
    (line,) = [line for line in said.stderr.splitlines() if line.startswith("note: ")]
    assert line.startswith("note: tos: chunks are (2, 100) in ")
    assert line.endswith("it is read, and held inline (9,600 bytes) [inline]")


def test_diagnose_says_the_same(days):
    """The words are those of diagnose, which refuses in the same case."""
    sets = chunkmap.scan_many(days)
    said = chunkmap.diagnose(sets, concat_dims="time")
    assert said.fits
    notes = chunkmap.combine(sets, concat_dims="time").notes
    assert [finding.to_dict() for finding in said.findings] == [note.to_dict() for note in notes]
    assert not chunkmap.diagnose(sets, concat_dims="time", strict=True).fits
