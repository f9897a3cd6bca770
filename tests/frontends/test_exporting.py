"""`chunkmap.export`: the values of a set in a Zarr store of its own, the same as through references."""

import fsspec
import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
from invoking import run

import chunkmap
from chunkmap.access.selection import ArrayReader
from chunkmap.errors import StorageError, Unsupported
from chunkmap.frontends import exporting

pytestmark = pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")


@pytest.fixture
def month(tmp_path):
    """A file of packed numbers with a mask, big-endian ones, times, texts, a group, and chunks that are not there."""
    path = tmp_path / "a.nc"
    with h5py.File(path, "w") as file:
        file["time"] = np.arange(7.0)
        file["time"].make_scale("time")
        file["time"].attrs["units"] = "days since 2000-01-01"
        packed = file.create_dataset("packed", data=np.arange(700, dtype="i2").reshape(7, 100), chunks=(1, 50))
        packed.attrs.update({"scale_factor": 0.5, "add_offset": 10.0, "_FillValue": np.int16(3)})
        data = np.arange(700, dtype=">f4").reshape(7, 100)
        file.create_dataset("swapped", data=data, chunks=(3, 40), compression="lzf", shuffle=True)
        sparse = file.create_dataset("sparse", (7, 100), "f8", chunks=(1, 100), fillvalue=-1.0)
        sparse[2] = np.nan
        file.create_dataset("names", data=["a", "bb", "", "d", "e", "f", "g"], dtype=h5py.string_dtype())
        for name in ("packed", "swapped", "sparse", "names"):
            file[name].dims[0].attach_scale(file["time"])
        file.create_dataset("inner/flag", data=np.array([True, False]))
        file["inner"].attrs["title"] = "below"
        file["one"] = np.int64(2**62 + 1)
    return path


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("chunks", [None, (4, 33)], ids=["own", "others"])
def test_the_copy_is_what_references_give(month, tmp_path, version, chunks):
    """Every group reads as through references, in chunks as asked, and needs nothing of chunkmap."""
    refs = chunkmap.scan(month)
    lengths = chunks and dict(zip(refs.arrays["swapped"].meta.dims, chunks, strict=True))
    copied = chunkmap.export(month, tmp_path / "copy.zarr", chunks=lengths, zarr_format=version)

    assert copied == sum(array.meta.nbytes for array in refs.arrays.values())
    for group in (None, "inner"):
        with (
            xr.open_dataset(month, engine="chunkmap", group=group) as expected,
            xr.open_zarr(tmp_path / "copy.zarr", group=group, chunks=None) as found,
        ):
            xr.testing.assert_identical(found.load(), expected.load())
    root = zarr.open_group(tmp_path / "copy.zarr", mode="r")
    assert root["swapped"].chunks == (chunks or (3, 40))
    assert root["inner"].attrs["title"] == "below"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_into_a_store_elsewhere(month):
    """Wherever fsspec writes; what is there is replaced when asked, and refused else."""
    out = "memory://exporting/copy.zarr"
    try:
        for overwrite in (False, True):
            chunkmap.export(month, out, overwrite=overwrite, arrays=["packed", "time"])
        with pytest.raises(StorageError, match="there is something already"):
            chunkmap.export(month, out)
        with xr.open_zarr(out, mask_and_scale=False) as found:
            assert found.packed.values.ravel().tolist() == list(range(700))
    finally:
        fsspec.filesystem("memory").rm("/exporting", recursive=True)


def test_regions_are_whole_chunks_that_fit(monkeypatch):
    """Whatever the chunks of both: regions cover each element once, begin at chunks, and are no larger than may be."""
    monkeypatch.setattr(exporting, "_AT_ONCE", 4000)
    for source, chunks in (((1, 30), (10, 7)), ((20, 1), (3, 30)), ((5, 5), (20, 30)), ((1, 1), (1, 1))):
        meta = chunkmap.ArrayMeta(shape=(20, 30), chunk_shape=chunks, dtype=np.dtype("f8"))
        seen = np.zeros((20, 30), int)
        for region in exporting._regions(meta, source):
            seen[region] += 1
            assert all(one.start % chunk == 0 for one, chunk in zip(region, chunks, strict=True))
            nbytes = np.zeros((20, 30))[region].nbytes
            assert nbytes <= 4000 or all(one.stop - one.start <= c for one, c in zip(region, chunks, strict=True))
        assert (seen == 1).all()


def test_what_fails_leaves_nothing(month, tmp_path, monkeypatch):
    """An error on the way leaves what was there, and nothing beside it; values that are read back wrong are one."""
    out = tmp_path / "out" / "copy.zarr"
    chunkmap.export(month, out)
    before = sorted(path for path in out.rglob("*"))
    real = ArrayReader.read
    monkeypatch.setattr(ArrayReader, "read", lambda self, key: real(self, key) if self.meta.ndim < 2 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        chunkmap.export(month, out, overwrite=True)
    monkeypatch.undo()
    monkeypatch.setattr(exporting, "_same", lambda written, read: written.ndim < 2)
    with pytest.raises(StorageError, match=r"packed\[0:7, 0:100\]: what was read back is not what was written"):
        chunkmap.export(month, out, overwrite=True, arrays=["packed"])
    assert sorted(path for path in out.rglob("*")) == before
    assert list(out.parent.iterdir()) == [out]


def test_a_file_or_what_a_link_leads_to_is_replaced(month, tmp_path):
    """What is overwritten may be a file; a link to a directory stays a link, and its directory is replaced."""
    out, link = tmp_path / "copy.zarr", tmp_path / "link.zarr"
    out.write_bytes(b"a file")
    chunkmap.export(month, out, overwrite=True)
    link.symlink_to(out)
    (out / "old").write_bytes(b"")
    chunkmap.export(month, link, overwrite=True, arrays=["packed"])
    assert link.is_symlink()
    assert not (out / "old").exists()
    assert list(zarr.open_group(link, mode="r").array_keys()) == ["packed"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_cannot_be_meant_is_refused(month, tmp_path):
    """A dimension, an array or a length that there is not, and objects without a type in Zarr, are named."""
    out = tmp_path / "copy.zarr"
    for how, says in (
        ({"chunks": {"tim": 3}}, "no array has a dimension 'tim': did you mean 'time'"),
        ({"chunks": {"time": 0}}, "0 along time, expected 1 or more"),
        ({"arrays": ["packd"]}, "no array 'packd' to export: did you mean 'packed'"),
    ):
        with pytest.raises(ValueError, match=says):
            chunkmap.export(month, out, **how)
    refs = {".zgroup": '{"zarr_format": 2}', "o/.zarray": chunkmap.scan(month).to_dict()["refs"]["names/.zarray"]}
    refs["o/.zarray"] = refs["o/.zarray"].replace("vlen-utf8", "json2")
    with pytest.raises(Unsupported, match="o: objects of"):
        chunkmap.export({"version": 1, "refs": refs}, out)
    assert not out.exists()


def test_on_the_command_line(month, tmp_path):
    """A set or a file, all arrays or some; what was copied is said."""
    out = tmp_path / "copy.zarr"
    result = run("export", month, out, "packed", "time", "--chunks", "time=7", "--zarr-format", "2")
    assert result.exit_code == 0, result.stderr
    assert "1,456 bytes of values, read back and the same" in result.stderr
    assert zarr.open_group(out, mode="r")["packed"].chunks == (7, 50)
    again = run("export", month, out)
    assert again.exit_code == 1
    assert "there is something already" in again.stderr
    assert run("export", month, out, "--chunks", "time=many").exit_code == 2
