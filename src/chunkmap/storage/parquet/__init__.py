"""Reference sets as Parquet, in the layout that fsspec reads: a directory with metadata and partitions of the grids.

`partition` is one file of rows, to and from columns; `sidecar` what chunkmap knows of a set beyond that; `writing` and
`reading` are whole sets, `chunks` those of one array at rest, and `cache` the partitions that are kept once read.
"""
