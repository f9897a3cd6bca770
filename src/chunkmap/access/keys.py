"""What the keys of a Zarr store mean: which cell of which array's grid."""

from __future__ import annotations

from collections.abc import Mapping

from chunkmap.model import ArrayMeta
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.model.grid import linear_cell

__all__ = ["cell_of"]


def cell_of(key: str, metas: Mapping[str, ArrayMeta], zarr_format: ZarrFormat) -> tuple[str, int] | None:
    """The path of the array whose chunk a key names, and the chunk's position in the grid; None when it names none.

    >>> import numpy as np
    >>> metas = {"g/x": ArrayMeta(shape=(4, 4), chunk_shape=(2, 2), dtype=np.dtype("f4"))}
    >>> cell_of("g/x/0.1", metas, 2), cell_of("g/x/c/0/1", metas, 3), cell_of("g/x/0.1", metas, 3)
    (('g/x', 1), ('g/x', 1), None)
    """
    path, name = _parts_v3(key) if zarr_format == 3 else key.rpartition("/")[::2]
    meta = metas.get(path)
    position = None if meta is None else _position(name, meta.grid_shape, "c" if zarr_format == 3 else "0")
    return None if position is None else (path, position)


def _parts_v3(key: str) -> tuple[str, str]:
    """The array and the chunk index of a key of Zarr v3, the index as v2 prints it."""
    rooted = f"/{key}"
    if rooted.endswith("/c"):
        return rooted.removesuffix("/c")[1:], "c"
    path, _, name = rooted.rpartition("/c/")
    return path[1:], "" if "." in name else name.replace("/", ".")


def _position(name: str, grid_shape: tuple[int, ...], scalar: str) -> int | None:
    """The cell that a printed chunk index names; None when it is none, or lies outside the grid.

    `scalar` is the name of the chunk of an array without axes.
    """
    if not grid_shape:
        return 0 if name == scalar else None
    parts = name.split(".")
    if not all(part.isdecimal() and part.isascii() for part in parts):
        return None
    coord = [int(part) for part in parts]
    if len(coord) != len(grid_shape) or any(c >= n for c, n in zip(coord, grid_shape, strict=True)):
        return None
    return linear_cell(coord, grid_shape)
