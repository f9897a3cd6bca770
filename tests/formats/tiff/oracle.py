"""What tests of TIFF share: reading a file through its references, and what tifffile and rasterio read."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import rasterio
import rasterio.errors
import tifffile

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.formats.tiff import Options, parse
from chunkmap.io import LocalSource
from chunkmap.io.rounds import run

logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def scanned(path, **options):
    """What the parser gives for a file."""
    with LocalSource(str(path)) as source:
        return run(source, parse(source, Options(**options)))


def values(found, path="image"):
    """An array of it, read through the references."""
    return read_array(found.arrays[path], Fetcher())


def by_tifffile(path, series=0, level=0):
    """What tifffile reads."""
    with tifffile.TiffFile(path) as file:
        return file.series[series].levels[level].asarray()


def by_rasterio(path, **options):
    """What rasterio reads, in the order of axes of the file: bands last where they stand side by side."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, **options) as file:
            found = file.read()
            side_by_side = file.interleaving == rasterio.enums.Interleaving.pixel
    if len(found) == 1:
        return found[0]
    return np.moveaxis(found, 0, -1) if side_by_side else found


def assert_same(found, wanted, *, kind=True):
    """Equal in shape, in type but for the byte order, and in every value. Libraries differ on axes of length 1."""
    assert [n for n in found.shape if n > 1] == [n for n in wanted.shape if n > 1]
    wanted = wanted.reshape(found.shape)
    assert not kind or found.dtype.newbyteorder("=") == wanted.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, wanted)
