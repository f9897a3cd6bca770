"""Icechunk's stores are asynchronous, and are asked from code that is not: in fsspec's loop, which runs on a thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fsspec.asyn import get_loop, sync

__all__ = ["ask"]

_T = TypeVar("_T")


def ask(call: Callable[..., Coroutine[Any, Any, _T]], *args: Any) -> _T:
    """What an asynchronous function gives; waits for it, also within a program that has a loop of its own."""
    result: _T = sync(get_loop(), call, *args)
    return result
