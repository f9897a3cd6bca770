"""Reading through references: a Zarr store over a set, selections of arrays at once, and whether the set is true."""
