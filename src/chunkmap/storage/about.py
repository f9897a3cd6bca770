"""What a stored set says for chunkmap alone, beyond the types of attributes.

That is what was known of its files when they were scanned, what could not be represented, and how it came about. A set
as Parquet keeps it in files of its own. Beside the references of JSON anybody may have written it, so it is checked as
it is read there, and what is not understood says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from chunkmap.model import Problem, Target
from chunkmap.storage.points import POINTS, points_column, points_from

__all__ = ["About"]


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a set beside its arrays and groups."""

    targets: Mapping[str, Target] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)
    """How the set came about: what appending to it must know."""

    def to_json(self) -> dict[str, Any]:
        """The entries of JSON, files as columns.

        >>> About({"a.nc": Target(size=10, mtime=0.5)}).to_json()["files"]
        {'url': ['a.nc'], 'size': [10], 'etag': [None], 'mtime': [0.5]}
        """
        known = self.targets.values()
        columns = {
            "url": list(self.targets),
            "size": [target.size for target in known],
            "etag": [target.etag for target in known],
            "mtime": [target.mtime for target in known],
            **points_column(known),
        }
        return {
            "files": columns if self.targets else {},
            "problems": [asdict(problem) for problem in self.problems],
            "origin": dict(self.origin),
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """What is said.

        >>> about = About({"a.nc": Target(size=10)}, (Problem("x", "feature", "message"),), {"layout": 1})
        >>> About.from_json(about.to_json()) == about, About.from_json({"files": 3, "problems": [{}]}) == About()
        (True, True)
        """
        origin = said.get("origin")
        problems = [_problem(item) for item in _listed(said.get("problems"))]
        return cls(
            _targets(said.get("files")),
            tuple(problem for problem in problems if problem is not None),
            dict(origin) if isinstance(origin, Mapping) else {},
        )


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _targets(columns: Any) -> dict[str, Target]:
    if not isinstance(columns, Mapping):
        return {}
    found = [_listed(columns.get(name)) for name in ("url", "size", "etag", "mtime")]
    found.append(_listed(columns.get(POINTS, [None] * len(found[0]))))
    if len(set(map(len, found))) != 1:
        return {}
    return {
        url: Target(
            size if type(size) is int and size >= 0 else None,
            etag if isinstance(etag, str) else None,
            float(mtime) if type(mtime) in (int, float) else None,
            points_from(points),
        )
        for url, size, etag, mtime, points in zip(*found, strict=True)
        if isinstance(url, str)
    }


def _problem(said: Any) -> Problem | None:
    if not isinstance(said, Mapping) or not all(isinstance(said.get(n), str) for n in ("path", "feature", "message")):
        return None
    url = said.get("url")
    return Problem(said["path"], said["feature"], said["message"], url if isinstance(url, str) else None)
