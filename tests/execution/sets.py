"""Reference sets of random shapes, cut into files: nothing is read but their coordinates, which are held inline."""

from __future__ import annotations

import gzip
import json

import numpy as np

from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Problem, ReferenceSet, Target


def coordinate(name, values, **attrs):
    """A coordinate held inline."""
    values = np.asarray(values)
    meta = ArrayMeta(
        shape=values.shape, chunk_shape=(max(len(values), 1),), dtype=values.dtype, dims=(name,), attrs=attrs
    )
    return ManifestArray(meta, ChunkManifest.single(values.tobytes(), 0, values.nbytes, 1))


def field(url, dims, shape, chunk_shape, *, keep=None, dtype="<f4", fill=None, base=0):
    """An array of made-up ranges of a file; only the chunks in `keep` are there."""
    meta = ArrayMeta(
        shape=shape, chunk_shape=chunk_shape, dtype=np.dtype(dtype), dims=dims, fill_value=fill, attrs={"units": "K"}
    )
    size = int(np.prod(meta.grid_shape))
    rows = np.arange(size) if keep is None else np.flatnonzero(np.resize(keep, size))
    columns = (np.ones(len(rows), np.uint32), rows.astype(np.uint64) * 100 + base, np.full(len(rows), 90, np.uint64))
    return ManifestArray(meta, ChunkManifest.from_columns(meta.grid_shape, rows, (None, url), columns))


def file(number, times, *, nx=6, chunk=(1, 3), keep=None, levels=None, scattered=False):
    """One file of a time series; along time as many chunks as `chunk` says."""
    url = f"s3://bucket/file-{number:04d}.nc"
    inner = ("x",) if levels is None else ("level", "x")
    shape = (nx,) if levels is None else (len(levels), nx)
    dims = (*inner, "time") if scattered else ("time", *inner)
    whole = (*shape, len(times)) if scattered else (len(times), *shape)
    own = (*chunk[1:], chunk[0]) if scattered else chunk
    chunks = (1,) * (len(whole) - len(own)) + own if len(own) < len(whole) else own
    arrays = {
        "time": coordinate("time", np.asarray(times, "i4"), units="days since 2000-01-01"),
        "x": coordinate("x", np.arange(nx, dtype="f4")),
        "t": field(url, dims, whole, chunks, keep=keep, fill=np.float32(-1) if keep is not None else None),
        "group/q": field(url, dims, whole, chunks, base=10**6),
    }
    if levels is not None:
        arrays["level"] = coordinate("level", np.asarray(levels, "f8"))
    problems = (Problem("t", "thing", "said of it", url),) if number % 3 == 0 else ()
    return ReferenceSet(
        arrays, {"": {"title": "cube"}, "group": {}}, problems, {url: Target(size=10**7, mtime=float(number))}, url
    )


def files_below(folder):
    """Every file of a directory, by name, with what is in it."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def without_origin(files):
    """The same, without what a build writes down of itself."""
    import json

    sidecar = json.loads(files[".chunkmap.json"])
    sidecar.pop("origin", None)
    return {**files, ".chunkmap.json": sidecar}


def json_without_origin(path):
    """A set as JSON, but for how it came about: the same for sets that were built and for others."""
    data = path.read_bytes()
    document = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    told = json.loads(document.pop("chunkmap", "{}"))
    return {**document, "told": {name: value for name, value in told.items() if name != "origin"}}
