"""NetCDF classic files -> reference sets."""

from chunkmap.formats.netcdf3.scanner import Options, parse

__all__ = ["Options", "parse"]
