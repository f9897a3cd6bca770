"""Codecs of HDF5's own: one file each, and one row each in `chunkmap.codecs.table`."""
