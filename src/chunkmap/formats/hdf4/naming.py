"""Names: those of HDF4 may stand twice, be empty, or hold a slash; those of a reference set may not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from chunkmap.model import ManifestArray

__all__ = ["ORIGINAL", "Names", "consistent_dims"]

ORIGINAL: Final = "hdf4_name"
"""The attribute that keeps the name of the file where it could not be kept."""


class Names:
    """The names of one group, each given once.

    >>> names = Names()
    >>> names.unique("a/b"), names.unique("x"), names.unique("x")
    ('a_b', 'x', 'x_2')
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, name: str) -> str:
        """A name like this one that can be part of a path, and was not given before."""
        plain = name.replace("/", "_").replace("\0", "").strip()
        plain = "_" + plain[1:] if plain.startswith((".", "__")) else plain
        plain = plain or "unnamed"
        found, number = plain, 1
        while found in self._taken:
            number += 1
            found = f"{plain}_{number}"
        self._taken.add(found)
        return found


def consistent_dims(arrays: Mapping[str, ManifestArray]) -> dict[str, ManifestArray]:
    """The same arrays, in each group of which an axis of one name has one length, and no array has one twice.

    Where lengths differ, the first keeps the name, and others get their length behind it.
    """
    lengths: dict[str, dict[str, int]] = {}
    out = {}
    for path, array in arrays.items():
        known = lengths.setdefault(path.rpartition("/")[0], {})
        dims = _settled(array.meta.dims or (), array.meta.shape, known)
        out[path] = array if dims == array.meta.dims else replace(array, meta=replace(array.meta, dims=dims))
    return out


def _settled(dims: Sequence[str], shape: Sequence[int], known: dict[str, int]) -> tuple[str, ...]:
    settled: list[str] = []
    for name, length in zip(dims, shape, strict=True):
        found, number = name, 1
        if known.get(found, length) != length:
            found = f"{name}_{length}"
        while found in settled or known.get(found, length) != length:
            number += 1
            found = f"{name}_{number}"
        known[found] = length
        settled.append(found)
    return tuple(settled)
