"""Arrays of several variants far away, at rest, and on the workers of a cluster."""

from __future__ import annotations

import fsspec
import numpy as np
import pytest
from packed_files import Kind, assert_same, joined, partly_written, written

import chunkmap
from chunkmap.errors import CombineError
from chunkmap.storage.parquet import chunks as at_rest

MIXTURE = [
    Kind(attrs={"scale_factor": 0.5, "add_offset": 1.0}, fill=np.int16(-1)),
    Kind(attrs={"scale_factor": 0.25}, endian="big"),
    Kind("f4", compression={}),
    Kind("f8", fill=1e20, compression={"compression": "zstd"}),
]
HOW = {"concat_dims": "time", "variants": True, "load_below": 0}
PLAIN = {"inline_threshold": 0}
"""How files are scanned, of which every chunk is to be fetched."""


def test_over_http(range_server, tmp_path):
    """Files of a server, built to one set: what is read is what xarray joins of them."""
    names = written(tmp_path, MIXTURE)
    urls = [range_server.put(f"{n}.nc", (tmp_path / f"{n}.nc").read_bytes()) for n in range(len(names))]
    chunkmap.build(urls, tmp_path / "set.parq", record_size=3, scan_options=PLAIN, **HOW)
    range_server.forget()
    assert_same(chunkmap.open_dataset(tmp_path / "set.parq").v, joined(names).v)
    assert range_server.gets


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_on_s3(s3_options, tmp_path):
    """Files and set in a bucket, built, appended to, and read."""
    names, bucket = written(tmp_path, MIXTURE), fsspec.filesystem("s3", **s3_options)
    bucket.mkdir("variants")
    bucket.put(names, [f"variants/{n}.nc" for n in range(len(names))])
    urls, out, options = [f"s3://variants/{n}.nc" for n in range(len(names))], "s3://variants/set.parq", s3_options
    chunkmap.build(urls[:2], out, storage_options=options, output_options=options, scan_options=PLAIN, **HOW)
    chunkmap.append(out, urls[2:], storage_options=options, output_options=options)
    found = chunkmap.open_dataset(out, storage_options=options, remote_options=options)
    assert_same(found.v, joined(names).v)


def test_on_workers_of_a_cluster(cluster_client, tmp_path):
    """Scanned on a cluster of processes, whose workers then decode each chunk by its own variant."""
    names = written(tmp_path, MIXTURE)
    chunkmap.build(names, tmp_path / "set.json", executor=cluster_client, scan_options=PLAIN, **HOW)
    lazy = chunkmap.open_dataset(tmp_path / "set.json", chunks={"time": 2}).v
    assert lazy.chunks[0] == (2,) * 8
    found = cluster_client.compute(lazy).result()
    assert_same(found, joined(names).v)


def test_inputs_at_rest_are_fetched_together(tmp_path, monkeypatch):
    """Sets in Parquet, one of which has several variants itself: a stretch of the result reads all of them at once."""
    names = written(tmp_path, [*MIXTURE, Kind(compression={})])
    sets = chunkmap.scan_many(names, inline_threshold=0)
    parts = [chunkmap.combine(sets[:2], **HOW), *sets[2:]]
    stored = [str(tmp_path / f"{number}.parq") for number in range(len(parts))]
    for refs, url in zip(parts, stored, strict=True):
        chunkmap.write(refs, url)
    expected = chunkmap.combine(parts, **HOW)
    rounds, real = [], at_rest.decode_partitions

    def counted(files):
        rounds.append(sum("/v/" in file.where for file in files))
        return real(files)

    monkeypatch.setattr(at_rest, "decode_partitions", counted)
    chunkmap.combine(stored, out=tmp_path / "set.parq", **HOW)
    assert max(rounds) == len(parts)
    assert chunkmap.load(tmp_path / "set.parq") == expected
    assert_same(chunkmap.open_dataset(expected).v, joined(names).v)


def test_chunks_that_lack_at_rest_are_refused(tmp_path):
    """Where a chunk that is not there would read otherwise than a missing one, its input is named when it is placed."""
    stored = []
    for name in partly_written(tmp_path, [(0.5, 4), (0.25, 2)]):
        stored.append(name.replace(".nc", ".parq"))
        chunkmap.write(chunkmap.scan(name, inline_threshold=0), stored[-1])
    with pytest.raises(CombineError, match=r"1 (of the )?chunks"):
        chunkmap.combine(stored, out=tmp_path / "set.parq", **HOW)
