"""Arrays and groups by path: what one file, or a thousand combined, look like as Zarr.

A `ReferenceSet` is a value: verbs take sets and give new ones. What a scanner could not represent is not lost: it
stands in `problems`, as data; what a combine decided, in `notes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chunkmap.errors import Unsupported
from chunkmap.model import dictionary
from chunkmap.model.array import ManifestArray
from chunkmap.model.finding import Finding
from chunkmap.model.keys import Precedent
from chunkmap.model.meta import same_attrs
from chunkmap.model.problem import Problem
from chunkmap.model.variant_runs import runs_of
from chunkmap.model.wording import counted
from chunkmap.notebooks import Shown

__all__ = ["ReferenceSet", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """A file that references point into, as it was when it was scanned."""

    size: int | None = None
    """Length in bytes."""
    etag: str | None = None
    """The server's name for this content, where it gives one."""
    mtime: float | None = None
    """Time of the last change, seconds since 1970-01-01 UTC."""
    points: bytes | None = field(default=None, compare=False, repr=False)
    """Where reading can begin in a file that is compressed as a whole: `chunkmap.model.points.Points`, as bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceSet(Shown):
    """Arrays and groups by path, `"group/name"`; the root group has the path `""`.

    >>> refs = ReferenceSet.from_dict({"version": 1, "refs": {
    ...     ".zgroup": '{"zarr_format": 2}',
    ...     "x/.zarray": '{"shape": [4], "chunks": [2], "dtype": "<i2", "compressor": null, "filters": null,'
    ...                  ' "fill_value": null, "order": "C", "zarr_format": 2}',
    ...     "x/0": ["a.nc", 0, 4], "x/1": ["a.nc", 4, 4]}})
    >>> refs.arrays["x"].chunks
    <ChunkManifest 2 of 2 chunks, grid (2,), 1 url>
    """

    arrays: Mapping[str, ManifestArray] = field(default_factory=dict)
    """Arrays by path."""
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
    """Attributes of each group, by path."""
    problems: tuple[Problem, ...] = ()
    """What could not be represented."""
    targets: Mapping[str, Target] = field(default_factory=dict)
    """What is known of the files that the references point into, by URL."""
    name: str | None = None
    """Where the set came from: the URL that was scanned or loaded. Selectors look at it, messages name it."""
    zarr_format: dictionary.ZarrFormat = 2
    """The version of Zarr in which it is stored where it came from."""
    notes: tuple[Finding, ...] = ()
    """What was decided when it was combined: arrays that were read and are held inline, and why. Not stored."""

    def __eq__(self, other: object) -> bool:
        """The same arrays, chunks, groups and attributes; where the set came from does not matter."""
        if not isinstance(other, ReferenceSet):
            return NotImplemented
        return dict(self.arrays) == dict(other.arrays) and same_attrs(dict(self.groups), dict(other.groups))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        counts = {"array": len(self.arrays), "chunk": self.nchunks, "problem": len(self.problems)}
        counts |= {"note": len(self.notes)} if self.notes else {}
        return f"<ReferenceSet {self.name or ''} {', '.join(counted(count, word) for word, count in counts.items())}>"

    @property
    def nchunks(self) -> int:
        """Number of chunks of all arrays; of one at rest that does not say how many it has, at most so many."""
        return sum(array.most_chunks for array in self.arrays.values())

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Attributes of the root group."""
        return self.groups.get("", {})

    @property
    def emptied(self) -> Problem | None:
        """Of a set whose arrays were all left out, why the first of them was; None of any other set.

        >>> why = Problem("x", "pickle", "left out")
        >>> ReferenceSet(problems=(why,)).emptied == why, ReferenceSet(problems=(Problem("", "title", "cut"),)).emptied
        (True, None)
        """
        lost = (problem for problem in self.problems if problem.path not in self.groups)
        return None if self.arrays else next(lost, None)

    @property
    def left_out(self) -> dict[str, Problem]:
        """The arrays that are missing in the set, by path, and why each of them is.

        >>> array, cut = Problem("x", "pickle", "left out"), Problem("", "title", "cut")
        >>> ReferenceSet(problems=(array, cut, Problem("y", "link", "another name"))).left_out == {"x": array}
        True
        """
        lost = (problem for problem in self.problems if not problem.is_of_no_array)
        return {one.path: one for one in lost if one.path not in self.arrays and one.path not in self.groups}

    def check_not_emptied(self, so: str = "") -> None:
        """Raise Unsupported for a set whose arrays were all left out, with what follows from it."""
        why = self.emptied
        if why is not None:
            raise Unsupported(
                f"every array of it was left out{so}. The first, {why.path!r}: {why.message}",
                feature=why.feature,
                url=self.name,
            )

    def loaded(self) -> ReferenceSet:
        """The set with all its chunks in memory."""
        arrays = {path: ManifestArray(array.meta, array.manifest()) for path, array in self.arrays.items()}
        return replace(self, arrays=arrays)

    def to_dict(self, *, zarr_format: dictionary.ZarrFormat = 2) -> dict[str, Any]:
        """The set as kerchunk's version 1: `{"version": 1, "refs": {key: text or [url, offset, length]}}`.

        `zarr_format` is that of the keys and documents; 2 is what every reader knows. Where attributes have types, an
        entry `chunkmap` says them, which other readers pass over. Raises Unsupported naming the array that it has no
        words for.
        """
        refs = dictionary.to_refs(self.arrays, self.groups, zarr_format)
        said = runs_of(self.arrays)
        return {"version": 1, "refs": refs, **dictionary.beside(self.arrays, self.groups, zarr_format, said)}

    @classmethod
    def from_dict(
        cls, document: Mapping[str, Any], *, name: str | None = None, precedent: Precedent | None = None
    ) -> ReferenceSet:
        """Read kerchunk's version 0 or 1, of Zarr v2 or v3. Raises StorageError naming the key that is wrong.

        Keys that name no chunk, and arrays whose documents lack entries, are left out: `problems` names them.

        One `precedent` for all the sets of a series saves reading what is the same in each.
        """
        gathering = dictionary.gathered(document, precedent)
        arrays, groups = gathering.finish()
        return cls(arrays, groups, gathering.problems, name=name, zarr_format=gathering.zarr_format)
