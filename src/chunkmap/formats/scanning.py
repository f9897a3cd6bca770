"""One file of any format -> a reference set."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from contextlib import closing
from functools import lru_cache
from typing import Any, BinaryIO

from chunkmap.errors import FormatError
from chunkmap.formats import Format, find_format, sniff
from chunkmap.formats.folders import HOLDS, as_folder, scan_folder
from chunkmap.io import HeadSource, Source, in_memory, members, open_any, open_source, outermost
from chunkmap.model import ReferenceSet
from chunkmap.model.edits import dereference

__all__ = ["scan"]


def scan(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    url: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    format: str | None = None,  # noqa: A002 - the word that users know
    **options: Any,
) -> ReferenceSet:
    """Scan one file.

    `file` is a local path, a URL that fsspec knows, a chain such as `tar://member.nc::s3://b/a.tar`, or an open binary
    file. References call it `url`, where that is given. The format is told from its first bytes, unless `format` names
    it; what else is given goes to the format's scanner. References to a member of an archive are ranges of the archive,
    unless `url` names a file that is no member.
    """
    if format in (None, "zarr"):
        opened = open_any(file, url=url, storage_options=storage_options, holds=HOLDS)
        folder = as_folder(opened)
        if folder is not None:
            with closing(folder):
                return scan_folder(folder, **{"inline_threshold": 500, **options})
    named = None if format is None else find_format(format)
    source = open_source(file, url=url, storage_options=storage_options)
    try:
        refs = _scan(source, named, options)
        return refs if url is not None and "::" not in url else _outside(refs, source)
    finally:
        source.close()


def _scan(source: Source, named: Format | None, options: Mapping[str, Any]) -> ReferenceSet:
    """Scan a source of which nothing is known yet, and make sure that it was one and the same all the time."""
    reading: Source = source if named is not None or in_memory(source) else HeadSource(source)
    found = named or sniff(reading)
    _check_options(found, options)
    try:
        refs = found.scan(reading, **options)
    except FormatError:
        source.confirm()  # bytes of two files do not fit together: then that is what is wrong
        raise
    source.confirm()
    return refs


def _outside(refs: ReferenceSet, source: Source) -> ReferenceSet:
    """References to a member of an archive, as ranges of the archive."""
    inside = members(source)
    if not inside:
        return refs
    archive = outermost(source)
    return dereference(refs, inside, {archive.url: archive.target()})


@lru_cache
def _options_of(found: Format) -> tuple[str, ...]:
    """The options of a format's scanner."""
    return tuple(p.name for p in inspect.signature(found.scan).parameters.values() if p.kind is p.KEYWORD_ONLY)


def _check_options(found: Format, options: Mapping[str, Any]) -> None:
    known = _options_of(found) if options else ()
    for name in options:
        if name not in known:
            raise TypeError(f"scan() of {found.name}: no option {name!r}; its options are {', '.join(known)}")
