"""Zarr stores, of version 2 or 3 -> reference sets."""
