"""Answers of eccodes that were asked for, kept under what they depend on."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

__all__ = ["Memory"]

T = TypeVar("T")

_MOST_KEPT: Final = 1 << 14


class Memory(Generic[T]):
    """Answers that were asked for, under what they depend on. It forgets everything when it is full."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, T] = {}

    def get(self, key: Hashable, ask: Callable[[], T]) -> T:
        """The answer, asked for where it is not known."""
        try:
            return self._answers[key]
        except KeyError:
            if len(self._answers) >= _MOST_KEPT:
                self._answers.clear()
            answer = self._answers[key] = ask()
            return answer
