"""kerchunk.df: the names and behaviour that kerchunk's users and fsspec rely on."""

import inspect
import json

import numpy as np
import pytest

from chunkmap.storage import load
from kerchunk import df

ZARRAY = json.dumps(
    {
        "shape": [3],
        "chunks": [1],
        "dtype": "<f4",
        "compressor": None,
        "filters": None,
        "fill_value": None,
        "order": "C",
        "zarr_format": 2,
    }
)
REFS = {
    ".zgroup": '{"zarr_format": 2}',
    "x/.zarray": ZARRAY,
    "x/.zattrs": '{"_ARRAY_DIMENSIONS": ["x"]}',
    "x/0": ["s3://b/a.nc", 4, 4],
    "x/2": "base64:AAAAAA==",
    "g/.zgroup": '{"zarr_format": 2}',
    "g/y/.zarray": ZARRAY,
    "g/y/0": ["{{u}}/b.nc"],
}


def test_signature():
    """Names, order and defaults of the parameters are kerchunk's."""
    assert str(inspect.signature(df.refs_to_dataframe)).partition(" ->")[0].replace("'", "") == (
        "(fo: Any, url: str, target_protocol: str | None = None, target_options: Mapping[str, Any] | None = None,"
        " storage_options: Mapping[str, Any] | None = None, record_size: int = 100000, categorical_threshold: int = 10)"
    )


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("form", ["dict", "path", "protocol"])
def test_references_become_parquet(tmp_path, version, form):
    """Dictionaries and JSON paths of both versions are written as Parquet that holds the same references."""
    document = REFS if version == 0 else {"version": 1, "templates": {"u": "s3://b"}, "refs": REFS}
    if version == 0:
        document = {**document, "g/y/0": ["s3://b/b.nc"]}
    path = tmp_path / "refs.json"
    path.write_text(json.dumps(document))
    options = {"target_protocol": "file"} if form == "protocol" else {}
    given = document if form == "dict" else str(path)
    assert df.refs_to_dataframe(given, str(tmp_path / "out.parq"), record_size=2, **options) is None
    assert load(tmp_path / "out.parq") == load(path)
    assert json.loads((tmp_path / "out.parq" / ".zmetadata").read_text())["record_size"] == 2


def test_any_name_will_do(tmp_path):
    """The output is Parquet whatever its name, and goes into a directory that was made for it."""
    (tmp_path / "out").mkdir()
    df.refs_to_dataframe({**REFS, "g/y/0": ["s3://b/b.nc"]}, str(tmp_path / "out"))
    assert len(load(tmp_path / "out").arrays) == 2


def test_compressed_json_with_target_options(tmp_path):
    """`target_options={"compression": "zstd"}`, as the tutorial has it, opens compressed JSON."""
    import numcodecs

    document = {**REFS, "g/y/0": ["s3://b/b.nc"]}
    (tmp_path / "refs.json.zst").write_bytes(numcodecs.Zstd().encode(json.dumps(document).encode()))
    df.refs_to_dataframe(
        str(tmp_path / "refs.json.zst"), str(tmp_path / "out.parq"), target_options={"compression": "zstd"}
    )
    assert load(tmp_path / "out.parq") == load(document)


def test_output_elsewhere():
    """`storage_options` are those of the output."""
    df.refs_to_dataframe({**REFS, "g/y/0": ["s3://b/b.nc"]}, "memory://df/out.parq", storage_options={})
    assert len(load("memory://df/out.parq").arrays["x"].chunks) == 2


def test_variables():
    """The arrays, nested ones with their path, consolidated or not."""
    for consolidated in (True, False):
        assert df.get_variables(REFS, consolidated=consolidated) == ["x", "g/y"]
        assert df.get_variables({"version": 1, "refs": REFS}, consolidated) == ["x", "g/y"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("abc", b"abc"), (b"abc", b"abc"), ("base64:YWJj", b"abc"), ("base64:", b""), (b"\xff", b"\xff")],
)
def test_raw_values(value, expected):
    """What fsspec hands to `_proc_raw` becomes bytes."""
    assert df._proc_raw(value) == expected


def test_json_documents_become_bytes():
    """Documents as text, bytes or dictionaries become bytes, NaN included."""
    assert df._normalize_json('{"a": NaN}') == b'{"a": NaN}'
    assert df._normalize_json(b'{"a":1}') == b'{"a":1}'
    assert df._normalize_json({"a": 1}) == b'{"a":1}'


@pytest.mark.filterwarnings("ignore")
def test_fsspec_appends_to_what_we_wrote_through_the_door(tmp_path):
    """fsspec's own writer, which calls `_proc_raw`, writes a set that we read."""
    from fsspec.implementations.reference import LazyReferenceMapper

    root = str(tmp_path / "out.parq")
    mapper = LazyReferenceMapper.create(root, record_size=3)
    mapper["x/.zarray"] = ZARRAY.encode()
    mapper["x/0"] = b"abcd"
    mapper["x/1"] = ["a.nc", 0, 4]
    mapper.flush()
    chunks = load(root).arrays["x"].chunks
    assert chunks.inline_bytes(0) == b"abcd"
    assert chunks[1] == ("a.nc", 0, 4)
    assert np.array_equal(chunks.positions(), [0, 1])
