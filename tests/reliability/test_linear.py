"""Work is proportional to what a set says, and never to its square: counted, in calls and bytes, at three sizes."""

import asyncio
import json
import os

import numpy as np
import pytest
from work import growth

import chunkmap
from chunkmap.model import ChunkManifest
from chunkmap.model.source_table import SourceTable
from chunkmap.model.sources import MANY, Sources
from chunkmap.model.templates import check_templates, expand_templates, generate

ROOT = {".zgroup": '{"zarr_format":2}'}
TWICE = 2.5
"""Work of twice the size is at most so many times as much: sorting, and tables that double, take a little more."""


@pytest.fixture(autouse=True)
def _disk_at_rest(monkeypatch):
    """Waiting for the disk, file by file, is no work."""
    monkeypatch.setattr(os, "fsync", lambda _file: None)


def _zarray(shape=(2,), chunks=(1,), **more):
    known = {"dtype": "|u1", "compressor": None, "filters": None, "fill_value": None, "order": "C", "zarr_format": 2}
    return json.dumps({"shape": list(shape), "chunks": list(chunks), **known, **more})


def _v3(shape=(2,), chunks=(1,)):
    return json.dumps(
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(shape),
            "data_type": "uint8",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunks)}},
            "chunk_key_encoding": {"name": "default"},
            "fill_value": 0,
            "codecs": [{"name": "bytes"}],
            "attributes": {},
        }
    )


def _arrays(n):
    return {f"a{k}/.zarray": _zarray() for k in range(n)} | {f"a{k}/1": [f"{k}.nc", k, 1] for k in range(n)}


def _refs_of(n):
    return {
        "arrays": lambda: {**ROOT, **_arrays(n)},
        "arrays of v3": lambda: (
            {f"a{k}/zarr.json": _v3() for k in range(n)} | {f"a{k}/c/1": [f"{k}.nc", k, 1] for k in range(n)}
        ),
        "groups": lambda: {**ROOT, **{f"g{k}/.zgroup": '{"zarr_format":2}' for k in range(n)}},
        "attributes": lambda: {**ROOT, "x/.zarray": _zarray(), "x/.zattrs": json.dumps({f"a{k}": k for k in range(n)})},
        "stray keys": lambda: {**ROOT, "x/.zarray": _zarray(), **{f"x/s{k}": "a" for k in range(n)}},
        "every second key stray": lambda: {**ROOT, "x/.zarray": _zarray((n,)), **_every_second(n)},
        "keys without an array": lambda: {**ROOT, "x/.zarray": _zarray(), **{f"y{k}/0": "a" for k in range(n)}},
        "held inline": lambda: {**ROOT, "x/.zarray": _zarray((n,)), **{f"x/{k}": "a" for k in range(n)}},
        "files": lambda: {**ROOT, "x/.zarray": _zarray((n,)), **{f"x/{k}": [f"{k}.nc", 0, 1] for k in range(n)}},
        "whole files": lambda: {**ROOT, "x/.zarray": _zarray((n,)), **{f"x/{k}": [f"{k}.nc"] for k in range(n)}},
    }


def _every_second(n):
    return {f"x/{k if k % 2 else f's{k}'}": ["a.nc", k, 1] for k in range(n)}


@pytest.mark.parametrize("what", sorted(_refs_of(0)))
@pytest.mark.parametrize("verb", ["load", "open", ".json", ".parq"])
def test_reading_and_writing_a_set(tmp_path, what, verb):
    """Loading, opening and writing: arrays, groups, attributes, keys that are none, chunks and files."""

    def make(n):
        document = {"version": 1, "refs": _refs_of(n)[what]()}
        if verb == "load":
            return lambda: chunkmap.load(document)
        refs = chunkmap.load(document)
        if verb == "open":
            return lambda: chunkmap.open_store(refs)
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}-{n}{verb}"
        return lambda: chunkmap.write(refs, out)

    many = not what.startswith("arrays") or verb == "load"
    assert growth(make, (100, 200, 400) if many else (25, 50, 100)) < TWICE


@pytest.mark.parametrize("kind", ["set.json", "set.parq"])
def test_reading_what_was_written(tmp_path, kind):
    """The same from files: many arrays, each with a chunk in a file of its own."""

    def make(n):
        out = tmp_path / f"{n}-{kind}"
        chunkmap.write(chunkmap.load({"version": 1, "refs": {**ROOT, **_arrays(n)}}), out)
        return lambda: chunkmap.load(out)

    assert growth(make, (25, 50, 100)) < TWICE


def test_a_text_in_parts(tmp_path, monkeypatch):
    """A file that is read in parts, with documents of Zarr v3 in all of them, which must be known to read the keys."""
    monkeypatch.setattr("chunkmap.storage.json.reading._PART", 1 << 12)

    def make(n):
        path = tmp_path / f"{n}.json"
        refs = {}
        for k in range(n):
            refs |= {f"a{k}/zarr.json": _v3(), f"a{k}/c/1": [f"{k}.nc", k, 1]}
        path.write_text(json.dumps({"version": 1, "refs": refs}), encoding="utf-8")
        return lambda: chunkmap.load(path)

    assert growth(make, (100, 200, 400)) < TWICE


@pytest.mark.parametrize("path", ["x", "a/zarr.json"])
def test_a_deep_key(path):
    """What stands above a key of very many parts is looked for in the first of them only."""

    def make(n):
        refs = {"x/zarr.json": _v3(), "x/c/0": "a", "/".join("d" * n) + "/0": "b"}
        return lambda: chunkmap.load({"version": 1, "refs": refs if path == "x" else {**ROOT, "/".join("d" * n): "b"}})

    assert growth(make, (20_000, 40_000, 80_000)) < TWICE


@pytest.mark.parametrize("what", ["names", "documents", "calls", "sections", "open", "names of gen"])
def test_templates(what):
    """Templates that are many, are named often, call one another, or have no end; and sections of `gen`."""

    def make(n):
        templates = check_templates({f"t{k}": "text" for k in range(n)} | {"f": "{{c}}" * 20})
        section = {"key": "x/{{i}}", "url": "{{f(c=i)}}", "dimensions": {"i": {"stop": 2}}}
        refs = {**ROOT, "x/.zarray": _zarray((n,))}
        if what == "names":
            refs |= {f"x/{k}": [f"{{{{t{k}}}}}", 0, 1] for k in range(n)}
        elif what == "documents":
            refs |= {f"a{k}/.zarray": _zarray() for k in range(n)}
            refs |= {f"a{k}/.zattrs": f'{{"a":"{{{{t{k}}}}}"}}' for k in range(n)}
        elif what == "calls":
            refs |= {f"x/{k}": [f"{{{{f(c={k})}}}}", 0, 1] for k in range(n)}
        elif what == "open":
            return lambda: expand_templates("{" * 10 * n, templates)
        else:
            count = n if what == "sections" else 1
            one = {**section, "dimensions": {"i": {"stop": 2 if count > 1 else n}}}
            return lambda: list(generate([one] * count, templates))
        return lambda: chunkmap.load({"version": 1, "templates": dict(templates), "refs": refs})

    assert growth(make, (100, 200, 400)) < TWICE


def test_types_that_many_arrays_share():
    """The types of attributes, of which one list of names goes for many arrays."""

    def make(n):
        beside = {"attribute_types": [[{"f4": [f"n{k}" for k in range(n)]}, [f"a{k}" for k in range(n)]]]}
        refs = {**ROOT, **_arrays(n)} | {f"a{k}/.zattrs": '{"n1":0.5}' for k in range(n)}
        return lambda: chunkmap.load({"version": 1, "refs": refs, "chunkmap": beside})

    assert growth(make, (100, 200, 400)) < TWICE


def _partitions(directory, n, *, sidecar):
    """A set of n partitions, of two chunks each."""
    refs = {**ROOT, "x/.zarray": _zarray((2 * n,)), **{f"x/{k}": [f"{k % 7}.nc", k, 1] for k in range(2 * n)}}
    chunkmap.write(chunkmap.load({"version": 1, "refs": refs}), directory, record_size=2)
    if not sidecar:
        (directory / ".chunkmap.json").unlink()
    return directory


@pytest.mark.parametrize("sidecar", [True, False])
@pytest.mark.parametrize("how", ["load", "one by one", "verify"])
def test_partitions(tmp_path, monkeypatch, sidecar, how):
    """Partitions, loaded at once, or asked for one after the other, with and without our sidecar: of each size so many
    that they are read in several goes, and that one is looked for among all.
    """
    monkeypatch.setattr("chunkmap.storage.parquet.chunks._AT_ONCE", 4)

    def make(n):
        out = _partitions(tmp_path / f"{n}.parq", n, sidecar=sidecar)
        if how == "load":
            return lambda: chunkmap.load(out)
        opened = chunkmap.storage.open_set(out)
        if how == "verify":
            return lambda: chunkmap.verify(opened, decode="all")
        return lambda: [opened.arrays["x"].between(2 * k, 2 * k + 2) for k in range(n)]

    assert growth(make, (12, 24, 48)) < TWICE  # 3, 6 and 12 goes


@pytest.mark.parametrize("inline", [True, False])
def test_verifying_every_chunk(tmp_path, inline):
    """Each chunk of a set, and each of its files, is looked at once, whatever else is in the set."""
    for k in range(400 * (not inline)):
        (tmp_path / f"{k}").write_bytes(b"a")

    def make(n):
        chunks = {f"x/{k}": "a" if inline else [str(tmp_path / f"{k}"), 0, 1] for k in range(n)}
        refs = chunkmap.load({"version": 1, "refs": {**ROOT, "x/.zarray": _zarray((n,)), **chunks}})
        return lambda: chunkmap.verify(refs, decode="all")

    assert growth(make, (100, 200, 400)) < TWICE


def test_verifying_makes_the_positions_of_a_part_once(monkeypatch):
    """The column of the positions is asked for as often for many chunks as for few."""
    asked = []
    real = ChunkManifest.positions
    monkeypatch.setattr(ChunkManifest, "positions", lambda self: asked.append(len(self)) or real(self))
    counts = []
    for n in (10, 200):
        refs = chunkmap.load(
            {"version": 1, "refs": {**ROOT, "x/.zarray": _zarray((n,)), **{f"x/{k}": "a" for k in range(n)}}}
        )
        asked.clear()
        assert chunkmap.verify(refs, decode="all")
        counts.append(len(asked))
    assert counts[0] == counts[1] > 0


def _packed(number, n=MANY):
    return Sources.of((None, *(f"https://example.org/{number}/{k}" for k in range(n))))


def test_tables_of_many_files():
    """Tables of sources that are joined, and looked into, are not gone through one by one."""
    tables = [_packed(number) for number in range(80)]

    def joined(n):
        def join():
            table = SourceTable()
            for sources in tables[:n]:
                table.numbers(sources)

        return join

    assert growth(joined, (20, 40, 80)) < TWICE

    def looked(n):
        blocks = Sources.joined([block for sources in tables[:n] for block in sources.blocks])
        numbers = np.arange(1, len(blocks), 2 * MANY)
        return lambda: [blocks[int(number)] for number in numbers]

    assert growth(looked, (20, 40, 80)) < TWICE
    blocks = Sources.joined([(None,), *(block for sources in tables[:3] for block in sources.blocks[1:]), ("last",)])
    every = list(blocks)
    for number in (0, 1, MANY, MANY + 1, 3 * MANY, 3 * MANY + 1, -1, -2, -len(blocks)):
        assert blocks[number] == every[number]
    with pytest.raises(IndexError):
        _ = blocks[len(blocks)]


def test_listing_every_group():
    """Each group of a store is listed at the cost of what is in it."""

    def make(n):
        groups = {f"g{k}/.zgroup": '{"zarr_format":2}' for k in range(n)}
        refs = {**ROOT, **groups, **{f"g{k}/x/.zarray": _zarray() for k in range(n)}, "g0/x/1": "a"}
        store = chunkmap.open_store(chunkmap.load({"version": 1, "refs": refs}))

        async def names(path):
            return sorted([name async for name in store.list_dir(path)])

        async def walk():
            assert await names("") == sorted([".zgroup", ".zattrs", ".zmetadata", *(f"g{k}" for k in range(n))])
            assert await names("g0/x") == [".zarray", ".zattrs", "1"]
            for k in range(1, n):
                assert await names(f"g{k}") == [".zgroup", "x"]

        return lambda: asyncio.run(walk())

    assert growth(make, (100, 200, 400)) < TWICE


@pytest.mark.parametrize("documents", ["v2", "v3"])
def test_axes_and_codecs_are_counted_first(documents):
    """More axes than an array may have, and more codecs, each of which would be run for each chunk, are refused."""
    for axes, codecs in ((100_000, 0), (1, 100_000)):
        shape = [2**60] * axes
        if documents == "v2":
            filters = [{"id": "crc32"}] * codecs
            refs = {**ROOT, "x/.zarray": _zarray(shape, shape, filters=filters or None)}
        else:
            document = json.loads(_v3(shape, shape))
            document["codecs"] += [{"name": "crc32c"}] * codecs
            refs = {"zarr.json": '{"zarr_format":3,"node_type":"group"}', "x/zarr.json": json.dumps(document)}
        with pytest.raises(chunkmap.errors.StorageError, match=r"100\d\d\d (axes|codecs), expected 64 or fewer"):
            chunkmap.load({"version": 1, "refs": refs})


def test_a_grid_that_cannot_be_counted_is_refused():
    """More chunks than 64 bits count are refused in the words of both versions of Zarr, not counted wrongly."""
    shape = [2**30] * 3
    for refs in (
        {**ROOT, "x/.zarray": _zarray(shape, [1] * 3)},
        {"zarr.json": '{"zarr_format":3,"node_type":"group"}', "x/zarr.json": _v3(shape, [1] * 3)},
    ):
        with pytest.raises(chunkmap.errors.StorageError, match="more than 64 bits count"):
            chunkmap.load({"version": 1, "refs": refs})
