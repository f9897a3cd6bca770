"""A Zarr store -> the references that it is: every chunk a range of a file of it, with its length.

What a store costs is one listing, which gives all lengths, one round of documents, and one more for each level of
shards. Where nothing can be listed, lengths are asked for, chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.format import Scanned
from chunkmap.formats.names import check_name
from chunkmap.formats.zarr.documents import Node, Store, read_documents
from chunkmap.formats.zarr.flattening import check_divides, flattened, shards_at
from chunkmap.formats.zarr.names import cells_of, chunks_of, documents_among, names_of_cells
from chunkmap.io import Folder, Listing
from chunkmap.io.names import path_in
from chunkmap.io.rounds import Parser, Together
from chunkmap.io.rounds.folders import Sizes
from chunkmap.model import ChunkManifest, ManifestArray, Problem, Sources, Target
from chunkmap.model.hierarchy import ZarrFormat

__all__ = ["Options", "parse"]

_MOST_ASKED: Final = 1_000_000
"""Chunks of a store that cannot be listed, whose lengths are asked for one by one."""

_MOST_RECORDED: Final = 10_000
"""Files of a store, up to which the size and the time of each are recorded."""

_FEW: Final = 256
"""Files of an array, up to which their names are not worth packing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a scan of a store may be told."""

    consolidated: bool = True
    """Whether consolidated metadata are believed, as zarr-python believes them; else every document is read."""
    zarr_format: ZarrFormat | None = None
    """Which version is read, where documents of both are there; None for that of the root, v3 before v2."""

    shards: Literal["open", "whole"] = "open"
    """What becomes of shards of Zarr v3: references to the chunks in them (`open`), or one reference a shard (`whole`),
    which zarr decodes when it is read: fewer references, and larger chunks."""

    name: str | None = None
    """What the array of a store is called that is one array and no group, which xarray does not open, and which nothing
    is combined with; its axes are `dim_0`, `dim_1`... where they have no names. None leaves it as it is."""

    def check(self) -> None:
        """Raise ValueError for a version, or a way with shards, that there is not, and a name that is none."""
        if self.name is not None:
            check_name(self.name)
        if self.shards not in ("open", "whole"):
            raise ValueError(f"shards is {self.shards!r}, expected 'open' or 'whole'")
        if self.zarr_format not in (None, 2, 3):
            raise ValueError(f"zarr_format is {self.zarr_format!r}, expected 2 or 3")


class _Files(NamedTuple):
    """The files of the chunks, or shards, of one array: a row each."""

    position: NDArray[np.int64]
    """In the grid."""
    names: list[str]
    """Below the array."""
    sizes: NDArray[np.uint64]
    starts: NDArray[np.uint64]
    """Where each begins in the file that all are ranges of; else 0."""
    is_packed: bool = False
    """Whether they are members of a ZIP archive, each with its header: some are deflated."""

    def in_order(self) -> _Files:
        """In the order of the grid, so that the chunks of shards come out in it, as far as they can."""
        order = np.argsort(self.position, kind="stable")
        names = [self.names[row] for row in order.tolist()]
        return _Files(self.position[order], names, self.sizes[order], self.starts[order], self.is_packed)


def parse(folder: Folder, options: Options) -> Parser[Scanned]:
    """Parse the store that a folder is.

    Raises FormatError where it is none; an array that cannot be represented becomes a problem.
    """
    listing = folder.listing()
    found: Scanned = yield from parse_store(folder.url, listing, options)
    archive = None if listing is None else listing.within
    return found if archive is None else found._replace(files={archive.url: folder.target()})


def parse_store(url: str, listing: Listing | None, options: Options) -> Parser[Scanned]:
    """The same for a folder of which the listing is given, or None where it cannot be listed."""
    options.check()
    names = None if listing is None else listing.names
    documents = None if names is None else [names[at] for at in documents_among(names)]
    store: Store = yield from read_documents(
        url,
        documents,
        consolidated=options.consolidated,
        zarr_format=options.zarr_format,
        whole=options.shards == "whole",
    )
    if not store.arrays and not store.groups and not store.problems:
        raise FormatError("expected a Zarr store, found no array or group", url=url)
    below = {} if names is None else chunks_of(names, store.arrays)
    parsers = [
        _or_problem(url, path, _scanned(url, path, node, listing, below.get(path)))
        for path, node in store.arrays.items()
    ]
    scanned = yield Together(parsers)
    arrays = dict(zip(store.arrays, scanned, strict=True))
    problems = [*store.problems, *(found for found in scanned if isinstance(found, Problem))]
    kept = {path: found for path, found in arrays.items() if isinstance(found, ManifestArray)}
    files = _recorded(url, listing, kept.values())
    found = Scanned(kept, store.groups, tuple(problems), files, store.zarr_format)
    return found if options.name is None else _named(found, options.name)


def _named(found: Scanned, name: str) -> Scanned:
    """A store that is one array, as a group that holds it by a name. Raises ValueError where it is a group already."""
    if {*found.arrays, *found.groups, *(problem.path for problem in found.problems)} != {""} or found.groups:
        raise ValueError(f"name is {name!r}, but the store is a group, whose arrays have names")
    problems = tuple(replace(problem, path=name) for problem in found.problems)
    arrays = {}
    for array in found.arrays.values():
        dims = tuple(f"dim_{axis}" for axis in range(array.meta.ndim)) if array.meta.dims is None else array.meta.dims
        arrays[name] = array.with_meta(dims=dims)
    return found._replace(arrays=arrays, groups={"": {}}, problems=problems)


def _or_problem(url: str, path: str, parser: Parser[ManifestArray]) -> Parser[ManifestArray | Problem]:
    """An array, or why it cannot be represented."""
    try:
        return (yield from parser)
    except Unsupported as error:
        return Problem(path, error.feature, f"{error.message}; left out", url)


def _scanned(
    url: str, path: str, node: Node, listing: Listing | None, below: tuple[list[str], NDArray[np.intp]] | None
) -> Parser[ManifestArray]:
    """An array, of which the names below it are given."""
    if node.levels:
        check_divides(node.outer.axes, node.levels)
    if listing is None:
        files = yield from _asked(path, node)
    else:
        files = yield from _listed(path, node, listing, *(below or ([], np.empty(0, np.intp))))
    archive = None if listing is None or listing.within is None else listing.within.url
    return (yield from _array(url, path, node, files, archive))


def _listed(path: str, node: Node, listing: Listing, tails: list[str], rows: NDArray[np.intp]) -> Parser[_Files]:
    """The files of an array, from a listing."""
    position, chosen = cells_of(tails, node.encoding, node.outer.grid_shape)
    rows = rows[chosen]
    names = tails if isinstance(chosen, slice) else [tails[row] for row in chosen.tolist()]
    sizes = listing.sizes[rows]
    if len(sizes) and int(sizes.min()) < 0:  # a filesystem that does not tell them in a listing
        sizes = yield Sizes([f"{path}/{name}" if path else name for name in names])
    if listing.within is None:
        return _Files(position, names, sizes.astype(np.uint64), np.zeros(len(rows), np.uint64))
    starts = listing.within.starts[rows]
    if not len(starts) or int(starts.min()) >= 0:
        return _Files(position, names, sizes.astype(np.uint64), starts.astype(np.uint64))
    packed = _packed(node, listing.within.packed[rows], names, starts).astype(np.uint64)
    return _Files(position, names, packed[:, 1], packed[:, 0], is_packed=True)


def _packed(
    node: Node, packed: NDArray[np.int64], names: Sequence[str], starts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Members of an archive some of which are compressed, each with its header. Raises Unsupported where no codec
    undoes that.
    """
    unknown = np.flatnonzero(packed[:, 1] == 0)
    if len(unknown):
        raise Unsupported(
            f"{len(unknown):,} of its {len(names):,} chunks are members of the archive that are encrypted, sparse, or"
            f" compressed by another method than deflate, one is {names[int(unknown[0])]!r}; store them (zip -0), or"
            " unpack it",
            feature="compressed archive member",
        )
    if node.levels:
        compressed = np.flatnonzero(starts < 0)
        raise Unsupported(
            f"{len(compressed):,} of its {len(names):,} shards are compressed members of the archive, one is"
            f" {names[int(compressed[0])]!r}, so no range of it is a chunk of theirs; scan it with shards='whole',"
            " store them (zip -0), or unpack it",
            feature="compressed archive member",
        )
    return packed


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
    if archive is None and "::" in path:
        raise Unsupported("a URL of its chunks would be read as a chain, as its name has '::'", feature="name")
    prefix = f"{url}/{path_in(url, path)}/" if path else f"{url}/"
    files = files if not node.levels else files.in_order()
    if not node.levels:
        columns = files.position, np.arange(len(files.names), dtype=np.uint32), files.starts, files.sizes
    else:
        inside = path + "/" if path else ""
        names = [inside + name for name in files.names]
        shards = shards_at(node.outer.axes, node.outer.grid_shape, files.position, files.sizes)
        position, file, offset, length = yield from flattened(names, shards, node.levels, node.outer.shape)
        offset = offset + files.starts[file] if files.starts.any() else offset
        columns = position, file, offset, length
    position, file, offset, length = columns
    if archive is not None:
        sources, source = Sources((None, archive)), np.ones(len(file), np.uint32)
    else:
        sources, source = _sources(prefix, files.names), file + np.uint32(1)
    meta = node.meta
    if files.is_packed:
        meta = replace(meta, filters=meta.codecs, compressor={"id": "deflate"})
    try:
        chunks = ChunkManifest.from_columns(meta.grid_shape, position, sources, (source, offset, length))
    except ValueError as error:
        raise FormatError(f"{path}: {error}", url=url) from error
    array = ManifestArray(meta, chunks)
    return _as_scalar(array) if node.is_scalar else array


def _as_scalar(array: ManifestArray) -> ManifestArray:
    """An array of one element, as the number that it is."""
    return array.in_grid_of(replace(array.meta, shape=(), chunk_shape=(), dims=(), order="C"))


def _recorded(url: str, listing: Listing | None, arrays: Iterable[ManifestArray]) -> dict[str, Target]:
    """What is known of the files that references point into, where these are files of their own, and not too many."""
    if listing is None or listing.within is not None or len(listing) > _MOST_RECORDED:
        return {}
    used = {source for array in arrays for source in array.chunks.urls}
    names = ((row, f"{url}/{name}") for row, name in enumerate(listing.names))
    return {name: listing.target(row) for row, name in names if name in used}


def _sources(prefix: str, names: Sequence[str]) -> Sources:
    """A table of files, whose names follow a prefix."""
    text = "".join(names)
    if len(names) < _FEW or not text.isascii():
        return Sources.of((None, *(prefix + name for name in names)))
    stops = np.cumsum(np.fromiter(map(len, names), np.int64, len(names)))
    return Sources.packed(prefix, text.encode("ascii"), stops)
