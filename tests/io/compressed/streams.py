"""Streams of deflate and gzip for tests, and points that are made of them."""

import gzip
import zlib

import numpy as np

from chunkmap.io import BytesSource
from chunkmap.io.compressed.building import Stream, build_points

CLOSE = {"spacing": 1 << 16, "share": 10.0}
"""Points as close as they can be."""


def numbers(count, seed=0):
    """Bytes that compress to about a third, and to blocks of many kinds."""
    walk = np.cumsum(np.random.default_rng(seed).integers(-3, 4, count // 4))
    return walk.astype("<i4").tobytes()


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


def gzip_points(file, **how):
    """The points of a file of gzip."""
    return build_points(BytesSource(file, "a.gz"), Stream("gzip", 0, len(file)), **{**CLOSE, **how})
