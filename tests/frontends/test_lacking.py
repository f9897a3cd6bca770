"""What is said of a dataset that has less than its file: arrays that a scan left out."""

import warnings
import zipfile

import h5py
import numpy as np
import pytest
import tifffile
import xarray as xr
import zarr

import chunkmap


def said(what, opened=xr.open_dataset, **how):
    """The warnings of opening something by the engine."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        opened(what, engine="chunkmap", **how).close()
    assert {one.category for one in caught} <= {UserWarning}
    assert {one.filename for one in caught} <= {__file__}
    return [str(one.message) for one in caught]


@pytest.fixture
def lossy(tmp_path):
    """A file with arrays that no reference gives, in two groups, and with what is no array that would be missed."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["good"] = np.arange(3.0)
        file["again"] = file["good"]
        file["type"] = np.dtype("<i4")
        for name in ("long", "longer", "g/l0", "g/l1", "g/l2", "g/l3"):
            file[name] = np.arange(3, dtype=np.longdouble)
        file["g/good"] = np.arange(3.0)
        file["h/good"] = np.arange(3.0)
    return tmp_path / "a.h5"


def test_arrays_that_are_left_out_are_named_with_the_reason(lossy):
    """Of a file one warning says how many arrays of the group are missing, which, and why; of what is none, nothing."""
    (text,) = said(lossy)
    assert text.startswith(f"{lossy}: 2 arrays are left out. 'long': left out: ")
    assert "; 'longer': left out: " in text
    assert text.count("long double") == 2
    assert not said(lossy, group="h")
    assert said(lossy, drop_variables="long")[0].startswith(f"{lossy}: 1 array is left out. 'longer': ")
    assert not said(lossy, drop_variables=["long", "longer"])
    assert not said(lossy, long_doubles="float64")


def test_a_store_says_so_of_all_groups(lossy, tmp_path):
    """Who opens a set as a Zarr store is told of every array that was left out, from a file and from what is stored."""
    chunkmap.write(chunkmap.scan(str(lossy)), str(tmp_path / "a.parq"))
    for what in (str(lossy), str(tmp_path / "a.parq")):
        with pytest.warns(UserWarning, match="6 arrays are left out") as caught:
            chunkmap.open_store(what)
        assert [one.filename for one in caught] == [__file__]


def test_few_of_many_have_their_reason(lossy):
    """Where many arrays are missing three are named, and how many more there are; a tree is told of all its groups."""
    (text,) = said(lossy, group="g")
    assert ": 4 arrays are left out. 'g/l0': " in text
    assert "'g/l2': " in text
    assert "'g/l3': " not in text
    assert text.endswith("; and 1 more, which `problems` of the set names")
    (text,) = said(lossy, opened=xr.open_datatree)
    assert ": 6 arrays are left out. " in text
    (text,) = said(lossy, opened=xr.open_datatree, group="g")
    assert ": 4 arrays are left out. " in text


@pytest.mark.parametrize("name", ["a.json", "a.parq"])
def test_sets_remember_what_was_left_out(lossy, tmp_path, name):
    """A set in memory and a stored one, which another process may open, say of the file what the file says."""
    refs = chunkmap.scan(lossy)
    assert said(refs) == said(lossy)
    chunkmap.write(refs, tmp_path / name)
    (text,) = said(tmp_path / name)
    assert text == said(lossy)[0].replace(str(lossy), str(tmp_path / name), 1)
    kept = chunkmap.load(tmp_path / name)
    assert list(kept.left_out) == list(refs.left_out)
    assert not said({key: chunkmap.load(tmp_path / name).to_dict()[key] for key in ("version", "refs")})


def test_every_format_says_so(tmp_path):
    """Deflated shards in an archive, objects of Python in an npz, a page of a TIFF: each is named beside the rest."""
    group = zarr.open_group(tmp_path / "s", mode="w", zarr_format=3)
    group.create_array("x", shape=(4,), chunks=(4,), dtype="i4", dimension_names=["x"])[:] = np.arange(4)
    group.create_array("lost", shape=(4,), chunks=(2,), shards=(4,), dtype="i4", dimension_names=["x"])[:] = 1
    with zipfile.ZipFile(tmp_path / "s.zarr.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((tmp_path / "s").rglob("*")):
            archive.write(file, file.relative_to(tmp_path / "s"))
    np.savez(tmp_path / "a.npz", x=np.arange(3), lost=np.array([{}], object))
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(np.ones((16, 16), "u1"))
        tiff.write(np.ones((8, 8), "u1"))
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tiff:
        tiff.pages[1].tags["Compression"].overwrite(32766)
    for name, group, lost, why in (
        ("s.zarr.zip", None, "lost", "shards='whole'"),
        ("a.npz", None, "lost", "object"),
        ("a.tif", "image_1", "image_1/image", "compression"),
    ):
        (text,) = said(tmp_path / name, group=group)
        assert f"{name}: 1 array is left out. {lost!r}: " in text
        assert why in text


def test_what_is_said_of_an_array_moves_with_it(tmp_path):
    """Arrays of several chunk lengths that are put apart are not missing, whatever is said of their attributes."""
    for number, length in enumerate((3, 2, 3)):
        with h5py.File(tmp_path / f"{number}.nc", "w") as file:
            file["t"] = np.arange(length) + 10.0 * number
            file.create_dataset("v", data=np.arange(length) * 1.0, chunks=(length,), compression="gzip")
            file["t"].make_scale("t")
            file["v"].dims[0].attach_scale(file["t"])
            file["v"].attrs["odd"] = np.longdouble(1)
    sets = [chunkmap.scan(tmp_path / f"{number}.nc", inline_threshold=0) for number in range(3)]
    joined = chunkmap.combine(sets, concat_dims=["t"], uneven_group="uneven", load_below=0, zarr_format=3)
    assert {problem.path for problem in joined.problems} == {"uneven/v"}
    assert not joined.left_out
