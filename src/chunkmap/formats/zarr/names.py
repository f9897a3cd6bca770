"""The names of the files of a store: which are documents, which are chunks, and of which array and which cell.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/chunk-key-encodings/index.html, and "Storing chunks" of
https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html. A name that is none of them is passed over, as Zarr never asks
for it: a file of somebody else, a chunk beyond a shape that has shrunk, a number with a zero before it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.grid import printed_cells
from chunkmap.model.keys import runs
from chunkmap.model.printed import MOST_DIGITS, decimals
from chunkmap.model.v3_data_types import named

__all__ = ["CONSOLIDATED", "DOCUMENTS", "KeyEncoding", "cells_of", "chunks_of", "documents_among", "names_of_cells"]

CONSOLIDATED: Final = ".zmetadata"
"""The document of Zarr v2 that holds all others."""

DOCUMENTS: Final = ("zarr.json", ".zarray", ".zattrs", ".zgroup", CONSOLIDATED)
"""The names of all documents."""

_STRETCH: Final = 8192
_FEW_RUNS: Final = 64
"""Names of one array that follow one another, on average, below which all are sorted first."""


class KeyEncoding(NamedTuple):
    """How the chunks of an array are named, below the path of the array."""

    default: bool
    """Whether as in Zarr v3 by default, `c/0/1`; else `0.1`."""
    separator: str

    @classmethod
    def of_v2(cls, document: Mapping[str, Any]) -> KeyEncoding:
        """What `.zarray` says. Raises ValueError for a separator that is none."""
        return cls(False, _separator(document.get("dimension_separator") or "."))

    @classmethod
    def of_v3(cls, document: Mapping[str, Any]) -> KeyEncoding:
        """What `zarr.json` says. Raises ValueError for a separator that is none."""
        name, configuration = named(document["chunk_key_encoding"])
        default = name == "default"
        return cls(default, _separator(configuration.get("separator", "/" if default else ".")))


def _separator(value: Any) -> str:
    if value not in (".", "/"):
        raise ValueError(f"the separator of chunk keys is {value!r}, expected '.' or '/'")
    return str(value)


def documents_among(names: Sequence[str]) -> list[int]:
    """Which of the names are of documents."""
    found: list[int] = []
    for start in range(0, len(names), _STRETCH):
        some = names[start : start + _STRETCH]
        text = "\n".join(some)
        if ".z" in text or "zarr.json" in text:
            found += [start + at for at, name in enumerate(some) if name.rpartition("/")[2] in DOCUMENTS]
    return found


def chunks_of(names: Sequence[str], arrays: Collection[str]) -> dict[str, tuple[list[str], NDArray[np.intp]]]:
    """By array: what follows its path in the names below it, and which of the names these are."""
    found = _gathered(names, arrays, len(names) // _FEW_RUNS + 4 * len(arrays) + _FEW_RUNS)
    if found is not None:
        return found
    order = np.array(sorted(range(len(names)), key=names.__getitem__), np.intp)
    found = _gathered([names[at] for at in order.tolist()], arrays, None) or {}
    return {path: (tails, order[rows]) for path, (tails, rows) in found.items()}


def _gathered(
    names: Sequence[str], arrays: Collection[str], most: int | None
) -> dict[str, tuple[list[str], NDArray[np.intp]]] | None:
    """The same for names of which those of an array follow one another; None when there are more runs than `most`."""
    known = frozenset(arrays)
    tails: dict[str, list[str]] = {path: [] for path in known}
    rows: dict[str, list[NDArray[np.intp]]] = {path: [] for path in known}
    stop = 0
    for count, (parent, below) in enumerate(runs(list(names), known)):
        if most is not None and count > most:
            return None
        start, stop = stop, stop + len(below)
        path = parent[:-1]
        if path in known:
            tails[path].extend(below.names())
            rows[path].append(np.arange(start, stop))
    return {path: (tails[path], np.concatenate(rows[path])) for path in known if rows[path]}


def cells_of(
    tails: Sequence[str], encoding: KeyEncoding, grid_shape: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.intp] | slice]:
    """The positions in the grid of the names that are chunks, and which of the names these are."""
    if not grid_shape:
        rows = [row for row, tail in enumerate(tails) if tail == ("c" if encoding.default else "0")]
        return np.zeros(len(rows), np.int64), np.array(rows, np.intp)
    chosen: NDArray[np.intp] | slice = slice(None)
    coords = _numbers(tails, encoding, len(grid_shape))
    if coords is None:
        chosen = _valid(tails, encoding, len(grid_shape))
        coords = _numbers([tails[row] for row in chosen.tolist()], encoding, len(grid_shape))
        assert coords is not None
    inside = (coords < np.array(grid_shape)).all(axis=1)
    if not inside.all():
        coords = coords[inside]
        chosen = np.flatnonzero(inside) if isinstance(chosen, slice) else chosen[inside]
    position = np.zeros(len(coords), np.int64)
    for axis, n in enumerate(grid_shape):
        position = position * n + coords[:, axis]
    return position, chosen


def _numbers(tails: Sequence[str], encoding: KeyEncoding, ndim: int) -> NDArray[np.int64] | None:
    """The numbers in the names, a row each; None when a name is no chunk."""
    lines = "\n".join(["", *tails])
    if encoding.default:
        head = f"\nc{encoding.separator}"
        if lines.count(head) != len(tails):
            return None
        lines = lines.replace(head, "\n")
    if not tails or not lines.isascii():
        return None if tails else np.empty((0, ndim), np.int64)
    text = np.frombuffer(f"{lines[1:]}\n".encode("ascii"), np.uint8)
    ends = np.flatnonzero((text < ord("0")) | (text > ord("9")))
    if len(ends) != len(tails) * ndim:
        return None
    after = text[ends].reshape(-1, ndim)
    if not bool((after[:, -1] == ord("\n")).all() and (after[:, :-1] == ord(encoding.separator)).all()):
        return None
    starts = np.concatenate([[0], ends[:-1] + 1])
    if bool(((text[starts] == ord("0")) & (ends - starts > 1)).any()):
        return None
    values = decimals(text, ends)
    return None if values is None else values.reshape(-1, ndim)


def _valid(tails: Sequence[str], encoding: KeyEncoding, ndim: int) -> NDArray[np.intp]:
    """Which names are chunks."""
    pattern = _pattern(encoding, ndim)
    rows = [np.empty(0, np.intp)]
    for start in range(0, len(tails), _STRETCH):
        some = tails[start : start + _STRETCH]
        if _numbers(some, encoding, ndim) is not None:
            rows.append(np.arange(start, start + len(some)))
        else:
            rows.append(np.array([start + at for at, tail in enumerate(some) if pattern.fullmatch(tail)], np.intp))
    return np.concatenate(rows)


def _pattern(encoding: KeyEncoding, ndim: int) -> re.Pattern[str]:
    number = rf"(?:0|[1-9][0-9]{{0,{MOST_DIGITS - 1}}})"
    between = re.escape(encoding.separator)
    return re.compile((f"c{between}" if encoding.default else "") + between.join([number] * ndim))


def names_of_cells(path: str, encoding: KeyEncoding, grid_shape: Sequence[int]) -> Iterator[str]:
    """The names of the chunks in all cells of a grid, C order.

    >>> list(names_of_cells("x", KeyEncoding(True, "/"), (1, 2)))
    ['x/c/0/0', 'x/c/0/1']
    """
    prefix = f"{path}/" if path else ""
    if not grid_shape:
        yield f"{prefix}{'c' if encoding.default else '0'}"
        return
    head = f"c{encoding.separator}" if encoding.default else ""
    yield from printed_cells(grid_shape, prefix + head, encoding.separator)
