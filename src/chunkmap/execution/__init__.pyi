from .appending import append
from .icechunk import to_icechunk
from .scanning import scan_many
from .verbs import build, combine, diagnose, merge

__all__ = [
    "append",
    "build",
    "combine",
    "diagnose",
    "merge",
    "scan_many",
    "to_icechunk",
]
