"""Files that differ only in how their chunks are decoded, as one array: what is read is what xarray joins of them."""

from __future__ import annotations

import json
import pickle
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import fsspec
import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_files import Kind, assert_same, joined, partly_written, written

import chunkmap
from chunkmap.codecs import register
from chunkmap.codecs.zarr.variants import VariantsCodec
from chunkmap.combining import Recipe
from chunkmap.errors import CombineError, StorageError, Unsupported
from chunkmap.execution.tree import Tree, reduce_on_dask
from chunkmap.model import ArrayMeta, ManifestArray
from chunkmap.model.packing import Packing, packing_of
from chunkmap.model.typed import typed

TYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "f4", "f8")
OF_NETCDF3 = ("i1", "i2", "i4", "f4", "f8")


@st.composite
def kinds(draw: st.DrawFn, *, chunk: int | None = None) -> Kind:
    """Any way of storing numbers."""
    is_old = draw(st.integers(0, 4)) == 0 and chunk is None
    dtype = draw(st.sampled_from(OF_NETCDF3 if is_old else TYPES))
    numbers = st.integers(-100, 100) if dtype[0] != "u" else st.integers(0, 200)
    numbers = st.integers(0, 100) if dtype[0] == "i" and draw(st.booleans()) else numbers
    compression = draw(
        st.sampled_from(
            [
                {},
                {"compression": "zlib", "complevel": 1},
                {"compression": "zlib", "complevel": 9, "shuffle": False},
                {"compression": "zstd"},
                {"compression": "zlib", "fletcher32": True},
            ]
        )
    )
    attrs: dict[str, Any] = {}
    real = st.sampled_from([np.float32, np.float64])
    factor = st.floats(-100, 100, width=32)
    for name in ("scale_factor", "add_offset"):
        if draw(st.booleans()):
            attrs[name] = draw(real)(draw(factor))
    if draw(st.integers(0, 3)) == 0:
        attrs["missing_value"] = np.dtype(dtype).type(draw(numbers))
    if dtype in ("i1", "i2", "u1") and draw(st.integers(0, 3)) == 0:
        attrs["_Unsigned"] = "true" if dtype[0] == "i" else "false"
    if dtype == "u1" and "_Unsigned" in attrs:
        numbers = st.integers(0, 100)
    # xarray swaps the bytes of a fill value in numbers that are big-endian and of another sign, and masks another
    # number: see docs/differences.md
    orders = ["little"] if "_Unsigned" in attrs else ["little", "big"]
    is_old = is_old and len(orders) == 2
    return Kind(
        dtype,
        draw(st.sampled_from(orders)),
        compression,
        np.dtype(dtype).type(draw(numbers)) if draw(st.booleans()) else None,
        attrs,
        draw(st.integers(1, 3)) if chunk is None else chunk,
        draw(st.integers(1, 3)),
        is_old,
    )


@settings(max_examples=15)
@given(st.lists(kinds(chunk=2), min_size=2, max_size=4, unique_by=str), st.sampled_from([2, 3]))
@pytest.mark.filterwarnings("ignore:variable 'v' has multiple fill values")
@pytest.mark.filterwarnings("ignore:.*non-conforming.*")
def test_any_mixture_reads_as_xarray_joins_it(mixture, zarr_format):
    """Types, byte orders, codecs, fill values and packings in any mixture: bit for bit what xarray joins."""
    with tempfile.TemporaryDirectory() as folder:
        names = written(Path(folder), mixture)
        expected = joined(names).v
        how = {"concat_dims": "time", "variants": True, "load_below": 0, "zarr_format": zarr_format}
        refs = chunkmap.combine(chunkmap.scan_many(names), **how)
        assert_same(chunkmap.open_dataset(refs).v, expected)
        again = chunkmap.ReferenceSet.from_dict(refs.to_dict(zarr_format=zarr_format))
        assert again.arrays["v"].chunks == refs.arrays["v"].chunks
        store = pickle.loads(pickle.dumps(chunkmap.open_store(again, zarr_format=zarr_format)))
        assert_same(xr.open_zarr(store, consolidated=False).v, expected)


@settings(max_examples=300)
@given(kinds(), st.integers(0, 99))
@pytest.mark.filterwarnings("ignore:.*multiple fill values", "ignore:.*non-conforming.*")
def test_numbers_are_unpacked_as_xarray_unpacks_them(kind, seed):
    """Whatever attributes say of numbers of any type, the values and their type are those of xarray."""
    dtype = np.dtype(kind.dtype).newbyteorder("<" if kind.endian == "little" else ">")
    values = np.random.default_rng(seed).integers(0, 200, 20).astype(dtype)
    attrs = {**kind.attrs, **({} if kind.fill is None else {"_FillValue": kind.fill})}
    expected = xr.conventions.decode_cf_variable("v", xr.Variable(("x",), values, attrs))
    known = {name: v if isinstance(v, str) else typed(v.item(), v.dtype.str[1:]) for name, v in kind.attrs.items()}
    meta = ArrayMeta(shape=(20,), chunk_shape=(20,), dtype=dtype, fill_value=kind.fill, attrs=known)
    packing = packing_of(meta)
    assert packing is not None
    found = packing.decode(values)
    assert found.dtype == packing.dtype_of(dtype) == expected.dtype
    assert found.tobytes() == expected.values.tobytes()
    assert Packing.from_json(json.loads(json.dumps(packing.to_json()))) == packing


def test_every_way_of_keeping_a_set_keeps_its_variants(tmp_path):
    """Built in stretches, appended to, converted: as JSON and as Parquet, the set is the one that combining gives."""
    mixture = [Kind(attrs={"scale_factor": 0.5 + n, "add_offset": 1.0 * n}, fill=np.int16(-1)) for n in range(3)]
    mixture += [Kind("f4"), Kind("f8", endian="big", fill=1e20, compression={})]
    names = written(tmp_path, mixture)
    expected = joined(names).v
    how = {"concat_dims": "time", "variants": True, "load_below": 0}
    whole = chunkmap.combine(chunkmap.scan_many(names), **how)
    for ending in ("json", "json.zst", "parq"):
        built, longer, again = (str(tmp_path / f"{name}.{ending}") for name in ("built", "longer", "again"))
        chunkmap.build(names, built, record_size=3, **how)
        assert chunkmap.load(built) == whole
        assert_same(chunkmap.open_dataset(built).v, expected)
        chunkmap.build(names[:1], longer, record_size=3, **how)
        chunkmap.append(longer, names[1:2])
        chunkmap.append(longer, names[2:])
        assert chunkmap.load(longer) == whole
        assert_same(chunkmap.open_dataset(longer).v, expected)
        chunkmap.write(chunkmap.load(built), again, record_size=3)
        assert chunkmap.load(again) == whole
        assert_same(xr.open_zarr(chunkmap.open_store(again), consolidated=False).v, expected)


def test_what_differs_in_codecs_alone_stays_packed(tmp_path):
    """Where all are packed alike, stored numbers are what readers see, as they see them in one file."""
    attrs = {"scale_factor": np.float32(0.5), "valid_min": np.int16(-5)}
    mixture = [Kind(attrs=attrs), Kind(attrs=attrs, compression={}), Kind(attrs=attrs, endian="big")]
    names = written(tmp_path, mixture)
    sets = chunkmap.scan_many(names, inline_threshold=0)
    refs = chunkmap.combine(sets, concat_dims="time", variants=True, load_below=0)
    assert refs.arrays["v"].meta.dtype == np.dtype("<i2")
    assert chunkmap.open_dataset(refs).v.encoding["scale_factor"] == np.float32(0.5)
    assert_same(chunkmap.open_dataset(refs).v, joined(names).v)
    assert refs.arrays["v"].chunks.nbytes == 6 * 22
    alike = chunkmap.combine(sets[:1], concat_dims="time", variants=True, load_below=0)
    assert alike.arrays["v"].chunks.variant is None


def test_chunks_of_other_lengths_keep_them(tmp_path):
    """In Zarr v3, variants may have chunks of several lengths, which are cut where an input ends inside of one."""
    mixture = [Kind(chunk=3, attrs={"scale_factor": 0.5}), Kind(chunk=2, attrs={"scale_factor": 0.25})]
    names = written(tmp_path, [*mixture, Kind("f8", chunk=4, chunks=1)])
    how = {"concat_dims": "time", "variants": True, "load_below": 0, "zarr_format": 3}
    refs = chunkmap.combine(chunkmap.scan_many(names), **how)
    assert refs.arrays["v"].meta.edges
    assert_same(chunkmap.open_dataset(refs).v, joined(names).v)


def test_small_arrays_are_read_and_joined(tmp_path):
    """Where chunks do not line up, a small array is read by its variants, and held inline as values."""
    names = written(tmp_path, [Kind(chunk=3, attrs={"scale_factor": 0.5}), Kind(chunk=2, fill=np.int16(1)), Kind("f8")])
    refs = chunkmap.combine(chunkmap.scan_many(names), concat_dims="time", variants=True)
    assert not refs.arrays["v"].meta.codecs
    assert_same(chunkmap.open_dataset(refs).v, joined(names).v)


def test_a_tree_of_combines_gives_what_one_gives(tmp_path):
    """Tables of variants of partial results are joined to one, whichever of these have how many."""
    mixture = [Kind(), Kind(compression={}), Kind(attrs={"scale_factor": 0.5}), Kind("f4"), Kind("f4", fill=1e20)]
    names = written(tmp_path, mixture)
    recipe = Recipe(concat_dims=["time"], variants=True, load_below=0)
    with dask.config.set(scheduler="synchronous"):
        found = reduce_on_dask(names, Tree(scan=chunkmap.scan, recipe=recipe), batches=3)
    assert_same(chunkmap.open_dataset(found).v, joined(names).v)


def test_what_means_other_things_is_refused(tmp_path):
    """Units are no matter of decoding; neither are times, whose values depend on the type that they are stored in."""
    names = written(tmp_path, [Kind(attrs={"scale_factor": 0.5})])
    (tmp_path / "others").mkdir()
    Kind("f4").write(tmp_path / "others" / "1.nc", 4, units="degC")
    sets = chunkmap.scan_many([*names, str(tmp_path / "others" / "1.nc")])
    with pytest.raises(CombineError, match=r"v: units is K in .* but degC in .*"):
        chunkmap.combine(sets, concat_dims="time", variants=True, load_below=0)
    Kind("i2", attrs={"scale_factor": 0.5}).write(tmp_path / "2.nc", 0, units="days")
    Kind("f4").write(tmp_path / "3.nc", 4, units="days")
    sets = chunkmap.scan_many([str(tmp_path / "2.nc"), str(tmp_path / "3.nc")])
    with pytest.raises(CombineError, match=r"v: scale_factor is 0\.5 .* Times are joined as variants only where"):
        chunkmap.combine(sets, concat_dims="time", variants=True, load_below=0)


def test_without_variants_it_is_said_that_they_would_help(tmp_path):
    """The refusal names the argument, and the command line's option."""
    names = written(tmp_path, [Kind(), Kind("f4")])
    with pytest.raises(CombineError, match="variants=True"):
        chunkmap.combine(chunkmap.scan_many(names), concat_dims="time", load_below=0)
    found = chunkmap.diagnose(chunkmap.scan_many(names), concat_dims="time", load_below=0, variants=True)
    assert found.fits
    assert "readers see unpacked values of float32" in str(found)
    assert "encoded in 2 ways" in str(found)


def test_eras_are_for_what_variants_do_not_join(tmp_path):
    """With both, files of other units stand apart, and each era is one array of all its packings."""
    names = written(tmp_path, [Kind(), Kind(attrs={"scale_factor": 0.5})])
    Kind("f4").write(tmp_path / "2.nc", 8, units="degC")
    sets = chunkmap.scan_many([*names, str(tmp_path / "2.nc")])
    refs = chunkmap.combine(sets, concat_dims="time", variants=True, eras=True, load_below=0)
    assert sorted(path for path in refs.arrays if path.endswith("/v")) == ["era_0/v", "era_1/v"]
    assert refs.arrays["era_0/v"].meta.dtype == np.float64


def test_verifying_beside_the_library_sees_a_wrong_variant(tmp_path):
    """Values are compared with those of the file itself, unpacked as its own attributes say."""
    names = written(tmp_path, [Kind(attrs={"scale_factor": 0.5 + n}) for n in range(2)])
    how = {"concat_dims": "time", "variants": True, "load_below": 0}
    refs = chunkmap.combine(chunkmap.scan_many(names, inline_threshold=0), **how)
    report = chunkmap.verify(refs, decode="all", compare=True)
    assert not report.failures
    assert report.counts["chunks equal to the original"] >= 4
    array = refs.arrays["v"]
    wrong = ManifestArray(array.meta, replace(array.chunks, variant=np.array([0, 1, 0, 1], np.uint16)))
    report = chunkmap.verify(replace(refs, arrays={**refs.arrays, "v": wrong}), decode="all", compare=True)
    assert {finding.where for finding in report.failures} == {"v/1.0", "v/2.0"}


def test_icechunk_refuses_them(tmp_path):
    """It has no place for what is said of a single chunk."""
    names = written(tmp_path, [Kind(), Kind("f4")])
    with pytest.raises(Unsupported, match="v: its chunks are encoded in several ways"):
        chunkmap.build(names, tmp_path / "set.icechunk", concat_dims="time", variants=True, load_below=0)


def test_what_was_said_beside_the_references_must_be_there(tmp_path):
    """A set of which somebody dropped what chunkmap says, or says wrongly, is refused: a variant is not guessed."""
    names = written(tmp_path, [Kind(), Kind("f4")])
    how = {"concat_dims": "time", "variants": True, "load_below": 0}
    said = chunkmap.combine(chunkmap.scan_many(names), **how).to_dict()
    wrong = [[[0, 2], [0, 2]], [[1, 2], [0, 1]], [[0, 0], [0, 1]], "x", [[], []]]
    for runs in ({}, *({"v": each} for each in wrong)):
        document = {**said, "chunkmap": json.dumps({"variants": runs})}
        with pytest.raises(StorageError, match=r"^v: "):
            chunkmap.ReferenceSet.from_dict(document)
    chunkmap.build(names, tmp_path / "set.parq", **how)
    (tmp_path / "set.parq" / ".chunkmap.json").unlink()
    with pytest.raises(StorageError, match="encoded in several ways"):
        chunkmap.load(tmp_path / "set.parq")


def test_other_readers_refuse_by_name(tmp_path):
    """Whoever decodes the stored references by numcodecs is told what to do, and gets no numbers."""
    names = written(tmp_path, [Kind(), Kind("f4")])
    refs = chunkmap.combine(chunkmap.scan_many(names), concat_dims="time", variants=True, load_below=0)
    document = json.loads(refs.to_dict()["refs"]["v/.zarray"])
    assert [codec["id"] for codec in document["filters"]] == ["chunkmap.variants"]
    with pytest.raises(Unsupported, match=r"chunkmap\.open_store"):
        numcodecs.get_codec(document["filters"][0]).decode(b"abcd")
    document = json.loads(refs.to_dict(zarr_format=3)["refs"]["v/zarr.json"])
    assert [codec["name"] for codec in document["codecs"]] == ["bytes", "chunkmap.variants"]


@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")
def test_zarr_opens_what_stands_beside_variants(tmp_path):
    """Where chunkmap is installed, zarr-python knows the name: others are read, and this array says what reads it."""
    register()
    names = written(tmp_path, [Kind(), Kind("f4")])
    how = {"concat_dims": "time", "variants": True, "load_below": 0, "zarr_format": 3}
    chunkmap.build(names, tmp_path / "set.json", **how)
    stored = {"asynchronous": True, "remote_protocol": "file", "remote_options": {"asynchronous": True}}
    files = fsspec.filesystem("reference", fo=str(tmp_path / "set.json"), **stored)
    group = zarr.open_group(zarr.storage.FsspecStore(files, path=""), mode="r")
    assert isinstance(group["v"].metadata.codecs[-1], VariantsCodec)
    with chunkmap.open_dataset(tmp_path / "set.json", decode_times=False) as expected:
        assert group["time"][:].tolist() == expected.time.values.tolist()
    with pytest.raises(Unsupported, match=r"chunkmap\.open_store"):
        group["v"][:]
    again = zarr.core.metadata.ArrayV3Metadata.from_dict(group["v"].metadata.to_dict())
    assert again.to_dict() == group["v"].metadata.to_dict()


def test_missing_chunks_that_read_as_something_else_are_refused(tmp_path):
    """A chunk that was never written reads as zero, scaled; in the array of all inputs it would be NaN."""
    sets = chunkmap.scan_many(partly_written(tmp_path, [(0.5, 2), (0.25, 2)]))
    with pytest.raises(CombineError, match=r"1 of the chunks of .* are not there, and read as 0\.0"):
        chunkmap.combine(sets, concat_dims="time", variants=True, load_below=0)


@pytest.mark.parametrize(
    "damage",
    [
        {"dtype": "O"},
        {"dtype": "<i2", "filters": [{"id": "chunkmap.variants", "variants": []}]},
        {"dtype": "<i2", "packing": {"scale_factor": ["f8", "1"]}},
        {"dtype": "<i2", "packing": {"sign": "x"}},
        {"dtype": "<i2", "packing": {"masked": [["u1", 300]]}},
        {"dtype": "<i2", "order": "A"},
        {"dtype": "<i2", "filters": [{"id": {}}]},
        {"dtype": "<i2", "compressor": {"id": 3}},
        {},
    ],
)
def test_damaged_tables_are_refused(damage):
    """What a stored set says of a variant is checked before a chunk is decoded by it."""
    document = {
        "shape": [2], "chunks": [2], "dtype": "<f8", "fill_value": None, "order": "C", "compressor": None,
        "filters": [{"id": "chunkmap.variants", "variants": [damage]}], "zarr_format": 2,
    }  # fmt: skip
    with pytest.raises(StorageError, match=r"v/\.zarray"):
        chunkmap.ReferenceSet.from_dict({"version": 1, "refs": {"v/.zarray": json.dumps(document)}})


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Kind(attrs={"scale_factor": np.int16(3)}), r"1\.nc says of its packing \(scale_factor 3\) does not unpack"),
        (Kind(attrs={"add_offset": np.array([1.0, 2.0])}), r"packing \(add_offset \[1\.0, 2\.0\]\) does not unpack"),
    ],
)
def test_a_packing_that_no_variant_has_is_named(tmp_path, kind, why):
    """xarray makes integers, which overflow, of integers with an integer as a factor; two offsets are no number."""
    names = written(tmp_path, [Kind(), kind])
    with pytest.raises(CombineError, match=why):
        chunkmap.combine(chunkmap.scan_many(names), concat_dims="time", variants=True, load_below=0)
