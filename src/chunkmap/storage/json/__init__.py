"""Sets kept as JSON: one file, read and written by columns."""
