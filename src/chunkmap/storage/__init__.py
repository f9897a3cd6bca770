"""Reference sets at rest: JSON, Parquet in the layout that fsspec reads, and Icechunk."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
