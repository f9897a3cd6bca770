"""Plain elements that are described: what is read through references is what numpy's memmap reads."""

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import FormatError, TruncatedFile
from chunkmap.formats.scanning import scan_source
from chunkmap.frontends.command_line.commands import chunkmap as command
from chunkmap.io import BytesSource

DATA = bytes(range(256)) * 4


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_layout_is_what_numpy_maps(tmp_path_factory, data):
    """Every type, shape, order and offset."""
    path = tmp_path_factory.mktemp("raw") / "a.bin"
    path.write_bytes(DATA)
    dtype = data.draw(st.sampled_from(["u1", "<i2", ">i4", "<f8", ">c8", "S3", "i2,f4"]))
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=4))
    how = {"order": data.draw(st.sampled_from("CF")), "offset": data.draw(st.integers(0, 50))}
    nbytes = data.draw(st.sampled_from([None, 16, 100]))
    refs = chunkmap.scan(path, format="raw", dtype=dtype, shape=shape, chunk_nbytes=nbytes, **how)
    found = read_array(refs.arrays["data"], Fetcher())
    expected = np.memmap(path, dtype, "r", shape=shape or (1,), **how).reshape(shape, order=how["order"])
    assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


def test_arrays_in_records_are_laid_flat(tmp_path):
    """Zarr has no other records; the engine shows them as they were described."""
    values = np.frombuffer(bytes(range(40)), "<i2,(2,)>f4")
    (tmp_path / "a.bin").write_bytes(values.tobytes())
    refs = chunkmap.scan(tmp_path / "a.bin", format="raw", dtype="<i2,(2,)>f4")
    assert refs.arrays["data"].meta.dtype.names == ("f0", "f1[0]", "f1[1]")
    found = chunkmap.open_dataset(refs)["data"].values
    assert found.astype(values.dtype).tobytes() == values.tobytes()


def test_without_a_shape_it_is_all_elements(tmp_path):
    """One axis up to the last whole element, under the names that are given."""
    (tmp_path / "a.bin").write_bytes(DATA[:11])
    with xr.open_dataset(
        tmp_path / "a.bin", engine="chunkmap", format="raw", dtype=">i2", dims=("time",), name="v", offset=2
    ) as found:
        assert found.v.dims == ("time",)
        np.testing.assert_array_equal(found.v, np.frombuffer(DATA[2:10], ">i2"))


def test_on_the_command_line(tmp_path):
    """Axes are words parted by commas."""
    (tmp_path / "a.bin").write_bytes(DATA)
    words = ["scan", str(tmp_path / "a.bin"), "--format", "raw", "-o", str(tmp_path / "a.json")]
    for option in ("dtype=<f4", "shape=2,3,4", "dims=t,y,x", "name=v"):
        words += ["--option", option]
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    meta = chunkmap.load(str(tmp_path / "a.json")).arrays["v"].meta
    assert (meta.shape, meta.dims, meta.dtype) == ((2, 3, 4), ("t", "y", "x"), np.dtype("<f4"))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"dtype": "nope"}, "dtype is 'nope'"),
        ({"dtype": "O"}, "plain elements"),
        ({"shape": (-1,)}, "shape is"),
        ({"shape": (2,), "dims": ("a", "b")}, "expected 1 different names"),
        ({"order": "K"}, "order is 'K'"),
        ({"offset": -1}, "offset is -1"),
        ({"shape": (2.5,)}, "whole numbers"),
        ({"dtype": "M8"}, "a unit of time"),
        ({"chunk_nbytes": 0}, "chunk_nbytes is 0"),
        ({"name": ""}, "name is ''"),
        ({"name": "a/../b"}, "name is 'a/../b'"),
        ({"name": "/a"}, "name is '/a'"),
    ],
)
def test_descriptions_that_are_none(how, words):
    """They are a ValueError that says what was expected."""
    with pytest.raises(ValueError, match=words):
        scan_source(BytesSource(DATA, "a"), format="raw", **how)


def test_bytes_in_no_array_are_a_problem():
    """What comes after the array, or is no whole element, is named; where nothing does, nothing is said."""
    for how, left in (({"shape": (3,)}, 4), ({"offset": 1}, 1), ({}, 0), ({"offset": 10}, 0)):
        refs = scan_source(BytesSource(bytes(10), "a.bin"), format="raw", dtype="<i2", **how)
        assert [problem.feature for problem in refs.problems] == ["bytes after the array"] * bool(left)
        assert all(f"the {left} bytes from byte {10 - left} " in problem.message for problem in refs.problems)
    with pytest.raises(TruncatedFile, match="begins at byte 11, but the file ends at byte 10"):
        scan_source(BytesSource(bytes(10), "a.bin"), format="raw", offset=11)


def test_a_file_that_is_shorter_is_refused():
    """What is described beyond the end is never a reference; and nobody guesses that a file is raw."""
    with pytest.raises(TruncatedFile, match="cut short"):
        scan_source(BytesSource(DATA, "a"), format="raw", shape=(1025,))
    with pytest.raises(FormatError, match='format="raw"'):
        scan_source(BytesSource(DATA, "a.dat"))
