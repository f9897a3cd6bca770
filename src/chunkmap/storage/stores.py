"""How reference sets are kept at rest: one row each, of the same shape as those of formats, and what lies at a URL."""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from chunkmap.errors import StorageError
from chunkmap.io import (
    Folder,
    LocalFolder,
    Source,
    is_folder,
    open_any,
    open_folder,
    open_whole,
    whole,
    with_head,
)
from chunkmap.io.filesystem import Located
from chunkmap.io.names import name_of
from chunkmap.packages import not_installed
from chunkmap.storage.text import parse_json

__all__ = [
    "ICECHUNK",
    "JSON",
    "METADATA",
    "PARQUET",
    "STORES",
    "ZARR",
    "FoundSet",
    "Icechunk",
    "Store",
    "find_set",
    "is_open",
    "is_set",
    "store_for",
    "store_named",
]

Icechunk = Any
"""What icechunk opened: a `Repository`, one of its sessions, or the store of one."""

METADATA: Final = ".zmetadata"
"""The file that makes a directory a reference set, if it has a `record_size`; else one of a Zarr store."""

ZARR: Final = ("zarr.json", ".zgroup", ".zarray")
"""Files that make a directory a Zarr store."""

_HEAD: Final = 4096
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_BLOCK: Final = 132 << 10
"""Bytes after which something has come of a frame of zstd: its header, and a block of at most 128 KB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A way of keeping sets. What does the work is in modules, each imported when it is asked for: who reads a set
    needs nothing that writes one.
    """

    name: str
    reads: str
    """The module of `load(found)`, the set in memory, and `open_set(found, problems=, precedent=)`, the set whose
    chunks are read when they are asked for."""
    writes: str
    """The module of `write(refs, at, record_size=, zarr_format=)`."""
    appends: str
    """The module of what needs a plan, which stands where plans are made: `carry_out(job, plan)` writes what was
    planned, `append(adding)` adds files to a set in place."""
    suffixes: tuple[str, ...]
    """How names end that say it."""
    begins: tuple[bytes, ...] = ()
    """How files begin."""
    holds: tuple[str, ...] = ()
    """What folders hold."""
    zarr_formats: tuple[int, ...] = (2, 3)
    """The versions of Zarr that may be asked for."""
    extra: str | None = None
    """The pip extra that it needs."""

    def module(self, name: str) -> Any:
        """One of the modules. Raises NotInstalled saying what to install when a package of the extra is not there."""
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if self.extra is None or error.name != self.extra:
                raise
            raise not_installed(self.extra, self.extra, f"a set kept as {self.name}") from error

    @property
    def reading(self) -> Any:
        """What reads a set."""
        return self.module(self.reads)

    @property
    def writing(self) -> Any:
        """What writes a set."""
        return self.module(self.writes)

    @property
    def appending(self) -> Any:
        """What writes a set that was planned, and adds to one."""
        return self.module(self.appends)


JSON: Final = Store(
    name="json",
    reads="chunkmap.storage.json.reading",
    writes="chunkmap.storage.json.writing",
    appends="chunkmap.execution.json",
    suffixes=(".json", ".json.gz", ".json.zst", ".json.zstd"),
    begins=(b"{",),
)
PARQUET: Final = Store(
    name="parquet",
    reads="chunkmap.storage.parquet.reading",
    writes="chunkmap.storage.parquet.writing",
    appends="chunkmap.execution.parquet",
    suffixes=(".parq", ".parquet"),
    holds=(METADATA,),
    zarr_formats=(2,),
)
ICECHUNK: Final = Store(
    name="icechunk",
    reads="chunkmap.storage.icechunk",
    writes="chunkmap.storage.icechunk",
    appends="chunkmap.execution.icechunk",
    suffixes=(".icechunk",),
    holds=("repo", "refs"),
    extra="icechunk",
)
STORES: Final = (JSON, PARQUET, ICECHUNK)
"""Every way, by which a set is told from others and from what is to be scanned."""


class FoundSet(NamedTuple):
    """What lies at a URL."""

    store: Store | None
    """How the set is kept; None for what is no set: a file, or a Zarr store, to be scanned."""
    url: str | Icechunk
    """The name, or what icechunk opened."""
    options: Mapping[str, Any] | None = None
    opened: Source | Folder | None = None
    """What was opened to tell; None where the name told."""

    @property
    def read_as(self) -> Store:
        """How it is kept; what is no set is read as one, for the error to say what it is."""
        return self.store or (PARQUET if self.is_folder else JSON)

    @property
    def is_folder(self) -> bool:
        """Whether there are several files."""
        return self.opened is not None and is_folder(self.opened)

    def folder(self) -> Folder:
        """The directory of the set."""
        if self.opened is not None and is_folder(self.opened):
            return self.opened
        return open_folder(self.url, storage_options=self.options)

    def whole(self) -> Source:
        """The file of the set, in memory."""
        if self.opened is None or is_folder(self.opened):
            return open_whole(self.url, storage_options=self.options)
        return whole(self.opened)


def find_set(
    url: str | os.PathLike[str] | Icechunk,
    *,
    storage_options: Mapping[str, Any] | None = None,
    to_scan: Collection[str] = (),
) -> FoundSet:
    """What lies at a URL: told from its name, and where that says nothing from what is there.

    Who will scan what is no set says by which files folders are told, `to_scan`: then it is left open, with what was
    fetched and decompressed to tell; otherwise it is closed. Raises SourceError when there is nothing.
    """
    if is_open(url):
        return FoundSet(ICECHUNK, url)
    name = name_of(url)
    store = store_named(name)
    if store is not None:
        return FoundSet(store, name, storage_options)
    opened = open_any(name, storage_options=storage_options, holds=lambda: (METADATA, *(to_scan or ZARR)), ahead=True)
    if is_folder(opened):
        return FoundSet(_store_of(opened, to_scan), name, storage_options, opened)
    head = with_head(opened)
    if _decompressed(head).lstrip().startswith(JSON.begins):
        return FoundSet(JSON, name, storage_options, head)
    if not to_scan:
        head.close()  # of a compressed file there is a temporary one
        return FoundSet(None, name, storage_options)
    return FoundSet(None, name, storage_options, head)


def _decompressed(file: Source) -> bytes:
    """The first bytes of a file, or of what gzip or zstd made smaller: files of other formats are, too."""
    head = bytes(file.read(0, min(_HEAD, file.size())))
    try:
        if head.startswith(_ZSTD):
            block = file.read(0, min(_ZSTD_BLOCK, file.size()))
            pa: Any = import_module("pyarrow")  # when a file needs it
            first: bytes = pa.CompressedInputStream(pa.BufferReader(block), "zstd").read(16)
            return first
        return zlib.decompressobj(31).decompress(head, _HEAD) if head.startswith(_GZIP) else head
    except (zlib.error, OSError):
        return b""


def store_named(name: str) -> Store | None:
    """The store that a name says it is."""
    plain = name.rstrip("/").partition("::")[0]
    return next((store for store in STORES if plain.endswith(store.suffixes)), None)


def store_for(at: Located) -> Store:
    """How a set is to be written, told from its name and what is there. Raises StorageError when that says nothing."""
    store = store_named(at.url)
    if store is not None:
        return store
    if at.is_local and _is_repository(Path(at.path)):
        return ICECHUNK
    if at.url.endswith("/") or at.fs.isdir(at.path):
        return PARQUET
    endings = ", ".join(ending for store in STORES for ending in store.suffixes)
    raise StorageError(f"{at.url}: expected a name that ends in one of {endings}")


def _store_of(folder: Folder, to_scan: Collection[str]) -> Store | None:
    """How a set in a folder is kept; None for a folder to be scanned. An empty one is a set that is incomplete."""
    if isinstance(folder, LocalFolder) and _is_repository(Path(folder.path)):
        return ICECHUNK
    if is_set(folder.read_many([METADATA], optional=True)[0]):
        return PARQUET
    if to_scan and _is_archive(folder):
        return None
    return None if any(size >= 0 for size in folder.sizes([METADATA, *(to_scan or ZARR)]).tolist()) else PARQUET


def _is_archive(folder: Folder) -> bool:
    from chunkmap.io import ArchiveFolder  # noqa: PLC0415 - whoever has no archive needs nothing that reads one

    return isinstance(folder, ArchiveFolder)


def is_set(metadata: bytes | None) -> bool:
    """Whether a `.zmetadata` is that of a set of references, and not that of a Zarr store."""
    try:
        document = None if metadata is None else parse_json(metadata)
    except ValueError:
        return False
    return isinstance(document, dict) and "record_size" in document


def is_open(url: Any) -> bool:
    """Whether icechunk opened it."""
    return type(url).__module__.partition(".")[0] == "icechunk"


def _is_repository(directory: Path) -> bool:
    """Whether a directory is a repository of Icechunk 1 or 2."""
    return (directory / "snapshots").is_dir() and ((directory / "repo").is_file() or (directory / "refs").is_dir())
