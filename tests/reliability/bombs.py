"""Small inputs that say they are gigabytes, each done to by one verb in a process that may take little memory.

Run by test_bounds.py, which reads what is printed: a line for each, its name and what came of it.
"""

from __future__ import annotations

import base64
import gzip
import json
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import chunkmap
from chunkmap.io import BytesSource
from chunkmap.storage.json.reading import read_json
from chunkmap.storage.parquet import decoding

ROOT = {".zgroup": '{"zarr_format":2}'}
MORE = 400 << 20
"""Bytes of address space that each may take beyond what the process has."""

COUNT = 18
"""How many there are."""


def _zarray(shape: list[int], chunks: list[int], dtype: str = "<f8", codec: str | None = None) -> str:
    compressor = None if codec is None else {"id": codec}
    known = {"shape": shape, "chunks": chunks, "dtype": dtype, "compressor": compressor, "filters": None}
    return json.dumps({"zarr_format": 2, "fill_value": None if dtype[1] == "V" else 0, "order": "C", **known})


def _array(name: str, **options: Any) -> dict[str, Any]:
    return {f"{name}/.zarray": _zarray(**options), f"{name}/.zattrs": f'{{"_ARRAY_DIMENSIONS":["{name}"]}}'}


def _gzipped(head: bytes, body: bytes, times: int, tail: bytes) -> BytesSource:
    """One text, whose middle is compressed once and stands there so many times: streams one after the other are one."""
    return BytesSource(gzip.compress(head) + gzip.compress(body) * times + gzip.compress(tail))


def _partition(directory: str, rows: int, raw: bytes | None = None) -> str:
    """A set whose one partition has so many rows, in a few kilobytes."""
    (Path(directory) / "x").mkdir()
    schema = pa.schema([("path", pa.string()), ("offset", pa.int64()), ("size", pa.int64()), ("raw", pa.binary())])
    block = min(rows, 1 << 20)
    held = pa.nulls(block, pa.binary()) if raw is None else pa.array([raw] * block, pa.binary())
    zeros = pa.array(np.zeros(block, "i8"))
    table = pa.table([pa.nulls(block, pa.string()), zeros, zeros, held], schema=schema)
    with pq.ParquetWriter(
        Path(directory) / "x" / "refs.0.parq", schema, compression="zstd", write_statistics=False
    ) as writer:
        for _ in range(rows // block):
            writer.write_table(table)
    documents = {key: json.loads(text) for key, text in {**ROOT, **_array("x", shape=[rows], chunks=[1])}.items()}
    (Path(directory) / ".zmetadata").write_text(json.dumps({"metadata": documents, "record_size": rows}))
    return directory


def _with_most_rows(rows: int, call: Callable[[], object]) -> object:
    """A call with a lower limit, as files that reach the real one take long to make."""
    real, decoding.MOST_ROWS = decoding.MOST_ROWS, rows  # type: ignore[misc]
    try:
        return call()
    finally:
        decoding.MOST_ROWS = real  # type: ignore[misc]


def _streamed_zeros(nbytes: int) -> str:
    """A frame of Zstandard that does not say how long its content is."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        for _ in range(nbytes >> 20):
            stream.write(bytes(1 << 20))
    return "base64:" + base64.b64encode(sink.getvalue()).decode()


def bombs(directory: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Every one, by name; what prepares it is done before."""
    rows = _partition(tempfile.mkdtemp(dir=directory), 1 << 21)
    yield "partition without a chunk", lambda: chunkmap.load(rows)
    yield "partition of too many rows", lambda: _with_most_rows(1 << 20, lambda: chunkmap.load(rows))
    text = _partition(tempfile.mkdtemp(dir=directory), 28, bytes(16 << 20))
    yield "partition of long texts", lambda: chunkmap.load(text)
    for name, head, body, tail in (
        ("text", b'{"version":1,"refs":{"a":"', b" " * (1 << 20), b'"}}'),
        ("lists", b'{"version":1,"refs":{"a":[', b"[]," * (1 << 18), b"1]}}"),
        ("numbers", b'{"a":[', b"1.5," * (1 << 18), b"1]}"),
    ):
        packed = _gzipped(head, body, 80, tail)
        yield f"gzipped {name}", lambda packed=packed: read_json(packed, "bomb.json.gz")
    section = {"key": "x/{{i}}", "url": "u", "offset": "0", "length": "1", "dimensions": {"i": {"stop": 10**9}}}
    document = {"version": 1, "refs": _array("x", shape=[9], chunks=[1]), "gen": [section]}
    yield "generated references", lambda: chunkmap.load(document)
    named = {"version": 1, "templates": {"u": "u" * (1 << 20)}}
    text = {"version": 1, "refs": {**ROOT, ".zattrs": json.dumps({"a": "{{u}}" * 100_000})}}
    yield "a template that is named often", lambda: chunkmap.load({**text, **named})
    urls = {
        **ROOT,
        **_array("x", shape=[200_000], chunks=[1]),
        **{f"x/{k}": ["{{v}}" + str(k)] for k in range(200_000)},
    }
    yield "URLs by a long template", lambda: chunkmap.load({"version": 1, "templates": {"v": "v" * 9990}, "refs": urls})
    axes = {**section, "dimensions": {"i": {"stop": 0}, "j": {"stop": 10**12}}}
    yield "generated from nothing", lambda: len(chunkmap.load({**document, "gen": [axes]}).arrays["x"].chunks)
    deep = "/".join("a" * 200_000)
    yield "deep groups", lambda: chunkmap.load({f"{deep}/.zarray": _zarray([1], [1])})
    yield "deep chunks", lambda: chunkmap.load({**ROOT, f"{deep}/0": ["u", 0, 8]}).arrays
    elements = {**ROOT, **_array("y", shape=[1], chunks=[1], dtype="|V2147483647"), "y/0": "abc"}
    yield "a large element", lambda: chunkmap.open_dataset(elements)["y"].dtype
    coordinate = {**ROOT, **_array("d", shape=[10**9], chunks=[1000])}
    yield "a coordinate without references", lambda: chunkmap.open_dataset(coordinate)
    yield "combined coordinates", lambda: chunkmap.combine([coordinate, coordinate], concat_dims=["d"])
    grid = {**ROOT, **_array("x", shape=[10**15], chunks=[1]), "x/7": "abcdefgh"}
    yield "a large grid", lambda: chunkmap.load(grid).arrays["x"].chunks.size
    chunk = {**ROOT, **_array("x", shape=[10], chunks=[10**12], codec="zlib"), "x/0": "base64:eJwDAAAAAAE="}
    yield "a large chunk", lambda: chunkmap.open_dataset(chunk, drop_variables=["d"]).load()
    stream = {**ROOT, **_array("x", shape=[10], chunks=[10], codec="zstd"), "x/0": _streamed_zeros(1 << 29)}
    yield "a chunk of zstd without a length", lambda: chunkmap.open_dataset(stream).load()


def main() -> None:
    """Do all of them, within limits."""
    chunkmap.open_dataset({**ROOT, **_array("x", shape=[1], chunks=[1])}).load()  # what is loaded once is loaded
    with tempfile.TemporaryDirectory() as directory:
        for name, call in bombs(directory):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MORE, resource.RLIM_INFINITY))
            try:
                found = f"made {call()!r}"
            except Exception as error:  # noqa: BLE001 - what came of it is said
                found = f"{type(error).__name__}: {error}"
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            sys.stdout.write(f"{name} -> {' '.join(found.split())[:200]}\n")


if __name__ == "__main__":
    main()
