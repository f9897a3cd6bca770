"""Data in other files than the one that is scanned: sources of virtual datasets, external files, external links.

Other files are opened beside the one that names them, and read when all of this one is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from chunkmap.errors import ChunkmapError, FormatError, SourceError, Unsupported
from chunkmap.formats.hdf5.mapping import THIS_FILE, Mapped, read_mapping
from chunkmap.formats.hdf5.objects import BROKEN, Dataset, Stored, located, read_objects
from chunkmap.formats.hdf5.stored import read_stored
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.layout import Virtual
from chunkmap.formats.hdf5.structures.messages import Dataspace
from chunkmap.formats.hdf5.structures.overlay import overlaid
from chunkmap.formats.hdf5.structures.superblock import read_superblock
from chunkmap.formats.hdf5.tree import Tree, build_tree
from chunkmap.formats.hdf5.virtual import MappedSource, numbered_name, plain_name, resolve_virtual
from chunkmap.io import Source, open_beside
from chunkmap.io.rounds import Parser, Reading, run_many
from chunkmap.model import ChunkManifest, Target
from chunkmap.model.meta import grid_shape_of

__all__ = ["Elsewhere", "Known", "OpenBeside", "find_elsewhere"]

OpenBeside = Callable[[str], Source]
"""Opens a file by the name that this file has for it."""

_MOST_CHUNKS: Final = 1 << 20
_DEEPEST: Final = 16
_Key = tuple[str, str]
_Problems = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Known:
    """What is known of all files that lead to one another."""

    targets: dict[str, Target] = field(default_factory=dict)
    """Of each file that data was found in, by URL."""
    found: dict[_Key, MappedSource | None] = field(default_factory=dict)
    """Datasets by the URL of their file and their path."""
    resolving: set[_Key] = field(default_factory=set)
    """Datasets whose sources are being looked for, and so cannot be sources."""
    problems: dict[_Key, _Problems] = field(default_factory=dict)
    """Of the datasets that were resolved."""


class Elsewhere:
    """Other files: opened once, each with the datasets that were asked for."""

    def __init__(self, open_beside: OpenBeside, known: Known | None = None) -> None:
        self._open = open_beside
        self._sources: dict[str, Source | None] = {}
        self.known = Known() if known is None else known

    def source(self, name: str) -> Source | None:
        """The file of this name; None when there is none."""
        if name not in self._sources:
            try:
                self._sources[name] = self._open(name)
            except SourceError:
                self._sources[name] = None
        return self._sources[name]

    def use(self, source: Source) -> None:
        """References will point into this file."""
        self.known.targets[source.url] = source.target()

    def find(self, keys: Sequence[_Key]) -> Mapping[_Key, MappedSource | None]:
        """Datasets of other files, all of them read in the same rounds."""
        known, readings, wanted = self.known.found, list[Reading](), dict[str, dict[str, None]]()
        opened = {name: self.source(name) for name, _ in keys}
        for name, path in keys:
            source = opened[name]
            if source is not None and (source.url, path) not in known:
                wanted.setdefault(name, {})[path] = None
        for name, paths in wanted.items():
            source = opened[name]
            assert source is not None
            self.use(source)
            readings.append(Reading(source, _read_sources(source, list(paths), self.known)))
        for reading, outcome in zip(readings, run_many(readings), strict=True):
            if isinstance(outcome, ChunkmapError):
                raise Unsupported(f"a file that it is made of cannot be read: {outcome}", feature="virtual dataset")
            known.update({(reading.source.url, path): found for path, found in outcome.items()})
        return {(n, p): None if (source := opened[n]) is None else known[source.url, p] for n, p in keys}

    def close(self) -> None:
        """Close all other files."""
        for source in self._sources.values():
            if source is not None:
                source.close()


def _read_sources(source: Source, paths: Sequence[str], known: Known) -> Parser[dict[str, MappedSource | None]]:
    """Datasets of a file by path; None for one that is not there."""
    file = File(source.url, source.size())
    root = yield from read_superblock(file)
    elsewhere = Elsewhere(lambda name: open_beside(source, name), known)
    try:
        return (yield from overlaid(file.image, _read_below(file, root, paths, elsewhere)))
    finally:
        elsewhere.close()


def _read_below(
    file: File, root: int, paths: Sequence[str], elsewhere: Elsewhere
) -> Parser[dict[str, MappedSource | None]]:
    tree = build_tree((yield from read_objects(file, root)))
    return (yield from _look_up(file, tree, paths, elsewhere))


def _look_up(
    file: File, tree: Tree, paths: Sequence[str], elsewhere: Elsewhere
) -> Parser[dict[str, MappedSource | None]]:
    """Datasets of this file by path, each with its data, wherever that is."""
    found: dict[str, MappedSource | None] = {}
    for path in paths:
        own = _path_in(tree, path)
        if own is None:
            found[path] = None
        else:
            yield from _resolve(file, tree, own, elsewhere)
            stored = yield from read_stored(file, tree.datasets[own])
            found[path] = MappedSource(tree.datasets[own], stored, elsewhere.known.problems.get((file.url, own), ()))
    return found


def _path_in(tree: Tree, path: str) -> str | None:
    """The path of the dataset that another path leads to."""
    plain = "/".join(part for part in path.split("/") if part not in ("", "."))
    own = tree.aliases.get(plain, plain)
    return own if own in tree.datasets else None


def find_elsewhere(file: File, tree: Tree, elsewhere: Elsewhere) -> Parser[dict[str, _Problems]]:
    """Fill in the data of all datasets that are not in this file. Gives problems by the path of the dataset."""
    for path, dataset in tree.datasets.items():
        try:
            yield from _resolve(file, tree, path, elsewhere)
        except (Unsupported, SourceError) as refusal:
            feature = "external storage" if dataset.external else "virtual dataset"
            dataset.refused = Unsupported(refusal.message, feature=feature)
        except BROKEN as error:
            raise located(file, dataset.address, error) from error
    return {path: problems for (url, path), problems in elsewhere.known.problems.items() if url == file.url}


def _resolve(file: File, tree: Tree, path: str, elsewhere: Elsewhere) -> Parser[None]:
    """Fill in the data of a dataset, if it is elsewhere and was not found before."""
    dataset, key, known = tree.datasets[path], (file.url, path), elsewhere.known
    if dataset.elsewhere is not None or dataset.refused is not None:
        return
    if dataset.external:
        dataset.elsewhere = _external(dataset, elsewhere)
    if not isinstance(dataset.layout, Virtual):
        return
    if key in known.resolving:
        raise Unsupported(f"it is a source of itself, by way of {path!r}", feature="virtual dataset")
    if len(known.resolving) == _DEEPEST:
        raise Unsupported(f"its sources have sources, {_DEEPEST} levels deep", feature="virtual dataset")
    known.resolving.add(key)
    try:
        known.problems[key] = yield from _virtual(file, tree, dataset, dataset.layout, elsewhere)
    finally:
        known.resolving.discard(key)


def _virtual(file: File, tree: Tree, dataset: Dataset, layout: Virtual, elsewhere: Elsewhere) -> Parser[_Problems]:
    """The data of a virtual dataset is that of its sources. Gives what is not as it should be."""
    mapping = yield from read_mapping(file, layout)
    own = [path for line in mapping if line.file == THIS_FILE for path in _own_paths(tree, line)]
    here = yield from _look_up(file, tree, own, elsewhere)

    def find(keys: Sequence[_Key]) -> Mapping[_Key, MappedSource | None]:
        found = {key: here.get(key[1]) for key in keys if key[0] == THIS_FILE}
        return {**found, **elsewhere.find([key for key in keys if key not in found])}

    resolved = resolve_virtual(dataset, mapping, find)
    dataset.elsewhere = resolved.stored
    dataset.space = Dataspace(resolved.shape, dataset.space.maximum)
    return resolved.problems


def _own_paths(tree: Tree, line: Mapped) -> Iterator[str]:
    """The paths of this file that a line of a mapping names: one, or as many as are numbered."""
    if not line.is_pattern:
        yield plain_name(line.path)
        return
    for number in range(len(tree.datasets) + len(tree.aliases) + 1):
        path = numbered_name(line.path, number)
        if _path_in(tree, path) is None:
            return
        yield path


def _external(dataset: Dataset, elsewhere: Elsewhere) -> Stored:
    """One block, or one chunk for as many rows as divide every segment."""
    shape, size = dataset.shape, math.prod(dataset.shape) * dataset.datatype.size
    pieces, start = list[tuple[str, int, int]](), 0
    for name, offset, room in dataset.external:
        length = min(size - start, size if room is None else room)
        if length > 0:
            pieces.append((_checked(elsewhere, name, offset + length), offset, length))
            start += length
    if start < size:
        raise FormatError(f"expected {size} bytes in external files, found room for {start}")
    row = size // max(shape[0], 1) if shape else size
    if len(pieces) > 1 and (not shape or any(length % row for _, _, length in pieces)):
        raise Unsupported("the parts of its data do not begin with a row", feature="external storage")
    rows = math.gcd(*(length // row for _, _, length in pieces)) if len(pieces) > 1 else (shape[0] if shape else 1)
    chunk_shape = (max(rows, 1), *(max(n, 1) for n in shape[1:])) if shape else ()
    grid = grid_shape_of(shape, chunk_shape)
    step = rows * row if shape else size
    if len(pieces) * size > _MOST_CHUNKS * max(step, 1) and len(pieces) > 1:
        raise Unsupported("its data would have to be cut into too many parts", feature="external storage")
    cells = [(url, offset + at) for url, offset, length in pieces for at in range(0, length, max(step, 1))]
    coords = np.zeros((len(cells), len(shape)), np.int64)
    if shape:
        coords[:, 0] = np.arange(len(cells))
    urls, offsets = [url for url, _ in cells], [offset for _, offset in cells]
    return Stored(chunk_shape, (), ChunkManifest.from_rows(grid, coords, urls, offsets, [step] * len(cells)))


def _checked(elsewhere: Elsewhere, name: str, end: int) -> str:
    """The URL of an external file that is long enough."""
    source = elsewhere.source(name)
    if source is None:
        raise Unsupported(f"its external file {name!r} cannot be found", feature="external storage")
    if source.size() < end:
        raise Unsupported(
            f"its external file {name!r} has {source.size()} bytes, expected {end}", feature="external storage"
        )
    elsewhere.use(source)
    return source.url
