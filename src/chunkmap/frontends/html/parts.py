"""The parts of which pages are made: sections that fold, tables, lists. All text is escaped; nothing needs a script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

__all__ = ["STYLE", "colour", "document", "fold", "listed", "section", "table"]

_SHOWN: Final = 200
"""Entries of a list that are shown."""

_GOLDEN_ANGLE: Final = 137.508
"""Degrees between hues that follow one another: neighbours are told apart, however many there are."""

STYLE: Final = (
    "<style>.chunkmap{font-family:sans-serif;font-size:13px;line-height:1.5;color:inherit}"
    ".chunkmap table{border-collapse:collapse;margin:4px 0}.chunkmap td,.chunkmap th{padding:1px 8px;text-align:left;"
    "vertical-align:top;border:0;background:none;color:inherit}.chunkmap summary{cursor:pointer}"
    ".chunkmap .head{border-bottom:1px solid rgba(128,128,128,.5);padding:4px 0;margin-bottom:4px}"
    ".chunkmap .dim{opacity:.7}.chunkmap details details{margin-left:16px}.chunkmap svg{max-width:100%;height:auto}"
    ".chunkmap details{overflow-x:auto}.chunkmap .number,.chunkmap .read{white-space:nowrap}"
    ".chunkmap .wrong{color:#c33}.chunkmap .number{text-align:right}</style>"
)


def document(body: str, title: str) -> str:
    """A page of its own, light or dark as its reader has it."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="color-scheme" content="light dark"><meta name="viewport" content="width=device-width">'
        f'</head><body>{STYLE}<div class="chunkmap">{body}</div></body>'
        "</html>\n"
    )


def fold(head: str, body: str, *, is_open: bool = False) -> str:
    """What folds under its head."""
    return f"<details{' open' if is_open else ''}><summary>{head}</summary>{body}</details>"


def section(title: str, count: int, body: str, *, is_open: bool = False) -> str:
    """A section that folds; nothing where there is nothing in it."""
    return fold(f'{title}: <span class="dim">({count:,})</span>', body, is_open=is_open) if count else ""


def table(facts: Mapping[str, Any]) -> str:
    """Names and values."""
    rows = "".join(f"<tr><th>{escape(str(k))}</th><td>{escape(str(v))}</td></tr>" for k, v in facts.items())
    return f"<table>{rows}</table>" if rows else ""


def listed(texts: Iterable[str]) -> str:
    """Texts below one another, of many the first."""
    said = list(texts)
    more = f"<li>... and {len(said) - _SHOWN:,} more</li>" if len(said) > _SHOWN else ""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in said[:_SHOWN])}{more}</ul>"


def colour(number: int) -> str:
    """The colour of the thing of a number."""
    return f"hsl({number * _GOLDEN_ANGLE % 360:.0f},60%,55%)"
