"""The one way to warn: at the line of whoever called, through however many functions of ours."""

from __future__ import annotations

import sys
import warnings
from types import FrameType
from typing import Final

__all__ = ["warn_caller"]

_LIBRARIES: Final = frozenset({"chunkmap", "kerchunk", "xarray"})


def warn_caller(warning: str | Warning) -> None:
    """Warn at the nearest line that is neither ours nor xarray's, which calls us."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - what inspect gives, without what inspect imports
    level = 0
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _LIBRARIES:
        frame, level = frame.f_back, level + 1
    warnings.warn(warning, stacklevel=level + 1)
