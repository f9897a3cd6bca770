"""HDF4 and HDF-EOS2: scientific data sets, tables, images, and grids, swaths and points.

Specification: HDF Specification and Developer's Guide, https://support.hdfgroup.org/documentation/hdf4/ (release 4.2),
and HDF-EOS Library User's Guide for HDF-EOS2, volume 1.
"""

from chunkmap.formats.hdf4.scanner import Options, parse

__all__ = ["Options", "parse"]
