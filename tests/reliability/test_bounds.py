"""Small files that would become gigabytes: refused before the memory is taken."""

import bz2
import gzip
import io
import lzma
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numcodecs
import numpy as np
import pytest
from bombs import COUNT

import chunkmap
from chunkmap.access.bounds import bound_of
from chunkmap.access.decoding import make_step
from chunkmap.errors import FormatError, StorageError
from chunkmap.io import BytesSource
from chunkmap.model import ChunkManifest
from chunkmap.storage.json.reading import read_json
from chunkmap.storage.parquet.cache import PartitionCache

BOMBS = Path(__file__).with_name("bombs.py")

LARGE = 64 << 20
"""Bytes that each bomb makes."""


def _bomb(codec):
    zeros = bytes(LARGE)
    if codec == "deflate":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("0.0", zeros)
        return packed.getvalue()
    streams = {"zlib": zlib.compress, "gzip": gzip.compress, "bz2": bz2.compress, "lzma": lzma.compress}
    if codec == "hdf5_lz4":
        return LARGE.to_bytes(8, "big") + (1 << 20).to_bytes(4, "big") + bytes(12)
    return streams[codec](zeros) if codec in streams else numcodecs.get_codec({"id": codec}).encode(zeros)


@pytest.mark.parametrize("codec", ["zlib", "gzip", "deflate", "bz2", "lzma", "zstd", "blosc", "lz4", "hdf5_lz4"])
def test_a_chunk_that_would_be_far_too_large_is_not_made(codec):
    """Of a chunk of 100 bytes that decodes to 64 MB no more is made than a chunk may be."""
    step = make_step({"id": codec}, bound_of(100, [{"id": codec}]))
    bomb = _bomb(codec)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"expected no more than 66336 bytes"):
            step(bomb)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20  # xz has a dictionary of 8 MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codec", ["zlib", "gzip", "bz2", "lzma", "zstd", "blosc", "lz4"])
@pytest.mark.parametrize("size", [1, 255, 256, 70_000, 300_000])
def test_a_chunk_of_its_size_is_made_whole(codec, size):
    """What a chunk can hold comes out as it went in, whatever its length, and one cut short is an error."""
    data = np.random.default_rng(0).integers(0, 4, size, dtype="u1").tobytes()
    coded = numcodecs.get_codec({"id": codec}).encode(data)
    step = make_step({"id": codec}, bound_of(size, [{"id": codec}]))
    assert bytes(step(coded)) == data
    if size > 1000 and codec in ("zlib", "gzip", "bz2", "lzma", "blosc"):
        with pytest.raises(EOFError):
            step(bytes(coded)[:-20])


def test_streams_one_after_the_other_are_one():
    """Two streams of gzip are one chunk, with padding behind it, as numcodecs has it."""
    coded = gzip.compress(b"first ") + gzip.compress(b"second") + bytes(10)
    assert make_step({"id": "gzip"}, 1000)(coded) == b"first second"


def test_a_bomb_in_a_set_names_its_chunk():
    """A chunk that is a bomb is a FormatError of reading, for codecs one inside the other too."""
    inner = zlib.compress(zlib.compress(bytes(LARGE)))
    zarray = (
        '{"zarr_format":2,"shape":[100],"chunks":[100],"dtype":"|i1","compressor":{"id":"zlib"},'
        '"filters":[{"id":"zlib"}],"fill_value":0,"order":"C"}'
    )
    import base64

    text = "base64:" + base64.b64encode(inner).decode()
    refs = {"x/.zarray": zarray, "x/.zattrs": '{"_ARRAY_DIMENSIONS":["d"]}', "x/0": text}
    with pytest.raises(FormatError, match="a chunk cannot hold them"):
        _ = chunkmap.open_dataset({"version": 1, "refs": refs})["x"].values


@pytest.mark.parametrize("head", [b'{"version":1,"refs":{"a":"', b'{"refs":{"a":"'])
def test_a_compressed_set_that_would_be_gigabytes_is_refused(head):
    """Text that is far longer than any set compresses to is a StorageError before all of it is in memory."""
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb") as file:
        file.write(head)
        for _ in range(96):
            file.write(b" " * (1 << 20))
        file.write(b'"}}')
    with pytest.raises(StorageError, match="no set of references"):
        read_json(BytesSource(sink.getvalue()), "bomb.json.gz")


def test_a_compressed_set_of_nothing_but_lists_is_refused():
    """Text no longer than a set may become, but with a list for each three bytes of it, is refused by its lists."""
    text = gzip.compress(b'{"version":1,"refs":{"a":[' + b"[]," * (4 << 20) + b"1]}}")
    with pytest.raises(StorageError, match="lists and objects, which no set of references does"):
        read_json(BytesSource(text), "lists.json.gz")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the address space of a process is limited by Linux")
def test_what_says_that_it_is_gigabytes_is_refused_before_it_is_made():
    """Partitions, generated keys, deep paths, coordinates, elements, grids and chunks that a few bytes say are huge: a
    process that may take 400 MB more makes what is small after all, and refuses the others with errors of ours.
    """
    found = subprocess.run([sys.executable, BOMBS], capture_output=True, text=True, check=True, timeout=100)
    said = dict(line.split(" -> ", 1) for line in found.stdout.splitlines())
    made = {name: text.removeprefix("made ") for name, text in said.items() if text.startswith("made ")}
    small = {"partition without a chunk", "deep chunks", "a large grid", "generated from nothing"}
    assert set(made) == small, found.stdout
    refused = {name: text.partition(":")[0] for name, text in said.items() if name not in made}
    assert len(refused) == COUNT - len(small)
    assert set(refused.values()) <= {"StorageError", "FormatError"}, found.stdout
    assert not [text for text in said.values() if "malloc" in text or "allocate" in text or text.endswith(":")]


def test_partitions_are_not_asked_for_without_an_end(server):
    """Where nothing is listed, the files of very many partitions are not asked for: a few bytes may say any number."""
    array = '{"shape":[1000000000000],"chunks":[1],"dtype":"|u1","compressor":null,"filters":null,"fill_value":0}'
    metadata = f'{{"metadata":{{".zgroup":{{"zarr_format":2}},"x/.zarray":{array}}},"record_size":1}}'
    server.put("set.parq/.zmetadata", metadata.encode())
    url = server.put("set.parq", b"")
    with pytest.raises(StorageError, match="expected at most 100000 partitions to ask for, found 1000000000000"):
        chunkmap.load(url)


def test_partitions_that_are_kept_are_counted_once():
    """What is let go of the partitions that were read is the oldest, and what they take is not added up anew each."""
    chunks = ChunkManifest.single("a.nc", 0, 4, ndim=1)
    cost = chunks.nbytes + chunks.sources.nbytes
    cache = PartitionCache(10 * cost)
    for number in range(1000):
        cache.get("x", number, lambda: chunks)
    reads = []
    for number in (999, 990, 989):
        cache.get("x", number, lambda number=number: reads.append(number) or chunks)
    assert reads == [989]


VBZ = {"id": "hdf5_vbz", "version": 0, "size": 1, "zigzag": False, "zstd": True}


def _behind(codec):
    """Chunks of a codec in which what becomes large stands behind something small."""
    zstd = numcodecs.get_codec({"id": "zstd"})
    small, large = bytes(zstd.encode(b"12345678")), bytes(zstd.encode(bytes(LARGE)))
    skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    if codec["id"] == "zstd":
        return [small + large, skipped + large, small + skipped + large]
    if codec["id"] == "hdf5_vbz":
        return [(8).to_bytes(4, "little") + small + large]

    def frame(size, told):
        """A frame of Blosc2 that says its size, of a chunk that says its own."""
        head = bytearray(b"\x9e\xa8b2frame\0".ljust(87, b"\0"))
        for at, kind, value in ((11, ">i", 87), (30, ">q", size), (39, ">q", 32), (48, ">i", 1), (58, ">i", size)):
            struct.pack_into(kind, head, at, value)
        return bytes(head) + bytes([2, 1, 0x21, 1]) + struct.pack("<iii", told, told, 32) + bytes(16)

    return [frame(LARGE, LARGE), frame(100, LARGE)]


@pytest.mark.parametrize("codec", [{"id": "zstd"}, VBZ, {"id": "hdf5_blosc2"}], ids=lambda codec: codec["id"])
def test_what_is_large_behind_something_small_is_not_made(codec):
    """A first frame that says that it is small, and one whose chunk says otherwise, are not believed for the rest."""
    step = make_step(codec, bound_of(100, [codec]))
    for bomb in _behind(codec):
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match=r"expected (no more than|at most|a chunk of)"):
                step(bomb)
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()


def test_many_frames_that_fit_are_read():
    """Frames of zstd, one after the other and between others that are skipped, are one chunk."""
    codec, skipped = numcodecs.get_codec({"id": "zstd"}), b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    frames = [bytes(codec.encode(part)) for part in (b"12345", b"678")]
    step = make_step({"id": "zstd"}, bound_of(8, [{"id": "zstd"}]))
    for stored in (b"".join(frames), skipped + frames[0] + skipped + frames[1], frames[0] + frames[1] + skipped):
        assert bytes(step(stored)) == bytes(codec.decode(stored)) == b"12345678"
