"""What is wrong with a set is found, and only what is wrong."""

import json
import os

import h5py
import netCDF4
import numpy as np
import pytest
from click.testing import CliRunner

import chunkmap
from chunkmap.frontends.command_line.commands import chunkmap as command
from chunkmap.frontends.verify import verify
from chunkmap.model import ChunkManifest, ManifestArray, ReferenceSet, Target


@pytest.fixture
def path(tmp_path):
    """An HDF5 file: chunked and compressed, contiguous, text, and records."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(1000.0).reshape(40, 25), chunks=(7, 25), compression="gzip")
        file["group/y"] = np.array([1.5, np.nan] * 100)
        file["text"] = np.array([b"abc", b""])
        file.create_dataset("words", data=["one", "two"], dtype=h5py.string_dtype())
        file["records"] = np.zeros(3, np.dtype({"names": ["a", "b"], "formats": ["<i2", "<f8"], "offsets": [0, 8]}))
    return path


@pytest.fixture
def stored(path, tmp_path):
    """Its set as Parquet."""
    out = str(tmp_path / "set.parq")
    chunkmap.write(chunkmap.scan(str(path)), out, record_size=3)
    return out


def test_a_true_set_passes(path, stored):
    """Every chunk decodes and equals what h5py reads, in memory and at rest."""
    report = verify(chunkmap.scan(str(path)), decode="all", compare=True)
    assert report, str(report)
    assert not report.notes
    assert report.counts["chunks decoded"] == report.counts["chunks equal to the original"] == 10
    at_rest = verify(stored, decode="all")
    assert at_rest
    assert at_rest.counts == {"chunks": 10, "files": 1, "chunks decoded": 10}


@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "NETCDF4"])
def test_every_format_has_its_library(tmp_path, form):
    """NetCDF3 of all kinds, with records, and NetCDF4, equal what their libraries read."""
    path = str(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "w", format=form) as dataset:
        dataset.createDimension("time", None)
        dataset.createDimension("n", 5)
        dataset.createVariable("time", "f8", ("time",))[:] = np.arange(4)
        dataset.createVariable("v", "i2", ("time", "n"))[:] = np.arange(20).reshape(4, 5)
        dataset.createVariable("word", "S1", ("n",))[:] = list("abcde")
    report = verify(path, decode="all", compare=True)
    assert report, str(report)
    assert report.counts["chunks equal to the original"] == report.counts["chunks decoded"] > 2


def test_combined_sets_are_compared_with_each_file(tmp_path):
    """A chunk of a combined set is compared with the file it is in, at its place there."""
    for number in range(3):
        with netCDF4.Dataset(tmp_path / f"{number}.nc", "w") as dataset:
            dataset.createDimension("time", 2)
            dataset.createDimension("n", 5)
            dataset.createVariable("time", "i4", ("time",))[:] = np.arange(2) + 2 * number
            dataset.createVariable("v", "f8", ("time", "n"), zlib=True, chunksizes=(1, 5))[:] = number
    paths = [str(tmp_path / f"{number}.nc") for number in range(3)]
    sets = [chunkmap.scan(path, inline_threshold=0) for path in paths]
    refs = chunkmap.combine(sets, concat_dims=["time"])
    report = verify(refs, decode="all", compare=True)
    assert report, str(report)
    assert report.counts["chunks equal to the original"] >= 6
    chunks = refs.arrays["v"].chunks
    moved = ChunkManifest.from_columns(  # two chunks of different files change places: both decode, and lengths fit
        chunks.grid_shape,
        chunks.positions(),
        chunks.sources,
        (chunks.source[::-1], chunks.offset[::-1], chunks.length[::-1]),
    )
    wrong = ReferenceSet({**refs.arrays, "v": ManifestArray(refs.arrays["v"].meta, moved)}, targets=refs.targets)
    assert verify(wrong, compare=True)  # each chunk is still the one of its file that the range says


@pytest.mark.parametrize("form", ["NETCDF3_64BIT_OFFSET", "NETCDF4"])
def test_files_on_a_server_are_compared(tmp_path, range_server, form):
    """A sample of a set whose files are far away is compared with what their libraries read there."""
    with netCDF4.Dataset(tmp_path / "a.nc", "w", format=form) as dataset:
        dataset.createDimension("time", None)
        dataset.createDimension("n", 500)
        dataset.createVariable("v", "i2", ("time", "n"))[:] = np.arange(2000).reshape(4, 500)
    url = range_server.put("a.nc", (tmp_path / "a.nc").read_bytes())
    chunkmap.write(chunkmap.scan(url), tmp_path / "set.parq")
    done = CliRunner().invoke(command, ["verify", str(tmp_path / "set.parq"), "--compare", "--json"])
    counts = json.loads(done.output)["counts"]
    assert done.exit_code == 0, done.output
    assert counts["chunks equal to the original"] == counts["chunks decoded"] >= 2
    range_server.put("a.nc", (tmp_path / "a.nc").read_bytes()[:-600])
    assert CliRunner().invoke(command, ["verify", str(tmp_path / "set.parq"), "--compare"]).exit_code == 1


def test_chunks_that_changed_places_are_found(path, tmp_path):
    """Where an array is that of its file, each chunk must be the one of its cell: values alone do not tell."""
    refs = chunkmap.scan(str(path), inline_threshold=0)
    name, array = max(refs.arrays.items(), key=lambda item: len(item[1].chunks))
    chunks = array.chunks
    columns = (chunks.source, chunks.offset[::-1], chunks.length[::-1])
    moved = ChunkManifest.from_columns(chunks.grid_shape, chunks.positions(), chunks.sources, columns)
    wrong = ReferenceSet({**refs.arrays, name: ManifestArray(array.meta, moved)}, targets=refs.targets)
    chunkmap.write(wrong, tmp_path / "wrong.parq")
    report = verify(tmp_path / "wrong.parq", decode="all", compare=True)
    assert "in the file it is" in str(report.failures[0])
    assert verify(refs, decode="all", compare=True)


def test_values_that_differ_are_found(path):
    """A set that decodes a chunk otherwise than the library does is wrong."""
    refs = chunkmap.scan(str(path), inline_threshold=0)
    array = refs.arrays["group/y"]
    from dataclasses import replace

    swapped = replace(array.meta, dtype=np.dtype(">f8"))
    wrong = ReferenceSet({"group/y": ManifestArray(swapped, array.chunks)}, targets=refs.targets)
    report = verify(wrong, compare=True)
    assert "of 200 values differ" in str(report.failures[0])
    assert verify(wrong, decode="all")


def cut(path, refs):
    path.write_bytes(path.read_bytes()[:-100])
    return "bytes, found"


def touch(path, refs):
    os.utime(path, (1, 1))
    return "it was changed at"


def remove(path, refs):
    path.unlink()
    return "there is no such file"


@pytest.mark.parametrize("harm", [cut, touch, remove])
def test_a_file_that_changed_is_found(path, stored, harm):
    """Its size, its time and its absence, without reading a chunk; afterwards the exit status is 1."""
    message = harm(path, stored)
    report = verify(stored)
    assert not report
    assert message in str(report.failures[0])
    assert report.failures[0].where == str(path)
    assert CliRunner().invoke(command, ["verify", stored]).exit_code == 1


def test_an_etag_that_changed_is_found(range_server):
    """Of a file on a server the etag is compared."""
    url = range_server.put("a", b"abcd")
    meta = chunkmap.ArrayMeta(shape=(4,), chunk_shape=(4,), dtype=np.dtype("u1"))
    arrays = {"x": ManifestArray(meta, ChunkManifest.single(url, 0, 4, ndim=1))}
    assert verify(ReferenceSet(arrays, targets={url: Target(4, '"one"')}))
    report = verify(ReferenceSet(arrays, targets={url: Target(4, '"two"')}))
    assert "etag" in str(report.failures[0])


@pytest.mark.parametrize(("offset", "length"), [(6, 5), (2**63, 2**63), (2**64 - 4, 9), (11, 0)])
def test_a_range_past_the_end_is_found(tmp_path, offset, length):
    """The furthest chunk is named, where there is no record of the file's size too."""
    path = tmp_path / "data"
    path.write_bytes(bytes(10))
    meta = chunkmap.ArrayMeta(shape=(3, 4), chunk_shape=(1, 4), dtype=np.dtype("u1"))
    chunks = ChunkManifest.from_rows((3, 1), [(0, 0), (1, 0)], [str(path)] * 2, [0, offset], [4, length])
    report = verify(ReferenceSet({"x": ManifestArray(meta, chunks)}))
    assert [str(failure) for failure in report.failures] == [
        f"{path}: x/1.0 reaches to byte {min(offset + length, 2**64 - 1)}, the file has 10"
    ]
    assert "does not say what 1 of 1 files were like" in str(report.notes[0])


def test_chunks_that_do_not_decode_are_found_one_by_one(path):
    """Each damaged chunk is a finding with its key, and the others are still read."""
    refs = chunkmap.scan(str(path), inline_threshold=0)
    first = refs.arrays["x"].chunks.row(2)
    data = bytearray(path.read_bytes())
    data[first.offset + 5] ^= 0xFF
    path.write_bytes(data)
    report = verify(refs.to_dict(), decode="all")
    assert [failure.where for failure in report.failures] == ["x/2.0"]
    assert report.counts["chunks decoded"] == 10


def test_a_lost_partition_is_found(stored):
    """It is a failure once, and the other partitions are looked at."""
    from pathlib import Path

    (Path(stored) / "x" / "refs.1.parq").unlink()
    report = verify(stored, decode="all")
    assert [failure.where for failure in report.failures] == ["x, partition 1"]
    assert report.counts["chunks decoded"] == 7


def test_a_sample_is_bounded_and_has_the_ends(path):
    """So many chunks of each array, the first and the last among them; the same each time."""
    refs = chunkmap.scan(str(path))
    report = verify(refs, decode="sample", sample=3)
    assert report.counts["chunks decoded"] == 3 + 4
    assert verify(refs, decode="sample", sample=3) == report


def test_what_cannot_be_compared_is_said(tmp_path):
    """Chunks of files in no known format are decoded, and noted as not compared."""
    path = tmp_path / "data"
    path.write_bytes(b"abcd")
    meta = chunkmap.ArrayMeta(shape=(4,), chunk_shape=(4,), dtype=np.dtype("u1"))
    report = verify(
        ReferenceSet({"x": ManifestArray(meta, ChunkManifest.single(str(path), 0, 4, ndim=1))}), compare=True
    )
    assert report
    assert any("not compared" in str(note) for note in report.notes)


def test_references_of_hdf5_are_not_called_wrong(tmp_path):
    """We say as text what they point to, h5py gives references: nothing is known of them, and all else is compared."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", data=np.arange(4))
        file.create_dataset("object", (2,), h5py.ref_dtype)[0] = data.ref
        file.create_dataset("region", (1,), h5py.regionref_dtype)[0] = data.regionref[1:3]
    report = verify(chunkmap.scan(str(path), inline_threshold=0), decode="all", compare=True)
    assert report
    assert report.counts["chunks equal to the original"] == 1
    assert [note.where for note in report.notes if "holds references" in note.message] == ["object/0", "region/0"]


def test_the_command_line_says_the_same(path, stored):
    """Text for people, JSON for programs, exit status 0 and 1; a set that is not there is one line."""
    good = CliRunner().invoke(command, ["verify", stored, "--compare"])
    assert good.exit_code == 0
    assert "nothing is wrong" in good.output
    remove(path, stored)
    bad = CliRunner().invoke(command, ["verify", stored, "--json"])
    assert bad.exit_code == 1
    document = json.loads(bad.output)
    assert document["ok"] is False
    assert document["failures"][0]["where"] == str(path)
    assert CliRunner().invoke(command, ["verify", f"{stored}-not"]).exit_code == 1


def test_options_that_make_no_sense_are_refused(path):
    """Named with what was expected."""
    with pytest.raises(ValueError, match="expected 'none', 'sample' or 'all'"):
        verify(str(path), decode="some")
    with pytest.raises(ValueError, match="expected 1 or more"):
        verify(str(path), sample=0)
