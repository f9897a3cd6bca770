"""Reading by range from a deflated member of a ZIP archive on a server that answers 50 ms late.

The other side is fsspec's zip filesystem, which reads a range of such a member by decompressing all that is before it.
`ARCHIVE_MB=500` takes a larger member.
"""

import json
import os
import zipfile
import zlib

import numpy as np
from far_files import Run, far

MEGABYTES = int(os.environ.get("ARCHIVE_MB", "60"))
"""Length of the member, decompressed."""

CHUNK = 250_000
"""Bytes of a chunk, which is not compressed within the member."""

READ = 100
"""Chunks that are read, in any order."""

NAME, PLACES = f"member-{MEGABYTES}.zip", f"member-{MEGABYTES}.json"
"""The archive, and where the chunks that are read begin in its member."""


def chosen():
    """The rows of the chunks that are read."""
    return np.random.default_rng(1).permutation(MEGABYTES * 1_000_000 // CHUNK)[:READ].tolist()


def prepare(folder):
    """Write the archive, unless it is there."""
    import h5py

    path = folder / "far" / NAME
    if path.exists():
        return
    plain, count, random = folder / "far" / "member.nc", MEGABYTES * 1_000_000 // CHUNK, np.random.default_rng(0)
    with h5py.File(plain, "w") as file:
        values = file.create_dataset("v", (count, CHUNK // 4), "i4", chunks=(1, CHUNK // 4))
        for row in range(count):
            values[row] = np.cumsum(random.integers(-3, 4, CHUNK // 4))
        places = [values.id.get_chunk_info(row).byte_offset for row in chosen()]
    (folder / "far" / PLACES).write_text(json.dumps(places))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(plain, "m.nc")
    plain.unlink()


def checksum(found):
    """What all sides must find."""
    return {"result": zlib.crc32(b"".join(found))}


def by_points(base):
    """With the restart points of a set that was scanned before, through our engine."""
    import chunkmap

    variable = chunkmap.open_dataset(chunkmap.scan(f"zip://m.nc::{base}/{NAME}"), decode_cf=False).variables["v"]
    rows = chosen()
    return Run(lambda: [variable[rows].to_numpy().tobytes()], checksum)


def by_fsspec(base):
    """Range by range, as references into the member are read."""
    import fsspec

    with fsspec.open(f"{base}/{PLACES}") as file:
        places = json.load(file)
    member = fsspec.filesystem("zip", fo=f"{base}/{NAME}")
    return Run(lambda: [member.cat_file("m.nc", first, first + CHUNK) for first in places], checksum)


CASES = {"archive-read": (far(by_points, NAME), far(by_fsspec, NAME), None)}
TITLES = {
    "archive-read": f"read 100 chunks of a deflated ZIP member of {MEGABYTES} MB, 50 ms away (other side: fsspec)",
}
BESIDE_OTHERS = tuple(CASES)
"""Cases whose other side is another library than kerchunk: all of them."""
