"""What processes hand over is what they found, to the letter."""

from __future__ import annotations

import pickle
from dataclasses import replace

import h5py
import numpy as np
import pytest
from sets import file

import chunkmap
from chunkmap.execution import spreading
from chunkmap.execution.bundles import bundled, unbundled
from chunkmap.execution.scanning import Scanning
from chunkmap.execution.spreading import Outcome
from chunkmap.model.typed import TypedList, code_of, typed
from chunkmap.storage import load


@pytest.fixture
def by_others(monkeypatch):
    """Another process does all but the first two items."""
    monkeypatch.setattr(spreading, "_TRIED", 0.0)
    monkeypatch.setattr(spreading, "_STARTING", 1e-12)
    monkeypatch.setattr(spreading.Workers, "_next_here", lambda _: None)


@pytest.fixture
def mixed(tmp_path):
    """Twelve files; a number by which they are scaled is of one type in every other one, and of another in the rest."""
    paths = [tmp_path / f"{number:02}.nc" for number in range(12)]
    for number, path in enumerate(paths):
        with h5py.File(path, "w") as out:
            time = out.create_dataset("time", data=np.array([number], "i4"))
            time.make_scale("time")
            values = out.create_dataset("v", data=np.array([[number, 7]], "i2"), chunks=(1, 2))
            values.dims[0].attach_scale(time)
            values.attrs["scale_factor"] = np.dtype("f4" if number % 2 == 0 else "f8").type(0.5)
    return paths


def outcome(result, error=None, warned=()):
    """What came of one item."""
    return Outcome(result, error, warned)


def sent(outcomes):
    """What is handed over, and what comes of it."""
    return unbundled(pickle.loads(pickle.dumps(bundled(outcomes), 5)))


def test_sets_come_as_they_were():
    """Arrays, chunks, groups, problems, targets and names; errors and warnings beside them."""
    sets = [file(n, range(4 * n, 4 * n + 4), keep=(True, n % 2 == 0)) for n in range(5)]
    outcomes = [outcome(refs, None, (("said", UserWarning, "a.py", 3),)) for refs in sets]
    outcomes.insert(2, outcome(None, chunkmap.FormatError("broken", url="a.nc")))
    outcomes.insert(4, outcome(chunkmap.FormatError("left out", url="b.nc")))
    found = sent(outcomes)
    for mine, own in zip(found, outcomes, strict=True):
        assert mine.warned == own.warned
        assert repr(mine.error) == repr(own.error)
        if not isinstance(own.result, chunkmap.ReferenceSet):
            assert repr(mine.result) == repr(own.result)
            continue
        assert mine.result == own.result
        for what in ("problems", "targets", "name", "zarr_format", "notes"):
            assert getattr(mine.result, what) == getattr(own.result, what)


def test_sets_at_rest_come_as_they_were(tmp_path):
    """Their chunks stay where they are."""
    refs = file(0, range(4))
    chunkmap.write(refs, tmp_path / "a.parq")
    found = sent([outcome(load(tmp_path / "a.parq")), outcome(refs)])
    assert [mine.result for mine in found] == [refs, refs]


def test_what_is_alike_is_sent_once():
    """The metadata of an array in all sets are one object, and so are the attributes of a group."""
    found = [mine.result for mine in sent([outcome(file(n, range(4 * n, 4 * n + 4))) for n in range(5)])]
    assert len({id(refs.arrays["t"].meta) for refs in found}) == 1
    assert len({id(refs.groups[""]) for refs in found}) == 1


def test_what_is_equal_and_not_the_same_stays_so():
    """Attributes of another type, or in another order, are not those of the set before."""
    one = file(0, range(4))
    said = [
        {"a": typed(1, "i2"), "b": 2.0},
        {"a": 1, "b": 2.0},
        {"b": 2.0, "a": 1},
        {"a": 1, "b": 2},
        {"a": TypedList([1], "i2")},
        {"a": TypedList([1], "i4")},
        {"a": [1.0, 1]},
        {"a": [1, 1.0]},
        {"a": {"b": 1}},
        {"a": {"b": 1.0}},
        {"a": 0.0, "b": [0.0], "c": typed(0.0, "f4"), "d": TypedList([0.0], "f4")},
        {"a": -0.0, "b": [0.0], "c": typed(0.0, "f4"), "d": TypedList([0.0], "f4")},
        {"a": -0.0, "b": [-0.0], "c": typed(0.0, "f4"), "d": TypedList([0.0], "f4")},
        {"a": -0.0, "b": [-0.0], "c": typed(-0.0, "f4"), "d": TypedList([0.0], "f4")},
        {"a": -0.0, "b": [-0.0], "c": typed(-0.0, "f4"), "d": TypedList([-0.0], "f4")},
    ]
    sets = [
        replace(one, arrays={**one.arrays, "t": one.arrays["t"].with_meta(attrs=attrs)}, groups={"": attrs})
        for attrs in said
    ]
    for mine, attrs in zip(sent([outcome(refs) for refs in sets]), said, strict=True):
        for found in (mine.result.groups[""], mine.result.arrays["t"].meta.attrs):
            assert list(found.items()) == list(attrs.items())
            assert [(type(value), code_of(value)) for value in found.values()] == [
                (type(value), code_of(value)) for value in attrs.values()
            ]
            assert repr(found) == repr(attrs)


@pytest.mark.parametrize(
    "said",
    [
        {"fill_value": [np.float32(0.0), np.float32(-0.0)]},
        {"background": [np.float32(0.0), np.float32(-0.0)]},
        {"compressor": [{"id": "zlib", "level": 1}, {"id": "zlib", "level": 1.0}, {"id": "zlib", "level": True}]},
        {"dtype": ["c8"], "fill_value": [np.complex64(complex(np.nan, 1)), np.complex64(complex(np.nan, 2))]},
        {
            "dtype": ["f4,i4"],
            "fill_value": [np.array((np.nan, 1), "f4,i4")[()], np.array((np.nan, 2), "f4,i4")[()]],
        },
    ],
    ids=["fill value", "background", "codec", "complex", "record"],
)
def test_metadata_that_are_equal_and_not_the_same_stay_so(said):
    """A negative zero is no zero, and a number of a codec has its type; where one part is NaN the others count."""
    one = file(0, range(4))
    rows = max(map(len, said.values()))
    kinds = [{name: values[row % len(values)] for name, values in said.items()} for row in range(rows)]
    metas = [replace(one.arrays["t"].meta, **{**kind, "dtype": np.dtype(kind.get("dtype", "f4"))}) for kind in kinds]
    sets = [replace(one, arrays={"t": one.arrays["t"].under(meta)}) for meta in metas]
    found = [mine.result.arrays["t"].meta for mine in sent([outcome(refs) for refs in sets])]
    assert list(map(repr, found)) == list(map(repr, metas))
    assert len(set(map(repr, found))) == rows


@pytest.mark.usefixtures("by_others")
def test_types_of_attributes_come_through(mixed):
    """By other processes as by this one."""
    found = chunkmap.scan_many(mixed, workers=2)
    assert [code_of(refs.arrays["v"].meta.attrs["scale_factor"]) for refs in found] == ["f4", "f8"] * 6


@pytest.mark.usefixtures("by_others")
@pytest.mark.parametrize("workers", [1, 2])
def test_built_in_the_widest_type(mixed, tmp_path, workers):
    """A number that is wide in some files is wide in what is built of them, as in what is combined of them."""
    combined = chunkmap.combine([chunkmap.scan(path) for path in mixed], concat_dims="time")
    built = chunkmap.build(mixed, tmp_path / "out.parq", concat_dims="time", workers=workers)
    assert [code_of(refs.arrays["v"].meta.attrs["scale_factor"]) for refs in (combined, built)] == ["f8", "f8"]


def changed(refs):
    """A step that changes what it is given, in place."""
    number = int(refs.name[-5:-3])
    refs.groups[""]["number"] = refs.arrays["v"].meta.attrs["number"] = number
    return refs


@pytest.mark.usefixtures("by_others")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("step", [None, changed])
def test_sets_that_may_be_changed_share_nothing(mixed, tmp_path, step, cached, workers):
    """Of what a step, or who asked for the sets, writes into one of them nothing is in another."""
    paths = list(map(str, mixed[::2] * 16))
    scanning = Scanning(workers=workers, preprocess=step, cache=tmp_path / "cache" if cached else None)
    for _ in range(1 + cached):
        found = scanning.run(paths)
    if step is None:
        found = list(map(changed, found))
    numbers = [0, 2, 4, 6, 8, 10] * 16
    assert [refs.groups[""]["number"] for refs in found] == numbers
    assert [refs.arrays["v"].meta.attrs["number"] for refs in found] == numbers
