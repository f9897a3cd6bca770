"""What does not fit, as data: found while a plan is made, reported by a diagnosis, raised as one error by a combine.

Every check says what it found here, so that a report and a refusal use the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chunkmap.combining.inputs import Inputs
from chunkmap.errors import CombineError, Remedy
from chunkmap.model import Finding, Variant
from chunkmap.model.wording import shortened

__all__ = ["Finding", "Findings", "Variant", "refusal", "together"]

_EXAMPLES: Final = 3
_VARIANTS: Final = 5
_RAISED: Final = 8
_RAISED_LENGTH: Final = 1_000


@dataclass(slots=True)
class _Group:
    """The inputs that one check found wanting, in one array."""

    check: str
    path: str
    head: str
    """What was expected and found, up to the first input that differs."""
    advice: str
    first: tuple[int, ...]
    """Inputs that the others are compared with."""
    refused: bool
    expected: str = ""
    of: int = 0
    """How many inputs were compared, the first among them."""
    remedies: tuple[Remedy, ...] = ()
    by_value: dict[str, list[int]] = field(default_factory=dict)
    """What is found -> the inputs that have it."""


class Findings:
    """Gathers what checks find, input by input, and says each thing once."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.lost: set[int] = set()
        """Inputs of which it is not known where they stand."""
        self._refused: set[int] = set()
        self._found: dict[tuple[str, str], _Group | Finding] = {}

    def add(self, finding: Finding) -> None:
        """Something that a check says of an array as a whole."""
        self._found.setdefault((finding.path, finding.check), finding)

    def each(
        self,
        path: str,
        check: str,
        index: int,
        head: str,
        *,
        what: str | None = None,
        value: object = "",
        advice: str = "",
        first: tuple[int, ...] = (),
        refused: bool = True,
        others: tuple[str, int] = ("", 0),
        remedies: tuple[Remedy, ...] = (),
    ) -> None:
        """Something that a check finds in one input; `head` and `advice` are said for the first such input only.

        `others` is what the inputs have that do not differ from the first, and how many were compared.
        """
        group = self._found.setdefault(
            (path, what or check), _Group(check, path, head, advice, first, refused, *others, remedies)
        )
        if isinstance(group, _Group):
            group.by_value.setdefault(shortened(value), []).append(index)

    def lose(self, path: str, check: str, index: int, head: str, **more: Any) -> None:
        """The same, of an input that cannot be placed because of it."""
        if index in self._refused:
            return
        self.lost.add(index)
        self.each(path, check, index, head, **more)

    def refuse(self, check: str, index: int, head: str) -> None:
        """An input of which nothing can be used: where it does not stand either is not said of it."""
        self.lose("inputs", check, index, head)
        self._refused.add(index)

    def done(self) -> tuple[Finding, ...]:
        """Everything found: first what is refused, overlaps before what may follow from them."""
        found = [self._finding(entry) if isinstance(entry, _Group) else entry for entry in self._found.values()]
        return tuple(sorted(found, key=lambda finding: (not finding.refused, finding.check != "overlap")))

    def names(self, indexes: Iterable[int]) -> tuple[str, ...]:
        """What messages call inputs."""
        return tuple(map(self.inputs.name, indexes))

    def _finding(self, group: _Group) -> Finding:
        indexes = sorted({index for found in group.by_value.values() for index in found})
        others = len(indexes) - 1
        more = ""
        if others:
            more = f" The same check fails in {others:,} more inputs: {self._listed(indexes[1:])}."
            if group.first:
                more = f" It differs in {others:,} more inputs as well: {self._listed(indexes[1:])}."
        variants = tuple(
            Variant(value, len(found), self.names(found[:_EXAMPLES]))
            for value, found in list(group.by_value.items())[:_VARIANTS]
        )
        if group.of:
            own = Variant(group.expected, group.of - len(indexes), self.names(group.first))
            variants = (own, *variants)
        return Finding(
            group.check,
            group.path,
            f"{group.head}.{more} {group.advice}".strip(),
            self.names((*group.first, *indexes[:_EXAMPLES])),
            len(indexes),
            group.refused,
            variants if len(indexes) > 1 else (),
            group.remedies,
        )

    def _listed(self, indexes: Sequence[int]) -> str:
        more = len(indexes) - _EXAMPLES
        return ", ".join(self.names(indexes[:_EXAMPLES])) + (f" and {more:,} more" if more > 0 else "")


def together(findings: Iterable[Finding]) -> list[tuple[str, Finding]]:
    """Findings that say the same of several arrays, said once: a label that names the arrays, and the first finding.

    >>> [label for label, _ in together([Finding("dtype", name, "differs") for name in "abcd"])]
    ['a, b, c and 1 more']
    """
    same: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        same.setdefault((finding.check, finding.message), []).append(finding)
    return [(_label([finding.path for finding in found]), found[0]) for found in same.values()]


def _label(paths: Sequence[str]) -> str:
    more = len(paths) - _EXAMPLES
    return ", ".join(paths[:_EXAMPLES]) + (f" and {more:,} more" if more > 0 else "")


def refusal(findings: Sequence[Finding]) -> CombineError:
    """The error that says what was refused: every kind of it, in so many words as can be read."""
    said = together(findings)
    lines = [_cut(f"{label}: {finding.message}") for label, finding in said[:_RAISED]]
    if len(said) > _RAISED:
        lines.append(f"{len(said) - _RAISED:,} more findings: chunkmap.diagnose lists them")
    remedies = (remedy for finding in findings for remedy in finding.remedies)
    return CombineError("\nAlso: ".join(lines), inputs=findings[0].inputs).helped_by(*remedies)


def _cut(line: str) -> str:
    return line if len(line) <= _RAISED_LENGTH else f"{line[: _RAISED_LENGTH - 3]}..."
