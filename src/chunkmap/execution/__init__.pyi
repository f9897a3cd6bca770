from .appending import append
from .icechunk import to_icechunk
from .verbs import build, combine, diagnose, merge, scan_many

__all__ = [
    "append",
    "build",
    "combine",
    "diagnose",
    "merge",
    "scan_many",
    "to_icechunk",
]
