"""HDF5 and NetCDF4, as h5py reads them."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from chunkmap.frontends.oracles.oracle import Original, Piece, as_file
from chunkmap.io import Source

__all__ = ["Hdf5", "oracle"]

_INTERNAL: Final = frozenset(
    {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS", "_FillValue", "_NCProperties"}
    | {"_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict", "_NCCOPY"}
)
"""What the libraries of HDF5 and NetCDF4 write for themselves, and what Zarr says in its own words."""


def oracle(original: Original) -> Hdf5:
    """The file."""
    return Hdf5(original.source, original)


class Hdf5:
    """A file that h5py has opened."""

    def __init__(self, source: Source, original: Original) -> None:
        with _collector_off():
            self._file = original.close.enter_context(h5py.File(as_file(source), "r"))

    def read(self, piece: Piece) -> NDArray[Any] | None:
        """The values of a dataset."""
        with _collector_off():
            found = self._at(piece.path)
            return None if found is None else np.asarray(found[piece.part])

    def attributes(self, path: str) -> Mapping[str, Any]:
        """All but those of the libraries themselves, and those that h5py gives as no numbers and no text."""
        with _collector_off():
            found = self._at(path)
            names = [] if found is None else [name for name in found.attrs if name not in _INTERNAL]
            values = {name: found.attrs[name] for name in names if _is_plain(found.attrs.get_id(name))}
        return {name: value for name, value in values.items() if not isinstance(value, h5py.Empty)}

    def _at(self, path: str) -> Any:
        """A dataset or a group; of NetCDF4's variables and dimensions of one name, the variable."""
        group, _, name = path.rpartition("/")
        hidden = f"{group}/_nc4_non_coord_{name}"
        return self._file.get(hidden if hidden in self._file else path or "/")


def _is_plain(attribute: Any) -> bool:
    return attribute.dtype.kind in "iufSU" or h5py.check_string_dtype(attribute.dtype) is not None


@contextmanager
def _collector_off() -> Iterator[None]:
    """No collection of cycles meanwhile: h5py holds a lock while it asks us for bytes, and the thread that fetches them
    would wait for that lock if it were to collect an object of h5py.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
