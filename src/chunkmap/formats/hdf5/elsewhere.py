"""Data in other files than the one that is scanned: sources of virtual datasets, external files, external links.

Other files are asked for by the names that this one has for them, and read when all of this one is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

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
from chunkmap.formats.hdf5.virtual import MappedSource, Sources, numbered_name, plain_name, resolve_virtual
from chunkmap.formats.hdf5.virtual_values import values_of
from chunkmap.io import Source
from chunkmap.io.rounds import Found, Other, Parser, Together
from chunkmap.model import ChunkManifest, Target
from chunkmap.model.meta import grid_shape_of

__all__ = ["Known", "find_elsewhere"]

_MOST_CHUNKS: Final = 1 << 20
_DEEPEST: Final = 16
_Key = tuple[str, str]
_Chain = tuple[_Key, ...]
"""Datasets whose sources are being looked for, and so cannot be sources."""
_Problems = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Known:
    """What is known of all files that lead to one another."""

    targets: dict[str, Target] = field(default_factory=dict)
    """Of each file that data was found in, by URL."""
    urls: dict[_Key, str | None] = field(default_factory=dict)
    """Of the files that were asked for, by the URL of the file that names them, and the name; None for no file."""
    found: dict[_Key, MappedSource | None] = field(default_factory=dict)
    """Datasets by the URL of their file and their path."""
    problems: dict[_Key, _Problems] = field(default_factory=dict)
    """Of the datasets that were resolved."""

    def keep(self, asker: str, name: str, found: Found | None) -> None:
        """Remember a file; references may point into it."""
        self.urls[asker, name] = None if found is None else found.url
        if found is not None:
            self.targets[found.url] = found.target


def _find(file: File, keys: Sequence[_Key], known: Known, chain: _Chain) -> Parser[Sources]:
    """Datasets of other files, all of them read in the same rounds."""
    wanted: dict[str, dict[str, None]] = {}
    for name, path in keys:
        url = known.urls.get((file.url, name), "")
        if url is not None and (url, path) not in known.found:
            wanted.setdefault(name, {})[path] = None
    failed: list[ChunkmapError | None]
    failed = yield Together([_ask(file, name, list(paths), known, chain) for name, paths in wanted.items()])
    for error in filter(None, failed):
        message = f"a file that it is made of cannot be read: {error}"
        raise Unsupported(message, feature="virtual dataset").helped_by(*error.remedies) from error
    urls = {name: known.urls[file.url, name] for name, _ in keys}
    return {(n, p): None if (url := urls[n]) is None else known.found[url, p] for n, p in keys}


def _ask(file: File, name: str, paths: Sequence[str], known: Known, chain: _Chain) -> Parser[ChunkmapError | None]:
    """Make some datasets of another file known. Gives the error where it cannot be read."""
    try:
        found: Found | None = yield Other(name, lambda source: _read_sources(source, paths, known, chain))
    except ChunkmapError as error:
        return error
    known.keep(file.url, name, found)
    return None


def _read_sources(source: Source, paths: Sequence[str], known: Known, chain: _Chain) -> Parser[None]:
    """Make datasets of a file known by path, as None those that are not there."""
    file = File(source.url, source.size())
    root = yield from read_superblock(file)
    found = yield from overlaid(file.image, _read_below(file, root, paths, known, chain))
    known.found.update({(source.url, path): dataset for path, dataset in found.items()})


def _read_below(
    file: File, root: int, paths: Sequence[str], known: Known, chain: _Chain
) -> Parser[dict[str, MappedSource | None]]:
    tree = build_tree((yield from read_objects(file, root)))
    return (yield from _look_up(file, tree, paths, known, chain))


def _look_up(
    file: File, tree: Tree, paths: Sequence[str], known: Known, chain: _Chain
) -> Parser[dict[str, MappedSource | None]]:
    """Datasets of this file by path, each with its data, wherever that is."""
    found: dict[str, MappedSource | None] = {}
    for path in paths:
        own = _path_in(tree, path)
        if own is None:
            found[path] = None
        else:
            yield from _resolve(file, tree, own, known, chain)
            stored = yield from read_stored(file, tree.datasets[own])
            found[path] = MappedSource(tree.datasets[own], stored, known.problems.get((file.url, own), ()))
    return found


def _path_in(tree: Tree, path: str) -> str | None:
    """The path of the dataset that another path leads to."""
    plain = "/".join(part for part in path.split("/") if part not in ("", "."))
    own = tree.aliases.get(plain, plain)
    return own if own in tree.datasets else None


def find_elsewhere(file: File, tree: Tree, known: Known) -> Parser[dict[str, _Problems]]:
    """Fill in the data of all datasets that are not in this file. Gives problems by the path of the dataset."""
    for path, dataset in tree.datasets.items():
        try:
            yield from _resolve(file, tree, path, known, ())
        except (Unsupported, SourceError) as refusal:
            feature = "external storage" if dataset.external else "virtual dataset"
            dataset.refused = Unsupported(refusal.message, feature=feature).helped_by(*refusal.remedies)
        except BROKEN as error:
            raise located(file, dataset.address, error) from error
    return {path: problems for (url, path), problems in known.problems.items() if url == file.url}


def _resolve(file: File, tree: Tree, path: str, known: Known, chain: _Chain) -> Parser[None]:
    """Fill in the data of a dataset, if it is elsewhere and was not found before."""
    dataset, key = tree.datasets[path], (file.url, path)
    if dataset.elsewhere is not None or dataset.refused is not None:
        return
    if dataset.external:
        dataset.elsewhere = yield from _external(file, dataset, known)
    if not isinstance(dataset.layout, Virtual):
        return
    if key in chain:
        raise Unsupported(f"it is a source of itself, by way of {path!r}", feature="virtual dataset")
    if len(chain) == _DEEPEST:
        raise Unsupported(f"its sources have sources, {_DEEPEST} levels deep", feature="virtual dataset")
    known.problems[key] = yield from _virtual(file, tree, path, known, (*chain, key))


def _virtual(file: File, tree: Tree, path: str, known: Known, chain: _Chain) -> Parser[_Problems]:
    """The data of a virtual dataset is that of its sources. Gives what is not as it should be."""
    dataset = tree.datasets[path]
    assert isinstance(dataset.layout, Virtual)
    mapping = yield from read_mapping(file, dataset.layout)
    own = [path for line in mapping if line.file == THIS_FILE for path in _own_paths(tree, line)]
    here = yield from _look_up(file, tree, own, known, chain)

    def find(keys: Sequence[_Key]) -> Parser[Sources]:
        found = {key: here.get(key[1]) for key in keys if key[0] == THIS_FILE}
        others = yield from _find(file, [key for key in keys if key not in found], known, chain)
        return {**found, **others}

    def read(sources: Sequence[tuple[str, MappedSource]]) -> Parser[list[NDArray[Any]]]:
        values: list[NDArray[Any]] = yield Together([_values(file, name, source) for name, source in sources])
        return values

    resolved = yield from resolve_virtual(dataset, mapping, find, read)
    dataset.elsewhere = resolved.stored
    dataset.space = Dataspace(resolved.shape, dataset.space.maximum)
    return resolved.problems


def _values(file: File, name: str, source: MappedSource) -> Parser[NDArray[Any]]:
    """The elements of a source of a virtual dataset, in this file or in another."""
    if name == THIS_FILE:
        return (yield from values_of(file, source.dataset, source.stored))
    found: Found | None = yield Other(
        name, lambda other: values_of(File(other.url, other.size()), source.dataset, source.stored)
    )
    if found is None:
        raise Unsupported(f"its source {name!r} was there, and is not there any more", feature="virtual dataset")
    values: NDArray[Any] = found.result
    return values


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


def _external(file: File, dataset: Dataset, known: Known) -> Parser[Stored]:
    """One block, or one chunk for as many rows as divide every segment."""
    shape, size = dataset.shape, math.prod(dataset.shape) * dataset.datatype.size
    names = list(dict.fromkeys(name for name, _, _ in dataset.external))
    found: list[Found | ChunkmapError | None] = yield Together([_raw(file, name, known) for name in names])
    files = dict(zip(names, found, strict=True))
    pieces, start = list[tuple[str, int, int]](), 0
    for name, offset, room in dataset.external:
        length = min(size - start, size if room is None else room)
        if length > 0:
            pieces.append((_checked(files[name], name, offset + length), offset, length))
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


def _raw(file: File, name: str, known: Known) -> Parser[Found | ChunkmapError | None]:
    """A file without a format, of which no bytes are needed; the error where it cannot be had."""
    try:
        found: Found | None = yield Other(name)
    except ChunkmapError as error:
        return error
    known.keep(file.url, name, found)
    return found


def _checked(found: Found | ChunkmapError | None, name: str, end: int) -> str:
    """The URL of an external file that is long enough."""
    if isinstance(found, ChunkmapError):
        raise found
    if found is None:
        raise Unsupported(f"its external file {name!r} cannot be found", feature="external storage")
    size = found.target.size or 0
    if size < end:
        raise Unsupported(f"its external file {name!r} has {size} bytes, expected {end}", feature="external storage")
    return found.url
