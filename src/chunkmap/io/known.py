"""What is known of a file on a server once it was asked for."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Known"]


class Known(NamedTuple):
    """In the words of its filesystem; with the first bytes, where they were asked for with it."""

    info: dict[str, Any]
    first: memoryview
