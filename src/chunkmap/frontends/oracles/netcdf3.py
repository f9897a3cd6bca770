"""NetCDF3, as scipy reads it; what scipy does not know, and all where it is missing, as netCDF4 does."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
from netCDF4 import Dataset
from numpy.typing import NDArray

from chunkmap.frontends.oracles.oracle import Oracle, Original, Piece, as_file

__all__ = ["oracle"]


def oracle(original: Original) -> Oracle:
    """The file. scipy reads ranges of it, netCDF4 needs all of it in memory."""
    is_64_bit_data = bytes(original.source.read(0, 4)) == b"CDF\x05"
    return _ByNetCDF4(original) if is_64_bit_data or find_spec("scipy") is None else _ByScipy(original)


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "_FillValue"}


class _ByScipy:
    def __init__(self, original: Original) -> None:
        from scipy.io import netcdf_file  # noqa: PLC0415 - it may be missing

        self._file = original.close.enter_context(netcdf_file(as_file(original.source), "r", mmap=False))

    def read(self, piece: Piece) -> NDArray[Any] | None:
        variable = self._file.variables.get(piece.path)
        return None if variable is None else np.array(variable[piece.part or ...])

    def attributes(self, path: str) -> Mapping[str, Any]:
        holder = self._file.variables.get(path) if path else self._file
        return _said(vars(holder)["_attributes"]) if holder is not None else {}


class _ByNetCDF4:
    def __init__(self, original: Original) -> None:
        source = original.source
        whole = bytes(source.read(0, source.size()))
        self._file = original.close.enter_context(Dataset("memory", memory=whole))
        self._file.set_auto_maskandscale(False)
        self._file.set_auto_chartostring(False)

    def read(self, piece: Piece) -> NDArray[Any] | None:
        variable = self._file.variables.get(piece.path)
        return None if variable is None else np.asarray(variable[piece.part])

    def attributes(self, path: str) -> Mapping[str, Any]:
        holder = self._file.variables.get(path) if path else self._file
        return _said({name: holder.getncattr(name) for name in holder.ncattrs()}) if holder is not None else {}
