"""Reference sets, arrays and reports as HTML: in notebooks, and as pages of their own.

In the look of xarray: sections that fold, light and dark as the page around is, no script. All text from files is
escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any, Final

import numpy as np

from chunkmap.access.verifying import Report
from chunkmap.combining import Diagnosis
from chunkmap.frontends.html.grid import grid_svg
from chunkmap.model import WHOLE_FILE, DeferredArray, ManifestArray, ReferenceSet

__all__ = ["as_html", "page"]

_SHOWN: Final = 200
"""Entries of a list that are shown."""

_STYLE: Final = (
    "<style>.chunkmap{font-family:sans-serif;font-size:13px;line-height:1.5;color:inherit}"
    ".chunkmap table{border-collapse:collapse;margin:4px 0}.chunkmap td,.chunkmap th{padding:1px 8px;text-align:left;"
    "vertical-align:top;border:0;background:none;color:inherit}.chunkmap summary{cursor:pointer}"
    ".chunkmap .head{border-bottom:1px solid rgba(128,128,128,.5);padding:4px 0;margin-bottom:4px}"
    ".chunkmap .dim{opacity:.7}.chunkmap details details{margin-left:16px}.chunkmap svg{max-width:100%}"
    ".chunkmap .wrong{color:#c33}</style>"
)


def as_html(thing: ReferenceSet | ManifestArray | Diagnosis | Report) -> str:
    """What a notebook shows of it."""
    draw = next(draw for kind, draw in _DRAWN.items() if isinstance(thing, kind))
    return f'{_STYLE}<div class="chunkmap">{draw(thing)}</div>'


def page(thing: ReferenceSet | ManifestArray | Diagnosis | Report, title: str) -> str:
    """The same as a page of its own, light or dark as its reader has it."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="color-scheme" content="light dark"></head><body>{as_html(thing)}</body></html>\n'
    )


# ---------------------------------------------------------------------- the kinds


def _set(refs: ReferenceSet) -> str:
    most = sum(array.most_chunks for array in refs.arrays.values())
    name = f" {escape(refs.name)}" if refs.name else ""
    counts = f"{len(refs.arrays):,} arrays, {most:,} chunks"
    arrays = "".join(_fold(_array_head(path, array), _array(array)) for path, array in refs.arrays.items())
    groups = {path or "/": attrs for path, attrs in refs.groups.items() if attrs}
    return (
        f'<div class="head">chunkmap.ReferenceSet{name} <span class="dim">{counts}</span></div>'
        + _section("Arrays", len(refs.arrays), arrays, is_open=True)
        + _section("Attributes", len(groups), "".join(_fold(escape(p), _table(a)) for p, a in groups.items()))
        + _section("Notes", len(refs.notes), _list(map(str, refs.notes)))
        + _section("Problems", len(refs.problems), _list(map(str, refs.problems)), is_open=True)
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
        return _table({**facts, "chunks": f"at most {array.most_chunks:,}, at rest"}) + _table(dict(meta.attrs))
    chunks = array.manifest()
    known = chunks.length != np.uint64(WHOLE_FILE)
    stored, inline = int(chunks.length[known].sum()), int(np.count_nonzero(chunks.is_inline))
    facts["chunks"] = f"{len(chunks):,}, {inline:,} of them inline; {chunks.size - len(chunks):,} missing"
    facts["stored bytes"] = f"{stored:,}" + ("" if known.all() else " and whole files")
    if stored and known.all() and len(chunks) == chunks.size:
        facts["compression"] = f"{meta.nbytes / stored:.2f}"
    return _table(facts) + grid_svg(chunks) + _section("Attributes", len(meta.attrs), _table(dict(meta.attrs)))


def _diagnosis(found: Diagnosis) -> str:
    verdict = "fit together" if found.fits else "do not fit together"
    refused = [str(finding) for finding in found.findings if finding.refused]
    noted = [str(finding) for finding in found.findings if not finding.refused]
    plan = f"<pre>{escape(found.plan.summary())}</pre>"
    return (
        f'<div class="head">chunkmap.Diagnosis: {len(found.plan.inputs):,} inputs {verdict}</div>'
        + _section("Refused", len(refused), _list(refused), is_open=True)
        + _section("Worth knowing", len(noted), _list(noted))
        + _section("The result" if found.fits else "What fits", len(found.plan.arrays), plan)
    )


def _report(report: Report) -> str:
    wrong = len(report.failures)
    verdict = f'<span class="wrong">{wrong:,} wrong</span>' if wrong else "nothing is wrong"
    return (
        f'<div class="head">chunkmap.verify {escape(report.name)}: {verdict}</div>'
        + _table({what: f"{count:,}" for what, count in report.counts.items()})
        + _section("Wrong", wrong, _list(map(str, report.failures)), is_open=True)
        + _section("Not known", len(report.notes), _list(map(str, report.notes)))
    )


_DRAWN: Final[Mapping[type, Callable[[Any], str]]] = {
    ReferenceSet: _set,
    ManifestArray: _one_array,
    Diagnosis: _diagnosis,
    Report: _report,
}

# ---------------------------------------------------------------------- parts


def _fold(head: str, body: str, *, is_open: bool = False) -> str:
    return f"<details{' open' if is_open else ''}><summary>{head}</summary>{body}</details>"


def _section(title: str, count: int, body: str, *, is_open: bool = False) -> str:
    """A section that folds; nothing where there is nothing in it."""
    return _fold(f'{title}: <span class="dim">({count:,})</span>', body, is_open=is_open) if count else ""


def _table(facts: Mapping[str, Any]) -> str:
    rows = "".join(f"<tr><th>{escape(str(k))}</th><td>{escape(str(v))}</td></tr>" for k, v in facts.items())
    return f"<table>{rows}</table>" if rows else ""


def _list(texts: Iterable[str]) -> str:
    said = list(texts)
    more = f"<li>... and {len(said) - _SHOWN:,} more</li>" if len(said) > _SHOWN else ""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in said[:_SHOWN])}{more}</ul>"
