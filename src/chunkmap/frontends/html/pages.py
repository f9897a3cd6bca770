"""Reference sets, arrays and reports as HTML: in notebooks, and as pages of their own.

In the look of xarray: sections that fold, light and dark as the page around is, no script. All text from files is
escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any, Final

import numpy as np

from chunkmap.access.verifying import Report
from chunkmap.combining import Diagnosis
from chunkmap.frontends.html.grid import grid_svg
from chunkmap.frontends.html.parts import STYLE, document, fold, listed, section, table
from chunkmap.model import WHOLE_FILE, DeferredArray, ManifestArray, ReferenceSet
from chunkmap.model.wording import counted

__all__ = ["as_html", "page"]


def as_html(thing: ReferenceSet | ManifestArray | Diagnosis | Report) -> str:
    """What a notebook shows of it."""
    return f'{STYLE}<div class="chunkmap">{_drawn(thing)}</div>'


def page(thing: ReferenceSet | ManifestArray | Diagnosis | Report, title: str) -> str:
    """The same as a page of its own, light or dark as its reader has it."""
    return document(_drawn(thing), title)


def _drawn(thing: ReferenceSet | ManifestArray | Diagnosis | Report) -> str:
    return next(draw for kind, draw in _DRAWN.items() if isinstance(thing, kind))(thing)


# ---------------------------------------------------------------------- the kinds


def _set(refs: ReferenceSet) -> str:
    most = sum(array.most_chunks for array in refs.arrays.values())
    name = f" {escape(refs.name)}" if refs.name else ""
    counts = f"{counted(len(refs.arrays), 'array')}, {counted(most, 'chunk')}"
    alone = len(refs.arrays) == 1
    arrays = "".join(
        fold(_array_head(path, array), _array(array), is_open=alone) for path, array in refs.arrays.items()
    )
    groups = {path or "/": attrs for path, attrs in refs.groups.items() if attrs}
    return (
        f'<div class="head">chunkmap.ReferenceSet{name} <span class="dim">{counts}</span></div>'
        + section("Arrays", len(refs.arrays), arrays, is_open=True)
        + section("Attributes", len(groups), "".join(fold(escape(p), table(a)) for p, a in groups.items()))
        + section("Notes", len(refs.notes), listed(map(str, refs.notes)))
        + section("Problems", len(refs.problems), listed(map(str, refs.problems)), is_open=True)
    )


def _array_head(path: str, array: ManifestArray) -> str:
    meta = array.meta
    dims = ", ".join(f"{d}: {n:,}" for d, n in zip(meta.dims or ["?"] * meta.ndim, meta.shape, strict=True))
    return f'<b>{escape(path)}</b> <span class="dim">({escape(dims)})</span> {escape(str(meta.dtype))}'


def _one_array(array: ManifestArray) -> str:
    return f'<div class="head">chunkmap.ManifestArray {_array_head("", array)}</div>{_array(array)}'


def _array(array: ManifestArray) -> str:
    meta = array.meta
    facts: dict[str, Any] = {
        "chunk shape": " x ".join(map(str, meta.chunks)) or "one value",
        "codecs": ", ".join(str(codec.get("id")) for codec in meta.codecs) or "none",
        "decoded bytes": f"{meta.nbytes:,}",
    }
    if isinstance(array, DeferredArray):  # to look at a set reads nothing: `loaded` is there for who wants to see more
        return table({**facts, "chunks": f"at most {array.most_chunks:,}, at rest"}) + table(dict(meta.attrs))
    chunks = array.manifest()
    known = chunks.length != np.uint64(WHOLE_FILE)
    stored, inline = int(chunks.length[known].sum()), int(np.count_nonzero(chunks.is_inline))
    facts["chunks"] = f"{len(chunks):,}, {inline:,} of them inline; {chunks.size - len(chunks):,} missing"
    facts["stored bytes"] = f"{stored:,}" + ("" if known.all() else " and whole files")
    if stored and known.all() and len(chunks) == chunks.size:
        facts["compression"] = f"{meta.nbytes / stored:.2f}"
    return table(facts) + grid_svg(chunks) + section("Attributes", len(meta.attrs), table(dict(meta.attrs)))


def _diagnosis(found: Diagnosis) -> str:
    refused = [str(finding) for finding in found.findings if finding.refused]
    noted = [str(finding) for finding in found.findings if not finding.refused]
    plan = f"<pre>{escape(found.plan.summary())}</pre>"
    return (
        f'<div class="head">chunkmap.Diagnosis: {found.verdict()}</div>'
        + section("Cannot be read", len(found.unread), listed(map(str, found.unread)), is_open=True)
        + section("Refused", len(refused), listed(refused), is_open=True)
        + section("Worth knowing", len(noted), listed(noted))
        + section("The result" if found.fits else "What fits", len(found.plan.arrays), plan)
    )


def _report(report: Report) -> str:
    wrong = len(report.failures)
    verdict = f'<span class="wrong">{wrong:,} wrong</span>' if wrong else "nothing is wrong"
    return (
        f'<div class="head">chunkmap.verify {escape(report.name)}: {verdict}</div>'
        + table({what: f"{count:,}" for what, count in report.counts.items()})
        + section("Wrong", wrong, listed(map(str, report.failures)), is_open=True)
        + section("Not known", len(report.notes), listed(map(str, report.notes)))
    )


_DRAWN: Final[Mapping[type, Callable[[Any], str]]] = {
    ReferenceSet: _set,
    ManifestArray: _one_array,
    Diagnosis: _diagnosis,
    Report: _report,
}
