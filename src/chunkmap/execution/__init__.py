"""The same work on one core, a pool of processes, or a Dask cluster."""

from chunkmap.execution.appending import append
from chunkmap.execution.icechunk import to_icechunk
from chunkmap.execution.verbs import build, combine, diagnose, merge, scan_many

__all__ = ["append", "build", "combine", "diagnose", "merge", "scan_many", "to_icechunk"]
