"""Open thousands of archival files as one lazy Zarr dataset."""

__version__ = "0.1.0"
