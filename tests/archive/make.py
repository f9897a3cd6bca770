"""Writes the small sets of today into `tests/archive/<version>/`: run once for a version that writes them otherwise.

    python tests/archive/make.py 0.1.0

Those that are named by a day were written by the code of that day. What is there stays: `test_archive.py` reads all.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

import chunkmap
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Problem, ReferenceSet, Target

HERE = Path(__file__).parent
DATA = bytes(range(240))
INLINE = b"\x00\x01\x00\x02\x00\x03"


def example(url: str) -> ReferenceSet:
    """A set with what stored sets hold: groups, attributes, ranges, inline bytes, missing chunks, codecs, a problem."""
    time = ManifestArray(
        ArrayMeta(shape=(4,), chunk_shape=(2,), dtype=np.dtype("<i4"), dims=("time",), attrs={"units": "days"}),
        ChunkManifest.from_rows((2,), [[0], [1]], [url, url], [0, 8], [8, 8]),
    )
    values = ManifestArray(
        ArrayMeta(
            shape=(4, 3),
            chunk_shape=(1, 3),
            dtype=np.dtype(">i2"),
            dims=("time", "x"),
            fill_value=-1,
            attrs={"scale_factor": 0.5, "standard_name": "air_temperature"},
        ),
        ChunkManifest.from_rows((4, 1), [[0, 0], [1, 0], [3, 0]], [url, INLINE, url], [16, 0, 22], [6, 6, 6]),
    )
    shuffled = ManifestArray(
        ArrayMeta(
            shape=(3,),
            chunk_shape=(3,),
            dtype=np.dtype("<i2"),
            dims=("x",),
            filters=({"id": "shuffle", "elementsize": 2},),
        ),
        ChunkManifest.single(url, 30, 6, ndim=1),
    )
    return ReferenceSet(
        {"time": time, "v": values, "group/s": shuffled},
        {"": {"title": "as written once", "years": [1, 2.5]}, "group": {"level": 1}},
        (Problem(path="lost", feature="a feature", message="cannot be represented"),),
        {url: Target(size=len(DATA), etag="e1", mtime=1.5e9)},
    )


def main(version: str) -> None:
    """Write every form."""
    folder = HERE / version
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    refs = example("data.bin")
    for name in ("set.json", "set.json.zst", "set.json.gz", "set.parq"):
        chunkmap.write(refs, folder / name, **({"record_size": 2} if name.endswith("parq") else {}))
    chunkmap.write(refs, folder / "v3.json", zarr_format=3)


if __name__ == "__main__":
    main(sys.argv[1])
