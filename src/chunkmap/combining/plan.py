"""What a combine will do: the result in outline, and where every input goes.

A plan can be looked at before it is carried out: `print(plan.summary())`. It is made by `chunkmap.combining.planning`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.axes import Axis, find_axis
from chunkmap.combining.findings import Finding
from chunkmap.combining.inputs import Inputs
from chunkmap.combining.recipe import Recipe
from chunkmap.model import ArrayMeta, Cells, ManifestArray
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.model.portable import spelled
from chunkmap.model.typed import as_text
from chunkmap.model.variants import variants_of
from chunkmap.model.wording import counted

__all__ = ["ArrayPlan", "Cause", "Part", "Plan", "Reason", "Repeat"]

_SHOWN_INPUTS: Final = 5


class Cause(Enum):
    """What keeps chunks from being referred to as they are."""

    UNITS = auto()
    """Times are counted from other instants, or in other units: their values must be brought to one."""
    CHUNKS = auto()
    """Inputs have chunks of other shapes, or of several lengths."""
    GRID = auto()
    """Chunks begin or end between the cells of the grid, or decoded chunks are cut along other axes."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the values of an array are read and held inline instead of being referred to."""

    cause: Cause
    text: str
    """What was found, in words, with the inputs that it was found in."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Part:
    """One input's share of an array."""

    index: int
    """The input."""
    array: ManifestArray
    """Its array, with every dimension that it is combined along, in chunks of the result's shape."""
    cells: tuple[Cells, ...]
    """Where its chunks go, an entry for each axis of the result."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part that another input holds as well, at the very same places."""

    first: Part
    """What is taken."""
    index: int
    """The input that says it again."""
    array: ManifestArray


@dataclass(frozen=True, slots=True)
class ArrayPlan:
    """How one array of the result comes about."""

    path: str
    meta: ArrayMeta
    parts: tuple[Part, ...]
    load: Reason | None = None
    """Why the values are read; None when the chunks are referred to."""
    units: tuple[str | None, ...] = ()
    """Units of time of each part, where they differ and the values are brought to the first one's."""
    same: tuple[tuple[int, ManifestArray], ...] = ()
    """The other inputs that have this array too, of which the first one's is taken."""
    repeats: tuple[Repeat, ...] = ()
    """What is said twice: it hides nothing if it is the same."""
    overlap: Finding | None = None
    """What is wrong if it is not."""
    is_cut: bool = False
    """Whether the chunks of some inputs were cut to a common grid."""

    @property
    def how(self) -> str:
        """In a few words, how it comes about."""
        ways = len(variants_of(self.meta))
        return f"{self._how}, encoded in {ways:,} ways" if ways else self._how

    @property
    def _how(self) -> str:
        if self.load is not None:
            return f"read from {counted(len(self.parts), 'input')} and held inline: {self.load}"
        if self.same:
            return f"taken once, the same in {len(self.same) + 1:,} inputs"
        chunks = f"chunks of {counted(len(self.parts), 'input')}"
        if self.meta.edges:
            return f"{chunks}, each of its own length"
        return f"{chunks}, cut to one grid" if self.is_cut else chunks


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """The result in outline: its axes, and where every array comes from."""

    inputs: Inputs
    recipe: Recipe
    axes: Mapping[str, Axis]
    """The axes by the path of their coordinate."""
    arrays: Mapping[str, ArrayPlan]
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    """What data variables are called by the selector of their names, where there is one: each once."""
    notes: tuple[Finding, ...] = ()
    """What is worth knowing of it: what is read and held inline, what is missing, and why."""
    strict_json: ZarrFormat | None = None
    """The version of Zarr in whose documents attributes are to be said without numbers that JSON does not have."""

    def __repr__(self) -> str:
        axes = ", ".join(f"{path}: {len(axis)}" for path, axis in self.axes.items())
        return f"<Plan of {counted(len(self.inputs), 'input')} to {counted(len(self.arrays), 'array')} along {axes}>"

    @property
    def coordinates(self) -> dict[str, Axis]:
        """The axes that are coordinates of the result: those of which more is known than the order of the inputs."""
        return {path: axis for path, axis in self.axes.items() if not axis.in_order}

    def in_strict_json(self, zarr_format: ZarrFormat) -> Plan:
        """The plan, with such attributes."""
        arrays = {
            path: replace(plan, meta=replace(plan.meta, attrs=spelled(plan.meta.attrs, zarr_format)))
            for path, plan in self.arrays.items()
        }
        groups = {path: as_text(attrs) for path, attrs in self.groups.items()}
        return replace(self, arrays=arrays, groups=groups, strict_json=zarr_format)

    def axis(self, path: str, dim: str) -> Axis | None:
        """The axis along which an array of the result lies in one of its dimensions; None when it is not combined."""
        return find_axis(self.axes, path, dim)

    def where(self, index: int) -> dict[str, NDArray[np.int64]]:
        """The positions that an input takes along every axis in which it has a part."""
        found = {path: axis.positions[index] for path, axis in self.axes.items()}
        return {path: positions for path, positions in found.items() if len(positions)}

    def summary(self) -> str:
        """The plan as text: axes, arrays, and where the first inputs go."""
        return "\n".join(self._lines())

    def to_dict(self) -> dict[str, Any]:
        """Axes and arrays as JSON has them."""
        axes = {
            path: {"length": len(axis), "in_order": True}
            if axis.in_order
            else {"length": len(axis), "first": _plain(axis.values[:1]), "last": _plain(axis.values[-1:])}
            for path, axis in self.axes.items()
        }
        arrays = {
            path: {
                "dims": list(plan.meta.dims or ()),
                "shape": list(plan.meta.shape),
                "chunks": [n if isinstance(n, int) else str(n) for n in plan.meta.chunks],
                "dtype": str(plan.meta.dtype),
                "inputs": len(plan.parts) + len(plan.same),
                "how": plan.how,
            }
            for path, plan in self.arrays.items()
        }
        return {"axes": axes, "arrays": arrays}

    def _lines(self) -> Iterator[str]:
        inputs, arrays = len(self.inputs), len(self.arrays) + len(self.coordinates)
        yield f"{counted(inputs, 'input')} become{'s' * (inputs == 1)} {counted(arrays, 'array')}"
        yield "axes"
        for path, axis in self.axes.items():
            units = f", {axis.origin['units']}" if "units" in axis.origin else ""
            if axis.in_order:
                yield f"  {path}: {len(axis):,} places, in the order of the inputs"
                continue
            ends = " to ".join(dict.fromkeys(axis.in_words([0, -1]))) if len(axis) else "none"
            yield f"  {path}: {counted(len(axis), 'value')}, {ends}{units}"
        yield "arrays"
        for path, plan in self.arrays.items():
            sizes = ", ".join(f"{d}: {n:,}" for d, n in zip(plan.meta.dims or (), plan.meta.shape, strict=False))
            chunks = " x ".join(f"{n:,}" if isinstance(n, int) else str(n) for n in plan.meta.chunks) or "one value"
            yield f"  {path} ({sizes}) {plan.meta.dtype} in chunks of {chunks}; {plan.how}"
        yield "inputs"
        for index in range(min(len(self.inputs), _SHOWN_INPUTS)):
            places = ", ".join(f"{path} {_places(at)}" for path, at in self.where(index).items())
            yield f"  {self.inputs.name(index)}: {places or 'nowhere'}"
        if len(self.inputs) > _SHOWN_INPUTS:
            yield f"  ... and {len(self.inputs) - _SHOWN_INPUTS:,} more"


def _places(positions: NDArray[np.int64]) -> str:
    """Positions in words: a range where they follow one another.

    >>> _places(np.arange(3, 6)), _places(np.array([1, 4, 9]))
    ('3 to 5', '1, 4, 9')
    """
    if len(positions) == 1:
        return str(int(positions[0]))
    if bool((np.diff(positions) == 1).all()):
        return f"{positions[0]} to {positions[-1]}"
    return ", ".join(map(str, positions[:5].tolist())) + (", ..." if len(positions) > 5 else "")


def _plain(values: NDArray[Any]) -> Any:
    if not len(values):
        return None
    value = values[0]
    return str(value) if values.dtype.kind in "mMSUO" else value.item()
