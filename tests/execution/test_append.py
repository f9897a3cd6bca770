"""Appending gives what building from scratch gives, and writes only what changes."""

from __future__ import annotations

import contextlib
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sets import coordinate, file, files_below, json_without_origin

import chunkmap
from chunkmap.execution import scanning, streaming
from chunkmap.model import ChunkManifest, ManifestArray


@contextlib.contextmanager
def scanned(sets):
    """Scanning a URL gives the set of this name; the names of those that were scanned are noted."""
    seen = []

    def scan(url, **_options):
        seen.append(url)
        return sets[url]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "scan", scan)
        patch.setattr(streaming, "_ROWS", 5)
        yield seen


@st.composite
def grown_series(draw):
    """A series of files that rise or fall, and after which of them the first build ends.

    Later files may lie before earlier ones, between them, or after all.
    """
    chunk = draw(st.integers(1, 2))
    lengths = [chunk * n for n in draw(st.lists(st.integers(2, 4), min_size=2, max_size=5))]
    stops = np.cumsum(lengths)
    keep = draw(st.sampled_from([None, (True, False, True)]))
    how = {"nx": draw(st.integers(1, 7)), "chunk": (chunk, draw(st.integers(1, 4))), "keep": keep}
    how["scattered"] = draw(st.booleans())
    falls = draw(st.booleans())
    times = [range(stop - n, stop)[:: -1 if falls else 1] for stop, n in zip(stops.tolist(), lengths, strict=True)]
    sets = [file(number, steps, **how) for number, steps in enumerate(times)]
    return draw(st.permutations(sets)), draw(st.integers(1, len(sets) - 1))


@settings(max_examples=20, deadline=None)
@given(series=grown_series(), record_size=st.integers(4, 12), name=st.sampled_from(["out.parq", "out.json"]))
def test_appending_is_building_from_scratch(series, record_size, name):
    """Whatever the shapes, the order and the partitions: every file is the same, byte for byte."""
    sets, first = series
    urls = [refs.name for refs in sets]
    with tempfile.TemporaryDirectory() as top, scanned({refs.name: refs for refs in sets}):
        folder = Path(top)
        chunkmap.build(urls, folder / "scratch" / name, concat_dims=["time"], record_size=record_size)
        chunkmap.build(urls[:first], folder / "grown" / name, concat_dims=["time"], record_size=record_size)
        how = {"concat_dims": ["time"]} if name.endswith(".json") else {}

        refs = chunkmap.append(folder / "grown" / name, urls[first:], **how)

        assert refs == chunkmap.load(folder / "scratch" / name)
        assert files_below(folder / "grown") == files_below(folder / "scratch")


@settings(max_examples=12, deadline=None)
@given(data=st.data(), record_size=st.integers(4, 12), name=st.sampled_from(["out.parq", "out.json"]))
def test_overwriting_is_letting_the_last_win(data, record_size, name):
    """Files that hold in part what the set holds: it becomes what combining all gives, where the last of them wins."""
    starts = data.draw(st.lists(st.integers(0, 6), min_size=2, max_size=5))
    sets = [file(number, range(start, start + data.draw(st.integers(1, 4)))) for number, start in enumerate(starts)]
    urls, first = [refs.name for refs in sets], data.draw(st.integers(1, len(sets) - 1))
    how = {"concat_dims": ["time"]}
    with tempfile.TemporaryDirectory() as top, scanned({refs.name: refs for refs in sets}):
        out = Path(top) / name
        chunkmap.build(urls[:first], out, record_size=record_size, waive=["overlap"], **how)
        how_again = {**how, "waive": ["overlap"]} if name.endswith(".json") else {}

        for url in urls[first:]:
            chunkmap.append(out, [url], overwrite=True, **how_again)

        assert chunkmap.load(out) == chunkmap.combine(sets, waive=["overlap"], **how)


def steps(number, count=4, **how):
    return file(number, range(number * count, (number + 1) * count), **how)


@pytest.fixture
def grown(tmp_path):
    """A set of three files with partitions of eight chunks, and a fourth file to come."""
    sets = {refs.name: refs for refs in map(steps, range(4))}
    with scanned(sets) as seen:
        chunkmap.build(list(sets)[:3], tmp_path / "cube.parq", concat_dims=["time"], record_size=10)
        seen.clear()
        yield tmp_path / "cube.parq", list(sets), seen


def test_only_what_changes_is_written(grown):
    """Partitions that no new file touches are the very files of before, and only the new file is scanned."""
    out, urls, seen = grown
    before = {p.relative_to(out).as_posix(): p.stat().st_ino for p in out.rglob("*.parq")}

    chunkmap.append(out, urls[3:])

    after = {p.relative_to(out).as_posix(): p.stat().st_ino for p in out.rglob("*.parq")}
    same = {name for name in before if before[name] == after[name]}
    assert seen == urls[3:]
    assert same == {"t/refs.0.parq", "t/refs.1.parq", "group/q/refs.0.parq", "group/q/refs.1.parq", "x/refs.0.parq"}


def test_what_is_there_already_is_refused(grown):
    """A file that holds what the set holds is refused, and nothing is changed; to overwrite it must be asked for."""
    out, urls, _ = grown
    before = files_below(out)

    with pytest.raises(chunkmap.CombineError, match=r"both hold time = 2000-01-05; one would hide"):
        chunkmap.append(out, urls[1:2])

    assert files_below(out) == before
    chunkmap.append(out, urls[1:2], overwrite=True)
    assert chunkmap.load(out).arrays["t"].meta.shape == (12, 6)


def test_a_gap_that_is_closed_later(tmp_path):
    """Cells that no file covered get a fill value, and lose it when a later file covers them, as from scratch."""
    low, high = steps(0, levels=(0.5,)), steps(0, levels=(2.0,))
    rest = [file(1, range(4, 8), levels=(level,)) for level in (0.5, 2.0)]
    names = ["a", "b", "c", "d"]
    sets = dict(zip(names, (low, high, rest[0], rest[1]), strict=True))
    how = {"concat_dims": ["time", "level"], "record_size": 3}
    with scanned(sets):
        chunkmap.build(names, tmp_path / "scratch.parq", **how)
        refs = chunkmap.build(names[:3], tmp_path / "grown.parq", **how)
        assert np.isnan(refs.arrays["t"].meta.fill_value)

        chunkmap.append(tmp_path / "grown.parq", names[3:])

    assert files_below(tmp_path / "grown.parq") == files_below(tmp_path / "scratch.parq")


def test_the_recipe_must_be_known(tmp_path):
    """A set of which it is not written down how it was made is appended to only when that is said again."""
    sets = {refs.name: refs for refs in map(steps, range(3))}
    urls = list(sets)
    with scanned(sets):
        combined = chunkmap.combine([sets[url] for url in urls[:2]], concat_dims="time")
        chunkmap.write(combined, tmp_path / "plain.parq", record_size=7)
        with pytest.raises(chunkmap.CombineError, match="not written down how this set was made"):
            chunkmap.append(tmp_path / "plain.parq", urls[2:])
        chunkmap.append(tmp_path / "plain.parq", urls[2:], concat_dims="time")
        chunkmap.build(urls, tmp_path / "by-function.parq", coo_map={"run": _index}, concat_dims=["run", "time"])
        with pytest.raises(chunkmap.StorageError, match=r"values of run came from <function _index"):
            chunkmap.append(tmp_path / "by-function.parq", urls[2:])

    assert chunkmap.load(tmp_path / "plain.parq") == chunkmap.combine(list(sets.values()), concat_dims="time")


def _index(index, refs, dim, name):
    return index


def test_index_goes_on(tmp_path):
    """INDEX counts from where the first build ended."""
    sets = {refs.name: refs for refs in (file(number, range(4)) for number in range(4))}
    urls = list(sets)
    how = {"coo_map": {"run": "INDEX"}, "concat_dims": ["run"], "identical_dims": ["time"], "record_size": 7}
    with scanned(sets):
        chunkmap.build(urls, tmp_path / "scratch.parq", **how)
        chunkmap.build(urls[:2], tmp_path / "grown.parq", **how)
        chunkmap.append(tmp_path / "grown.parq", urls[2:])

    assert files_below(tmp_path / "grown.parq") == files_below(tmp_path / "scratch.parq")


def test_in_an_object_store(tmp_path):
    """An append to a set in an object store reads the old set until the new one is complete, and leaves no scraps."""
    import fsspec

    sets = {refs.name: refs for refs in map(steps, range(4))}
    urls = [*sets]
    fs = fsspec.filesystem("memory")
    for order in (urls, urls[::-1]):
        with scanned(sets):
            chunkmap.build(order, "memory://append/scratch.parq", concat_dims=["time"], record_size=7)
            chunkmap.build(order[:3], "memory://append/grown.parq", concat_dims=["time"], record_size=7)
            chunkmap.append("memory://append/grown.parq", order[3:])
        found, expected = (
            {path.removeprefix(f"/append/{name}.parq"): fs.cat(path) for path in fs.find(f"/append/{name}.parq")}
            for name in ("grown", "scratch")
        )
        assert found == expected
    fs.rm("/append", recursive=True)


def test_an_order_that_is_not_known_any_more(tmp_path):
    """Files in falling order are refused by a set in rising order; building from all files takes them as given."""
    sets = {refs.name: refs for refs in (steps(0), steps(1), file(2, range(11, 7, -1)))}
    urls = list(sets)
    with scanned(sets):
        chunkmap.build(urls[1::-1], tmp_path / "out.parq", concat_dims="time")
        with pytest.raises(chunkmap.CombineError, match="do not all go in the same direction"):
            chunkmap.append(tmp_path / "out.parq", urls[2:])
        assert chunkmap.build([urls[1], urls[0], urls[2]], tmp_path / "all.json", concat_dims="time").arrays["t"]


def with_forecast(number):
    """A file with a second time, counted from another date in every file, and a time that is as it stands."""
    refs = steps(number)
    units = f"hours since 2000-01-{number + 1:02d}"
    hours = np.arange(4, dtype="i4") + 24 * number
    meta = replace(coordinate("time", hours, units=units).meta, chunk_shape=(2,), attrs={"units": units})
    zipped = replace(meta, compressor={"id": "zlib", "level": 1})
    pieces = [zlib.compress(hours[:2].tobytes(), 1), zlib.compress(hours[2:].tobytes(), 1)]
    lengths = np.array(list(map(len, pieces)), np.uint64)
    columns = (np.ones(2, np.uint32), np.array([0, lengths[0]], np.uint64), lengths)
    chunks = ChunkManifest.from_columns((2,), np.arange(2), (None, b"".join(pieces)), columns)
    arrays = {"forecast": ManifestArray(zipped, chunks), **refs.arrays}
    return replace(refs, arrays={"time": arrays.pop("time"), **arrays})


@pytest.mark.parametrize("executor", [None, "threads"])
def test_times_that_are_brought_to_one_unit(tmp_path, executor):
    """An array whose values were read and re-encoded is appended to as it would have been built, in its place."""
    sets = {refs.name: refs for refs in map(with_forecast, range(4))}
    urls = list(sets)
    how = {"concat_dims": ["time"], "record_size": 7}
    with scanned(sets):
        chunkmap.write(chunkmap.combine(list(sets.values()), concat_dims="time"), tmp_path / "memory.json")
        chunkmap.build(urls, tmp_path / "scratch.json", concat_dims="time")
        chunkmap.build(urls, tmp_path / "scratch.parq", executor=executor, **how)
        chunkmap.build(urls[:2], tmp_path / "grown.parq", executor=executor, **how)
        chunkmap.append(tmp_path / "grown.parq", urls[2:], executor=executor)
        chunkmap.write(chunkmap.load(tmp_path / "grown.parq"), tmp_path / "grown.json")

    assert files_below(tmp_path / "grown.parq") == files_below(tmp_path / "scratch.parq")
    texts = [json_without_origin(tmp_path / f"{name}.json") for name in ("memory", "scratch", "grown")]
    assert texts[0] == texts[1] == texts[2]
    assert chunkmap.load(tmp_path / "grown.parq").arrays["forecast"].chunks.is_inline.all()
