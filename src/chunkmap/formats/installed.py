"""Formats of other packages, found by their entry points."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib.metadata import entry_points
from typing import Final

from chunkmap.formats.format import Format
from chunkmap.warning import warn_caller

__all__ = ["GROUP", "installed"]

GROUP: Final = "chunkmap.formats"
"""The group of entry points, each of which leads to a `Format`."""


def installed(taken: Collection[str]) -> Iterator[Format]:
    """The rows of other packages. One that cannot be had, or whose name is taken, is left out with a warning."""
    names = set(taken)
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            row = point.load()
        except Exception as error:  # noqa: BLE001 - whatever another package does, other formats are scanned
            warn_caller(f"the format {point.name!r} ({point.value}) cannot be used: {error!r}")
            continue
        if not isinstance(row, Format) or row.name in names:
            what = f"the name {row.name!r} is taken" if isinstance(row, Format) else f"it is no Format but {row!r}"
            warn_caller(f"the format {point.name!r} ({point.value}) cannot be used: {what}")
            continue
        names.add(row.name)
        yield row
