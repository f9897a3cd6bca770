"""Inputs that have nothing by a name, and so nothing that could be combined."""

from __future__ import annotations

from chunkmap.combining.findings import Findings
from chunkmap.combining.inputs import Inputs

__all__ = ["check_usable"]


def check_usable(inputs: Inputs, findings: Findings) -> None:
    """Find the inputs that have nothing by a name: every array was left out, or the only one stands in no group."""
    for index, refs in enumerate(inputs):
        why, name = refs.emptied, inputs.name(index)
        if why is not None:
            text = f"every array of {name} was left out. The first, {why.path!r}: {why.message}"
            findings.refuse("left out", index, text)
        elif "" in refs.arrays:
            text = f"{name} is one array in no group, and has no name. Scan it with the option name: name='data'"
            findings.refuse("no group", index, text)
