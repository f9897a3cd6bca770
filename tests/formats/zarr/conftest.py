"""Stores of zarr-python's making, scanned, and compared with what zarr-python reads from them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

import chunkmap
from chunkmap.formats.zarr import Options, parse
from chunkmap.io import LocalFolder
from chunkmap.io.rounds import Together
from chunkmap.io.rounds.folders import answered
from chunkmap.model import WHOLE_FILE, ReferenceSet

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
CRC32C = {"name": "crc32c"}


def scan(root, *, asked=None, **options):
    """The references of a store on the disk; `asked` gathers the requests of the parser."""
    if asked is None:
        return chunkmap.scan(root, inline_threshold=0, **options)
    folder = LocalFolder(root)
    found = answered(folder, recorded(parse(folder, Options(**options)), asked))
    return ReferenceSet(found.arrays, found.groups, found.problems)


def recorded(parser, asked):
    """The same parser, and those that it runs side by side; their requests are gathered."""
    value = None
    while True:
        try:
            request = parser.send(value)
        except StopIteration as stop:
            return stop.value
        if isinstance(request, Together):
            request = Together([recorded(below, asked) for below in request.parsers])
        else:
            asked.append(request)
        value = yield request


def arrays_of(node):
    """The arrays of zarr-python's node, by path."""
    if isinstance(node, zarr.Array):
        return {"": node}
    return {path: below for path, below in node.members(max_depth=None) if isinstance(below, zarr.Array)}


def check(root, refs=None):
    """Scan a store, and check that every array reads as zarr-python reads the original; gives the set."""
    refs = scan(root) if refs is None else refs
    assert not refs.problems, refs.problems
    assert_same(refs, zarr.open(root, mode="r"))
    return refs


def assert_same(refs, node, **how):
    """Every array reads through references as zarr-python reads the original."""
    expected, found = arrays_of(node), arrays_of(zarr.open(chunkmap.open_store(refs, **how), mode="r"))
    assert found.keys() == expected.keys()
    for path, array in expected.items():
        values = np.asarray(array[...])
        np.testing.assert_array_equal(np.asarray(found[path][...]), values)
        assert found[path].dtype == array.dtype
        assert _plain(found[path]) == _plain(array)
        lengths = refs.arrays[path].chunks.length
        assert not (lengths == np.uint64(WHOLE_FILE)).any()


def _plain(array):
    """The attributes, but for the NaN that a fill value of NaN becomes."""
    attrs = dict(array.attrs)
    if np.dtype(array.dtype).kind == "f" and array.fill_value != array.fill_value:
        attrs.pop("_FillValue", None)
    return attrs


def with_codecs(root, codecs, *, shape=(37, 23), grid=(10, 12), dtype="float32"):
    """An array of Zarr v3 with these codecs, of which some chunks are all fill value."""
    (root / "a").mkdir(parents=True)
    zarr.open_group(root, mode="w", zarr_format=3)
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(grid)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 7,
        "codecs": codecs,
        "attributes": {},
    }
    (root / "a").mkdir(exist_ok=True)
    (root / "a/zarr.json").write_text(json.dumps(document))
    values = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    values.reshape(-1)[: values.size // 3] = 7
    zarr.open_group(root, mode="r+")["a"][...] = values
    return values


def sharding(chunks, codecs, index_codecs=(LITTLE, CRC32C), location="end"):
    """The codec of shards."""
    return {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": list(chunks),
            "codecs": list(codecs),
            "index_codecs": list(index_codecs),
            "index_location": location,
        },
    }


@pytest.fixture(scope="session")
def stores():
    """The functions above, and codecs of Zarr v3."""
    return SimpleNamespace(
        scan=scan,
        check=check,
        values=assert_same,
        with_codecs=with_codecs,
        sharding=sharding,
        little=LITTLE,
        big=BIG,
        crc32c=CRC32C,
    )
