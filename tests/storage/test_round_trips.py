"""What is written is what is read: hypothesis sets through JSON and Parquet."""

import math
import string

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chunkmap.errors import StorageError, Unsupported
from chunkmap.model import WHOLE_FILE, ArrayMeta, ChunkManifest, ManifestArray, Problem, ReferenceSet, Target
from chunkmap.storage import load, open_set, write

URLS = ["a.nc", "s3://bucket/ü name.nc", "https://host/x?y=1&z=2", 'quote".nc']
NAMES = st.text(string.ascii_lowercase + "_é", min_size=2, max_size=5)
ATTRS = st.dictionaries(
    st.text(max_size=4), st.one_of(st.integers(-5, 5), st.floats(), st.text(max_size=4), st.none()), max_size=3
)


@st.composite
def manifests(draw, grid_shape):
    """A manifest over a grid: ranges, whole files and inline bytes, with and without missing chunks."""
    size = math.prod(grid_shape)
    cells = draw(st.sets(st.integers(0, size - 1))) if size else set()
    if draw(st.booleans()):
        cells = set(range(size))
    index = np.array(sorted(cells), np.int64)
    rows, sources = [], [None, *URLS]
    for _ in index:
        kind = draw(st.sampled_from(["range", "range", "range", "whole", "inline"]))
        if kind == "inline":
            sources.append(draw(st.binary(max_size=6) | st.sampled_from([b"base64:x", b"text", b'"{{u}}'])))
            rows.append((len(sources) - 1, 0, len(sources[-1])))
        else:
            length = WHOLE_FILE if kind == "whole" else draw(st.integers(1, 2**40))
            rows.append((draw(st.integers(1, 4)), 0 if kind == "whole" else draw(st.integers(0, 2**50)), length))
    columns = np.array(rows, np.uint64).reshape(-1, 3)
    return ChunkManifest.from_columns(
        grid_shape, index, tuple(sources), (columns[:, 0].astype(np.uint32), columns[:, 1], columns[:, 2])
    )


@st.composite
def sets(draw):
    """A small reference set with groups and a few arrays."""
    arrays = {}
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        shape = tuple(draw(st.lists(st.integers(0, 7), max_size=3)))
        chunk_shape = tuple(draw(st.integers(1, 3)) for _ in shape)
        meta = ArrayMeta(
            shape=shape,
            chunk_shape=chunk_shape,
            dtype=np.dtype(draw(st.sampled_from(["<f4", ">i2", "|S3", "|b1", "<M8[ns]"]))),
            compressor=draw(st.sampled_from([None, {"id": "zlib", "level": 1}])),
            dims=draw(st.sampled_from([None, tuple("abc"[: len(shape)])])),
            attrs=draw(ATTRS),
        )
        group = draw(st.sampled_from(["", "g/", "g/h/"]))
        arrays[f"{group}{name}"] = ManifestArray(meta, draw(manifests(meta.grid_shape)))
    groups = {"": draw(ATTRS)} | {path: {} for path in ("g", "g/h") if any(a.startswith(f"{path}/") for a in arrays)}
    return ReferenceSet(arrays, groups)


@pytest.mark.parametrize("name", ["set.json", "set.json.gz", "set.json.zst"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(refs=sets(), zarr_format=st.sampled_from([2, 3]))
def test_json_gives_back_what_was_written(tmp_path, name, refs, zarr_format):
    """A set loaded from JSON equals the set that was written, compressed or not, of either version of Zarr."""
    write(refs, tmp_path / name, zarr_format=zarr_format)
    again = load(tmp_path / name)
    assert again == refs
    assert again.zarr_format == zarr_format


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(refs=sets(), record_size=st.integers(1, 40))
def test_parquet_gives_back_what_was_written(tmp_path, refs, record_size):
    """A set loaded from Parquet equals the set that was written, however the partitions are cut."""
    write(refs, tmp_path / "set.parq", record_size=record_size)
    assert load(tmp_path / "set.parq") == refs


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(refs=sets(), record_size=st.integers(1, 40))
def test_every_cell_is_found_lazily(tmp_path, refs, record_size):
    """A chunk looked up in the lazy reader is the chunk of the set, and a missing one is missing."""
    write(refs, tmp_path / "set.parq", record_size=record_size)
    lazy = open_set(tmp_path / "set.parq")
    for path, array in refs.arrays.items():
        for position in range(array.chunks.size):
            found, row = lazy.arrays[path].locate(position), array.chunks.row_at(position)
            assert (found is None) == (row is None)
            if found is not None:
                one, other = found[0].take(np.array([found[1]])), array.chunks.take(np.array([row]))
                flat = ChunkManifest.from_columns(
                    (1,), np.array([0]), one.sources, (one.source, one.offset, one.length)
                )
                again = ChunkManifest.from_columns(
                    (1,), np.array([0]), other.sources, (other.source, other.offset, other.length)
                )
                assert flat == again


def test_targets_and_problems_are_kept_beside_parquet(tmp_path):
    """Sizes, etags and times of the targets, and the problems, come back with the set."""
    meta = ArrayMeta(shape=(1,), chunk_shape=(1,), dtype=np.dtype("u1"))
    refs = ReferenceSet(
        {"there": ManifestArray(meta, ChunkManifest.single("b.nc", 0, 1, ndim=1))},
        targets={"s3://b/a.nc": Target(5, "x1", None), "b.nc": Target(7, None, 12.5)},
        problems=(Problem("x", "virtual dataset", "is not followed", "b.nc"),),
    )
    write(refs, tmp_path / "set.parq")
    back = load(tmp_path / "set.parq")
    assert (back.targets, back.problems) == (refs.targets, refs.problems)


@pytest.mark.parametrize("name", ["set.json", "set.parq"])
def test_a_set_whose_arrays_were_all_left_out_is_not_written(tmp_path, name):
    """Nothing is written for it, and the error says why the first array is missing; one without arrays is written."""
    lost = ReferenceSet(problems=(Problem("x", "virtual dataset", "is not followed", "b.nc"),), name="b.nc")
    with pytest.raises(Unsupported, match=r"every array of it was left out.*'x': is not followed") as error:
        write(lost, tmp_path / name)
    assert error.value.feature == "virtual dataset"
    assert not (tmp_path / name).exists()
    write(ReferenceSet(problems=(Problem("", "attribute", "is cut", "b.nc"),)), tmp_path / name)
    assert load(tmp_path / name) == ReferenceSet()


@pytest.mark.parametrize("name", ["set.json", "set.json.gz", "set.json.zst", "set.parq"])
def test_an_object_store_holds_the_same(name):
    """A set written to a filesystem that is not local is read back from it, and replaced there."""
    url = f"memory://round-trips/{name}"
    for count in (5, 3):
        meta = ArrayMeta(shape=(count,), chunk_shape=(1,), dtype=np.dtype("i4"))
        chunks = ChunkManifest.from_rows(
            (count,), [[n] for n in range(count)], ["a"] * count, range(count), [4] * count
        )
        refs = ReferenceSet({f"x{count}": ManifestArray(meta, chunks)})
        write(refs, url, record_size=2)
        assert load(url) == refs


def test_a_replaced_set_in_an_object_store_leaves_nothing_behind():
    """Partitions of the old set that the new one has not are gone."""
    import fsspec

    meta = ArrayMeta(shape=(4,), chunk_shape=(1,), dtype=np.dtype("i4"))
    full = ChunkManifest.from_rows((4,), [[n] for n in range(4)], ["a"] * 4, range(4), [4] * 4)
    write(ReferenceSet({"x": ManifestArray(meta, full)}), "memory://left/set.parq", record_size=1)
    write(ReferenceSet(), "memory://left/set.parq")
    files = fsspec.filesystem("memory").find("/left/set.parq")
    assert sorted(files) == ["/left/set.parq/.chunkmap.json", "/left/set.parq/.zmetadata"]


@pytest.mark.parametrize("name", ["set.json", "set.parq"])
def test_whole_files_of_known_size_are_written_as_ranges(tmp_path, name):
    """Readers in other languages need an offset and a length: they are written wherever the size is known."""
    meta = ArrayMeta(shape=(3,), chunk_shape=(1,), dtype=np.dtype("i4"))
    chunks = ChunkManifest.from_rows((3,), [[0], [1], [2]], ["a", "b", "a"], [0, 0, 3], [WHOLE_FILE, WHOLE_FILE, 4])
    write(ReferenceSet({"x": ManifestArray(meta, chunks)}, targets={"a": Target(size=7)}), tmp_path / name)
    assert list(load(tmp_path / name).arrays["x"].chunks.rows()) == [("a", 0, 7), ("b", 0, WHOLE_FILE), ("a", 3, 4)]


def test_a_range_past_the_end_of_a_known_file_is_refused(tmp_path):
    """Beside whole files, whose sizes are looked at, a range that reaches past its file is noticed."""
    meta = ArrayMeta(shape=(2,), chunk_shape=(1,), dtype=np.dtype("i4"))
    chunks = ChunkManifest.from_rows((2,), [[0], [1]], ["a", "a"], [0, 5], [WHOLE_FILE, 4])
    with pytest.raises(StorageError, match="past the end"):
        write(ReferenceSet({"x": ManifestArray(meta, chunks)}, targets={"a": Target(size=7)}), tmp_path / "a.json")
