"""What the steps of planning share: the recipe, the inputs, where every input stands, and what was found so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chunkmap.combining.alignment import Places
from chunkmap.combining.axes import find_axis
from chunkmap.combining.coverage import Coverage, cover
from chunkmap.combining.findings import Findings
from chunkmap.combining.inputs import Inputs
from chunkmap.combining.recipe import Recipe
from chunkmap.model import ManifestArray

__all__ = ["Found", "Request"]

Found = list[tuple[int, ManifestArray]]
"""The inputs that have an array, with it."""


@dataclass(frozen=True, slots=True)
class Request:
    """The recipe, the inputs, and where every input stands."""

    inputs: Inputs
    recipe: Recipe
    places: Mapping[str, Places]
    names: Sequence[str | None]
    """What each input's data variable is called in the result; None for its own name."""
    eras: Sequence[str]
    """The group of the result that each input goes to."""
    findings: Findings
    _found: dict[tuple[str, str], Places | None] = field(default_factory=dict)
    _covers: dict[tuple[tuple[str, ...], tuple[int, ...]], Coverage] = field(default_factory=dict)

    def along(self, path: str, dim: str) -> Places | None:
        """Where inputs stand along a dimension of an array; None when it is not combined."""
        key = (path.rpartition("/")[0], dim)
        if key not in self._found:
            axis = find_axis({at: place.axis for at, place in self.places.items()}, path, dim)
            self._found[key] = None if axis is None else self.places[axis.path]
        return self._found[key]

    def cover(self, places: Sequence[Places], indexes: tuple[int, ...]) -> Coverage:
        """How these inputs fill these axes: arrays of the same inputs share the answer."""
        key = (tuple(place.axis.path for place in places), indexes)
        if key not in self._covers:
            self._covers[key] = cover(tuple(place.axis for place in places), indexes)
        return self._covers[key]
