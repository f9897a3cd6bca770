"""Whole stores, of either version, wherever they are: compared with what zarr-python reads from them."""

import json
import os
import shutil
import zipfile
from urllib.parse import quote

import fsspec
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import FormatError

TYPES = ["?", "i1", "<i2", ">i4", "u1", "<u8", "<f2", ">f4", "<f8", "<c8", "S3", "<U2", "V4", "<M8[s]", "<m8[ns]"]


def values_of(dtype, shape):
    """Some values, none of which is zero."""
    dtype = np.dtype(dtype)
    count = int(np.prod(shape))
    if dtype.kind in "SU":
        return (np.arange(count) % 9 + 1).astype(dtype).reshape(shape)
    if dtype.kind in "bc":
        return (np.arange(count) % 2 + 1).astype(dtype).reshape(shape)
    raw = np.random.default_rng(1).integers(1, 60, count * dtype.itemsize, np.uint8)
    return np.frombuffer(raw.tobytes(), dtype).reshape(shape)


def write_tree(root, zarr_format, *, consolidated=False):
    """Groups in groups, arrays of which some chunks are missing, one without axes, one without elements."""
    store = zarr.open_group(root, mode="w", zarr_format=zarr_format, attributes={"title": "tree"})
    inner = store.create_group("a/b", attributes={"depth": 2})
    grid = inner.create_array(
        "grid", shape=(10, 7), chunks=(4, 3), dtype="f4", fill_value=-1, attributes={"units": "K"}
    )
    grid[:6] = np.arange(42).reshape(6, 7)
    store.create_array("point", shape=(), dtype="i8", fill_value=3)[...] = 5
    store.create_array("unwritten", shape=(4,), chunks=(2,), dtype="i2", fill_value=9)
    store.create_array("nothing", shape=(0, 3), chunks=(1, 3), dtype="f8")
    if consolidated:
        zarr.consolidate_metadata(root, zarr_format=zarr_format)
    return root


pytestmark = [
    pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part"),
    pytest.mark.filterwarnings("ignore:Object at .* is not recognized"),
    pytest.mark.filterwarnings("ignore:The data type"),
    pytest.mark.filterwarnings("ignore:Combining a .sharding_indexed"),
    pytest.mark.filterwarnings("ignore:.*not.*in the Zarr.*specification"),
]


@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_tree_reads_as_zarr_reads_it(tmp_path, stores, zarr_format, consolidated):
    """Groups, attributes and arrays; every reference has its length; files of others are passed over."""
    write_tree(tmp_path, zarr_format, consolidated=consolidated)
    (tmp_path / "README").write_text("not ours")
    (tmp_path / "a/b/grid/.DS_Store").write_text("nor this")
    refs = stores.check(tmp_path)
    assert refs.zarr_format == zarr_format
    assert (refs.attrs["title"], refs.groups["a/b"]["depth"]) == ("tree", 2)
    assert set(refs.arrays) == {"a/b/grid", "point", "unwritten", "nothing"}
    assert [len(refs.arrays[path].chunks) for path in ("a/b/grid", "unwritten", "nothing")] == [6, 0, 0]
    whole = refs.arrays["point"].chunks[()]
    assert (tmp_path / whole.source.removeprefix(f"{tmp_path}/")).read_bytes()[: whole.length]


@settings(max_examples=35)
@given(data=st.data())
def test_any_array_reads_as_zarr_reads_it(tmp_path_factory, stores, data):
    """Whatever the version, type, codecs, order, separator, shape and shards."""
    root = tmp_path_factory.mktemp("store")
    zarr_format = data.draw(st.sampled_from([2, 3]))
    shape = tuple(data.draw(st.lists(st.integers(0, 6), max_size=3)))
    chunks = tuple(data.draw(st.integers(1, 4)) for _ in shape)
    dtype = data.draw(st.sampled_from(TYPES))
    how = {}
    if zarr_format == 2:
        how["compressors"] = data.draw(st.sampled_from([None, "auto"]))
        how["order"] = data.draw(st.sampled_from("CF"))
        how["chunk_key_encoding"] = {"name": "v2", "separator": data.draw(st.sampled_from("./"))}
    else:
        codecs = [None, zarr.codecs.GzipCodec(level=1), zarr.codecs.ZstdCodec(level=0), zarr.codecs.BloscCodec()]
        how["compressors"] = data.draw(st.sampled_from(codecs))
        how["chunk_key_encoding"] = {
            "name": data.draw(st.sampled_from(["default", "v2"])),
            "separator": data.draw(st.sampled_from("./")),
        }
        if shape and dtype != "V4" and data.draw(st.booleans()):  # zarr 3.1 cannot write shards of raw bytes
            how["shards"] = tuple(n * data.draw(st.integers(1, 2)) for n in chunks)
    array = zarr.open_group(root, mode="w", zarr_format=zarr_format).create_array(
        "g/a", shape=shape, chunks=chunks, dtype=dtype, **how
    )
    values = values_of(dtype, shape)
    part = tuple(slice(data.draw(st.integers(0, n)), n) for n in shape)
    array[part] = values[part]
    stores.check(root)
    shutil.rmtree(root)


@pytest.mark.parametrize("kind", ["str", "record"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_text_and_records(tmp_path, stores, zarr_format, kind):
    """Text of any length, and records, some of which are missing."""
    group = zarr.open_group(tmp_path, mode="w", zarr_format=zarr_format)
    if kind == "str":
        array = group.create_array("a", shape=(7,), chunks=(3,), dtype=str)
        array[:5] = np.array(["", "é", "long " * 9, "x", "y"], object)
    else:
        dtype = np.dtype([("n", "<i4"), ("x", "<f8"), ("name", "S3")])
        array = group.create_array("a", shape=(7,), chunks=(3,), dtype=dtype)
        array[:3] = np.array([(1, 2.5, b"ab"), (3, -1.0, b""), (4, 0.5, b"abc")], dtype)
    stores.check(tmp_path)


@pytest.mark.parametrize(
    ("data_type", "fill_value", "bits"),
    [
        ("float32", "0x7fc00123", "2301c07f"),
        ("float64", "0x7ff8000000000456", "560400000000f87f"),
        ("float32", "NaN", "0000c07f"),
        ("float64", "-Infinity", "000000000000f0ff"),
        ("float32", -0.0, "00000080"),
        ("complex64", [0.0, -0.0], "0000000000000080"),
    ],
)
def test_missing_chunks_have_the_bits_of_the_fill_value(tmp_path, stores, data_type, fill_value, bits):
    """A NaN that is not the usual one, and a zero with a sign, are kept, in what is read and in what is written."""
    group = zarr.open_group(tmp_path, mode="w", zarr_format=3)
    group.create_array("a", shape=(4,), chunks=(2,), dtype=data_type)[:2] = 1
    path = tmp_path / "a/zarr.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fill_value": fill_value}))
    refs = stores.check(tmp_path)
    found = zarr.open(chunkmap.open_store(refs), mode="r")["a"][2:]
    assert found.tobytes().hex() == bits * 2
    assert json.loads(refs.to_dict(zarr_format=3)["refs"]["a/zarr.json"])["fill_value"] == fill_value


def test_consolidated_metadata_are_believed_unless_told_otherwise(tmp_path, stores):
    """As in zarr-python, an array that came later is seen only by who does not ask the consolidated metadata."""
    write_tree(tmp_path, 2, consolidated=True)
    zarr.open_group(tmp_path, mode="a", zarr_format=2, use_consolidated=False).create_array("late", shape=2, dtype="i1")
    assert "late" not in stores.scan(tmp_path).arrays
    assert "late" in stores.scan(tmp_path, consolidated=False).arrays


def test_a_folder_of_both_versions(tmp_path, stores):
    """Zarr v3 comes first, as for zarr-python, unless the other is asked for."""
    write_tree(tmp_path, 2)
    zarr.open_group(tmp_path, mode="a", zarr_format=3).create_array("new", shape=2, dtype="i1")
    assert set(stores.scan(tmp_path).arrays) == {"new"}
    assert "point" in stores.scan(tmp_path, zarr_format=2).arrays


def test_an_array_alone(tmp_path, stores):
    """A store may be one array, without a group."""
    for zarr_format in (2, 3):
        root = tmp_path / str(zarr_format)
        zarr.create_array(root, shape=(5,), chunks=(2,), dtype="i2", zarr_format=zarr_format)[:] = np.arange(5) + 1
        assert len(stores.check(root).arrays[""].chunks) == 3


def pack(root, path, method_of):
    """A ZIP archive of all files below a directory, each by the method that is said of its name."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*"), key=lambda file: file.name):
            if file.is_file():
                name = file.relative_to(root).as_posix()
                archive.write(file, name, method_of(name))
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_members_of_an_archive(tmp_path, stores, zarr_format):
    """References into a ZIP archive are ranges of it."""
    root = write_tree(tmp_path / "store", zarr_format)
    plain = pack(root, tmp_path / "plain.zarr.zip", lambda _: zipfile.ZIP_STORED)
    refs = chunkmap.scan(plain, inline_threshold=0)
    assert chunkmap.scan(f"zip://::{plain}", inline_threshold=0) == refs
    stores.values(refs, zarr.open(root, mode="r"))
    assert {url for array in refs.arrays.values() for url in array.chunks.urls} == {str(plain)}
    assert refs.targets[str(plain)].size == plain.stat().st_size


@pytest.mark.parametrize("stored", ["nothing", "some chunks"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_deflated_members_of_an_archive(tmp_path, stores, zarr_format, stored):
    """Where chunks are deflated members, all, or some beside stored ones, each is a reference that a codec inflates."""
    root = write_tree(tmp_path / "store", zarr_format)
    grid = zarr.open_group(root, mode="a")["a/b/grid"]
    grid[6:] = np.arange(28).reshape(4, 7)
    path = pack(
        root,
        tmp_path / "deflated.zarr.zip",
        lambda name: zipfile.ZIP_STORED if stored != "nothing" and name.endswith("1") else zipfile.ZIP_DEFLATED,
    )
    for threshold in (1000, 0):
        refs = chunkmap.scan(path, inline_threshold=threshold)
        assert not refs.problems
        assert refs.arrays["a/b/grid"].meta.codecs[-1] == {"id": "deflate"}
        chunkmap.write(refs, tmp_path / "refs.json", zarr_format=zarr_format)
        stores.values(chunkmap.load(tmp_path / "refs.json"), zarr.open(root, mode="r"))
    report = chunkmap.verify(tmp_path / "refs.json", compare=True)
    assert "nothing is wrong" in str(report)
    assert "equal to the original" in str(report)


def test_members_that_no_codec_gives_are_a_problem(tmp_path, stores):
    """Chunks of bzip2 in a ZIP archive are named; deflated shards too, but as a whole they are references."""
    root = tmp_path / "store"
    group = zarr.open_group(root, mode="w", zarr_format=3)
    for name in ("plain", "shards"):
        how = {"shards": (4,)} if name == "shards" else {}
        group.create_array(name, shape=(6,), chunks=(2,), dtype="i4", compressors=None, **how)[:] = np.arange(6) + 1
    bz2 = pack(root, tmp_path / "a.zip", lambda name: zipfile.ZIP_BZIP2 if "plain/c" in name else zipfile.ZIP_DEFLATED)
    refs = chunkmap.scan(bz2)
    assert not refs.arrays
    assert [(problem.path, problem.feature) for problem in refs.problems] == [
        ("plain", "compressed archive member"),
        ("shards", "compressed archive member"),
    ]
    assert "zip -0" in refs.problems[0].message
    assert "shards='whole'" in refs.problems[1].message
    whole = chunkmap.scan(pack(root, tmp_path / "b.zip", lambda _: zipfile.ZIP_DEFLATED), shards="whole")
    stores.values(whole, zarr.open(root, mode="r"))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_server_that_lists_nothing(tmp_path, stores, range_server, zarr_format):
    """Over HTTP a store with consolidated metadata is scanned, chunks being asked for; one without them is refused."""
    root = write_tree(tmp_path, zarr_format, consolidated=True)
    for file in root.rglob("*"):
        if file.is_file():
            range_server.put(f"s.zarr/{file.relative_to(root).as_posix()}", file.read_bytes())
    refs = chunkmap.scan(range_server.url("s.zarr"), inline_threshold=0)
    stores.values(refs, zarr.open(root, mode="r"))
    local = stores.scan(root)
    assert {path: array.chunks.keys() for path, array in refs.arrays.items()} == {
        path: array.chunks.keys() for path, array in local.arrays.items()
    }
    assert all(np.array_equal(a.chunks.length, local.arrays[p].chunks.length) for p, a in refs.arrays.items())
    for name in ("zarr.json", ".zmetadata"):
        range_server.files.pop(f"/s.zarr/{name}", None)
    with pytest.raises(FormatError, match="consolidated metadata"):
        chunkmap.scan(range_server.url("s.zarr/"), format="zarr")


@pytest.mark.parametrize("threshold", [0, 1000])
def test_names_that_urls_have_other_uses_for(tmp_path, stores, range_server, threshold):
    """Names with `?`, `#` and `%` are found on a web server under the URLs that mean them, and read through these."""
    root = tmp_path / "s.zarr"
    group = zarr.open_group(root, mode="w", zarr_format=3)
    for name in ("a?b=1", "c#d", "50%25", "%3f"):
        group.create_array(f"{name}/{name}", shape=(3,), chunks=(2,), dtype="i2")[:] = [1, 2, 3]
    zarr.consolidate_metadata(root, zarr_format=3)
    for file in root.rglob("*"):
        if file.is_file():
            range_server.put(f"s.zarr/{quote(file.relative_to(root).as_posix(), safe='/=')}", file.read_bytes())
    refs = chunkmap.scan(range_server.url("s.zarr"), inline_threshold=threshold)
    stores.values(refs, zarr.open(root, mode="r"))
    assert refs.nchunks == 8


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_an_object_store(tmp_path, stores, s3_options):
    """The keys of an object store are listed, those of shards read by range."""
    root = write_tree(tmp_path, 3)
    group = zarr.open_group(root, mode="a")
    group.create_array("shards", shape=(40,), shards=(10,), chunks=(2,), dtype="i4")[:] = np.arange(40)
    fs = fsspec.filesystem("s3", **s3_options)
    fs.mkdir("zarr-stores")
    fs.put(f"{root}/", "zarr-stores/s.zarr/", recursive=True)
    refs = chunkmap.scan("s3://zarr-stores/s.zarr", storage_options=s3_options, inline_threshold=0)
    assert len(refs.arrays["shards"].chunks) == 20
    assert refs.arrays["shards"].chunks[0].source == "s3://zarr-stores/s.zarr/shards/c/0"
    stores.values(refs, zarr.open(root, mode="r"), remote_options=s3_options)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("zarr.json", "{", "expected a JSON document"),
        ("zarr.json", "[1]", "expected a JSON object"),
        ("zarr.json", '{"zarr_format": 9, "node_type": "group"}', "zarr_format 9"),
        (".zarray", "{}", "no entry 'shape'"),
        (".zmetadata", '{"metadata": 3}', "expected documents by name"),
        ("other", "", "found none of these files"),
    ],
)
def test_what_is_no_store_is_refused(tmp_path, stores, name, text, says):
    """Documents that are none are named, and a folder without them is no store."""
    (tmp_path / name).write_text(text)
    with pytest.raises(FormatError, match=says):
        stores.scan(tmp_path)


@pytest.mark.parametrize("consolidated", [True, False])
def test_a_set_of_references_is_no_store(tmp_path, consolidated):
    """Its metadata stand in a file of the same name: no verb that scans takes it for a store without a chunk."""
    write_tree(tmp_path / "tree", 2)
    refs = chunkmap.scan(tmp_path / "tree")
    chunkmap.write(refs, tmp_path / "set.parq")
    with pytest.raises(
        FormatError, match=r"set\.parq: expected a Zarr store, found a set of references.*chunkmap\.load"
    ):
        chunkmap.scan(tmp_path / "set.parq", consolidated=consolidated)
    with pytest.raises(FormatError, match="found a set of references"):
        chunkmap.build([tmp_path / "set.parq"], tmp_path / "out.json", concat_dims=["x"])
    assert chunkmap.load(tmp_path / "set.parq").arrays.keys() == refs.arrays.keys()


@pytest.mark.parametrize("version", [2, 3])
def test_a_group_that_cannot_be_listed_is_refused(tmp_path, range_server, version):
    """Over HTTP a group without consolidated metadata is an error, never a set of nothing."""
    zarr.open_group(tmp_path, mode="w", zarr_format=version).create_array("a", shape=(4,), chunks=(2,), dtype="i2")
    for path in filter(os.path.isfile, tmp_path.rglob("*")):
        url = range_server.put(f"s.zarr/{path.relative_to(tmp_path)}", path.read_bytes())
    root = f"{url.partition('s.zarr')[0]}s.zarr"
    with pytest.raises(FormatError, match=r"consolidated metadata, or an array, found .+\. Where"):
        chunkmap.scan(root)
    assert set(chunkmap.scan(f"{root}/a").arrays) == {""}


def test_what_zarr_has_and_numpy_has_not_is_a_problem(tmp_path, stores):
    """An array of a type or a codec that is not known is left out by name; the others are there."""
    group = zarr.open_group(tmp_path, mode="w", zarr_format=3)
    for name in ("a", "b", "c"):
        group.create_array(name, shape=(4,), chunks=(2,), dtype="i2")[:] = 1
    for name, entry in (("a", {"data_type": "bfloat16"}), ("b", {"codecs": [{"name": "nosuch"}]})):
        path = tmp_path / name / "zarr.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | entry))
    refs = stores.scan(tmp_path)
    assert set(refs.arrays) == {"c"}
    assert {problem.path: problem.feature for problem in refs.problems} == {"a": "data type", "b": "codec"}


def test_a_name_that_makes_a_chain_of_a_url_is_a_problem(tmp_path, stores):
    """An array whose name has `::` is left out, as its URLs would mean members of archives; in one it is read."""
    group = zarr.open_group(tmp_path / "s", mode="w", zarr_format=3)
    for name in ("a::b", "c:d"):
        group.create_array(name, shape=(3,), chunks=(2,), dtype="i2")[:] = [1, 2, 3]
    refs = stores.scan(tmp_path / "s")
    assert list(refs.arrays) == ["c:d"]
    assert [(problem.path, problem.feature) for problem in refs.problems] == [("a::b", "name")]
    stores.check(tmp_path / "s", chunkmap.scan(pack(tmp_path / "s", tmp_path / "s.zip", lambda _: zipfile.ZIP_STORED)))


def test_a_version_that_there_is_not_is_refused(tmp_path, stores):
    """Zarr has two versions."""
    write_tree(tmp_path, 3)
    with pytest.raises(ValueError, match="zarr_format"):
        stores.scan(tmp_path, zarr_format=4)


def test_names_that_nczarr_gives_dimensions(tmp_path, stores):
    """NCZarr names dimensions by their paths, beside the array; xarray's own names come first."""
    group = zarr.open_group(tmp_path, mode="w", zarr_format=2)
    own = {"_nczarr_array": {"dimrefs": ["/time", "/g/x"], "storage": "chunked"}}
    group.create_array("a", shape=(4, 2), dtype="i2", attributes=own)
    group.create_array("b", shape=(4, 2), dtype="i2", attributes=own | {"_ARRAY_DIMENSIONS": ["t", "u"]})
    refs = stores.scan(tmp_path)
    assert [refs.arrays[name].meta.dims for name in "ab"] == [("time", "x"), ("t", "u")]


def test_scalars_of_nczarr_are_scalars(tmp_path, stores):
    """NCZarr stores a scalar as an array of one element, and says so: as in netCDF, it has no axis."""
    group = zarr.open_group(tmp_path, mode="w", zarr_format=2)
    own = {"_nczarr_array": {"dimrefs": ["/_scalar_"], "storage": "contiguous", "scalar": 1}}
    group.create_array("a", shape=(1,), chunks=(1,), dtype="i4", attributes=own)[:] = 7
    group.create_array("b", shape=(1,), chunks=(1,), dtype="i4", attributes=own | {"_ARRAY_DIMENSIONS": ["_scalar_"]})
    group.create_array("c", shape=(1,), chunks=(1,), dtype="i4")[:] = 7
    refs = stores.scan(tmp_path)
    assert [(refs.arrays[name].meta.shape, refs.arrays[name].meta.dims) for name in "abc"] == [((), ())] * 2 + [
        ((1,), None)
    ]
    assert read_array(refs.arrays["a"], Fetcher()) == 7
    assert len(refs.arrays["b"].chunks) == 0


def test_verify_sees_files_that_changed(tmp_path, stores):
    """Size and time of each file are kept, so that verify sees chunks that were written again."""
    store = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    array = store.create_array("x", shape=(4,), chunks=(2,), dtype="i4", compressors=None)
    array[:] = 1
    refs = stores.scan(tmp_path / "a.zarr")
    assert set(refs.targets) == {str(tmp_path / "a.zarr/x/0"), str(tmp_path / "a.zarr/x/1")}
    chunkmap.write(refs, tmp_path / "a.parq")
    assert chunkmap.verify(tmp_path / "a.parq")
    array[:2] = 2
    os.utime(tmp_path / "a.zarr/x/0", (1, 1))
    (found,) = chunkmap.verify(tmp_path / "a.parq").failures
    assert found.where.endswith("x/0")
    assert "changed since it was scanned" in found.message


def test_a_store_opens_as_a_dataset(tmp_path):
    """The engine of xarray takes an original store as it takes files, in a directory or a ZIP archive."""
    given = xr.Dataset({"v": (("t", "x"), np.arange(12.0).reshape(3, 4))}, {"t": [1, 2, 3]})
    for version in (2, 3):
        given.to_zarr(tmp_path / f"{version}.zarr", zarr_format=version, consolidated=version == 2)
        root = tmp_path / f"{version}.zarr"
        with zipfile.ZipFile(f"{root}.zip", "w") as packed:
            for file in root.rglob("*"):
                packed.write(file, file.relative_to(root))
        for name in (f"{version}.zarr", f"{version}.zarr.zip"):
            with xr.open_dataset(tmp_path / name, engine="chunkmap") as found:
                xr.testing.assert_identical(found.load(), given)


@pytest.mark.parametrize("fill", [0, 1, 1.5, 0.0, True, -9999, "0", "gap", "", None])
def test_fill_values_of_texts(tmp_path, stores, fill):
    """Zarr 2 wrote numbers where texts are meant; what is missing reads as zarr-python 3 and xarray read it."""
    group = zarr.open_group(tmp_path / "s", mode="w", zarr_format=2)
    group.create_array("x", shape=(4,), chunks=(2,), dtype=str, fill_value="")[:2] = ["a", "b"]
    document = json.loads((tmp_path / "s/x/.zarray").read_text())
    (tmp_path / "s/x/.zarray").write_text(json.dumps({**document, "fill_value": fill}))
    (tmp_path / "s/x/.zattrs").write_text('{"_ARRAY_DIMENSIONS": ["x"]}')
    refs = stores.check(tmp_path / "s")
    found = read_array(refs.arrays["x"], Fetcher())
    assert found.tolist() == zarr.open(tmp_path / "s", mode="r")["x"][...].tolist()
    expected = xr.open_dataset(tmp_path / "s", engine="zarr", consolidated=False)
    xr.testing.assert_equal(xr.open_dataset(tmp_path / "s", engine="chunkmap"), expected)


NO_MASKS = [
    ("f4", "-9999.0"),
    ("f4", {"a": 1}),
    ("f8", [1]),
    ("i2", "5"),
    ("u1", [5]),
    ("i4", {}),
    ("c8", "AAAAAAAA+H8="),
]
NO_MASKS += [("c8", ["AAAAAAAA+H8="]), ("U3", ["a"]), ("S3", {"a": "b"})]


@pytest.mark.parametrize(("dtype", "mask"), NO_MASKS)
def test_a_fill_value_that_is_no_value_costs_its_array_alone(tmp_path, dtype, mask):
    """Of floats, v3 has the attribute `_FillValue` in base64, of others as one value: an array with what xarray cannot
    read there is left out by name, and the engine opens the rest.
    """
    group = zarr.open_group(tmp_path / "s", mode="w", zarr_format=3)
    for name in ("a", "b"):
        group.create_array(name, shape=(4,), chunks=(4,), dtype=dtype, dimension_names=["x"])
    group["a"].attrs["_FillValue"] = mask
    refs = chunkmap.scan(tmp_path / "s")
    assert set(refs.arrays) == {"b"}
    assert f"_FillValue is {mask!r}" in refs.left_out["a"].message
    with pytest.raises((TypeError, ValueError)):
        xr.open_dataset(tmp_path / "s", engine="zarr", consolidated=False)
    with pytest.warns(UserWarning, match="1 array is left out. 'a': "):
        assert set(xr.open_dataset(tmp_path / "s", engine="chunkmap")) == {"b"}


@pytest.mark.parametrize(
    ("dtype", "mask", "values"),
    [
        ("c8", ["AAAAAAAAAEA=", "AAAAAAAA+D8="], [2 + 1.5j, 1, 2, 0]),
        ("f4", "AAAAAAAA+D8=", [1.5, 1, 0, 2]),
        ("i2", 1.5, [1, 2, 0, 3]),
        ("u1", True, [1, 2, 0, 3]),
    ],
)
def test_a_masked_value_beside_the_fill_value(tmp_path, dtype, mask, values):
    """What `_FillValue` says of any kind of number is masked as xarray masks it, through memory and at rest."""
    group = zarr.open_group(tmp_path / "s", mode="w", zarr_format=3)
    array = group.create_array("x", shape=(4,), chunks=(2,), dtype=dtype, dimension_names=["x"], fill_value=0)
    array[:] = values
    array.attrs["_FillValue"] = mask
    expected = xr.open_dataset(tmp_path / "s", engine="zarr", consolidated=False).x
    refs = chunkmap.scan(tmp_path / "s")
    chunkmap.write(refs, tmp_path / "2.json")
    chunkmap.write(refs, tmp_path / "3.json", zarr_format=3)
    for opened in (refs, tmp_path / "2.json", tmp_path / "3.json"):
        found = xr.open_dataset(opened, engine="chunkmap").x
        np.testing.assert_array_equal(found, expected)
        assert (found.dtype, found.encoding["_FillValue"]) == (expected.dtype, expected.encoding["_FillValue"])
