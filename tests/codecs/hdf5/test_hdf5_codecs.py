"""The codecs of HDF5's filters: ids, configurations and stored bytes that never change."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import h5py
import hdf5plugin
import numcodecs
import numpy as np
import pytest

import chunkmap
from chunkmap.codecs import register
from chunkmap.errors import Unsupported

register()


def golden():
    """The table beside this file, which is no package."""
    spec = spec_from_file_location("golden_hdf5", Path(__file__).with_name("golden_hdf5.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.GOLDEN


GOLDEN = golden()
ONLY_READ = {"hdf5_blosc2", "hdf5_zfp", "hdf5_jpegls", "hdf5_htj2k"}


@pytest.mark.parametrize("name", GOLDEN)
def test_stored_bytes_decode(name):
    """What HDF5 wrote decodes to what HDF5 reads, now and in every later version."""
    config, stored, decoded = GOLDEN[name]
    codec = numcodecs.get_codec(json.loads(json.dumps(config)))
    assert codec.get_config() == config
    assert np.asarray(codec.decode(bytes.fromhex(stored))).tobytes() == bytes.fromhex(decoded)


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_encoded_decodes(name):
    """What fills a chunk never written decodes to the same; codecs that only read say so."""
    config, _, decoded = GOLDEN[name]
    codec, data = numcodecs.get_codec(dict(config)), bytes.fromhex(decoded)
    if config["id"] in ONLY_READ or config.get("compression"):
        with pytest.raises(NotImplementedError):
            codec.encode(data)
    else:
        assert np.asarray(codec.decode(codec.encode(data))).tobytes() == data


FILTERS = [
    name
    for name in GOLDEN
    if GOLDEN[name][0]["id"]
    not in ("hdf5_text", "hdf5_float", "hdf5_integer", "hdf5_long_double", "hdf5_htj2k", "hdf5_shuffle")
]


@pytest.mark.parametrize("name", FILTERS)
def test_stored_bytes_that_are_cut_short(name):
    """A codec that cannot have all of its chunk raises, or gives as many bytes as it should: never fewer."""
    config, stored, _ = GOLDEN[name]
    codec = numcodecs.get_codec(dict(config))
    raw = bytes.fromhex(stored)
    for length in {0, 1, len(raw) // 4, len(raw) // 2}:
        try:
            data = codec.decode(raw[:length])
        except Unsupported:
            raise
        except Exception:  # noqa: BLE001 - numcodecs leaves it to codecs what they raise
            continue
        assert config["id"] in ("hdf5_zfp", "hdf5_bitshuffle"), (name, length, len(data))


@pytest.mark.parametrize("how", [{"rate": 8}, {"precision": 12}, {"accuracy": 0.01}, {"reversible": True}])
@pytest.mark.parametrize("shape", [(40_000,), (200, 200), (32, 33, 34), (12, 13, 14, 15)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8"])
def test_zfp_reads_nothing_behind_a_stream_that_is_cut_short(tmp_path, how, shape, dtype):
    """It knows no end: what it reads there is zeros, and not what happens to stand in memory."""
    if dtype[0] == "i" and "accuracy" in how:
        return  # of floats only
    values = (np.random.default_rng(0).normal(0, 100, shape)).astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("x", data=values, chunks=shape, **hdf5plugin.Zfp(**how))
        raw, expected = dataset.id.read_direct_chunk((0,) * len(shape))[1], dataset[()]
    codec = numcodecs.get_codec(dict(chunkmap.scan(str(tmp_path / "a.h5")).arrays["x"].meta.codecs[0]))
    assert codec.decode(raw) == expected.tobytes()
    junk = [b"\xa5" * (len(raw) // n) for n in (1, 2, 3, 4) for _ in range(9)]
    del junk
    assert codec.decode(raw[: len(raw) // 2]) == codec.decode(raw[: len(raw) // 2] + bytes(2 * len(raw)))
    assert codec.decode(b"") == codec.decode(bytes(2 * len(raw)))


def test_zfp_takes_no_memory_for_what_its_header_claims():
    """A chunk of HDF5 has less than 4 GB."""
    with pytest.raises(ValueError, match="no chunk is of as many bytes"):
        numcodecs.get_codec({"id": "hdf5_zfp", "header": [91252346, 4294967282, 7344127]}).decode(b"")


def test_a_picture_without_its_end_is_refused_at_once():
    """A stream of JPEG-LS that is cut short is not handed to a decoder that would look for its bits for ten seconds."""
    config, stored, _ = GOLDEN["jpegls"]
    codec, raw = numcodecs.get_codec(dict(config)), bytes.fromhex(stored)
    for length in range(len(raw)):
        with pytest.raises(ValueError, match=r"expected the end of a picture \(FF D9\)"):
            codec.decode(raw[:length])
