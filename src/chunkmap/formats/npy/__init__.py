"""NumPy's `.npy` files, of one array, and `.npz` archives, which are ZIPs of them."""

from chunkmap.formats.npy.array import Options, parse

__all__ = ["Options", "parse"]
