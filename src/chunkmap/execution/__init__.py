"""The same work on one core, a pool of processes, or a Dask cluster."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
