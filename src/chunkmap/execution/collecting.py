"""The collector of cycles looks less often while thousands of sets are made, which are no garbage.

It looks through what is new whenever some hundred objects more are there than before, and now and then through all.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

__all__ = ["collected_rarely"]

_NEW: Final = 50_000
"""Objects more than before, from which on it looks."""


class _Usual:
    """How often it looked before the first of those began that are at work now."""

    def __init__(self) -> None:
        self.lock, self.at_work, self.threshold = Lock(), 0, gc.get_threshold()


_usual = _Usual()


@contextmanager
def collected_rarely() -> Iterator[None]:
    """Have it look less often until the block ends, in the whole process; where it is turned off, that stays so."""
    with _usual.lock:
        _usual.at_work += 1
        if _usual.at_work == 1:
            _usual.threshold = gc.get_threshold()
            first, *others = _usual.threshold
            gc.set_threshold(max(first, _NEW) if first else 0, *others)
    try:
        yield
    finally:
        with _usual.lock:
            _usual.at_work -= 1
            if not _usual.at_work:
                gc.set_threshold(*_usual.threshold)
