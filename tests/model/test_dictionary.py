"""kerchunk's dictionaries: what is written is read back, what others wrote is understood, what is wrong is named."""

import base64
import gc
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.errors import StorageError, Unsupported
from chunkmap.model import WHOLE_FILE, ArrayMeta, ChunkManifest, ManifestArray, Precedent, ReferenceSet


def zarray(shape=(4,), chunks=(2,), dtype="<i2", **more):
    entries = {"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype, "order": "C"}
    return json.dumps(entries | {"compressor": None, "filters": None, "fill_value": None} | more)


def one(refs, **more):
    return ReferenceSet.from_dict({"x/.zarray": zarray(**more), **refs}).arrays["x"]


@st.composite
def sets(draw):
    """A reference set of a few arrays in a few groups."""
    arrays = {}
    for path in draw(st.lists(st.sampled_from(["a", "b", "g/a", "g/h/c"]), unique=True)):
        shape = draw(st.lists(st.integers(0, 5), max_size=3).map(tuple))
        chunk = tuple(draw(st.integers(1, 3)) for _ in shape)
        meta = ArrayMeta(
            shape=shape,
            chunk_shape=chunk,
            dtype=np.dtype("<f4"),
            dims=draw(st.sampled_from([None, tuple("xyz"[: len(shape)])])),
            fill_value=draw(st.sampled_from([None, np.float32("nan"), np.float32(1e20), np.float32("-inf")])),
            filters=draw(st.sampled_from([(), ({"id": "shuffle", "elementsize": 4},)])),
            compressor=draw(st.sampled_from([None, {"id": "zlib", "level": 4}])),
            attrs=draw(st.sampled_from([{}, {"units": "K", "n": float("nan"), "l": [1, 2]}])),
        )
        cells = [c for c in np.ndindex(*meta.grid_shape) if draw(st.booleans())]
        sources = [draw(st.sampled_from(["s3://b/a.nc", "b.nc", b"\xff\0", b"text", b"base64:x", b""])) for _ in cells]
        whole = [isinstance(s, str) and draw(st.booleans()) for s in sources]
        lengths = [
            len(s) if isinstance(s, bytes) else WHOLE_FILE if w else 7 for s, w in zip(sources, whole, strict=True)
        ]
        offsets = [0 if isinstance(s, bytes) or w else 2**40 for s, w in zip(sources, whole, strict=True)]
        arrays[path] = ManifestArray(meta, ChunkManifest.from_rows(meta.grid_shape, cells, sources, offsets, lengths))
    groups = {"": {"title": "t"}} | {p: {} for p in ("g", "g/h") if any(a.startswith(f"{p}/") for a in arrays)}
    return ReferenceSet(arrays, groups)


@given(sets())
def test_dictionary_round_trip(refs):
    """A set written as a dictionary, through JSON, is the same set when it is read back."""
    document = json.loads(json.dumps(refs.to_dict()))
    again = ReferenceSet.from_dict(document)
    assert again == refs
    assert again.to_dict() == refs.to_dict()


@given(st.lists(sets(), max_size=4), st.data())
def test_a_precedent_changes_nothing(series, data):
    """Sets read one after the other, with what was read of the last one at hand, are those read alone."""
    documents = [refs.to_dict()["refs"] for refs in series]
    documents = data.draw(st.lists(st.sampled_from(documents), max_size=6)) if documents else []
    precedent = Precedent()

    found = [ReferenceSet.from_dict(refs, precedent=precedent) for refs in documents]

    assert found == [ReferenceSet.from_dict(refs) for refs in documents]


def test_a_precedent_of_other_documents():
    """The same keys under other documents are read anew: another shape, other attributes, another type."""
    precedent = Precedent()
    others = [{}, {"dtype": "<f4"}, {"shape": (6,), "chunks": (2,)}, {"shape": (3, 2), "chunks": (2, 2)}]
    for document in others:
        refs = {"x/.zarray": zarray(**document), "x/.zattrs": f'{{"n":{len(document)}}}', "x/0": "ab"}
        found = ReferenceSet.from_dict(refs, precedent=precedent)
        assert found == ReferenceSet.from_dict(refs)
        assert len(found.problems) == (document.get("shape") == (3, 2))


@pytest.mark.parametrize("values", [["1", "1.0", "true"], ["NaN", "null"], ['"1"', "1"], ["[1]", "[1.0]"]])
def test_a_precedent_of_parsed_documents(values):
    """What JSON became and only looks equal to Python is read anew, and what is the same is the same object."""
    precedent = Precedent(are_parsed=True)
    for value in values:
        refs = {"x/.zarray": json.loads(zarray()), "x/.zattrs": json.loads(f'{{"n":{value}}}')}
        first, second = (ReferenceSet.from_dict(refs, precedent=precedent).arrays["x"].meta for _ in range(2))
        assert first is second
        assert repr(first.attrs["n"]) == repr(json.loads(value))


def test_a_precedent_of_parsed_documents_tells_text_from_what_it_became():
    """Text that is no JSON is refused, though what was read before is printed so."""
    precedent = Precedent(are_parsed=True)
    refs = {"x/.zarray": json.loads(zarray()), "x/.zattrs": {"n": 1}}
    ReferenceSet.from_dict(refs, precedent=precedent)
    with pytest.raises(StorageError, match=r"x/\.zattrs: expected a JSON document"):
        ReferenceSet.from_dict({**refs, "x/.zattrs": "{'n': 1}"}, precedent=precedent)


def test_written_form_is_kerchunks():
    """Documents are JSON text, ranges are lists, inline bytes are text or base64, whole files have no range."""
    chunks = ChunkManifest.from_rows(
        (4,), [[0], [1], [2], [3]], ["a.nc", "b.nc", b"ab", b"\xff"], [1, 0, 0, 0], [4, WHOLE_FILE, 2, 1]
    )
    meta = ArrayMeta(shape=(4,), chunk_shape=(1,), dtype=np.dtype("<i2"), dims=("x",), attrs={"_ARRAY_DIMENSIONS": 1})
    refs = ReferenceSet({"g/x": ManifestArray(meta, chunks)}).to_dict()
    assert refs["version"] == 1
    assert refs["refs"][".zgroup"] == refs["refs"]["g/.zgroup"] == '{"zarr_format":2}'
    assert json.loads(refs["refs"]["g/x/.zattrs"]) == {"_ARRAY_DIMENSIONS": ["x"]}
    found = [refs["refs"][f"g/x/{n}"] for n in range(4)]
    assert found == [["a.nc", 1, 4], ["b.nc"], "ab", "base64:/w=="]


def test_kinds_of_values_that_others_write():
    """Bytes, text, base64, JSON values, tuples and whole files are all understood; a missing URL is the empty one."""
    found = one(
        {
            "x/0": b"ab",
            "x/1": "base64:" + base64.b64encode(b"\xff\xfe").decode(),
            "x/2": ("a.nc", 5, 6),
            "x/3": ["a.nc"],
            "x/4": [None, 1, 2],
            "x/5": bytearray(b"cd"),
        },
        shape=(12,),
    ).chunks
    assert found.inline_bytes(0) == b"ab"
    assert found.inline_bytes(1) == b"\xff\xfe"
    assert found[2] == ("a.nc", 5, 6)
    assert found[3] == ("a.nc", 0, WHOLE_FILE)
    assert found[4] == ("", 1, 2)
    assert found.inline_bytes(5) == b"cd"


def test_keys_with_slashes_between_numbers():
    """Chunk keys with `/` between their numbers belong to the array above them."""
    found = one({"x/0/1": ["a.nc", 1, 2], "x/1/0": ["a.nc", 3, 4]}, shape=(4, 4), chunks=(2, 2))
    assert found.chunks[0, 1] == ("a.nc", 1, 2)
    assert found.chunks[1, 0] == ("a.nc", 3, 4)


def test_array_at_the_root():
    """An array may be all that a set is."""
    refs = ReferenceSet.from_dict({".zarray": zarray(), "0": ["a.nc", 0, 4], "1": ["a.nc", 4, 4]})
    assert refs.arrays[""].chunks[1] == ("a.nc", 4, 4)
    assert set(refs.to_dict()["refs"]) == {".zarray", ".zattrs", "0", "1"}
    assert ReferenceSet.from_dict(refs.to_dict()) == refs


def test_templates_are_filled_in_and_nothing_is_run():
    """Names in double braces become the templates' text; unknown names, and programs, are refused."""
    refs = {"x/.zarray": zarray(), "x/0": ["{{u}}/a.nc", 0, 4], "x/1": ["{{ u }}/b.nc", 0, 4]}
    document = {"version": 1, "templates": {"u": "s3://b"}, "refs": refs}
    assert ReferenceSet.from_dict(document).arrays["x"].chunks.urls == ("s3://b/a.nc", "s3://b/b.nc")
    for wrong in ({"templates": {"u": "{{c}}.nc"}}, {"templates": {"u": "{% if 1 %}"}}, {"templates": {"v": "s3://b"}}):
        with pytest.raises(Unsupported):
            ReferenceSet.from_dict(document | wrong)


@pytest.mark.parametrize(
    ("refs", "match"),
    [
        ({"x/.zarray": "nonsense"}, r"x/\.zarray"),
        ({"x/.zarray": "[1]"}, r"x/\.zarray"),
        ({"x/.zarray": zarray(dtype="<q9")}, r"x/\.zarray"),
        ({"x/.zarray": zarray(chunks=(0,))}, r"x/\.zarray"),
        ({"x/.zarray": zarray(chunks=(2, 2))}, r"x/\.zarray"),
        ({"x/.zarray": zarray(order="Z")}, r"x/\.zarray"),
        ({"x/.zarray": zarray(zarr_format=3)}, "zarr_format"),
        ({"y/0": ["a", 0, 1]}, "y/0: a chunk key without an array"),
        ({"x/.zarray": zarray(), "x/0": ["a", 0, 1], "x/00": ["a", 0, 1]}, "one cell"),
        ({"x/.zarray": zarray(), "x/0": ["a", -1, 1]}, "negative"),
        ({"x/.zarray": zarray(), "x/0": ["a", "1", 1]}, "offsets and lengths"),
        ({"x/.zarray": zarray(), "x/0": ["a", 1.5, 1]}, "offsets and lengths"),
        ({"x/.zarray": zarray(), "x/0": ["a", 2**64, 1]}, "offsets and lengths"),
        ({"x/.zarray": zarray(), "x/0": ["a", -1, 1], "x/1": "t"}, "offsets and lengths"),
        ({"x/.zarray": zarray(), "x/0": ["a", 1]}, "x/0"),
        ({"x/.zarray": zarray(), "x/0": "base64:!"}, "x/0"),
        ({"version": 2, "refs": {}}, "version 2"),
    ],
)
def test_what_is_wrong_is_named(refs, match):
    """Each fault of a dictionary is a StorageError that names the key."""
    with pytest.raises(StorageError, match=match):
        ReferenceSet.from_dict(refs)


TEXTS, BLOBS = ({"dtype": "|O", "filters": [{"id": name}]} for name in ("vlen-utf8", "vlen-bytes"))
OF_V3 = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [1],
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1]}},
    "chunk_key_encoding": {"name": "default"},
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
}


@pytest.mark.parametrize(
    "document",
    [
        {"x/.zarray": zarray(fill_value=1.5)},
        {"x/.zarray": zarray(fill_value=10**6)},
        {"x/.zarray": zarray(**TEXTS, fill_value=[1])},
        {"x/.zarray": zarray(**TEXTS, fill_value={"a": 1})},
        {"x/.zarray": zarray(**BLOBS, fill_value="abc")},
        {"x/.zarray": zarray(**BLOBS, fill_value=3)},
        {"x/zarr.json": json.dumps({**OF_V3, "data_type": "int16", "fill_value": 1.5})},
        {"x/zarr.json": json.dumps({**OF_V3, "data_type": "int16", "fill_value": "one"})},
    ],
)
def test_a_fill_value_that_is_none_costs_its_array(document):
    """The array is left out with a problem that names it, and the others are read."""
    refs = ReferenceSet.from_dict({"y/.zarray": zarray(), **document})
    assert list(refs.arrays) == ["y"]
    assert [(p.path, "fill_value is" in p.message or "expected" in p.message) for p in refs.problems] == [("x", True)]


@pytest.mark.parametrize(
    ("shape", "chunks", "key"),
    [
        ((4,), (2,), "x/5"),
        ((4,), (2,), "x/0.0"),
        ((4,), (2,), "x/"),
        ((4, 4), (2, 2), "x/1."),
        ((4, 4), (2, 2), "x/1..0"),
        ((4,), (2,), "x/\u0661"),
        ((4,), (2,), "x/name"),
        ((4,), (2,), "x/name/1"),
        ((), (), "x/1"),
        ((4,), (2,), "y/0"),
        ((4,), (2,), "g/y/0"),
    ],
)
def test_a_key_that_names_no_chunk_is_left_out(shape, chunks, key):
    """Keys outside the grid, of another rank, of no array: chunks beside them are read, and a problem names them."""
    first = "x/" + (".".join("0" * len(shape)) or "0")
    refs = {"x/.zarray": zarray(shape, chunks), first: ["a", 0, 8], key: ["a", 8, 8]}
    found = ReferenceSet.from_dict(refs)
    assert len(found.arrays["x"].chunks) == 1
    (problem,) = found.problems
    assert problem.feature == "stray key"
    assert key.split("/")[1] in str(problem)


@pytest.mark.parametrize("key", ["x/", "x/0"])
def test_the_chunk_of_a_scalar_has_two_names(key):
    """A scalar's chunk is read from `x/0`, as Zarr names it, and from `x/`, as VirtualiZarr writes it."""
    found = ReferenceSet.from_dict({"x/.zarray": zarray((), ()), key: ["a", 3, 2]})
    assert found.arrays["x"].chunks.row(0) == ("a", 3, 2)
    assert not found.problems


def test_an_array_whose_document_lacks_entries_costs_no_other():
    """It is left out with its chunks, and a problem names it and the entry."""
    refs = {"x/.zarray": "{}", "x/0": "ab", "y/.zarray": zarray(), "y/0": ["a", 0, 4]}
    found = ReferenceSet.from_dict(refs)
    assert list(found.arrays) == ["y"]
    (problem,) = found.problems
    assert problem.path == "x"
    assert "no entry" in problem.message


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_inline_values_may_be_bytes_of_base64(form):
    """Bytes that begin with `base64:` are decoded as the text is, as fsspec does."""
    encoded = b"base64:" + base64.b64encode(b"\xff\xfe\x00\x01")
    array = one({"x/0": form(encoded), "x/1": b"raw!"})
    assert [array.chunks.inline_bytes(row) for row in (0, 1)] == [b"\xff\xfe\x00\x01", b"raw!"]


def test_a_document_of_v3_that_is_none_is_refused():
    """It is refused by its name, with what it says it is."""
    with pytest.raises(StorageError, match=r"x/zarr\.json: expected the document"):
        ReferenceSet.from_dict({"x/zarr.json": "{}"})


def test_the_collector_is_left_as_it_was():
    """Reading and writing pause Python's collector, and leave it as they found it, errors or not."""
    refs = ReferenceSet.from_dict({"x/.zarray": zarray()})
    assert gc.isenabled()
    with pytest.raises(StorageError):
        ReferenceSet.from_dict({"y/0": ["a", 0, 1]})
    assert gc.isenabled()
    many = np.arange(200_000, dtype=np.uint64)
    ones = np.ones(len(many), np.uint32)
    manifest = ChunkManifest((len(many),), (None, "a.nc"), ones, many, many)
    meta = ArrayMeta(shape=(len(many),), chunk_shape=(1,), dtype=np.dtype("u1"))
    found = ReferenceSet({"x": ManifestArray(meta, manifest)}).to_dict()
    assert len(found["refs"]) > len(many)
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    gc.disable()
    try:
        refs.to_dict()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_keys_whose_numbers_only_add_up_to_the_right_count_are_passed_over():
    """`0` and `0.0.1` have four numbers together, as `0.0` and `0.1` have; neither names a chunk of two axes."""
    zarray = {"zarr_format": 2, "shape": [2, 2], "chunks": [1, 1], "dtype": "<i4", "compressor": None}
    zarray |= {"filters": None, "order": "C", "fill_value": None}
    document = {"x/.zarray": json.dumps(zarray), "x/0": ["a", 0, 4], "x/0.0.1": ["a", 4, 4], "x/1.1": ["a", 8, 4]}
    refs = ReferenceSet.from_dict({"version": 1, "refs": document})
    assert refs.arrays["x"].chunks.positions().tolist() == [3]


SCALAR = (
    '{"shape": [], "chunks": [], "dtype": "<i2", "compressor": null, "filters": null, "fill_value": null, "order": "C",'
    ' "zarr_format": 2}'
)


@pytest.mark.parametrize("keys", [("x/", "x/0"), ("x/0", "x/")])
@pytest.mark.parametrize("first", [".zarray", "chunks"])
def test_a_scalar_under_two_keys(keys, first):
    """The key of the specification counts, and a problem names the other; alone, the other counts."""
    chunks = {key: "right" if key == "x/0" else "wrong" for key in keys}
    head = {".zgroup": {"zarr_format": 2}, "x/.zarray": SCALAR}
    refs = ReferenceSet.from_dict({**head, **chunks} if first == ".zarray" else {**chunks, **head})
    assert refs.arrays["x"].chunks.inline_bytes(0) == b"right"
    assert [(p.path, p.feature) for p in refs.problems] == [("x", "stray key")]
    assert "'x/'" in refs.problems[0].message
    alone = ReferenceSet.from_dict({**head, "x/": "only"})
    assert (alone.arrays["x"].chunks.inline_bytes(0), alone.problems) == (b"only", ())


def test_base64_in_lines():
    """Line breaks in base64 stand for nothing; what is no base64 is an error."""
    head = {".zgroup": {"zarr_format": 2}, "x/.zarray": SCALAR}
    refs = ReferenceSet.from_dict({**head, "x/0": "base64:/w\r\nAB\n"})
    assert refs.arrays["x"].chunks.inline_bytes(0) == b"\xff\x00\x01"
    with pytest.raises(StorageError, match="base64"):
        ReferenceSet.from_dict({**head, "x/0": "base64:/w!\nEA"})
