"""Combining stretch by stretch writes, byte for byte, what combining in memory and writing gives."""

from __future__ import annotations

import pickle
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sets import file, files_below, json_without_origin, without_origin

import chunkmap
from chunkmap.combining import stretches
from chunkmap.execution import headers, parquet, streaming
from chunkmap.model.edits import rename_urls, select
from chunkmap.storage.parquet import chunks as at_rest
from chunkmap.storage.parquet import writing


@st.composite
def series(draw):
    """Files of a time series: lengths, order, missing chunks, levels and chunk shapes vary."""
    chunk = draw(st.integers(1, 3))
    lengths = [chunk * n for n in draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))]
    lengths[-1] -= draw(st.integers(0, chunk - 1))
    stops = np.cumsum(lengths)
    levels = draw(st.sampled_from([None, (0.5,), (0.5, 2.0)]))
    how = {
        "nx": draw(st.integers(1, 7)),
        "chunk": (chunk, draw(st.integers(1, 4))),
        "keep": draw(st.sampled_from([None, (True, False, True), (False, True)])),
        "levels": levels,
        "scattered": draw(st.booleans()),
    }
    sets = [
        file(number, range(stop - length, stop), **how)
        for number, (stop, length) in enumerate(zip(stops, lengths, strict=True))
    ]
    return draw(st.permutations(sets))


@pytest.fixture(autouse=True)
def small_stretches(monkeypatch):
    """Stretches of a few chunks, and tables that are put aside at once."""
    monkeypatch.setattr(streaming, "_ROWS", 5)
    monkeypatch.setattr(parquet, "_ROWS_TO_SEND", 5)
    monkeypatch.setattr(headers, "_HELD", 0)
    monkeypatch.setattr(writing, "_MANY_ROWS", 3)


@settings(max_examples=20, deadline=None)
@given(
    sets=series(),
    record_size=st.integers(1, 12),
    stored=st.sampled_from(["memory", "json", "parq", "dict"]),
    out=st.sampled_from(["out.parq", "out.json", "out.json.gz"]),
)
def test_stretch_by_stretch_as_in_memory(sets, record_size, stored, out):
    """Whatever the shapes, the order and the form of the inputs, the files written are the same."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = [keep(refs, folder / f"in-{number}.{stored}", record_size) for number, refs in enumerate(sets)]
        expected = chunkmap.combine(inputs, concat_dims=["time"])
        chunkmap.write(expected, folder / "expected" / out, record_size=record_size)

        refs = chunkmap.combine(inputs, out=folder / "found" / out, concat_dims=["time"], record_size=record_size)

        assert without_origin_if_any(folder / "found") == without_origin_if_any(folder / "expected")
        assert refs == expected
        assert refs.problems == expected.problems
        assert refs.targets == expected.targets


@st.composite
def grids(draw):
    """Files of a grid of times and levels, some of which may be missing, and some given twice."""
    ntime, nlevel, chunk = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 2))
    there = draw(st.lists(st.booleans(), min_size=ntime * nlevel, max_size=ntime * nlevel))
    twice = draw(st.booleans())
    sets = []
    for number in range(ntime * nlevel):
        time, level = divmod(number, nlevel)
        if there[number] or not number:
            times = range(time * 2 * chunk, (time + 1) * 2 * chunk)
            one = file(number, times, nx=3, chunk=(chunk, 1, 2), levels=[float(level)])
            sets += [one, replace(one, name="again")] if twice else [one]
    return draw(st.permutations(sets)), twice


@settings(max_examples=20, deadline=None)
@given(grid=grids(), record_size=st.integers(1, 12), executor=st.sampled_from([None, "threads"]))
def test_grids_with_holes(grid, record_size, executor):
    """Two dimensions at once, holes, and files given twice: whoever writes, the files are the same."""
    sets, twice = grid
    how = {"concat_dims": ["level", "time"], "waive": ["overlap"] if twice else []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = chunkmap.combine(sets, **how)
        chunkmap.write(expected, folder / "expected" / "out.parq", record_size=record_size)

        chunkmap.combine(sets, out=folder / "found" / "out.parq", record_size=record_size, executor=executor, **how)

        assert without_origin_if_any(folder / "found") == without_origin_if_any(folder / "expected")


def test_only_the_partitions_that_are_needed_are_read(tmp_path, monkeypatch):
    """Every partition of a stored input is read once, and no stretch is larger than it was asked to be."""
    inputs = []
    for number in range(4):
        inputs.append(tmp_path / f"{number}.parq")
        chunkmap.write(file(number, range(number * 20, number * 20 + 20)), inputs[-1], record_size=10)
    read, largest = [], []
    real, real_place = at_rest.decode_partitions, stretches.StretchPlan.place
    monkeypatch.setattr(at_rest, "decode_partitions", lambda files: read.extend(f.where for f in files) or real(files))
    monkeypatch.setattr(stretches.StretchPlan, "place", lambda w: largest.append(len(w.cells)) or real_place(w))
    monkeypatch.setattr(streaming, "_ROWS", 20)

    chunkmap.combine(inputs, out=tmp_path / "out.parq", concat_dims="time", record_size=10)

    fields = [where for where in read if "/t/" in where or "/q/" in where]
    assert len(fields) == len(set(fields)) == 2 * 4 * 4
    assert max(largest) == 20


@pytest.mark.parametrize("fails", [1, 3, 6])
def test_a_partition_that_cannot_be_written_leaves_the_old_set(tmp_path, monkeypatch, fails):
    """It is another thread that writes: what it raises is raised by the call, and nothing of it is left."""
    out, calls = tmp_path / "out.parq", []
    sets = [file(number, range(number * 4, number * 4 + 4), chunk=(1, 1)) for number in range(3)]
    before = chunkmap.combine(sets[:1], out=out, concat_dims=["time"])
    real = writing.encode_partition

    def failing(*args):
        calls.append(args)
        if len(calls) == fails:
            raise OSError("no space left on device")
        return real(*args)

    monkeypatch.setattr(writing, "encode_partition", failing)
    with pytest.raises(OSError, match="no space"):
        chunkmap.combine(sets, out=out, concat_dims=["time"], record_size=2)
    assert chunkmap.load(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out.parq"]


def test_what_cannot_be_said_twice(tmp_path):
    """Small chunks that are fetched, and whole files whose size is known, are written as from memory."""
    (tmp_path / "data").write_bytes(bytes(range(200)) * 10)
    sets = [file(number, range(number * 2, number * 2 + 2)) for number in range(3)]
    url = str(tmp_path / "data")
    sets = [rename_urls(refs, lambda _: url) for refs in sets]
    arrays = {path: array for path, array in sets[0].arrays.items() if path in ("time", "x", "t")}
    how = {"concat_dims": "time", "inline_threshold": 95}
    sets = [select(refs, arrays) for refs in sets]
    chunkmap.write(chunkmap.combine(sets, **how), tmp_path / "expected.parq", record_size=3)

    refs = chunkmap.combine(sets, out=tmp_path / "found.parq", record_size=3, **how)

    assert refs.arrays["t"].manifest().is_inline.all()
    assert without_origin(files_below(tmp_path / "found.parq")) == without_origin(
        files_below(tmp_path / "expected.parq")
    )


def test_a_set_at_rest_is_a_set(tmp_path):
    """What comes back can be edited, pickled and compared as any other set."""
    sets = [file(number, range(number * 2, number * 2 + 2)) for number in range(2)]
    expected = chunkmap.combine(sets, concat_dims="time")
    for name in ("out.parq", "out.json"):
        refs = chunkmap.combine(sets, out=tmp_path / name, concat_dims="time")
        assert pickle.loads(pickle.dumps(refs)) == expected == refs
        assert rename_urls(refs, str.upper) == rename_urls(expected, str.upper)
        assert refs.arrays["t"].with_meta(attrs={}) == expected.arrays["t"].with_meta(attrs={})
        assert refs.nchunks == expected.nchunks


def keep(refs, path, record_size):
    """A set in one of the forms that combine takes."""
    if path.suffix == ".memory":
        return refs
    if path.suffix == ".dict":
        return refs.to_dict()
    chunkmap.write(refs, path, record_size=record_size)
    return path


def without_origin_if_any(folder):
    if (folder / "out.parq").exists():
        return without_origin(files_below(folder / "out.parq"))
    return {path.name: json_without_origin(path) for path in folder.iterdir()}
