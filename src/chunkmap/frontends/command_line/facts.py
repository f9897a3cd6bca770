"""What a set holds as data, for programs that read what `inspect --json` prints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from chunkmap.frontends.command_line.spans import spans_of
from chunkmap.model import WHOLE_FILE, ManifestArray, ReferenceSet
from chunkmap.model.points import compressed_size
from chunkmap.model.readers import READERS, obstacles_of

__all__ = ["facts_of", "only", "points_of", "who_reads"]

_SHOWN: Final = 3
"""Arrays that are named in a line."""


def facts_of(refs: ReferenceSet, name: str) -> dict[str, Any]:
    """Arrays, groups, files and problems of a set."""
    lost = obstacles_of(refs, refs.zarr_format)
    return {
        "name": name,
        "zarr_format": refs.zarr_format,
        "arrays": {path: {**_array(array), "not_read_by": lost.get(path, {})} for path, array in refs.arrays.items()},
        "groups": {path: dict(attrs) for path, attrs in refs.groups.items()},
        "spans": spans_of(refs),
        "restart_points": points_of(refs),
        "files": sorted({url for array in refs.arrays.values() for url in array.manifest().urls}),
        "problems": [{"path": p.path, "feature": p.feature, "message": p.message, "url": p.url} for p in refs.problems],
    }


def only(refs: ReferenceSet, path: str) -> ReferenceSet:
    """The set with one of its arrays. Raises ValueError naming those there are."""
    if path not in refs.arrays:
        raise ValueError(f"{refs.name}: expected an array {path!r}, its arrays are {', '.join(refs.arrays)}")
    return replace(refs, arrays={path: refs.arrays[path]}, groups={}, problems=())


def who_reads(refs: ReferenceSet) -> list[str]:
    """A line for each reader of references: that it decodes all arrays, or which it does not, and why."""
    found = obstacles_of(refs, refs.zarr_format)
    lines = []
    for name in (reader.name for reader in READERS if refs.zarr_format in reader.codecs):
        lost = [f"{path} ({own[name]})" for path, own in found.items() if name in own]
        more = f" and {len(lost) - _SHOWN:,} more" if len(lost) > _SHOWN else ""
        lines.append(f"{name}: all but {', '.join(lost[:_SHOWN])}{more}" if lost else f"{name}: all")
    return lines


def points_of(refs: ReferenceSet) -> dict[str, int] | None:
    """What restart points cost: files that have some, bytes of these, and bytes of the compressed files; None without.

    Members of one archive have points of one file.
    """
    own = {url: target.points for url, target in refs.targets.items() if target.points is not None}
    sizes = {url.partition("::")[2]: compressed_size(points) for url, points in own.items()}
    if not own:
        return None
    return {"files": len(own), "bytes": sum(map(len, own.values())), "compressed_bytes": sum(sizes.values())}


def _array(array: ManifestArray) -> dict[str, Any]:
    meta, chunks = array.meta, array.manifest()
    known = chunks.length != np.uint64(WHOLE_FILE)
    inline = int(np.count_nonzero(chunks.is_inline))
    return {
        "dims": None if meta.dims is None else list(meta.dims),
        "shape": list(meta.shape),
        "chunks": [n if isinstance(n, int) else str(n) for n in meta.chunks],
        "dtype": meta.dtype.str if meta.dtype.fields is None else str(meta.dtype),
        "codecs": [dict(codec) for codec in meta.codecs],
        "refs": len(chunks) - inline,
        "inline": inline,
        "missing": chunks.size - len(chunks),
        "stored_bytes": int(chunks.length[known].sum()) if known.all() else None,
        "decoded_bytes": meta.nbytes,
        "attrs": dict(meta.attrs),
    }
