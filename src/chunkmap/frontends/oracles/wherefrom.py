"""Where a chunk comes from: the file to scan and to read anew is not always the one that the chunk is a range of."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from typing import Final

import numpy as np

from chunkmap.access.fetching import Fetcher
from chunkmap.errors import ChunkmapError
from chunkmap.formats import holds
from chunkmap.io import ArchiveFolder, archive_kind, open_folder
from chunkmap.model import ReferenceSet
from chunkmap.storage.stores import store_named

__all__ = ["WhereFrom"]

_KEY_PART: Final = re.compile(r"c|(c[./])?\d+([./]\d+)*")
"""A part of the key of a chunk of Zarr: `0.1`, `c`, `12`."""

_DEEPEST: Final = 64
_FEW: Final = 8


class WhereFrom:
    """The files of a set: what chunks are ranges of, and what leads to those."""

    def __init__(self, refs: ReferenceSet, fetcher: Fetcher) -> None:
        self._refs, self._fetcher = refs, fetcher
        self._archives: dict[str, ArchiveFolder | None] = {}
        self._stores: dict[str, str | None] = {}

    def of(self, url: str, offset: int) -> list[str]:
        """What to scan for a chunk, the likeliest first: a file, a member of an archive, a Zarr store."""
        store = self._store_of(url)
        if store is not None:
            return [store]
        archive = self._archive(url)
        if archive is not None:
            inside = _inside(archive, offset)
            return [] if inside is None else [inside]
        return [url, *self._that_name(url)]

    @cached_property
    def only(self) -> str | None:
        """What all chunks of a set come from: of a set which is the scan of one file, or one store."""
        try:
            urls = set(self._refs.targets) or self._some_urls()
        except ChunkmapError:
            return None  # what is lost or damaged is a finding of its own
        first = min(urls, default=None)
        if first is None:
            return self._refs.name if self._refs.name and store_named(self._refs.name) is None else None
        store = self._store_of(first)
        if store is not None:
            return store if all(url.startswith(f"{store}/") for url in self._some_urls()) else None
        if len(urls) > 1:
            return None
        name = self._refs.name or ""
        return name if name.endswith(f"::{first}") else first

    def _some_urls(self) -> set[str]:
        """All URLs of a store; two, where there are more, of any other set."""
        urls: set[str] = set()
        for array in self._refs.arrays.values():
            for number in array.stretches():
                urls.update(array.in_stretch(number).urls)
                if len(urls) > 1 and self._store_of(min(urls)) is None:
                    return urls
        return urls

    def _that_name(self, url: str) -> list[str]:
        """Files of the set that may lead to this one: a header to its data, a document to its granule."""
        if len(self._refs.targets) <= _FEW:
            return [other for other in self._refs.targets if other != url]
        return [other for other in self._by_stem.get(_stem(url), ()) if other != url]

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for url in self._refs.targets:
            found[_stem(url)].append(url)
        return found

    def _archive(self, url: str) -> ArchiveFolder | None:
        if url not in self._archives:
            source = self._fetcher.source(url)
            kind = archive_kind(source) if source.size() else None
            self._archives[url] = None if kind is None else ArchiveFolder(kind, source)
        return self._archives[url]

    def _store_of(self, url: str) -> str | None:
        """The outermost directory of Zarr above the key of a chunk; None for what is no such key."""
        directory, _, name = url.rpartition("/")
        if not directory or not _KEY_PART.fullmatch(name):
            return None
        if directory not in self._stores:
            self._stores[directory] = self._outermost(directory)
        return self._stores[directory]

    def _outermost(self, directory: str) -> str | None:
        found = None
        for _ in range(_DEEPEST):
            self._fetcher.trust.check(self._fetcher.resolved(directory))
            folder = open_folder(self._fetcher.resolved(directory), storage_options=self._fetcher.storage_options)
            is_node = bool((folder.sizes(holds()) >= 0).any())
            found = directory if is_node else found
            above, _, name = directory.rpartition("/")
            if not above or above.endswith(":/") or (not is_node and (found or not _KEY_PART.fullmatch(name))):
                break
            directory = above
        return found


def _stem(url: str) -> str:
    """A URL without what stands behind the first point of its name."""
    directory, slash, name = url.rpartition("/")
    return f"{directory}{slash}{name.partition('.')[0]}"


def _inside(archive: ArchiveFolder, offset: int) -> str | None:
    """The member, or the Zarr store of members, that a byte of an archive is in."""
    listing = archive.listing()
    if listing.within is None:
        return None
    starts, (headers, lengths) = listing.within.starts, listing.within.packed.T
    stored = (starts >= 0) & (starts <= offset) & (offset < starts + listing.sizes)
    hit = np.flatnonzero(stored | ((headers <= offset) & (offset < headers + lengths)))
    if not len(hit):
        return None
    name = listing.names[int(hit[0])]
    names, roots = set(listing.names), [""] + [name[:at] for at, letter in enumerate(name) if letter == "/"]
    root = next((root for root in roots if any(f"{root}/{own}".lstrip("/") in names for own in holds())), None)
    kind, link, rest = archive.url.partition("://")
    return f"{kind}{link}{name if root is None else root}{rest}"
