"""A Zarr store -> the references that it is: every chunk a range of a file of it, with its length.

What a store costs is one listing, which gives all lengths, one round of documents, and one more for each level of
shards. Where nothing can be listed, lengths are asked for, chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.zarr.documents import Node, Store, read_documents
from chunkmap.formats.zarr.flattening import check_divides, flattened, shards_at
from chunkmap.formats.zarr.names import cells_of, chunks_of, documents_among, names_of_cells
from chunkmap.formats.zarr.requests import Sizes
from chunkmap.io.requests import Parser
from chunkmap.model import ChunkManifest, ManifestArray, Problem, Sources
from chunkmap.model.hierarchy import ZarrFormat

__all__ = ["Found", "Listing", "parse_store"]

_MOST_ASKED: Final = 1_000_000
"""Chunks of a store that cannot be listed, whose lengths are asked for one by one."""

_MOST_CELLS: Final = 2**63 - 1


class Listing(Protocol):
    """The files of a folder: as columns, but for the names."""

    @property
    def names(self) -> Sequence[str]:
        """Below the folder, with `/` between directories."""

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Bytes of each."""

    @property
    def within(self) -> tuple[str, NDArray[np.int64]] | None:
        """The file that all of them are ranges of, and where each begins in it: of an archive. Else None."""


class Found(NamedTuple):
    """What is in a store."""

    arrays: Mapping[str, ManifestArray]
    groups: Mapping[str, Mapping[str, Any]]
    problems: tuple[Problem, ...]
    zarr_format: ZarrFormat


class _Files(NamedTuple):
    """The files of the chunks, or shards, of one array: a row each."""

    position: NDArray[np.int64]
    """In the grid."""
    names: list[str]
    """Below the array."""
    sizes: NDArray[np.uint64]
    starts: NDArray[np.uint64]
    """Where each begins in the file that all are ranges of; else 0."""


def parse_store(
    url: str,
    listing: Listing | None,
    *,
    consolidated: bool = True,
    flatten: bool = True,
    zarr_format: ZarrFormat | None = None,
) -> Parser[Found]:
    """Parse what is in a folder, of which the listing is given, or None where it cannot be listed."""
    names = None if listing is None else listing.names
    documents = None if names is None else [names[at] for at in documents_among(names)]
    store: Store = yield from read_documents(
        url, documents, consolidated=consolidated, flatten=flatten, zarr_format=zarr_format
    )
    if not store.arrays and not store.groups and not store.problems:
        raise FormatError("expected a Zarr store, found no array or group", url=url)
    arrays: dict[str, ManifestArray] = {}
    below = {} if names is None else chunks_of(names, store.arrays)
    for path, node in store.arrays.items():
        try:
            if node.levels:
                check_divides(node.outer.axes, node.levels)
            if listing is None:
                files = yield from _asked(path, node)
            else:
                files = _listed(node, listing, *below.get(path, ([], np.empty(0, np.intp))))
        except Unsupported as error:
            store.problems.append(Problem(path, error.feature, f"{error.message}; left out", url))
            continue
        archive = None if listing is None or listing.within is None else listing.within[0]
        arrays[path] = yield from _array(url, path, node, files, archive)
    return Found(arrays, store.groups, tuple(store.problems), store.zarr_format)


def _listed(node: Node, listing: Listing, tails: list[str], rows: NDArray[np.intp]) -> _Files:
    """The files of an array, from a listing."""
    position, chosen = cells_of(tails, node.encoding, node.outer.grid_shape)
    rows = rows[chosen]
    sizes = listing.sizes[rows].astype(np.uint64)
    starts = np.zeros(len(rows), np.uint64) if listing.within is None else listing.within[1][rows].astype(np.uint64)
    names = tails if isinstance(chosen, slice) else [tails[row] for row in chosen.tolist()]
    return _Files(position, names, sizes, starts)


def _asked(path: str, node: Node) -> Parser[_Files]:
    """The files of an array, each asked for."""
    count = int(np.prod(node.outer.grid_shape, dtype=object)) if node.outer.grid_shape else 1
    if count > _MOST_ASKED:
        raise Unsupported(
            f"its {count:,} chunks cannot be listed here, and are too many to ask for each; scan it where it can be"
            " listed, and rename the URLs",
            feature="listing",
        )
    names = list(names_of_cells(path, node.encoding, node.outer.grid_shape))
    sizes = yield Sizes(names)
    there = np.flatnonzero(sizes >= 0)
    prefix = len(path) + 1 if path else 0
    return _Files(
        there.astype(np.int64),
        [names[at][prefix:] for at in there.tolist()],
        sizes[there].astype(np.uint64),
        np.zeros(len(there), np.uint64),
    )


def _array(url: str, path: str, node: Node, files: _Files, archive: str | None) -> Parser[ManifestArray]:
    """An array, whose chunks are files, ranges of an archive, or ranges of shards."""
    prefix = f"{url}/{path}/" if path else f"{url}/"
    if not node.levels:
        columns = files.position, np.arange(len(files.names)), files.starts, files.sizes
    else:
        inside = path + "/" if path else ""
        names = [inside + name for name in files.names]
        shards = shards_at(node.outer.axes, node.outer.grid_shape, files.position, files.sizes)
        position, file, offset, length = yield from flattened(names, shards, node.levels, node.outer.shape)
        columns = position, file, offset + files.starts[file], length
    position, file, offset, length = columns
    if archive is not None:
        sources, source = Sources((None, archive)), np.ones(len(file), np.uint32)
    else:
        sources, source = _sources(prefix, files.names), (file + 1).astype(np.uint32)
    meta = node.meta
    try:
        chunks = ChunkManifest.from_columns(meta.grid_shape, position, sources, (source, offset, length))
    except ValueError as error:
        raise FormatError(f"{path}: {error}", url=url) from error
    return ManifestArray(meta, chunks)


def _sources(prefix: str, names: Sequence[str]) -> Sources:
    """A table of files, whose names follow a prefix."""
    text = "".join(names)
    if len(names) < _FEW or not text.isascii():
        return Sources.of((None, *(prefix + name for name in names)))
    stops = np.cumsum(np.fromiter(map(len, names), np.int64, len(names)))
    return Sources.packed(prefix, text.encode("ascii"), stops)


_FEW: Final = 256
