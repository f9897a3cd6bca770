"""The same work on one core, a pool of processes, or a Dask cluster."""

from chunkmap.execution.verbs import build, combine, scan_many

__all__ = ["build", "combine", "scan_many"]
