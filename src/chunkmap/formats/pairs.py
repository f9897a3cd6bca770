"""A header in a file of its own, and the data that it describes in another file beside it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Final

from chunkmap.errors import ChunkmapError
from chunkmap.io.rounds import Found, Other, Parser, Together

__all__ = ["file_name", "found_beside", "header_of", "with_suffix"]

_DATA: Final = (".img", ".dat", ".bil", ".bip", ".bsq", ".flt", ".raw", ".sli", ".bin")
"""Names of files of NIfTI, Analyze, ENVI and ESRI that have their headers beside them (.hdr), and of plain bytes."""

_INDEX: Final = (".idx", ".index")
"""Names of inventories beside files of GRIB."""


def file_name(url: str) -> str:
    """The name of a file without its directory, as files beside it would say it.

    >>> file_name("zip://a/b.hdr::s3://bucket/all.zip"), file_name("https://host/a.hdr?key=1")
    ('b.hdr', 'a.hdr')
    """
    inner = url.partition("::")[0]
    if inner.startswith(("http://", "https://")):
        inner = inner.partition("?")[0]
    return posixpath.basename(inner.replace("\\", "/") if "://" not in inner else inner)


def with_suffix(name: str, suffix: str) -> str:
    """The name with another suffix, in capitals where its own is.

    >>> with_suffix("a.hdr", ".img"), with_suffix("A.HDR", ".img")
    ('a.img', 'A.IMG')
    """
    stem, own = posixpath.splitext(name)
    return stem + (suffix.upper() if own.isupper() else suffix)


def header_of(url: str) -> str:
    """What to do with a file whose name says that it is half of two: the other one holds its header, or its data."""
    name = file_name(url)
    if name.lower().endswith(_INDEX):
        return ". If it is the index of a file of GRIB, scan that file: the index beside it is found"
    if not name.lower().endswith(_DATA):
        return ""
    return (
        f". If it is the image of a header beside it, scan that: {with_suffix(name, '.hdr')!r}. If it is plain"
        ' elements, describe them: format="raw", dtype=..., shape=...'
    )


def found_beside(names: Sequence[str]) -> Parser[list[Found]]:
    """Those of some files beside the one that is parsed that are there, all looked for at once."""
    looked: list[Found | ChunkmapError | None] = yield Together([_look(name) for name in dict.fromkeys(names)])
    wrong = next((found for found in looked if isinstance(found, ChunkmapError)), None)
    if wrong is not None:
        raise wrong
    return [found for found in looked if isinstance(found, Found)]


def _look(name: str) -> Parser[Found | ChunkmapError | None]:
    try:
        found: Found | None = yield Other(name)
    except ChunkmapError as error:
        return error
    return found
