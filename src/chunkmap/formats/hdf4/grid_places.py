"""Where the cells of a grid are, as arrays: rows and columns, or those of each block of a grid along an orbit.

HDF-EOS Library User's Guide for HDF-EOS2, volume 2, GDblkSOMoffset: fields of MISR are a stack of blocks along the path
of the satellite, each of which begins as many cells aside of the one before as an attribute of the grid says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf4.eos import Structure
from chunkmap.formats.hdf4.projections import Grid, positions

__all__ = ["LATITUDE", "LONGITUDE", "Places", "places_of"]

LATITUDE: Final = {"standard_name": "latitude", "units": "degrees_north"}
LONGITUDE: Final = {"standard_name": "longitude", "units": "degrees_east"}
_Y: Final = {"standard_name": "projection_y_coordinate", "units": "m"}
_X: Final = {"standard_name": "projection_x_coordinate", "units": "m"}
_BLOCKS: Final = 11
"""The parameter that says in how many blocks a grid is."""
Coordinate = tuple[tuple[str, ...], NDArray[np.float64], Mapping[str, str]]


class Places(NamedTuple):
    """The coordinates of a grid."""

    y: Coordinate
    x: Coordinate
    names: tuple[str, str] = ("YDim", "XDim")

    @property
    def coordinates(self) -> dict[str, Coordinate]:
        """Both, by name."""
        return dict(zip(self.names, (self.y, self.x), strict=True))

    @property
    def named(self) -> list[str]:
        """Those that are no axes: a field has to name them."""
        return [name for name, (dims, _, _) in self.coordinates.items() if (name,) != dims]

    @property
    def dims(self) -> tuple[str, ...]:
        """The axes of all cells."""
        return (*self.y[0], self.x[0][-1])

    def mesh(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where every cell is."""
        y, x = np.broadcast_arrays(self.y[1][..., :, None], self.x[1][..., None, :])
        return y, x


def places_of(grid: Grid, structure: Structure, fields: Sequence[Mapping[str, int]]) -> Places:
    """The coordinates of a grid, of which some fields have these axes. Raises Unsupported where they cannot be told."""
    y, x = positions(grid)
    stacked = {name: size for axes in fields for name, size in axes.items() if name.startswith("SOMBlock")}
    if grid.projection == "GCTP_SOM" and grid.parameters[_BLOCKS] and stacked:
        ((axis, count),) = list(stacked.items())[:1]
        return _of_blocks(grid, axis, y, x, _shifts(structure, count))
    if grid.is_geographic:
        return Places((("YDim",), y, LATITUDE), (("XDim",), x, LONGITUDE))
    return Places((("YDim",), y, _Y), (("XDim",), x, _X))


def _shifts(structure: Structure, count: int) -> NDArray[np.float64]:
    """By how many cells each block lies aside of the first."""
    listed: Any = structure.attrs.get(f"_BLKSOM:{structure.name}")
    given = np.atleast_1d(np.array(listed if isinstance(listed, list) else [] if listed is None else [listed], float))
    if given.shape != (count - 1,):
        raise Unsupported(
            f"expected the offsets of {count - 1} blocks in the attribute _BLKSOM:{structure.name},"
            f" found {given.size}; its cells have no coordinates",
            feature="grid",
        )
    return np.concatenate([[0.0], np.cumsum(given)])


def _of_blocks(
    grid: Grid, axis: str, y: NDArray[np.float64], x: NDArray[np.float64], shifts: NDArray[np.float64]
) -> Places:
    along = grid.lower_right[0] - grid.upper_left[0]
    aside = (grid.upper_left[1] - grid.lower_right[1]) / grid.rows
    yy = y + (shifts * aside)[:, None]
    xx = x + (np.arange(len(shifts)) * along)[:, None]
    return Places(((axis, "YDim"), yy, _Y), ((axis, "XDim"), xx, _X), ("som_y", "som_x"))
