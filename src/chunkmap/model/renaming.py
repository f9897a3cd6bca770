"""Renaming the URLs of a table.

By a mapping, a million are renamed at once: where they are packed, the text is changed, and no URL becomes a Python
string. A key is a URL, or ends in a slash and stands for all URLs that begin with it. A URL is renamed once: by its own
name, else by the longest key that it begins with. A function is called for every URL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.packed_sources import PackedSources, encode_url
from chunkmap.model.sources import Block, Sources

__all__ = ["renamed", "renamer"]


def renamed(sources: Sources, names: Mapping[str, str] | Callable[[str], str]) -> tuple[Sources, NDArray[np.uint32]]:
    """The table with other names; and old number -> new number.

    >>> sources = Sources.packed("s3://b/", b"x/0x/1y/0", np.array([3, 6, 9]))
    >>> moved, numbers = renamed(sources, {"s3://b/x/": "/data/", "s3://b/x/1": "/one"})
    >>> [moved[n] for n in numbers.tolist()]
    [None, '/data/0', '/one', 's3://b/y/0']
    """
    if not isinstance(names, Mapping):
        return sources.renamed(names)
    if sources.few is not None:
        return sources.renamed(renamer(names))
    blocks: list[Block] = []
    numbers, first, stop = np.zeros(len(sources), np.uint32), 0, 0
    for block in sources.blocks:
        for rows, part in _parts(block, names):
            numbers[first : first + len(block)][rows] = np.arange(stop, stop + len(part), dtype=np.uint32)
            blocks.append(part)
            stop += len(part)
        first += len(block)
    return Sources.joined(blocks), numbers


def renamer(names: Mapping[str, str]) -> Callable[[str], str]:
    """Gives the new name of one URL: its own where no key is meant for it.

    >>> renamer({"s3://b/": "/data/", "s3://b/y/": "/other/"})("s3://b/x/0")
    '/data/x/0'
    """
    folders = _folders(names)

    def rename(url: str) -> str:
        if url in names:
            return names[url]
        old = next((folder for folder in folders if url.startswith(folder)), None)
        return url if old is None else names[old] + url[len(old) :]

    return rename


def _folders(names: Mapping[str, str]) -> list[str]:
    return sorted((name for name in names if name.endswith("/")), key=len, reverse=True)


def _parts(block: Block, names: Mapping[str, str]) -> Iterator[tuple[slice | NDArray[Any], Block]]:
    """Some sources of a block after the other: which they are, and what becomes of them."""
    if not isinstance(block, PackedSources):
        rename = renamer(names)
        yield slice(None), tuple(rename(s) if isinstance(s, str) else s for s in block)
        return
    left = np.ones(len(block), np.bool_)
    exact = dict(block.found([name for name in names if not name.endswith("/")]))
    if exact:
        left[list(exact)] = False
        yield np.array(list(exact)), tuple(names[url] for url in exact.values())
    folders = {old: encode_url(old) for old in _folders(names)}
    for (old, text), found in zip(folders.items(), block.beginning(list(folders.values()), left), strict=True):
        if len(found):
            rows = _as_slice(found)
            left[rows] = False
            yield rows, block.kept(rows).moved(text, encode_url(names[old]))
    if left.any():
        yield (slice(None), block) if left.all() else (left, block.kept(left))


def _as_slice(rows: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Rising numbers, as a slice where none between them is missing: columns are cut so, and not gathered."""
    first, stop = int(rows[0]), int(rows[-1]) + 1
    return slice(first, stop) if stop - first == len(rows) else rows
