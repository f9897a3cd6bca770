"""Open thousands of archival files as one lazy Zarr dataset, without copying a byte.

A *reference set* maps Zarr keys to byte ranges in files of other formats. The verbs:

    scan(url)            one file -> ReferenceSet
    scan_many(urls)      many files, in parallel
    combine(sets, ...)   many sets -> one
    diagnose(sets, ...)  what would not fit, without combining
    merge(sets)          sets of different arrays -> one
    build(urls, out)     scan, combine and write in one go
    append(out, urls)    more files onto a stored set
    load / write         ReferenceSet <-> JSON, Parquet or Icechunk
    to_icechunk(refs, s) into an open Icechunk store, or onto what it holds
    verify(path)         whether a set still says the truth
    export(path, out)    the values themselves, as a Zarr store
    open_dataset(path)   an xarray dataset through references
    open_store(path)     the Zarr store beneath it

Importing this package is cheap: each verb is loaded when it is first used.

The verbs take `timeout`: for how many seconds at a time a server may be silent, 30 by default. That is not how long
they wait in all. What was silent, or busy, is asked for again until three minutes are over, whatever `timeout` is (15
seconds where nobody takes a connection, or a server fails without saying why); then it is an error: after three minutes
and one `timeout` at the latest. A transfer that makes progress may take as long as it takes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from chunkmap.errors import (
    ChunkmapError,
    CombineError,
    FormatError,
    NoSuchFile,
    NotInstalled,
    SkippedFiles,
    SourceError,
    StorageError,
    TruncatedFile,
    Unsupported,
)
from chunkmap.packages import not_installed
from chunkmap.version import __version__ as __version__

if TYPE_CHECKING:
    from chunkmap.access.store import ReferenceStore
    from chunkmap.combining import Diagnosis
    from chunkmap.execution import append, build, combine, diagnose, merge, scan_many, to_icechunk
    from chunkmap.formats.scanning import scan
    from chunkmap.frontends.exporting import export
    from chunkmap.frontends.opening import open_store
    from chunkmap.frontends.verify import verify
    from chunkmap.frontends.xarray_engine import open_dataset
    from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Problem, ReferenceSet
    from chunkmap.storage import load, write

__all__ = [
    "ArrayMeta",
    "ChunkManifest",
    "ChunkmapError",
    "CombineError",
    "Diagnosis",
    "FormatError",
    "ManifestArray",
    "NoSuchFile",
    "NotInstalled",
    "Problem",
    "ReferenceSet",
    "ReferenceStore",
    "SkippedFiles",
    "SourceError",
    "StorageError",
    "TruncatedFile",
    "Unsupported",
    "append",
    "build",
    "combine",
    "diagnose",
    "export",
    "load",
    "merge",
    "open_dataset",
    "open_store",
    "scan",
    "scan_many",
    "to_icechunk",
    "verify",
    "write",
]

_HOMES: Final = {
    "ArrayMeta": "model",
    "ChunkManifest": "model",
    "Diagnosis": "combining",
    "ManifestArray": "model",
    "Problem": "model",
    "ReferenceSet": "model",
    "ReferenceStore": "access.store",
    "append": "execution",
    "build": "execution",
    "combine": "execution",
    "diagnose": "execution",
    "export": "frontends.exporting",
    "load": "storage",
    "merge": "execution",
    "open_dataset": "frontends.xarray_engine",
    "open_store": "frontends.opening",
    "scan": "formats.scanning",
    "scan_many": "execution",
    "to_icechunk": "execution",
    "verify": "frontends.verify",
    "write": "storage",
}


def __getattr__(name: str) -> Any:
    """Load a verb or a noun when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "xarray":
            raise
        raise not_installed("xarray", "xarray", f"chunkmap.{name}") from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({"__version__", "__doc__", *__all__})
