"""Codecs of Zarr v3, and those of its codecs that Zarr v2 has no words for: one file each."""
