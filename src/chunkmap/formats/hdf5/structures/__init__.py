"""What HDF5 puts into a file beside the data, each structure in the module that is named after it: bytes to values."""
