"""Icechunk: references in a transactional store, beside the chunks that it holds itself.

The package `icechunk` is an extra, and is imported here and nowhere else; this folder is imported when a repository is
written to or read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from chunkmap.io.filesystem import Located, locate
from chunkmap.model import Precedent, ReferenceSet
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.model.wording import counted
from chunkmap.storage.icechunk.documents import written_and_read
from chunkmap.storage.icechunk.reading import read_header, read_set, refuse_first
from chunkmap.storage.icechunk.repository import IS_FIRST, open_here, open_or_create, readable, transaction
from chunkmap.storage.icechunk.writing import Writer, check_set, names_of, write_set
from chunkmap.storage.stores import FoundSet, is_open

__all__ = [
    "Longer",
    "appending",
    "as_stored",
    "check_lists",
    "load",
    "open_set",
    "read_icechunk",
    "repository_of",
    "write",
    "write_icechunk",
]

OPENED: Final = "icechunk://opened"
"""Where a set came from that was read from what icechunk opened: who knows on which machine that is."""


def load(found: FoundSet) -> ReferenceSet:
    """The set in a repository."""
    return read_icechunk(repository_of(found.url, found.options))


def open_set(
    found: FoundSet,
    *,
    problems: bool = True,  # noqa: ARG001 - as for every store
    precedent: Precedent | None = None,  # noqa: ARG001
) -> ReferenceSet:
    """The same: a repository tells where all chunks of an array are at once."""
    return load(found)


def repository_of(url: Any, options: Mapping[str, Any] | None) -> Any:
    """What icechunk opened, or the place of a repository on this machine."""
    return url if is_open(url) else locate(url, options)


def read_icechunk(target: Located | Any) -> ReferenceSet:
    """The set in a repository: one here by its place, else a `Repository`, whose branch `main` is read, a session or
    its store.

    Raises Unsupported for arrays whose chunks cannot be referred to.
    """
    if isinstance(target, Located):
        return read_set(readable(open_here(target)).store, name=target.url)
    return read_set(readable(target).store, name=OPENED)


def check_lists(where: str) -> None:
    """Raise Unsupported when this version of Icechunk does not tell where virtual chunks are."""
    if IS_FIRST:
        raise refuse_first(where)


def write(
    refs: ReferenceSet,
    at: Located | Any,
    *,
    record_size: int,  # noqa: ARG001 - Icechunk has manifests of its own
    zarr_format: ZarrFormat,  # noqa: ARG001 - and is always of Zarr v3
    origin: Mapping[str, Any] | None = None,  # noqa: ARG001 - and says nothing of recipes
) -> None:
    """Write a set in place of what is there."""
    write_icechunk(refs, at, overwrite=True)


def write_icechunk(refs: ReferenceSet, target: Located | Any, *, group: str = "", overwrite: bool = False) -> None:
    """Write a set whose whole files have explicit ranges.

    A repository, here by its place or as a `Repository`, is written to on its branch `main` and committed; one that
    is not there yet is made. A session or its store is written to, and left to its owner to commit.
    """
    refs = refs.loaded()
    check_set(refs)
    names = names_of([refs])
    if isinstance(target, Located):
        target = open_or_create(target, names.locations.values())
    with transaction(target, f"Written by chunkmap: {counted(refs.nchunks, 'chunk')}", chunks=refs.nchunks) as written:
        write_set(refs, Writer(written, names, group), overwrite=overwrite)


# ---------------------------------------------------------------------- more of the same


@dataclass(frozen=True, slots=True)
class Longer:
    """A stored set in the course of being added to."""

    old: ReferenceSet
    """What is stored, chunks being read through the repository when they are asked for."""
    writer: Writer


def as_stored(refs: ReferenceSet) -> ReferenceSet:
    """A set with metadata as a repository would give them back, so that they compare to those that it holds.

    Raises StorageError or Unsupported, naming the array, for a set that Icechunk cannot hold.
    """
    refs = refs.loaded()
    check_set(refs)
    return replace(refs, arrays={path: a.under(written_and_read(path, a.meta)) for path, a in refs.arrays.items()})


@contextmanager
def appending(target: Located | Any, sets: Sequence[ReferenceSet], group: str = "") -> Iterator[Longer]:
    """A stored set to be added to, in one transaction; targets are as for `write_icechunk`, but must be there."""
    names = names_of(sets)
    repository = open_here(target, names.locations.values()) if isinstance(target, Located) else target
    chunks = sum(refs.nchunks for refs in sets)
    with transaction(
        repository, f"Appended by chunkmap: {counted(len(sets), 'set')} of {counted(chunks, 'chunk')}", chunks=chunks
    ) as written:
        where = target.url if isinstance(target, Located) else "the Icechunk store"
        yield Longer(read_header(written.store, group=group, name=where), Writer(written, names, group))
