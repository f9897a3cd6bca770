"""The door `kerchunk.zarr`."""

import json
import zipfile

import fsspec
import numpy as np
import pytest
import zarr

from kerchunk.utils import consolidate, refs_as_store
from kerchunk.zarr import ZarrToZarr, single_zarr


@pytest.fixture(params=[2, 3])
def path(tmp_path, request):
    """A store with a group in it."""
    path = tmp_path / "a.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=request.param, attributes={"title": "t"})
    group.create_array("x", shape=(40,), chunks=(30,), dtype="f8")[:] = np.arange(40)
    group.create_array("g/y", shape=(3,), dtype="i4", fill_value=7)
    return path


def same(document, path):
    """References that read as the store does."""
    json.dumps(document)
    version = zarr.open_group(path).metadata.zarr_format
    store = refs_as_store(document, remote_protocol="file")
    found = zarr.open_group(store, mode="r", zarr_format=version, use_consolidated=False)
    assert found.attrs.asdict() == {"title": "t"}
    np.testing.assert_array_equal(found["x"][:], np.arange(40))
    np.testing.assert_array_equal(found["g/y"][:], [7, 7, 7])


@pytest.mark.parametrize("inline_threshold", [0, 100, 10**6])
def test_a_url_gives_version_1(path, inline_threshold):
    """A path is named as kerchunk names it; chunks have their lengths, and are held inline below the threshold."""
    document = single_zarr(str(path), inline_threshold=inline_threshold)
    assert document["version"] == 1
    same(document, path)
    ranges = [value for value in document["refs"].values() if isinstance(value, list)]
    assert len(ranges) == (0 if inline_threshold == 10**6 else 2 if not inline_threshold else len(ranges))
    assert all(value[0].startswith(f"file://{path}/x/") and len(value) == 3 for value in ranges)
    assert single_zarr(str(path), inline=inline_threshold) == document


def test_a_mapper_gives_the_same(path):
    """A mapper of fsspec is scanned where it looks."""
    assert single_zarr(fsspec.get_mapper(str(path))) == single_zarr(f"file://{path}")


def test_out_is_filled_even_when_empty(path):
    """A mapping given as `out` receives the references; one that stores them is flushed, and is what comes back."""

    class Flushing(dict):
        flushed = False

        def flush(self):
            self.flushed = True

    out, plain = Flushing(), {}
    assert single_zarr(str(path), out=out) is out
    assert out.flushed
    assert single_zarr(str(path), out=plain)["refs"] is plain
    assert plain == dict(out) == single_zarr(str(path))["refs"]


def test_the_class_takes_archives(path, tmp_path):
    """`ZarrToZarr` takes `zip://` with the file among the options, and gives ranges of the archive."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for file in path.rglob("*"):
            if file.is_file():
                zipped.write(file, file.relative_to(path).as_posix())
    scanner = ZarrToZarr("zip://", storage_options={"fo": str(archive)}, inline_threshold=0)
    assert "single_zarr" in repr(scanner)
    document = scanner.translate()
    same(document, path)
    assert {value[0] for value in document["refs"].values() if isinstance(value, list)} == {str(archive)}
    same(consolidate(document["refs"]) | document, path)


def test_problems_are_warnings(path):
    """What is left out is said."""
    document = path / "x" / ("zarr.json" if (path / "zarr.json").is_file() else ".zarray")
    text = json.loads(document.read_text())
    if "codecs" not in text:
        pytest.skip("Zarr v2 knows no shards")
    document.write_text(json.dumps(text | {"data_type": "bfloat16"}))
    with pytest.warns(UserWarning, match="bfloat16"):
        assert "x/zarr.json" not in single_zarr(str(path))["refs"]


def test_a_file_is_no_store(tmp_path):
    """A file that is no archive is refused."""
    (tmp_path / "a.txt").write_text("hello, is there anybody out there?")
    with pytest.raises(ValueError, match="expected a Zarr store"):
        single_zarr(str(tmp_path / "a.txt"))
