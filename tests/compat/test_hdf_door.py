"""kerchunk's door to HDF5: its names, parameters, and return values."""

import inspect
import io
import json
import warnings

import fsspec
import h5py
import hdf5plugin
import numpy as np
import pytest
import xarray as xr
import zarr
from numcodecs import Shuffle, Zlib

from chunkmap.errors import FormatError
from kerchunk import hdf
from kerchunk.hdf import Hdf5FeatureNotSupported, SingleHdf5ToZarr
from kerchunk.utils import refs_as_store

SIGNATURE = {
    "h5f": inspect.Parameter.empty,
    "url": None,
    "spec": 1,
    "inline_threshold": 500,
    "storage_options": None,
    "error": "warn",
    "vlen_encode": "embed",
    "out": None,
    "unsupported_inline_threshold": None,
}


@pytest.fixture
def path(tmp_path):
    """A file with a group, a soft link, and plain, chunked and text datasets."""
    name = str(tmp_path / "a.h5")
    with h5py.File(name, "w") as f:
        f["i"] = np.arange(600)
        f["i"].attrs["units"] = "m"
        f["i"].attrs["_FillValue"] = np.int64(5)
        f["texts"] = ["a", "bb", ""]
        f.create_dataset(
            "g/z", data=np.random.default_rng(0).random(4000, "f4"), chunks=(2000,), compression=4, shuffle=True
        )
        f["g"].attrs["a"] = "b"
        f["g/link"] = h5py.SoftLink("/i")
    return name


def parsed(refs):
    """The refs with Zarr's documents read."""
    return {k: json.loads(v) if k.rpartition("/")[2].startswith(".z") else v for k, v in refs["refs"].items()}


def test_names_and_signatures():
    """What scripts import and pass is there, in kerchunk's order and with its defaults."""
    parameters = inspect.signature(SingleHdf5ToZarr).parameters
    assert {name: p.default for name, p in parameters.items()} == SIGNATURE
    translate = inspect.signature(SingleHdf5ToZarr.translate).parameters
    assert translate["preserve_linked_dsets"].default is False
    assert issubclass(Hdf5FeatureNotSupported, RuntimeError)
    assert hdf.has_visititems_links() is True
    assert {"CLASS", "DIMENSION_LIST", "_Netcdf4Dimid"} <= hdf._HIDDEN_ATTRS


def test_the_dictionary_of_a_file(path):
    """Version 1, as kerchunk 0.2.10 gives it for the same file, but for the names of the axes."""
    refs = parsed(SingleHdf5ToZarr(path).translate())
    with h5py.File(path) as f:
        chunks = [f["g/z"].id.get_chunk_info(n) for n in range(2)]
        start = f["i"].id.get_offset()
    common = {"order": "C", "dimension_separator": ".", "compressor": None, "zarr_format": 2}
    shuffle = [{"id": "shuffle", "elementsize": 4}, {"id": "zlib", "level": 4}]
    assert refs == {
        ".zgroup": {"zarr_format": 2},
        ".zattrs": {},
        "g/.zgroup": {"zarr_format": 2},
        "g/.zattrs": {"a": "b"},
        "i/.zarray": {"shape": [600], "chunks": [600], "dtype": "<i8", "fill_value": 5, "filters": None, **common},
        "i/.zattrs": {"_ARRAY_DIMENSIONS": ["phony_dim_0"], "units": "m"},
        "i/0": [path, start, 4800],
        "g/z/.zarray": {
            "shape": [4000],
            "chunks": [2000],
            "dtype": "<f4",
            "fill_value": None,
            "filters": shuffle,
            **common,
        },
        "g/z/.zattrs": {"_ARRAY_DIMENSIONS": ["phony_dim_2"]},
        **{f"g/z/{n}": [path, c.byte_offset, c.size] for n, c in enumerate(chunks)},
        "texts/.zarray": {
            "shape": [3],
            "chunks": [3],
            "dtype": "|O",
            "fill_value": None,
            "filters": [{"id": "vlen-utf8"}],
            **common,
        },
        "texts/.zattrs": {"_ARRAY_DIMENSIONS": ["phony_dim_1"]},
        "texts/0": "\x03\0\0\0\x01\0\0\0a\x02\0\0\0bb\0\0\0\0",
    }


def test_what_may_be_passed_in(path, tmp_path):
    """A path, a Path, an open file, an fsspec file, bytes, an h5py file and a group all give the same references."""
    expected = SingleHdf5ToZarr(path, url="ignored").translate()
    assert SingleHdf5ToZarr(tmp_path / "a.h5").translate() == expected
    content = (tmp_path / "a.h5").read_bytes()
    with (
        (tmp_path / "a.h5").open("rb") as file,
        fsspec.open(path) as opened,
        h5py.File(path) as f,
        h5py.File(io.BytesIO(content)) as g,
    ):
        for given in (file, opened, io.BytesIO(content), f, g):
            translator = SingleHdf5ToZarr(given, path)
            assert translator.translate() == expected
            translator.close()
        assert SingleHdf5ToZarr(file).translate()["refs"]["i/0"][0] is None
        group = SingleHdf5ToZarr(f["g"], path).translate()["refs"]
    assert {k: v for k, v in group.items() if k.startswith("g/")} == {
        k: v for k, v in expected["refs"].items() if k.startswith("g/")
    }
    assert set(group) - set(expected["refs"]) == set()
    assert json.loads(group[".zattrs"]) == {"a": "b"}
    with pytest.raises(ValueError, match="type of input `h5f` not recognised"):
        SingleHdf5ToZarr(3)
    with pytest.raises(FileNotFoundError):
        SingleHdf5ToZarr(str(tmp_path / "nope.h5"))


def test_a_remote_file(path, tmp_path):
    """A URL is opened through fsspec, with the options given, and stands in the references."""
    with fsspec.open("memory://door/a.h5", "wb") as f:
        f.write((tmp_path / "a.h5").read_bytes())
    refs = SingleHdf5ToZarr("memory://door/a.h5", storage_options={}).translate()["refs"]
    assert refs["i/0"][0] == "memory://door/a.h5"


def test_out_and_spec(path):
    """`out` is filled, even when it is empty; below version 1 the bare references come back."""
    expected = SingleHdf5ToZarr(path).translate()
    out = {}
    assert SingleHdf5ToZarr(path, out=out).translate()["refs"] is out
    assert out == expected["refs"]
    assert SingleHdf5ToZarr(path, spec=0).translate() == expected["refs"]


def test_out_may_be_a_parquet_store(path, tmp_path):
    """A LazyReferenceMapper is filled and flushed, and reads back."""
    pytest.importorskip("kerchunk.df")
    from fsspec.implementations.reference import LazyReferenceMapper

    root = str(tmp_path / "a.parq")
    out = LazyReferenceMapper.create(root, record_size=10)
    SingleHdf5ToZarr(path, out=out).translate()
    fs = fsspec.filesystem("reference", fo=root, remote_protocol="file")
    with xr.open_zarr(fs.get_mapper(""), consolidated=False) as opened:
        assert opened["i"].values[3] == 3


def test_links(path):
    """Linked datasets are there when asked for, under their own names."""
    assert "g/link/.zarray" not in SingleHdf5ToZarr(path).translate()["refs"]
    refs = SingleHdf5ToZarr(path).translate(preserve_linked_dsets=True)["refs"]
    assert refs["g/link/0"] == refs["i/0"]


def test_inline_threshold(path):
    """0 and None hold nothing inline; a large number holds everything."""
    assert SingleHdf5ToZarr(path, inline_threshold=1e9).translate()["refs"]["i/0"].startswith("base64:")
    for none in (0, None):
        assert SingleHdf5ToZarr(path, inline_threshold=none).translate()["refs"]["g/z/0"][0] == path


def test_small_datasets_without_a_codec(tmp_path):
    """Below the threshold they are read by h5py and held inline; what is larger is left out."""
    path = str(tmp_path / "a.h5")
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=np.zeros(100, "<f4"), chunks=(10,), **hdf5plugin.SZ3(absolute=0.1))
        f["v"].attrs["units"] = "m"
    refs = parsed(SingleHdf5ToZarr(path, unsupported_inline_threshold=401, error="raise").translate())
    assert refs["v/.zarray"]["chunks"] == [100]
    assert refs["v/.zarray"]["filters"] is None
    assert refs["v/.zattrs"]["units"] == "m"
    opened = xr.open_dataset(
        "reference://", engine="zarr", backend_kwargs={"storage_options": {"fo": refs}, "consolidated": False}
    )
    assert opened["v"].values.tolist() == [0.0] * 100
    with pytest.warns(UserWarning, match="sz3"):
        assert "v/.zarray" not in SingleHdf5ToZarr(path, unsupported_inline_threshold=400).translate()["refs"]


def test_error_modes(tmp_path):
    """What cannot be represented is a warning, nothing, or an exception."""
    path = str(tmp_path / "a.h5")
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=np.zeros(1000), chunks=(10,), **hdf5plugin.SZ3(absolute=0.1))
    with pytest.warns(UserWarning, match="caught and quashed while traversing HDF5\n.*sz3"):
        assert "v/.zarray" not in SingleHdf5ToZarr(path).translate()["refs"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SingleHdf5ToZarr(path, error="ignore").translate()
    with pytest.raises(Hdf5FeatureNotSupported, match="sz3"):
        SingleHdf5ToZarr(path, error="raise").translate()


@pytest.fixture
def lengths(tmp_path):
    """A file with everything of variable length."""
    name = str(tmp_path / "lengths.h5")
    record = np.dtype([("n", "<i4"), ("s", h5py.string_dtype()), ("f", "S4")])
    with h5py.File(name, "w") as f:
        f["one"] = "hello"
        f["texts"] = ["a", "bb", "", "π≈3"]
        f.create_dataset("chunked", data=["x", "yy", "zzz"], dtype=h5py.string_dtype(), chunks=(2,), compression="gzip")
        f.create_dataset("unwritten", (3,), h5py.string_dtype())
        sequences = f.create_dataset("sequences", (2,), h5py.vlen_dtype("<i4"))
        sequences[0] = [1, 2]
        f.create_dataset("records", data=np.array([(1, "one", b"x"), (2, "zw", b"y")], record))
        f["texts"].attrs["words"] = ["a", "b"]
    return name


# kerchunk 0.2.10's chunks of the same file: texts as `vlen-utf8`
EMBEDDED = {
    "one/0": "\x01\0\0\0\x05\0\0\0hello",
    "texts/0": "\x04\0\0\0\x01\0\0\0a\x02\0\0\0bb\0\0\0\0\x06\0\0\0π≈3",
    "chunked/0": "\x02\0\0\0\x01\0\0\0x\x02\0\0\0yy",
    "chunked/1": "\x02\0\0\0\x03\0\0\0zzz\0\0\0\0",
}
TEXTS = {"one": "hello", "texts": ["a", "bb", "", "π≈3"], "chunked": ["x", "yy", "zzz"], "unwritten": ["", "", ""]}


@pytest.mark.parametrize("mode", ["embed", "encode"])
def test_vlen_encode_with_the_values(lengths, mode):
    """Text is held inline, byte for byte as kerchunk embeds it."""
    refs = SingleHdf5ToZarr(lengths, vlen_encode=mode).translate()["refs"]
    for name in TEXTS:
        assert json.loads(refs[f"{name}/.zarray"])["filters"] == [{"id": "vlen-utf8"}]
    chunks = {key: value for key, value in refs.items() if key.split("/")[0] in TEXTS and "/.z" not in key}
    assert chunks == EMBEDDED
    assert json.loads(refs["texts/.zattrs"])["words"] == ["a", "b"]


@pytest.mark.parametrize("mode", ["embed", "encode", "null"])
def test_vlen_encode_as_zarr_reads_it(lengths, mode):
    """Through fsspec and zarr, text is text; with `null` all of it is empty, and attributes are what they are."""
    refs = SingleHdf5ToZarr(lengths, vlen_encode=mode).translate()
    group = zarr.open_group(refs_as_store(refs), mode="r", zarr_format=2)
    for name, want in TEXTS.items():
        found = np.asarray(group[name][()], object)
        assert found.tolist() == (np.full(found.shape, "", object).tolist() if mode == "null" else want)
    records = group["records"][:]
    assert records["n"].tolist() == [1, 2]
    assert records["s"].tolist() == ([b"", b""] if mode == "null" else [b"one", b"zw"])
    assert group["texts"].attrs["words"] == ["a", "b"]


def test_vlen_encode_leave(lengths):
    """References into the heap stay 16 bytes of text, filters as they are; records have them among their members."""
    refs = SingleHdf5ToZarr(lengths, vlen_encode="leave").translate()["refs"]
    for name in ("one", "texts", "chunked", "unwritten", "sequences"):
        assert json.loads(refs[f"{name}/.zarray"])["dtype"] == "|S16"
    assert json.loads(refs["chunked/.zarray"])["filters"] == [{"id": "zlib", "level": 4}]
    assert json.loads(refs["records/.zarray"])["dtype"] == [["n", "<i4"], ["s", "|S16"], ["f", "|S4"]]
    assert refs["texts/0"].startswith("\x01\0\0\0")


def test_vlen_encode_is_checked(path):
    """What is no mode is refused as kerchunk refuses it."""
    with pytest.raises(NotImplementedError):
        SingleHdf5ToZarr(path, vlen_encode="other")


def test_decode_filters_of_a_dataset(path):
    """The private method that others call gives numcodecs codecs, without an instance."""
    with h5py.File(path) as f:
        assert SingleHdf5ToZarr._decode_filters(None, f["g/z"]) == [Shuffle(4), Zlib(4)]
        assert SingleHdf5ToZarr._decode_filters(None, f["i"]) == []


def test_what_is_no_hdf5_is_an_oserror(tmp_path):
    """Scripts for mixed archives try HDF5 first, and catch what h5py raises."""
    (tmp_path / "a.nc").write_bytes(b"CDF\x01" + bytes(100))

    with pytest.raises(OSError, match="HDF5 superblock") as caught:
        SingleHdf5ToZarr(str(tmp_path / "a.nc")).translate()

    assert isinstance(caught.value, FormatError)
