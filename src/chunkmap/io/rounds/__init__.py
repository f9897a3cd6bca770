"""Rounds of reading: parsers that have never heard of a socket, and the scheduler that brings them their bytes.

`requests` is what parsers ask for, `scheduler` who brings it, `answers` and `extents` what has been read so far of one
file; `header` is for formats that begin with one sequence of tokens, `folders` for those that are folders of files.
"""

from chunkmap.io.rounds.header import Window, windowed
from chunkmap.io.rounds.requests import Found, Gather, Hint, Other, Parser, Pieces, Span, Together
from chunkmap.io.rounds.scheduler import Reading, Tally, run, run_many

__all__ = [
    "Found",
    "Gather",
    "Hint",
    "Other",
    "Parser",
    "Pieces",
    "Reading",
    "Span",
    "Tally",
    "Together",
    "Window",
    "run",
    "run_many",
    "windowed",
]
