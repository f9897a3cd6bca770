"""What would come of a combine: everything that does not fit, and the result in outline, without combining."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chunkmap.combining.axes import note_gaps
from chunkmap.combining.findings import Finding, Findings, together
from chunkmap.combining.inputs import Inputs
from chunkmap.combining.plan import Plan
from chunkmap.combining.planning import survey
from chunkmap.combining.recipe import Recipe
from chunkmap.combining.selectors import Reader
from chunkmap.errors import ChunkmapError
from chunkmap.model import ReferenceSet
from chunkmap.model.wording import counted
from chunkmap.notebooks import Shown

__all__ = ["Diagnosis", "diagnose_sets", "said_of_unread"]


@dataclass(frozen=True, slots=True, repr=False)
class Diagnosis(Shown):
    """Whether inputs fit together, and what was found. `print` shows it; `to_dict` gives it as data."""

    plan: Plan
    """What would be combined, of what fits."""
    findings: tuple[Finding, ...]
    """What was found: what a combine refuses first, then what is worth knowing."""
    unread: tuple[ChunkmapError, ...] = ()
    """Why inputs that cannot be read cannot; the others were looked at."""

    @property
    def fits(self) -> bool:
        """Whether a combine of the same inputs would be carried out."""
        return not self.unread and not any(finding.refused for finding in self.findings)

    def verdict(self) -> str:
        """Whether those that were read fit, in a line."""
        count, refused = len(self.plan.inputs), any(finding.refused for finding in self.findings)
        if count == 1:
            return f"1 input, which {'does not fit' if refused else 'fits'}"
        return f"{count:,} inputs {'do not fit together' if refused else 'fit together'}"

    def __repr__(self) -> str:
        refused = sum(finding.refused for finding in self.findings)
        inputs, findings = counted(len(self.plan.inputs), "input"), counted(len(self.findings), "finding")
        return f"<Diagnosis of {inputs}: {refused} refused, {findings}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as JSON has it."""
        return {
            "fits": self.fits,
            "inputs": len(self.plan.inputs),
            "unread": list(map(str, self.unread)),
            "findings": [finding.to_dict() for finding in self.findings],
            "result": self.plan.to_dict(),
        }

    def _lines(self) -> Iterator[str]:
        refused = together(finding for finding in self.findings if finding.refused)
        noted = together(finding for finding in self.findings if not finding.refused)
        if self.unread:
            yield said_of_unread(self.unread)
        yield self.verdict()
        if refused:
            yield "refused"
            for label, finding in refused:
                yield from _said(label, finding)
        if noted:
            yield "worth knowing"
            for label, finding in noted:
                yield from _said(label, finding)
        yield "what fits" if refused else "the result"
        yield from (f"  {line}" for line in self.plan.summary().splitlines())


def said_of_unread(errors: Sequence[ChunkmapError]) -> str:
    """How many inputs cannot be read, and a line for each."""
    return "\n  ".join([f"{counted(len(errors), 'input')} cannot be read", *map(str, errors)])


def _said(label: str, finding: Finding) -> Iterator[str]:
    yield f"  {label}: {finding.message} [{finding.check}]"
    for variant in (variant for variant in finding.variants if variant.value):
        yield f"    {variant.value}: {counted(variant.count, 'input')}, {', '.join(variant.examples)}" + (
            ", ..." if variant.count > len(variant.examples) else ""
        )


def diagnose_sets(sets: Sequence[ReferenceSet], recipe: Recipe, read: Reader) -> Diagnosis:
    """Look at everything that a combine would look at, and at gaps; combine nothing.

    Raises CombineError only where there is nothing to look at.
    """
    inputs = Inputs(sets)
    plan, findings = survey(inputs, recipe, read)
    gaps = Findings(inputs)
    for axis in plan.axes.values():
        note_gaps(axis, gaps)
    return Diagnosis(plan, (*findings, *gaps.done()))
