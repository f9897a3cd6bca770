"""`chunkmap plot`: where chunks lie in their files, and what reads of them would touch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import orjson

from chunkmap.access.touching import spoken
from chunkmap.execution.readable import set_or_scan
from chunkmap.frontends import html as drawing
from chunkmap.frontends.command_line.display import note
from chunkmap.frontends.command_line.facts import only
from chunkmap.frontends.command_line.options import ARRAY, FILE, set_option, storage_option
from chunkmap.frontends.plotting import Plot
from chunkmap.frontends.plotting import plot as plotted
from chunkmap.model.wording import counted

__all__ = ["plot"]


@click.command()
@click.argument("stored", type=FILE, metavar="SET")
@click.argument("array", type=ARRAY, required=False, metavar="[ARRAY]")
@click.option("-o", "--out", type=FILE, metavar="FILE", help="Draw into a page, x.html, or of one ARRAY x.svg.")
@click.option("--files", type=click.IntRange(0), metavar="N", help="Strips of at most N files; 3 here, 12 in a page.")
@click.option("--json", "as_json", is_flag=True, help="Say the numbers as JSON.")
@storage_option
@set_option
def plot(
    *,
    stored: str,
    array: str | None,
    out: str | None,
    files: int | None,
    as_json: bool,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
) -> None:
    """Show where chunks lie, and what reads of them would touch.

    Of each array of a set, or of a file, which is scanned: where in the files its chunks are, and for a read of one
    time, of a map, of a series and of everything, in how many requests it comes, after near chunks are joined, and how
    many bytes are read for those that were wanted. Nothing is read for it but the set.
    """
    refs = set_or_scan(stored, storage_options, set_options)
    paths = list(refs.arrays if array is None else only(refs, array).arrays)
    most = files if files is not None else 12 if out is not None else 3 if array is not None else 1
    plots = (plotted(refs, path, files=most) for path in paths)
    if out is not None:
        _write(Path(out), list(plots), stored)
    elif as_json:
        click.echo(orjson.dumps({one.path: _numbers(one) for one in plots}, option=orjson.OPT_INDENT_2))
    else:
        from chunkmap.frontends.command_line.strips import draw  # noqa: PLC0415 - what needs rich, where it is drawn

        for one in plots:
            draw(one)


def _write(out: Path, plots: list[Plot], name: str) -> None:
    if out.suffix == ".svg":
        if len(plots) != 1:
            raise ValueError(f"{out}: expected one array for an SVG, found {len(plots):,}. Name it, or write a .html")
        text = drawing.reads_svg(plots[0])
    elif out.suffix in {".html", ".htm"}:
        text = drawing.reads_page(plots, name)
    else:
        raise ValueError(f"{out}: expected a name that ends in .html or .svg")
    out.write_text(text, encoding="utf-8")
    note(f"{out}: {counted(len(plots), 'array')}")


def _numbers(plot: Plot) -> dict[str, Any]:
    reads = {
        name: {
            "selection": spoken(one.key),
            "requests": one.requests,
            "files": one.files,
            "chunks": len(one.rows),
            "bytes_read": one.read,
            "bytes_wanted": one.wanted,
        }
        for name, one in plot.reads.items()
    }
    counts = {name: getattr(plot, name) for name in ("chunks", "inline", "missing", "stored", "files")}
    return {**counts, "reads": reads}
