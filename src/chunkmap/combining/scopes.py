"""The groups of inputs that have places of their own along a dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chunkmap.combining.inputs import Inputs
from chunkmap.combining.recipe import ORDER, Selector
from chunkmap.model import ReferenceSet

__all__ = ["Scope", "groups_along", "is_order", "join", "length_along", "reads", "scopes_of"]

_READS: Final = ("data:", "cf:")


@dataclass(frozen=True, slots=True)
class Scope:
    """A group that has a coordinate of its own for one dimension, and the inputs that have a part in it."""

    dim: str
    group: str
    """In the inputs."""
    era: str
    """The group of the result that the inputs go to; the root for most."""
    members: tuple[int, ...]

    @property
    def coordinate(self) -> str:
        """The array of this name in the inputs."""
        return join(self.group, self.dim)

    @property
    def path(self) -> str:
        """The same in the result."""
        return join(self.era, self.coordinate)


def scopes_of(inputs: Inputs, dim: str, selectors: Sequence[Selector], eras: Sequence[str]) -> list[Scope]:
    """The groups that have a coordinate of this dimension: the root, and those below that have one of their own."""
    members: dict[tuple[str, str], list[int]] = {}
    for index, selector in enumerate(selectors):
        members.setdefault((eras[index], ""), []).append(index)
        if reads(selector):
            name = selector.partition(":")[2].strip("/")
            for group in _groups_with(inputs[index], name, dim):
                members.setdefault((eras[index], group), []).append(index)
        elif is_order(selector):
            for group in filter(None, groups_along(inputs[index], dim)):
                members.setdefault((eras[index], group), []).append(index)
    nested = {era for era, group in members if group}
    found = []
    for (era, group), indexes in members.items():
        if not group and era in nested and not any(_has(inputs[i], selectors[i], dim) for i in indexes):
            continue
        found.append(Scope(dim, group, era, tuple(indexes)))
    return found


def _groups_with(refs: ReferenceSet, name: str, dim: str) -> list[str]:
    end = f"/{name}"
    return [
        path.removesuffix(end)
        for path, array in refs.arrays.items()
        if path.endswith(end) and array.meta.dims == (dim,)
    ]


def _has(refs: ReferenceSet, selector: Selector, dim: str) -> bool:
    if is_order(selector):
        return "" in groups_along(refs, dim)
    return not reads(selector) or selector.partition(":")[2].strip("/") in refs.arrays


def join(group: str, name: str) -> str:
    """The path of a name in a group."""
    return f"{group}/{name}" if group else name


def is_order(selector: Selector) -> bool:
    """Whether a selector says that inputs follow one another as they are given."""
    return isinstance(selector, str) and selector == ORDER


def reads(selector: Selector) -> bool:
    """Whether a selector says in which array the values are."""
    return isinstance(selector, str) and selector.startswith(_READS)


def groups_along(refs: ReferenceSet, dim: str) -> list[str]:
    """The groups, the root among them, that have arrays along a dimension."""
    found = (path.rpartition("/")[0] for path, array in refs.arrays.items() if dim in (array.meta.dims or ()))
    return list(dict.fromkeys(found))


def length_along(refs: ReferenceSet, group: str, dim: str) -> int:
    """How many places an input takes: as many as its arrays in a group have along the dimension, else one."""
    for path, array in refs.arrays.items():
        dims = array.meta.dims or ()
        if dim in dims and path.rpartition("/")[0] == group:
            return array.meta.shape[dims.index(dim)]
    return 1
