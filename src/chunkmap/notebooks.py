"""What notebooks show of our values: drawn by the front end, which is loaded when somebody looks."""

from __future__ import annotations

from importlib import import_module

__all__ = ["Shown"]


class Shown:
    """A value that notebooks show as HTML."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        drawn: str = import_module("chunkmap.frontends.html").as_html(self)
        return drawn
