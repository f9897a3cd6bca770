"""Counts what a call does, so that it can be told how that grows with what it is given; no clock is looked at."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

_LINE = 64
"""Bytes of a text that cost as much as a call."""

_THROUGH = frozenset(
    {"count", "decode", "encode", "find", "join", "partition", "replace", "rfind", "rpartition", "rsplit", "split"}
    | {"splitlines", "strip", "translate", "tobytes", "tolist", "astype", "copy", "sort"}
)
"""What goes through all of the text, list or array that it is called on."""


class Work:
    """Counts the calls of Python and of C, and the bytes of the texts and arrays that these go through."""

    def __init__(self) -> None:
        self.done = 0

    def of(self, call: Callable[[], Any]) -> int:
        """What a call takes, in all threads that it starts."""
        self.done = 0
        threading.setprofile(self._see)
        sys.setprofile(self._see)
        try:
            call()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
        return self.done

    def _see(self, _frame: Any, event: str, call: Any) -> None:
        if event == "call":
            self.done += 1
        elif event == "c_call":
            self.done += 1
            own = getattr(call, "__self__", None)
            if own is not None and getattr(call, "__name__", "") in _THROUGH:
                self.done += int(getattr(own, "nbytes", 0) or (len(own) if hasattr(own, "__len__") else 0)) // _LINE


def growth(make: Callable[[int], Callable[[], Any]], sizes: Sequence[int]) -> float:
    """How many times as much a call takes for the second half of the largest of three sizes as for the step before:
    twice where work is proportional to the size (each size is twice the one before), four times where it grows with
    its square.
    """
    make(sizes[0])()  # what is done once is done
    small, middle, large = (make(size) for size in sizes)
    work = Work()
    first, second, third = work.of(small), work.of(middle), work.of(large)
    return (third - second) / max(second - first, first / 20)
