"""What a header says besides where the voxels are: scale, matrices, units, texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from chunkmap.errors import FormatError
from chunkmap.formats.nifti.header import Header
from chunkmap.io import Source
from chunkmap.model import Problem

__all__ = ["attributes_of", "scale_of"]

_OF_THE_ARRAY: Final = frozenset({"dim", "datatype", "vox_offset", "scl_slope", "scl_inter"})

_SPACE: Final[Mapping[int, str]] = {1: "m", 2: "mm", 3: "um"}
_TIME: Final[Mapping[int, str]] = {8: "s", 16: "ms", 24: "us", 32: "Hz", 40: "ppm", 48: "rad/s"}


def scale_of(
    header: Header, dtype: np.dtype[Any], name: str, source: Source
) -> tuple[dict[str, float], tuple[Problem, ...]]:
    """Slope and intercept as CF attributes.

    "If the scl_slope field is nonzero, then each voxel value in the dataset should be scaled as y = scl_slope * x +
    scl_inter"; not for RGB. A slope that is no number is none, as nibabel has it, and so is its intercept; an intercept
    that is no number beside a slope that is one is an error.
    """
    slope, inter = _scale_of_analyze(header.values) if header.is_analyze else _scale_of_nifti(header.values)
    if not math.isfinite(slope) or slope == 0 or dtype.names is not None:
        return {}, ()
    if not math.isfinite(inter):
        raise FormatError(f"scl_slope is {slope}, but scl_inter is {inter}", url=source.url)
    if (slope, inter) == (1, 0):
        return {}, ()
    if dtype.kind == "c":
        message = f"values are {slope} times what is stored, plus {inter}: readers do not scale complex numbers"
        return {}, (Problem(name, "scale of complex numbers", message, source.url),)
    return {"scale_factor": slope, "add_offset": inter}, ()


def _scale_of_nifti(values: Mapping[str, Any]) -> tuple[float, float]:
    return values["scl_slope"], values["scl_inter"]


def _scale_of_analyze(values: Mapping[str, Any]) -> tuple[float, float]:
    """As SPM2 has it, and nibabel: an intercept that is no number is 0, and without a slope the ranges of values say
    it, of what is stored (`glmin`, `glmax`) and of what is meant (`cal_min`, `cal_max`).
    """
    slope, inter = values["scl_slope"], values["scl_inter"]
    if math.isfinite(slope) and slope:
        return slope, inter if math.isfinite(inter) else 0.0
    stored, meant = values["glmax"] - values["glmin"], values["cal_max"] - values["cal_min"]
    if not stored or not meant:
        return 0.0, 0.0
    slope = meant / stored
    return slope, values["cal_min"] - slope * values["glmin"]


def attributes_of(header: Header) -> dict[str, Any]:
    """What the header says besides, under its own names; matrices from indices to space, as lists of rows."""
    values = header.values
    if header.is_analyze:
        return {key: value for key, value in values.items() if key not in _OF_THE_ARRAY}
    ndim = min(max(values["dim"][0], 1), 7)
    kept = ("descrip", "aux_file", "intent_code", "intent_name", "qform_code", "sform_code", "cal_min", "cal_max")
    found = {key: values[key] for key in (*kept, "toffset")} | {"pixdim": values["pixdim"][: ndim + 1]}
    units = values["xyzt_units"]
    found |= {"space_units": _SPACE.get(units & 7, "unknown"), "time_units": _TIME.get(units & 56, "unknown")}
    if values["qform_code"] > 0:
        found["qform"] = _qform(values)
    if values["sform_code"] > 0:
        srow = values["srow"]
        found["sform"] = [srow[:4], srow[4:8], srow[8:], [0.0, 0.0, 0.0, 1.0]]
    if header.extensions:
        found["extensions"] = [dict(extension) for extension in header.extensions]
    return found


def _qform(values: Mapping[str, Any]) -> list[list[float]]:
    """The matrix of method 2: a rotation by the unit quaternion [a, b, c, d], steps of pixdim, then an offset."""
    b, c, d = values["quatern"]
    a = math.sqrt(max(1.0 - (b * b + c * c + d * d), 0.0))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    qfac = -1.0 if values["pixdim"][0] < 0 else 1.0
    steps: Sequence[float] = [values["pixdim"][1], values["pixdim"][2], qfac * values["pixdim"][3]]
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.array(steps)
    matrix[:3, 3] = values["qoffset"]
    rows: list[list[float]] = matrix.tolist()
    return rows
