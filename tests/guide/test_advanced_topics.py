"""The ways of working of kerchunk's guide, "Advanced topics", on real files: each runs as a user would write it."""

from __future__ import annotations

import json
import tarfile
import zipfile

import dask
import fsspec
import pytest
import xarray as xr
from fsspec.implementations.reference import LazyReferenceMapper, ReferenceFileSystem

from chunkmap import StorageError
from kerchunk.combine import JustLoad, MultiZarrToZarr, auto_dask, drop
from kerchunk.df import refs_to_dataframe
from kerchunk.hdf import SingleHdf5ToZarr
from kerchunk.netCDF3 import NetCDF3ToZarr
from kerchunk.utils import consolidate, dereference_archives, do_inline

COMBINE = {"concat_dims": ["time"], "identical_dims": ["lat", "lon", "mask"]}


def opened(refs) -> xr.Dataset:
    """What fsspec, zarr and xarray read, with no code of ours."""
    storage_options = {"fo": refs, "remote_protocol": "file", "asynchronous": True}
    options = {"consolidated": False, "storage_options": storage_options, "zarr_format": 2}
    return xr.open_dataset("reference://", engine="zarr", backend_kwargs=options).load()


def process(path, out):
    """One file to one JSON: the function that the guide runs on every worker."""
    with fsspec.open(path, "rb") as file:
        refs = SingleHdf5ToZarr(file, path, inline_threshold=300).translate()
    with open(out, "w") as target:  # noqa: PTH123 - as a user would
        json.dump(refs, target)
    return out


@pytest.mark.cluster
def test_one_function_a_file_then_combine(files, on_cluster, tmp_path):
    """`dask.delayed(process)(u, o)` on a cluster of processes, each writing its JSON; then combining by path."""
    paths, expected = files
    outputs = [str(tmp_path / f"{number}.json") for number in range(len(paths))]

    dask.compute(*[dask.delayed(process)(u, o) for u, o in zip(paths, outputs, strict=True)])
    refs = MultiZarrToZarr(outputs, remote_protocol="file", **COMBINE).translate()

    xr.testing.assert_identical(expected, opened(refs))


def test_combining_a_pattern_of_paths(files, tmp_path):
    """A pattern stands for the files that it matches."""
    paths, expected = files
    for number, path in enumerate(paths):
        process(path, str(tmp_path / f"{number}.json"))

    refs = MultiZarrToZarr(str(tmp_path / "*.json"), remote_protocol="file", **COMBINE).translate()

    xr.testing.assert_identical(expected, opened(refs))


def test_a_tree_by_hand(files):
    """Batches combined first, then their results, give what combining all at once gives."""
    paths, expected = files
    singles = [SingleHdf5ToZarr(path).translate() for path in paths]

    batches = [MultiZarrToZarr(singles[n : n + 2], **COMBINE).translate() for n in range(0, 6, 2)]
    tree = MultiZarrToZarr(batches, **COMBINE).translate()

    assert MultiZarrToZarr(singles, **COMBINE).translate() == tree
    xr.testing.assert_identical(expected, opened(tree))


class Counted:
    """Steps that count how often they run, each in a file of its own folder."""

    def __init__(self, folder):
        self.folder = folder

    def pre(self, refs):
        import uuid

        (self.folder / f"pre-{uuid.uuid4()}").touch()
        return drop("mask")(refs)

    def post(self, refs):
        import uuid

        (self.folder / f"post-{uuid.uuid4()}").touch()
        attrs = json.loads(refs[".zattrs"])
        refs[".zattrs"] = json.dumps({**attrs, "done": True})
        return refs


@pytest.mark.cluster
@pytest.mark.parametrize("batches", [1, 3, 6])
def test_a_tree_in_one_call(files, on_cluster, tmp_path, batches):
    """`auto_dask`: preprocess before the batches, postprocess once, no inlining at 0, arguments left alone."""
    paths, expected = files
    steps = Counted(tmp_path)
    single = {"inline_threshold": 0}
    combine = {
        "concat_dims": ["time"],
        "coo_map": {"time": "cf:time"},
        "identical_dims": ["lat", "lon"],
        "preprocess": steps.pre,
        "postprocess": steps.post,
        "inline_threshold": 0,
    }
    before = ({**single}, {**combine, "coo_map": {**combine["coo_map"]}, "concat_dims": [*combine["concat_dims"]]})
    out = tmp_path / "out.json"

    refs = auto_dask(
        paths,
        single_driver=SingleHdf5ToZarr,
        single_kwargs=single,
        mzz_kwargs=combine,
        n_batches=batches,
        remote_protocol="file",
        filename=str(out),
    )

    assert (single, combine) == before
    assert len(list(tmp_path.glob("pre-*"))) == len(paths)
    assert len(list(tmp_path.glob("post-*"))) == 1
    found = opened(json.loads(out.read_text()))
    assert found.attrs == {**expected.attrs, "done": True}
    xr.testing.assert_equal(expected.drop_vars("mask"), found)
    chunks = [value for key, value in refs["refs"].items() if key.startswith("temp/") and ".z" not in key]
    assert len(chunks) == 18
    assert all(isinstance(value, list) for value in chunks)


def test_a_tree_of_stored_sets(files, tmp_path):
    """`JustLoad` drives the tree where every file has its JSON already."""
    paths, expected = files
    stored = [process(path, str(tmp_path / f"{number}.json")) for number, path in enumerate(paths)]

    refs = auto_dask(stored, JustLoad, {}, COMBINE, n_batches=2, remote_protocol="file")

    xr.testing.assert_identical(expected, opened(refs))


def _archive(kind, path, member, data):
    if kind == "tar":
        with tarfile.open(path, "w") as archive:
            archive.add(data, member)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(data, member)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_members_of_archives(kind, tmp_path):
    """Scan inside an archive without inlining, make the references ranges of it, inline, then open and combine."""
    urls, originals = [], []
    for number in range(2):
        original = tmp_path / f"{number}.nc"
        dataset = xr.Dataset({"v": (("time", "x"), [[1.0 + number, 2.0]])}, {"time": [number], "x": [5, 6]})
        dataset.to_netcdf(original, format="NETCDF3_64BIT", engine="scipy", unlimited_dims=["time"])
        archive = tmp_path / f"{number}.{kind}"
        _archive(kind, archive, "member.nc", original)
        urls.append(f"{kind}://member.nc::file://{archive}")
        originals.append(dataset)

    sets = []
    for url in urls:
        refs = NetCDF3ToZarr(url, inline_threshold=0).translate()
        refs = dereference_archives(refs["refs"])
        sets.append(consolidate(do_inline(refs, 100, remote_protocol="file")))

    for refs, original in zip(sets, originals, strict=True):
        xr.testing.assert_equal(original, opened(refs))
    combined = MultiZarrToZarr(sets, concat_dims=["time"], remote_protocol="file").translate()
    xr.testing.assert_equal(xr.concat(originals, "time"), opened(combined))


def test_a_mapper_as_output(files, tmp_path):
    """`LazyReferenceMapper.create` as `out=`: filled, flushed, and opened by partition."""
    paths, expected = files
    root = tmp_path / "combined.parq"
    root.mkdir()
    mapper = LazyReferenceMapper.create(record_size=4, root=str(root), fs=fsspec.filesystem("file"))
    singles = [SingleHdf5ToZarr(path).translate() for path in paths]

    out = MultiZarrToZarr(singles, remote_protocol="file", out=mapper, **COMBINE).translate()
    out.flush()

    assert out is mapper
    xr.testing.assert_identical(expected, opened_lazily(root))


def opened_lazily(root) -> xr.Dataset:
    """The guide's way to open a Parquet store."""
    fs = ReferenceFileSystem(
        str(root), remote_protocol="file", target_protocol="file", lazy=True, skip_instance_cache=True
    )
    return xr.open_dataset(fs.get_mapper(), engine="zarr", backend_kwargs={"consolidated": False}).load()


@pytest.mark.parametrize("form", ["dict", "json"])
def test_references_to_parquet(files, tmp_path, form):
    """`refs_to_dataframe` takes a dictionary or a JSON, and what it writes opens lazily."""
    paths, expected = files
    refs = MultiZarrToZarr([SingleHdf5ToZarr(path).translate() for path in paths], **COMBINE).translate()
    if form == "json":
        (tmp_path / "refs.json").write_text(json.dumps(refs))
        refs = str(tmp_path / "refs.json")
    root = tmp_path / "combined.parq"

    refs_to_dataframe(refs, str(root), record_size=10, categorical_threshold=3)

    assert (root / "temp" / "refs.1.parq").exists()
    xr.testing.assert_identical(expected, opened_lazily(root))


@pytest.mark.cluster
@pytest.mark.parametrize("road", ["chunkmap", "fsspec"])
def test_a_worker_loads_only_what_it_needs(files, on_cluster, tmp_path, road):
    """Partitions that a task does not touch may be gone: neither opening nor a worker's part of the work reads them."""
    paths, expected = files
    root = tmp_path / "combined.parq"
    refs = MultiZarrToZarr([SingleHdf5ToZarr(path).translate() for path in paths], **COMBINE).translate()
    refs_to_dataframe(refs, str(root), record_size=3)
    (root / "temp" / "refs.5.parq").unlink()
    (root / "mask" / "refs.0.parq").unlink()

    if road == "chunkmap":
        found = xr.open_dataset(root, engine="chunkmap", chunks={})
    else:
        fs = ReferenceFileSystem(
            str(root), remote_protocol="file", target_protocol="file", lazy=True, skip_instance_cache=True
        )
        found = xr.open_dataset(fs.get_mapper(), engine="zarr", backend_kwargs={"consolidated": False}, chunks={})

    assert found["temp"].chunksizes["time"] == (1,) * 18
    xr.testing.assert_equal(expected["temp"][3:9], found["temp"][3:9].compute())


def test_a_lost_partition_is_an_error(files, tmp_path):
    """Through our own engine a partition that is gone is no missing data."""
    paths, _ = files
    root = tmp_path / "combined.parq"
    refs = MultiZarrToZarr([SingleHdf5ToZarr(path).translate() for path in paths], **COMBINE).translate()
    refs_to_dataframe(refs, str(root), record_size=3)
    (root / "temp" / "refs.5.parq").unlink()

    found = xr.open_dataset(root, engine="chunkmap")

    with pytest.raises(StorageError, match=r"refs\.5\.parq"):
        found["temp"].load()
