from .explicit_ranges import explicit_ranges, whole_files, with_explicit_ranges
from .stores import ICECHUNK, JSON, PARQUET, STORES, FoundSet, Icechunk, Store, find_set, is_open, store_for
from .verbs import check_format, load, open_set, write

__all__ = [
    "ICECHUNK",
    "JSON",
    "PARQUET",
    "STORES",
    "FoundSet",
    "Icechunk",
    "Store",
    "check_format",
    "explicit_ranges",
    "find_set",
    "is_open",
    "load",
    "open_set",
    "store_for",
    "whole_files",
    "with_explicit_ranges",
    "write",
]
