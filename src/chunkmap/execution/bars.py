"""Bars of progress for `progress=True`: one for each step of a verb, where a person looks at a terminal or notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chunkmap.execution.mapping import Progress
from chunkmap.packages import require

__all__ = ["Steps", "steps"]

Steps = Callable[[str], Progress | None]
"""Begins a step of that name, and gives what counts in it; what a step does may be uncounted."""


@contextmanager
def steps(progress: Progress | bool | None) -> Iterator[Steps]:
    """The steps of a verb. True draws a bar for each, a callable counts the first step, None and False show nothing.

    >>> seen = []
    >>> with steps(lambda done, total: seen.append((done, total))) as begin:
    ...     begin("scanning")(1, 2)
    ...     begin("writing")
    >>> seen
    [(1, 2)]
    """
    if progress is not True:
        waiting = [progress or None]
        yield lambda _name: waiting.pop() if waiting else None
        return
    rich = require("rich.progress", "cli", "progress=True")
    console = require("rich.console", "cli", "progress=True").Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        yield lambda _name: None
        return
    columns = ("{task.description}", rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeElapsedColumn())
    with rich.Progress(*columns, rich.TimeRemainingColumn(), console=console, transient=True) as drawn:
        yield _Bars(drawn).begin


class _Bars:
    """Bars one below the other: what was not counted is done when the next step begins."""

    def __init__(self, drawn: Any) -> None:
        self._drawn, self._begun = drawn, list[Any]()

    def begin(self, name: str) -> Progress:
        for task in self._begun:
            self._drawn.stop_task(task)
        task = self._drawn.add_task(name, total=None)
        self._begun.append(task)
        return lambda done, total: self._drawn.update(task, completed=done, total=total)
