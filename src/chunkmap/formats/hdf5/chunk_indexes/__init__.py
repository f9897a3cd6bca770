"""The indexes in which HDF5 keeps where chunks are, as columns: one module for each kind, `chunk_index` for all."""
