"""Bytes of one URL: sources, ranged reads, coalescing, archive members, file objects."""

from chunkmap.io.archive import ARCHIVES, MemberSource, outermost
from chunkmap.io.beside import open_beside
from chunkmap.io.file_object import FileObjectSource, FileView
from chunkmap.io.listing import expand_urls
from chunkmap.io.local import LocalSource
from chunkmap.io.memory import BytesSource
from chunkmap.io.opening import members, open_source
from chunkmap.io.remote import RemoteSource
from chunkmap.io.source import Range, Source

__all__ = [
    "ARCHIVES",
    "BytesSource",
    "FileObjectSource",
    "FileView",
    "LocalSource",
    "MemberSource",
    "Range",
    "RemoteSource",
    "Source",
    "expand_urls",
    "members",
    "open_beside",
    "open_source",
    "outermost",
]
