"""Combining stretch by stretch writes, byte for byte, what combining in memory and writing gives."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sets import file, files_below, without_origin

import chunkmap
from chunkmap.execution import headers, streaming


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
    monkeypatch.setattr(streaming, "_ROWS_TO_SEND", 5)
    monkeypatch.setattr(headers, "_HELD", 0)


@settings(max_examples=40, deadline=None)
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
    return files_below(folder)
