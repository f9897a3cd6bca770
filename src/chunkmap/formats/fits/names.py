"""Names: the paths of units and columns, and the names of axes.

Arrays of one group share their axes by name, so an axis that is not as long everywhere has several names.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from chunkmap.formats.fits.hdus import Unit

__all__ = ["axis_names", "distinct", "name_of", "unit_names", "without_conflicts"]

_AXES = ("x", "y", "z")


def name_of(text: str) -> str:
    """The text as one name in a path; empty when nothing of it can be one."""
    name = text.strip().replace("/", "_")
    return "" if not name or name.startswith((".", "__")) else name


def unit_names(units: Sequence[Unit]) -> list[str]:
    """A name for each unit: its EXTNAME, else PRIMARY or its number.

    Units of one EXTNAME are told apart by EXTVER, behind the name; where it does not tell them apart, by their number.
    """
    names = [name_of(unit.header.text("EXTNAME")) or (str(unit.number) if unit.number else "PRIMARY") for unit in units]
    shared = {name for name, count in Counter(names).items() if count > 1}
    versions = [
        f"{name}_{unit.header.integer('EXTVER', 1)}" if name in shared else name
        for name, unit in zip(names, units, strict=True)
    ]
    count = Counter(versions)
    told = [
        version if count[version] == 1 else f"{name}_{unit.number}"
        for version, name, unit in zip(versions, names, units, strict=True)
    ]
    return distinct(told)


def distinct(names: Sequence[str]) -> list[str]:
    """The names; those that stood before, or would, get a number that makes them unique.

    >>> distinct(["a", "b", "a", "a_2"])
    ['a', 'b', 'a_3', 'a_2']
    """
    once, taken, found = set(names), set[str](), list[str]()
    for name in names:
        own, number = name, 2
        while own in taken or (own != name and own in once):
            own, number = f"{name}_{number}", number + 1
        taken.add(own)
        found.append(own)
    return found


def axis_names(ndim: int) -> tuple[str, ...]:
    """Names of the axes of an image, the slowest first: x is the fastest, as in the file.

    >>> axis_names(4)
    ('axis4', 'z', 'y', 'x')
    """
    return tuple(_AXES[n] if n < len(_AXES) else f"axis{n + 1}" for n in reversed(range(ndim)))


def without_conflicts(shapes: Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]]) -> dict[str, tuple[str, ...]]:
    """Names of the axes of arrays in one group, from the path, names and shape of each.

    Names that do not have one length in all arrays get the array's own name before them.
    """
    lengths = defaultdict[str, set[int]](set)
    for dims, shape in shapes.values():
        for dim, length in zip(dims, shape, strict=True):
            lengths[dim].add(length)
    return {
        path: tuple(dim if len(lengths[dim]) == 1 else f"{path}_{dim}" for dim in dims)
        for path, (dims, _) in shapes.items()
    }
