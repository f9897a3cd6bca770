"""The formats' own libraries, asked for what is in a file: beside them a set is right or wrong.

One file for each format, found by the format's name. It is imported, and its library with it, when a file of the
format is compared. The module of a format of another package may bring its own, as a function `oracle`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final, NamedTuple

from chunkmap.formats import Format
from chunkmap.frontends.oracles.oracle import Oracle, Original, Piece
from chunkmap.packages import require

__all__ = ["ORACLES", "Library", "Oracle", "Original", "Piece", "find_oracle"]


class Library(NamedTuple):
    """What reads a format."""

    package: str
    """What is imported."""
    extra: str | None
    """The extra of this package that brings it; None for what is always there."""


ORACLES: Final[Mapping[str, Library]] = {
    "hdf5": Library("h5py", "compare"),
    "netcdf3": Library("netCDF4", "compare"),
    "hdf4": Library("pyhdf", "compare"),
    "fits": Library("astropy", "fits"),
    "tiff": Library("tifffile", "compare"),
    "nifti": Library("nibabel", "compare"),
    "dmrpp": Library("h5py", "compare"),
    "envi": Library("rasterio", "compare"),
    "npy": Library("numpy", None),
    "npz": Library("numpy", None),
    "zarr": Library("zarr", None),
    "grib": Library("eccodes", "grib"),
}
"""Format -> its library. The oracle is the module of the format's name beside this one. Nothing tells a set that raw
elements are in a file, so that they have none."""


def find_oracle(row: Format) -> Callable[[Original], Oracle] | None:
    """Who opens a file of a format with the format's own library; None where nobody is known.

    Raises NotInstalled where the library is missing, naming what to install.
    """
    parser = row.load()  # before the library: it knows what must be imported before it
    library = ORACLES.get(row.name)
    if library is None:
        found: Callable[[Original], Oracle] | None = getattr(parser, "oracle", None)
        return found
    require(library.package, library.extra, f"comparing with what is in {row.name} files")
    module = import_module(f"{__name__}.{row.name}")
    own: Callable[[Original], Oracle] = module.oracle
    return own
