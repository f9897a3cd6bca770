"""Chunks that are listed one after the other, read by columns before the XML is: a document is hardly anything else.

An element for every chunk costs more than all that is done with it. So runs of `<dmrpp:chunk offset="..." nBytes="..."
chunkPositionInArray="[...]"/>` are cut out of the text, and one element stands for each. Anything else a chunk may say
stays in the document, as does all of one in which such text need not be an element: with comments, CDATA, or another
meaning of the prefix.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["RUN", "Run", "cut_runs"]

RUN: Final = "run_of_chunks"
"""The element, of the same namespace, that stands for a run; its text is the number of the run."""

_BOUND: Final = b'xmlns:dmrpp="http://xml.opendap.org/dap/dmrpp/1.0.0#"'
_UNSURE: Final = (b"<!", b"<?xml-", RUN.encode())
_ONE: Final = (
    rb'<dmrpp:chunk\s+offset="\d{1,18}"\s+nBytes="\d{1,18}"\s+chunkPositionInArray="\[\d{1,18}(?:,\d{1,18})*+\]"\s*/>'
)
_MANY: Final = re.compile(rb"(?:" + _ONE + rb"\s*+){4,}+")
_SPACES: Final = bytes(byte if chr(byte).isdigit() else 32 for byte in range(256))
_DIGITS: Final = b"0123456789 \t\r\n"


class Run(NamedTuple):
    """Chunks, a row each."""

    offsets: NDArray[np.uint64]
    lengths: NDArray[np.uint64]
    places: NDArray[np.int64]
    """The first element of each, along each axis."""


def cut_runs(data: bytes) -> tuple[bytes, list[Run]]:
    """The document with an element for each run, and the runs."""
    if data.count(b"xmlns:dmrpp=") != 1 or _BOUND not in data or any(text in data for text in _UNSURE):
        return data, []
    runs: list[Run] = []
    pieces: list[bytes] = []
    last = 0
    for match in _MANY.finditer(data):
        run = _read(match.group())
        if run is not None:
            pieces += [data[last : match.start()], b"<dmrpp:%s>%d</dmrpp:%s>" % (RUN.encode(), len(runs), RUN.encode())]
            runs.append(run)
            last = match.end()
    return b"".join([*pieces, data[last:]]), runs


def _read(text: bytes) -> Run | None:
    """The numbers of a run; None where its chunks have different numbers of axes."""
    count = text.count(b"<")
    form = text.translate(None, _DIGITS)
    if form != form[: len(form) // count] * count:
        return None
    numbers = np.fromstring(text.translate(_SPACES).decode("ascii"), np.int64, sep=" ").reshape(count, -1)
    return Run(numbers[:, 0].astype(np.uint64), numbers[:, 1].astype(np.uint64), numbers[:, 2:])
