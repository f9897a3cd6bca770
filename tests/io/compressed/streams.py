"""Compressed streams for tests, and points that are made of them."""

import bz2
import gzip
import struct
import zlib

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from chunkmap.io import BytesSource, Range
from chunkmap.io.compressed.building import build_points
from chunkmap.io.compressed.source import CompressedSource
from chunkmap.io.compressed.stream import Stream, compression_of
from chunkmap.model.points import Points

CLOSE = {"spacing": 1 << 16, "share": 10.0}
"""Points as close as they can be."""


def numbers(count, seed=0):
    """Bytes that compress to about a third, and to blocks of many kinds."""
    walk = np.cumsum(np.random.default_rng(seed).integers(-3, 4, count // 4))
    return walk.astype("<i4").tobytes()


def check_ranges(whole, file, points, data):
    """Ranges that are drawn read as those of what was compressed, by points that were at rest."""
    source = CompressedSource(BytesSource(file, "a"), "a", points=Points.from_bytes(points.to_bytes()))
    assert source.size() == len(whole)
    places = st.tuples(st.integers(0, len(whole)), st.integers(0, len(whole))).map(sorted)
    ranges = data.draw(st.lists(places, max_size=6))
    found = source.read_many([Range(a, b - a) for a, b in ranges])
    assert [bytes(each) for each in found] == [whole[a:b] for a, b in ranges]


def bare(data, level=6, strategy=zlib.Z_DEFAULT_STRATEGY, flush=0):
    """A stream of deflate, flushed after every so many bytes."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    step = flush or max(len(data), 1)
    parts = []
    for start in range(0, len(data), step):
        parts.append(deflate.compress(data[start : start + step]))
        if flush:
            parts.append(deflate.flush(zlib.Z_SYNC_FLUSH))
    return b"".join([*parts, deflate.flush()])


def members(*parts, level=6):
    """A file of gzip of several members."""
    return b"".join(gzip.compress(part, level, mtime=0) for part in parts)


def with_header(data, *, name=b"", comment=b"", extra=b"", is_summed=False):
    """A member of gzip whose header says more than it must (RFC 1952, section 2.3)."""
    flags = (is_summed << 1) | (bool(extra) << 2) | (bool(name) << 3) | (bool(comment) << 4)
    head = struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, flags, 1, 0, 255)
    head += struct.pack("<H", len(extra)) + extra if extra else b""
    head += b"".join(text + b"\0" for text in (name, comment) if text)
    head += struct.pack("<H", zlib.crc32(head) & 0xFFFF) if is_summed else b""
    return head + bare(data) + struct.pack("<II", zlib.crc32(data), len(data))


def gzip_points(file, **how):
    """The points of a file of gzip."""
    return build_points(BytesSource(file, "a.gz"), Stream("gzip", 0, len(file)), **{**CLOSE, **how})


def bzipped(*parts, level=1):
    """A file of bzip2 of several streams, whose blocks have 100 kB and more."""
    return b"".join(bz2.compress(part, level) for part in parts)


def framed(*parts):
    """A file of zstd, each frame of which says how long it is."""
    return b"".join(pa.compress(part, codec="zstd", asbytes=True) for part in parts)


def unsaid(*parts):
    """A file of zstd whose frames do not say it, as those that are written piecewise, and with a frame before each that
    is to be skipped, as `pzstd` writes it."""
    out = pa.BufferOutputStream()
    for part in parts:
        out.write(b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"skip")
        frame = pa.BufferOutputStream()
        with pa.CompressedOutputStream(frame, "zstd") as stream:
            stream.write(part)
        out.write(frame.getvalue())
    return out.getvalue().to_pybytes()


def points_of(file, **how):
    """The points of a file that is compressed as a whole."""
    source = BytesSource(file, "a")
    return build_points(source, Stream(compression_of(source), 0, len(file)), **{**CLOSE, **how})
