"""What the command line draws with rich: the table of a set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chunkmap.combining.findings import shortened
from chunkmap.frontends.command_line.facts import points_of, who_reads
from chunkmap.frontends.command_line.spans import spans_of
from chunkmap.model import WHOLE_FILE, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.model.variants import Variants
from chunkmap.model.wording import counted

__all__ = ["described", "human", "safe"]

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_SHOWN_URLS = 3
_SHOWN_ATTRS = 8
_WIDEST = 10_000


def described(refs: ReferenceSet, name: str) -> str:
    """The arrays of a set, where its coordinates reach, its attributes, files and problems.

    It is a table, or where that is wider than the terminal a paragraph an array. Of one array all attributes are said,
    of the set its first.
    """
    console = Console()
    table = _table(refs)
    with console.capture() as drawn:
        console.print(Text(safe(name), style="bold"))
        if not console.is_terminal:
            console.width = _WIDEST
        if console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum > console.width:
            for path, array in refs.arrays.items():
                _draw_narrow(console, path, array)
        else:
            console.print(table)
        urls = sorted({url for array in refs.arrays.values() for url in array.manifest().urls})
        for line in _summary(refs, urls):
            console.print(Text(safe(line)))
    return "\n".join(line.rstrip() for line in drawn.get().splitlines()) + "\n"


def _draw_narrow(console: Console, path: str, array: ManifestArray) -> None:
    dims, shape, chunks, dtype, units, codecs, refs, inline, missing, stored, decoded = _row(array)
    head = Text.assemble((safe(path), "bold"), safe(f" ({dims}) {shape} {dtype} {units}".rstrip()))
    there = f"{refs} ref{'' if refs == '1' else 's'}, {inline} inline, {missing} missing"
    lines = (
        f"in chunks of {chunks}; {codecs or 'not compressed'}",
        f"{there}; {stored} stored, {decoded} decoded",
    )
    console.print(head)
    for line in lines:
        console.print(Padding(Text(line), (0, 0, 0, 2)))


def _table(refs: ReferenceSet) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("array", "dims", "shape", "chunks", "dtype", "units", "codecs"):
        table.add_column(column, overflow="fold")
    for column in ("refs", "inline", "missing", "stored", "decoded"):
        table.add_column(column, justify="right", no_wrap=True)
    for path, array in refs.arrays.items():
        table.add_row(*(Text(safe(text)) for text in (path, *_row(array))))
    return table


def _row(array: ManifestArray) -> tuple[str, ...]:
    meta, chunks = array.meta, array.manifest()
    inline = int(np.count_nonzero(chunks.is_inline))
    return (
        ", ".join(meta.dims or ()),
        _sizes(meta.shape),
        _sizes(meta.chunks),
        meta.dtype.str if meta.dtype.fields is None else str(meta.dtype),
        str(meta.attrs.get("units", "")),
        ", ".join(map(_codec, meta.codecs)),
        f"{len(chunks) - inline:,}",
        f"{inline:,}",
        f"{chunks.size - len(chunks):,}",
        _stored(chunks),
        human(meta.nbytes),
    )


def _stored(chunks: ChunkManifest) -> str:
    """Bytes of the chunks; with a plus sign where some are whole files of a size that is not known."""
    known = chunks.length != np.uint64(WHOLE_FILE)
    return human(int(chunks.length[known].sum())) + ("" if known.all() else "+")


def _sizes(sizes: Sequence[object]) -> str:
    return " x ".join(map(str, sizes))


def _codec(codec: Mapping[str, Any]) -> str:
    if isinstance(codec, Variants):
        return f"{len(codec.table):,} variants"
    level = codec.get("level", codec.get("clevel"))
    return str(codec.get("id")) if level is None else f"{codec.get('id')}({level})"


def _summary(refs: ReferenceSet, urls: list[str]) -> Iterator[str]:
    yield ""
    parts = (("array", len(refs.arrays)), ("group", len(refs.groups)), ("chunk", refs.nchunks), ("file", len(urls)))
    yield ", ".join(counted(count, word) for word, count in parts)
    yield from (f"  {url}" for url in urls[:_SHOWN_URLS])
    if len(urls) > _SHOWN_URLS:
        yield f"  ... and {len(urls) - _SHOWN_URLS:,} more"
    points = points_of(refs)
    if points is not None:
        share = 100 * points["bytes"] / max(points["compressed_bytes"], 1)
        yield (
            f"restart points of {counted(points['files'], 'compressed file')}: {human(points['bytes'])}, {share:.2g} %"
            f" of {human(points['compressed_bytes'])}"
        )
    spans = spans_of(refs)
    if spans:
        yield "from where to where"
        yield from (
            f"  {path}: {first if first == last else f'{first} to {last}'}" for path, (first, last) in spans.items()
        )
    yield from _attributes(refs)
    yield "which readers decode which arrays"
    yield from (f"  {line}" for line in who_reads(refs))
    if refs.problems:
        yield counted(len(refs.problems), "problem")
        yield from (f"  {problem}" for problem in refs.problems)


def _attributes(refs: ReferenceSet) -> Iterator[str]:
    """Those of the one array, and the first of the set."""
    if len(refs.arrays) == 1:
        ((path, array),) = refs.arrays.items()
        if array.meta.attrs:
            yield f"attributes of {path}"
            yield from (f"  {name}: {value}" for name, value in array.meta.attrs.items())
    own = refs.groups.get("", {})
    if own:
        yield "attributes"
        yield from (f"  {name}: {shortened(value)}" for name, value in list(own.items())[:_SHOWN_ATTRS])
    if len(own) > _SHOWN_ATTRS:
        yield f"  ... and {len(own) - _SHOWN_ATTRS:,} more"


def safe(text: str) -> str:
    r"""What a file says, without what a terminal would take for orders.

    >>> print(safe("K\x1b[2J"))
    K\x1b[2J
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def human(count: int) -> str:
    """A number of bytes as people say it.

    >>> human(999), human(1_410_041)
    ('999 B', '1.4 MB')
    """
    size, unit = float(count), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} B" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"
