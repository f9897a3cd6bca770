"""What planning holds: a coordinate once, however many inputs it comes from, counted in bytes."""

import os
import tracemalloc

import numpy as np
import pytest

import chunkmap
from chunkmap.access import values
from chunkmap.access.fetching import Fetcher
from chunkmap.combining import Inputs, Recipe, make_plan
from chunkmap.combining.placing import coordinate_array
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.storage import open_set
from chunkmap.storage.parquet.sidecar import PartitionRecord, PartitionRecords

INPUTS, LENGTH = 40, 25_000
NBYTES = INPUTS * LENGTH * 8


@pytest.fixture(autouse=True)
def _disk_at_rest(monkeypatch):
    """Nobody waits for the disk, file by file."""
    monkeypatch.setattr(os, "fsync", lambda _file: None)


def stored(folder, number, dtype):
    """A stored set of one variable, one chunk of it, and the times of its elements."""
    times = np.arange(number * LENGTH, (number + 1) * LENGTH).astype(dtype)
    meta = ArrayMeta(shape=times.shape, chunk_shape=times.shape, dtype=times.dtype, dims=("time",))
    arrays = {
        "time": ManifestArray(meta, ChunkManifest.single(times.tobytes(), 0, times.nbytes, 1)),
        "field": ManifestArray(meta, ChunkManifest.single(f"{number}.nc", 0, times.nbytes, 1)),
    }
    chunkmap.write(ReferenceSet(arrays, {"": {}}, (), {}, f"{number}.nc"), folder / f"{number}.parq")
    return folder / f"{number}.parq"


@pytest.fixture(params=["as they follow one another", "in any order"])
def order(request):
    return range(INPUTS) if request.param.startswith("as") else np.random.default_rng(0).permutation(INPUTS)


@pytest.mark.parametrize("dtype", ["i8", "f8", "M8[s]"])
def test_a_coordinate_is_held_once(tmp_path, monkeypatch, order, dtype):
    """Beside it, while it is put together, what each input gave; and no copy of it is made to be written."""
    monkeypatch.setattr(values, "_TOGETHER", NBYTES // 8)
    sets = [open_set(stored(tmp_path, int(number), dtype)) for number in order]
    fetcher = Fetcher()
    make_plan(Inputs(sets[:2]), Recipe(concat_dims=["time"]), lambda arrays: values.read_arrays(arrays, fetcher))
    tracemalloc.start()
    try:
        plan = make_plan(Inputs(sets), Recipe(concat_dims=["time"]), lambda arrays: values.read_arrays(arrays, fetcher))
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    (axis,) = plan.axes.values()
    assert np.array_equal(axis.values, np.arange(INPUTS * LENGTH).astype(dtype))
    assert np.array_equal(
        np.concatenate([axis.positions[int(n)] for n in np.argsort(order)]), np.arange(INPUTS * LENGTH)
    )
    assert held < 1.1 * NBYTES
    assert most < 2.5 * NBYTES
    assert coordinate_array(plan, axis).manifest().inline_bytes(0) is axis.values.base


def test_the_values_of_very_many_arrays_are_no_pieces(tmp_path, monkeypatch):
    """Arrays that are read together stand in one piece of memory, and each may be changed without the others."""
    read = values.read_arrays([open_set(stored(tmp_path, n, "i8")).arrays["time"] for n in range(3)], Fetcher())
    assert len({id(array.base) for array in read}) == 1
    read[0][...] = -1
    assert [array[0] for array in read] == [-1, LENGTH, 2 * LENGTH]
    monkeypatch.setattr(values, "_TOGETHER", 1)
    again = values.read_arrays([open_set(stored(tmp_path, n, "i8")).arrays["time"] for n in range(3)], Fetcher())
    assert [array[0] for array in again] == [0, LENGTH, 2 * LENGTH]


def test_records_of_partitions_are_a_mapping():
    """They are found by number, and equal the dictionary that they were made of."""
    given = {number: PartitionRecord(number % 7, 100 + number, 2**32 - 1 - number) for number in (9, 2, 10**9, 0)}
    records = PartitionRecords(given)
    assert records == given
    assert list(records) == [0, 2, 9, 10**9]
    assert records.chunks == sum(record.chunks for record in given.values())
    assert 3 not in records
    with pytest.raises(KeyError):
        records[10**10]
