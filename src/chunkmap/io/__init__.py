"""What lies at a URL: sources and folders, ranged reads, listings, archives, file objects."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
