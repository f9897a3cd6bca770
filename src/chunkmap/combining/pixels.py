"""Coordinates of the pixels of images: scenes of one mosaic lie on one grid, or are refused.

A coordinate that was made of an affine transform says how far apart its pixels are, in the attribute `pixel_size`.
Scenes that lie half a pixel beside one another would give an axis on which their pixels alternate: every value in its
right place, and no image.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.axes import Axis
from chunkmap.combining.findings import Finding, Findings
from chunkmap.combining.inputs import Inputs

__all__ = ["PIXEL_SIZE", "check_pixels"]

PIXEL_SIZE: Final = "pixel_size"
"""The attribute: from each pixel to the next, negative where the coordinate falls."""

_TOLERANCE: Final = 1e-2
"""Of a pixel: less is rounding, of coordinates that were written as decimals."""


def check_pixels(axis: Axis, inputs: Inputs, findings: Findings) -> None:
    """Report inputs whose pixels are not those of the first one's grid."""
    if axis.values.dtype.kind != "f":
        return
    sizes = {index: size for index in range(len(inputs)) if (size := _pixel_size(axis, inputs, index)) is not None}
    members = [index for index in sizes if axis.positions.lengths[index]]
    if len(members) < 2:
        return
    first, size = members[0], sizes[members[0]]
    origin = float(axis.values[axis.positions.firsts[first]])
    for index in members[1:]:
        if abs(sizes[index] - size) > abs(size) * _TOLERANCE / max(len(axis), 1):
            _report(axis, findings, (first, index), f"pixels are {size!r} apart in {{0}} and {sizes[index]!r} in {{1}}")
            return
        begins = float(axis.values[axis.positions.firsts[index]])
        beside = (begins - origin) / size
        if abs(beside - round(beside)) > _TOLERANCE:
            text = (
                f"{{1}} begins at {begins!r}, {beside:.4g} pixels of {size!r} beside {{0}}, which begins at {origin!r}"
            )
            _report(axis, findings, (first, index), text)
            return
    _check_doubles(axis, findings, members, np.rint((axis.values - origin) / size))


def _check_doubles(axis: Axis, findings: Findings, members: list[int], numbers: NDArray[np.float64]) -> None:
    """Two values for one pixel: transforms that were rounded differently."""
    double = np.flatnonzero(np.diff(numbers) == 0)
    if len(double):
        at = int(double[0])
        text = f"{axis.values[at]!r} and {axis.values[at + 1]!r} are one pixel, which inputs round differently"
        _report(axis, findings, (members[0], members[-1]), text)


def _report(axis: Axis, findings: Findings, indexes: tuple[int, int], text: str) -> None:
    names = findings.names(indexes)
    message = (
        f"{text.format(*names)}. They lie on no common grid; warp one of them to the other's, or combine them apart"
    )
    findings.add(Finding("pixels", axis.path, message, names, 1))


def _pixel_size(axis: Axis, inputs: Inputs, index: int) -> float | None:
    coordinate = inputs[index].arrays.get(axis.coordinate)
    size = None if coordinate is None else coordinate.meta.attrs.get(PIXEL_SIZE)
    return float(size) if isinstance(size, int | float) and size else None
