"""kerchunk's door to the scanner of Zarr stores."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from fsspec.mapping import FSMap

from chunkmap.formats import holds
from chunkmap.formats.folders import scan_folder
from chunkmap.io import ArchiveFolder, Folder, RemoteFolder, Source, archive_kind, open_any, open_folder
from chunkmap.io.folder import FolderBase
from chunkmap.warning import warn_caller
from kerchunk.utils import class_factory

__all__ = ["ZarrToZarr", "single_zarr"]


def single_zarr(
    uri_or_store: Any,
    storage_options: Mapping[str, Any] | None = None,
    inline_threshold: int = 100,
    inline: int | None = None,
    out: MutableMapping[str, Any] | None = None,
) -> Any:
    """References to the chunks of a Zarr store, of a URL or of a mapper of fsspec: `{"version": 1, "refs": ...}`.

    `inline` is the old name of `inline_threshold`. References are put into `out`, when it is given. A store of Zarr v3
    gives references of Zarr v3.
    """
    threshold = inline_threshold if inline is None else inline
    with closing(_folder(uri_or_store, storage_options)) as folder:
        refs = scan_folder(folder, format="zarr", inline_threshold=threshold or 0)
    for problem in refs.problems:
        warn_caller(str(problem))
    document = refs.to_dict(zarr_format=refs.zarr_format)
    if out is None:
        return document
    out.update(document["refs"])
    if hasattr(out, "flush"):
        out.flush()
        return out
    return {"version": 1, "refs": out}


def _folder(store: Any, options: Mapping[str, Any] | None) -> Folder:
    """What is scanned: below a URL, or where a mapper looks."""
    if isinstance(store, FSMap):
        return RemoteFolder(store.fs, store.root, store.fs.unstrip_protocol(store.root))
    url, rest = str(store), dict(options or {})
    if url.startswith("zip://") and "::" not in url and "fo" in rest:
        outer = rest.pop("fo")
        return open_folder(f"{url}::{outer}", storage_options=rest)
    name = url if "://" in url else f"file://{Path(url).absolute()}"  # as kerchunk names what is here
    opened = open_any(url, url=name, storage_options=options, holds=holds)
    if isinstance(opened, FolderBase):
        return cast("Folder", opened)
    source = cast("Source", opened)
    kind = archive_kind(source) if source.size() else None
    if kind is None:
        raise ValueError(f"{url}: expected a Zarr store, found a file")
    return ArchiveFolder(kind, source)


ZarrToZarr = class_factory(single_zarr)
