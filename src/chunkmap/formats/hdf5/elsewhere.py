"""Data in other files than the one that is scanned: sources of virtual datasets, external files, external links.

Other files are opened beside the one that names them, and read when all of this one is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from chunkmap.errors import ChunkmapError, FormatError, SourceError, Unsupported
from chunkmap.formats.hdf5.file import File
from chunkmap.formats.hdf5.layout import Virtual
from chunkmap.formats.hdf5.mapping import THIS_FILE, read_mapping
from chunkmap.formats.hdf5.messages import Dataspace
from chunkmap.formats.hdf5.objects import BROKEN, Dataset, Stored, located, read_objects
from chunkmap.formats.hdf5.overlay import overlaid
from chunkmap.formats.hdf5.stored import read_stored
from chunkmap.formats.hdf5.superblock import read_superblock
from chunkmap.formats.hdf5.tree import Tree, build_tree
from chunkmap.formats.hdf5.virtual import MappedSource, resolve_virtual
from chunkmap.io import Source
from chunkmap.io.rounds import Parser, Reading, run_many
from chunkmap.model import ChunkManifest, Target
from chunkmap.model.meta import grid_shape_of

__all__ = ["Elsewhere", "OpenBeside", "find_elsewhere"]

OpenBeside = Callable[[str], Source]
"""Opens a file by the name that this file has for it."""

_MOST_CHUNKS: Final = 1 << 20
_Key = tuple[str, str]


class Elsewhere:
    """Other files: opened once, each with the datasets that were asked for."""

    def __init__(self, open_beside: OpenBeside) -> None:
        self._open = open_beside
        self.targets: dict[str, Target] = {}
        """What is known of each file that data was found in, by URL."""
        self._sources: dict[str, Source | None] = {}
        self._found: dict[_Key, MappedSource | None] = {}

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
        self.targets[source.url] = source.target()

    def find(self, keys: Sequence[_Key]) -> Mapping[_Key, MappedSource | None]:
        """Datasets of other files, all of them read in the same rounds."""
        wanted: dict[str, list[str]] = {}
        for name, path in dict.fromkeys(keys):
            if (name, path) not in self._found:
                wanted.setdefault(name, []).append(path)
        readings, names = list[Reading](), list[str]()
        for name, paths in wanted.items():
            source = self.source(name)
            if source is None:
                self._found.update({(name, path): None for path in paths})
            else:
                self.use(source)
                names.append(name)
                readings.append(Reading(source, _read_sources(source, paths)))
        for name, outcome in zip(names, run_many(readings), strict=True):
            if isinstance(outcome, ChunkmapError):
                raise Unsupported(f"a file that it is made of cannot be read: {outcome}", feature="virtual dataset")
            self._found.update({(name, path): found for path, found in outcome.items()})
        return {key: self._found[key] for key in keys}

    def close(self) -> None:
        """Close all other files."""
        for source in self._sources.values():
            if source is not None:
                source.close()


def _read_sources(source: Source, paths: Sequence[str]) -> Parser[dict[str, MappedSource | None]]:
    """Datasets of a file by path; None for one that is not there."""
    file = File(source.url, source.size())
    root = yield from read_superblock(file)
    return (yield from overlaid(file.image, _read_below(file, root, paths)))


def _read_below(file: File, root: int, paths: Sequence[str]) -> Parser[dict[str, MappedSource | None]]:
    tree = build_tree((yield from read_objects(file, root)))
    return (yield from _look_up(file, tree, paths))


def _look_up(file: File, tree: Tree, paths: Sequence[str]) -> Parser[dict[str, MappedSource | None]]:
    found: dict[str, MappedSource | None] = {}
    for path in paths:
        plain = "/".join(part for part in path.split("/") if part not in ("", "."))
        dataset = tree.datasets.get(tree.aliases.get(plain, plain))
        if dataset is None:
            found[path] = None
        elif isinstance(dataset.layout, Virtual) or dataset.external:
            raise Unsupported(f"its source {path!r} has its data in other files itself", feature="virtual dataset")
        else:
            found[path] = MappedSource(dataset, (yield from read_stored(file, dataset)))
    return found


def find_elsewhere(file: File, tree: Tree, elsewhere: Elsewhere) -> Parser[dict[str, list[tuple[str, str]]]]:
    """Fill in the data of all datasets that are not in this file. Gives problems by the path of the dataset."""
    problems: dict[str, list[tuple[str, str]]] = {}
    for path, dataset in tree.datasets.items():
        try:
            if dataset.external:
                dataset.elsewhere = _external(dataset, elsewhere)
            elif isinstance(dataset.layout, Virtual):
                problems[path] = yield from _virtual(file, tree, dataset, dataset.layout, elsewhere)
        except (Unsupported, SourceError) as refusal:
            feature = "external storage" if dataset.external else "virtual dataset"
            dataset.refused = Unsupported(refusal.message, feature=feature)
        except BROKEN as error:
            raise located(file, dataset.address, error) from error
    return problems


def _virtual(
    file: File, tree: Tree, dataset: Dataset, layout: Virtual, elsewhere: Elsewhere
) -> Parser[list[tuple[str, str]]]:
    mapping = yield from read_mapping(file, layout)
    own = [line.path for line in mapping if line.file == THIS_FILE]
    here = yield from _look_up(file, tree, own)

    def find(keys: Sequence[_Key]) -> Mapping[_Key, MappedSource | None]:
        found = {key: here[key[1]] for key in keys if key[0] == THIS_FILE and key[1] in here}
        return {**found, **elsewhere.find([key for key in keys if key not in found])}

    resolved = resolve_virtual(dataset, mapping, find)
    dataset.elsewhere = resolved.stored
    dataset.space = Dataspace(resolved.shape, dataset.space.maximum)
    return resolved.problems


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
