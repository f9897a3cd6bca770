"""One file of any format -> a reference set.

What every format needs is done here once: the file is opened, its format told, options are checked, the parser is
brought its bytes, small chunks are held inline, members of archives become ranges of the archive, and it is made sure
that the file was one and the same all the time.

What scans folders, archives and compressed files is loaded with the first of them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from importlib import import_module
from typing import Any, BinaryIO, Final, cast

from chunkmap.errors import FormatError, NoSuchFile
from chunkmap.formats import Scanned, find_format, holds, refusing_compressed, sniff
from chunkmap.formats.format import PORTABLE, Format, options_of
from chunkmap.formats.inlining import INLINE_THRESHOLD, Choose, inlined, small_chunks
from chunkmap.formats.names import storable
from chunkmap.formats.pairs import file_name
from chunkmap.io import (
    PROTOCOLS,
    Folder,
    Others,
    Source,
    archive_kind,
    compression_of,
    files_beside,
    is_folder,
    members,
    open_any,
    open_source,
    outermost,
    with_head,
)
from chunkmap.io.engines import Engine
from chunkmap.io.filesystem import limited
from chunkmap.io.granules import Nameable, options_with, single_url
from chunkmap.io.rounds import Parser, Tally, run
from chunkmap.logs import logger
from chunkmap.model import ReferenceSet
from chunkmap.model.edits import dereference

__all__ = ["INLINE_THRESHOLD", "read", "reading", "scan", "scan_opened", "scan_source"]

_LOG = logger("scan")


def scan(
    file: str | os.PathLike[str] | BinaryIO | Nameable,
    *,
    url: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    format: str | None = None,  # noqa: A002 - the word that users know
    inline_threshold: int = INLINE_THRESHOLD,
    allow: Sequence[str] = (),
    portable: bool = False,
    timeout: float | None = None,
    engine: Engine | None = None,
    **options: Any,
) -> ReferenceSet:
    """Scan one file, or one folder of files that are one set.

    `file` is a local path, a URL that fsspec knows, a chain such as `tar://member.nc::s3://b/a.tar`, or an open
    binary file; fsspec's `OpenFile`, an item or asset of STAC and a granule of earthaccess stand for their URL.
    References call it `url`, where that is given. The format is told from its first bytes, unless `format` names it.
    Chunks of fewer than `inline_threshold` stored bytes are held inline; what else is given are options of the
    format. A file may name others only below its own directory, and those whose URLs begin with one of `allow`.
    With `portable`, chunks are said as more readers take them, where that gives the same values: without the checksum
    behind them, with codecs that every reader knows; `write` has the same argument, and says all else so.
    References to a member of an archive are ranges of the archive, unless `url` names a file that is no member.
    A server may be silent for `timeout` seconds at a time, 30 by default: see `chunkmap`. Ranges are fetched by
    `engine`: "obstore", "curl" or "fsspec"; None is obstore (S3) or curl (HTTP) where it is installed and keeps every
    promise that fsspec does, else fsspec.
    """
    storage_options = limited(options_with([file]) if storage_options is None else storage_options, timeout, engine)
    file = single_url(file)
    how = {"format": format, "inline_threshold": inline_threshold, "allow": allow, "portable": portable, **options}
    opened = open_any(file, url=url, storage_options=storage_options, holds=holds, ahead=True)
    name = os.fspath(cast("str", file)) if url is None and is_folder(opened) else url
    return scan_opened(opened, name, storage_options=storage_options, **how)


def scan_opened(
    opened: Source | Folder,
    name: str | None = None,
    /,
    *,
    storage_options: Mapping[str, Any] | None = None,
    allow: Sequence[str] = (),
    portable: bool = False,
    **how: Any,
) -> ReferenceSet:
    """Scan what was opened, with `storage_options`, and close it: as `scan`, of which the other arguments are.

    `name` is what a folder is called; a file is called by the URL of its source.
    """
    if portable:
        how[PORTABLE] = True
    with closing(opened):
        if is_folder(opened):
            from chunkmap.formats.folders import scan_folder  # noqa: PLC0415

            refs = scan_folder(opened, **how)
            return _plain(replace(refs, name=name or opened.url), portable=portable)
        others = files_beside(opened, allow=allow, timeout=(storage_options or {}).get("timeout"))
        refs = _plain(scan_source(opened, others=others, decompress=True, **how), portable=portable)
        if _is_renamed(opened):
            return refs
        opened_by_it = [opened, *others.sources.values()]
        return _outside(refs, [*opened_by_it, *_members_named(refs, opened_by_it, storage_options)])


def _plain(refs: ReferenceSet, *, portable: bool) -> ReferenceSet:
    plain: ReferenceSet = import_module("chunkmap.model.portable").with_plain_chunks(refs) if portable else refs
    return plain


def scan_source(
    source: Source,
    *,
    format: str | None = None,  # noqa: A002 - the word that users know
    inline_threshold: int = INLINE_THRESHOLD,
    tally: Tally | None = None,
    others: Others | None = None,
    decompress: bool = False,
    **options: Any,
) -> ReferenceSet:
    """Scan a source of which nothing is known yet, and make sure that it was one and the same all the time.

    References name the source, archive or not. `tally` counts what it has cost; `others` are the files that it may
    name, by default those below its directory, and are closed in the end. One that is compressed
    as a whole may be told to be decompressed.
    """
    named = None if format is None else find_format(format)
    head: Source = source if named is not None else with_head(source)
    frame = _compression(head, named, decompress=decompress)
    if frame is not None:
        how = {"format": format, "inline_threshold": inline_threshold, "tally": tally, **options}
        return _scan_decompressed(frame, head, others or Others(source), how)
    kind = archive_kind(head) if (named is None or named.is_folder) and source.size() else None
    if kind is not None:
        from chunkmap.formats.folders import scan_folder  # noqa: PLC0415
        from chunkmap.io import ArchiveFolder  # noqa: PLC0415

        inside = ArchiveFolder(kind, source)
        refs = scan_folder(inside, format=format, inline_threshold=inline_threshold, **options)
        return replace(refs, name=source.url)
    found = named or sniff(head)
    if found.is_folder:
        raise FormatError(
            f"expected a folder or an archive that holds {found.name}, found another file", url=source.url
        )
    module = found.load()
    chosen = options_of(found, module, options)
    inline = small_chunks(inline_threshold) if inline_threshold > 0 else None
    tally = tally or Tally()
    with others or Others(source) as beside:
        try:
            with refusing_compressed(head):
                refs = read(head, module.parse(head, chosen), inline=inline, tally=tally, others=beside)
        except FormatError:  # bytes of two files do not fit together: then that is what is wrong
            source.confirm()
            beside.confirm()
            raise
        source.confirm()
        beside.confirm()
    _log(source.url, found, refs, tally)
    return refs


def _log(url: str, found: Format, refs: ReferenceSet, tally: Tally) -> None:
    if _LOG.isEnabledFor(logging.INFO):
        cost = f"{tally.rounds} rounds, {tally.requests} requests, {tally.bytes} bytes"
        _LOG.info("%s: %s, %d arrays, %d chunks; %s", url, found.name, len(refs.arrays), refs.nchunks, cost)


def _scan_decompressed(frame: str, source: Source, others: Others, how: Mapping[str, Any]) -> ReferenceSet:
    """Scan what a compressed file decompresses to. What was fetched to recognise it is not fetched again."""
    from chunkmap.io import compressed_file  # noqa: PLC0415

    url = _decompressed(source.url, PROTOCOLS[frame])
    with compressed_file(frame, source, url, make_points=True) as plain:
        refs = scan_source(plain, others=others, decompress=True, **how)
        return replace(refs, name=source.url)


def _compression(head: Source, named: Format | None, *, decompress: bool) -> str | None:
    """What compresses a file that is to be decompressed first. Of one whose format is known, its name is asked."""
    if named is not None and (named.name == "raw" or not head.url.lower().endswith(_COMPRESSED)):
        return None
    return compression_of(head) if decompress else None


_COMPRESSED: Final = (".gz", ".tgz", ".bz2", ".tbz2", ".tbz", ".zst", ".zstd", ".tzst")


def _decompressed(url: str, protocol: str) -> str:
    """The chained URL of what a compressed file decompresses to.

    >>> _decompressed("s3://bucket/a.nc.gz", "gzip"), _decompressed("/data/a.tbz2", "bz2")
    ('gzip://a.nc::s3://bucket/a.nc.gz', 'bz2://a.tar::/data/a.tbz2')
    """
    name = file_name(url)
    stem, dot, ending = name.rpartition(".")
    known = f".{ending.lower()}" in _COMPRESSED and dot and stem
    plain = (f"{stem}.tar" if ending.lower().startswith("t") else stem) if known else name
    return f"{protocol}://{plain}::{url}"


def read(
    source: Source,
    parser: Parser[Scanned],
    *,
    inline: Choose | None = None,
    tally: Tally | None = None,
    others: Others | None = None,
) -> ReferenceSet:
    """What a parser finds in a source; `inline` chooses the chunks that are held inline, by default none."""
    return run(source, reading(source, parser, inline=inline), tally=tally, others=others)


def reading(source: Source, parser: Parser[Scanned], *, inline: Choose | None = None) -> Parser[ReferenceSet]:
    """The same as a parser, for `chunkmap.io.rounds.run_many`: many files in the same rounds."""
    found = storable((yield from parser), source.url)
    arrays = found.arrays if inline is None else (yield from inlined(found.arrays, source.url, inline))
    targets = {source.url: source.target(), **found.files}
    return ReferenceSet(arrays, found.groups, found.problems, targets, source.url, found.zarr_format)


def _is_renamed(source: Source) -> bool:
    """Whether a member of an archive is called by the name of a file that is no member: then references keep it."""
    return bool(members(source)) and "::" not in source.url


def _members_named(
    refs: ReferenceSet, opened: Sequence[Source], storage_options: Mapping[str, Any] | None
) -> list[Source]:
    """Members of the same archive that references lead to, and that nothing had to open.

    One that is not there stays named as it is: who reads it is told so.
    """
    _, link, archive = opened[0].url.partition("::")
    known = {source.url for source in opened}
    named = {url for array in refs.arrays.values() for url in array.chunks.urls} if link else set()
    found = []
    for url in sorted(named - known):
        if url.partition("::")[2] == archive:
            with suppress(NoSuchFile):
                found.append(open_source(url, storage_options=storage_options))
    return found


def _outside(refs: ReferenceSet, sources: Sequence[Source]) -> ReferenceSet:
    """References to members of archives, as ranges of the archives."""
    inside = {url: place for source in sources for url, place in members(source).items()}
    if not inside:
        return refs
    archives = {archive.url: archive.target() for archive in map(outermost, sources)}
    return dereference(refs, inside, archives)
