"""NetCDF classic files -> reference sets."""

from chunkmap.formats.netcdf3.scanner import scan

__all__ = ["scan"]
