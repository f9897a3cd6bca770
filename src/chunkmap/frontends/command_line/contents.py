"""What the command line says of a set: the rows of its table, and the lines below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.frontends.command_line.facts import points_of, who_reads
from chunkmap.frontends.command_line.spans import spans_of
from chunkmap.model import WHOLE_FILE, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.model.variants import Variants
from chunkmap.model.wording import counted, shortened

__all__ = ["NUMBERS", "TEXTS", "Contents", "contents_of", "human", "safe"]

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_SHOWN_URLS = 3
_SHOWN_ATTRS = 8

TEXTS: Final = ("array", "dims", "shape", "chunks", "dtype", "units", "codecs")
NUMBERS: Final = ("refs", "inline", "missing", "stored", "decoded")
"""The columns of the table; those of numbers stand at the right."""


class Contents(NamedTuple):
    """What is said of a set, without anything that a terminal would take for orders."""

    name: str
    rows: Sequence[Sequence[str]]
    """An array each: its path, and a text for each column."""
    lines: Sequence[str]
    """Where its coordinates reach, its attributes, files and problems."""


def contents_of(refs: ReferenceSet, name: str) -> Contents:
    """Of one array all attributes are said, of the set its first."""
    rows = [tuple(map(safe, (path, *_row(array)))) for path, array in refs.arrays.items()]
    urls = sorted({url for array in refs.arrays.values() for url in array.manifest().urls})
    return Contents(safe(name), rows, list(map(safe, _summary(refs, urls))))


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
