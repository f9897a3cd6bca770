"""HDF5 and netCDF-4 files, parsed by chunkmap itself: no HDF5 library is needed.

Specification: HDF5 File Format Specification Version 3.0 and 4.0, https://support.hdfgroup.org/documentation/hdf5/latest/_s_p_e_c.html
(section numbers in these modules are its own), and the netCDF-4 conventions on top of it,
https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html. Modules are named as the specification
names its structures; each parser is a generator as `chunkmap.io.rounds` describes them.
"""

from chunkmap.formats.hdf5.arrays import Options
from chunkmap.formats.hdf5.scanner import parse

__all__ = ["Options", "parse"]
