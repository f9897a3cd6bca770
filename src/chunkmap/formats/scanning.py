"""One file of any format -> a reference set.

What every format needs is done here once: the file is opened, its format told, options are checked, the parser is
brought its bytes, small chunks are held inline, members of archives become ranges of the archive, and it is made sure
that the file was one and the same all the time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, BinaryIO, Final

from chunkmap.errors import FormatError
from chunkmap.formats import Scanned, find_format, sniff
from chunkmap.formats.inlining import Choose, inlined, small_chunks
from chunkmap.io import HeadSource, Source, in_memory, members, open_source, outermost
from chunkmap.io.rounds import Parser, Tally, run
from chunkmap.model import ReferenceSet
from chunkmap.model.edits import dereference

__all__ = ["INLINE_THRESHOLD", "read", "reading", "scan", "scan_source"]

INLINE_THRESHOLD: Final = 500
"""Chunks of fewer stored bytes are held inline, unless the caller says otherwise."""


def scan(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    url: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    format: str | None = None,  # noqa: A002 - the word that users know
    inline_threshold: int = INLINE_THRESHOLD,
    **options: Any,
) -> ReferenceSet:
    """Scan one file.

    `file` is a local path, a URL that fsspec knows, a chain such as `tar://member.nc::s3://b/a.tar`, or an open binary
    file. References call it `url`, where that is given. The format is told from its first bytes, unless `format` names
    it. Chunks of fewer than `inline_threshold` stored bytes are held inline; what else is given are options of the
    format. References to a member of an archive are ranges of the archive, unless `url` names a file that is no member.
    """
    source = open_source(file, url=url, storage_options=storage_options)
    try:
        refs = scan_source(source, format=format, inline_threshold=inline_threshold, **options)
        return refs if url is not None and "::" not in url else _outside(refs, source)
    finally:
        source.close()


def scan_source(
    source: Source,
    *,
    format: str | None = None,  # noqa: A002 - the word that users know
    inline_threshold: int = INLINE_THRESHOLD,
    tally: Tally | None = None,
    **options: Any,
) -> ReferenceSet:
    """Scan a source of which nothing is known yet, and make sure that it was one and the same all the time.

    References name the source, archive or not. `tally` counts what it has cost.
    """
    named = None if format is None else find_format(format)
    head: Source = source if named is not None or in_memory(source) else HeadSource(source)
    found = named or sniff(head)
    module = found.load()
    chosen = _options(found.name, module.Options, options)
    inline = small_chunks(inline_threshold) if inline_threshold > 0 else None
    try:
        refs = read(head, module.parse(head, chosen), inline=inline, tally=tally)
    except FormatError:
        source.confirm()  # bytes of two files do not fit together: then that is what is wrong
        raise
    source.confirm()
    return refs


def read(
    source: Source, parser: Parser[Scanned], *, inline: Choose | None = None, tally: Tally | None = None
) -> ReferenceSet:
    """What a parser finds in a source; `inline` chooses the chunks that are held inline, by default none."""
    return run(source, reading(source, parser, inline=inline), tally=tally)


def reading(source: Source, parser: Parser[Scanned], *, inline: Choose | None = None) -> Parser[ReferenceSet]:
    """The same as a parser, for `chunkmap.io.rounds.run_many`: many files in the same rounds."""
    found: Scanned = yield from parser
    arrays = found.arrays if inline is None else (yield from inlined(found.arrays, source.url, inline))
    targets = {source.url: source.target(), **found.files}
    return ReferenceSet(arrays, found.groups, found.problems, targets, source.url)


def _outside(refs: ReferenceSet, source: Source) -> ReferenceSet:
    """References to a member of an archive, as ranges of the archive."""
    inside = members(source)
    if not inside:
        return refs
    archive = outermost(source)
    return dereference(refs, inside, {archive.url: archive.target()})


def _options(name: str, kind: type[Any], given: Mapping[str, Any]) -> Any:
    """The options of a format. Raises TypeError for one that it does not have, naming those it has."""
    known = [field.name for field in fields(kind)]
    for option in given:
        if option not in known:
            raise TypeError(
                f"scan() of {name}: no option {option!r}; its options are {', '.join(['inline_threshold', *known])}"
            )
    return kind(**given)
