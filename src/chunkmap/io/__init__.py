"""Bytes of one URL: sources, ranged reads, coalescing, archive members, file objects."""

from chunkmap.io.archive import ARCHIVES, MemberSource, in_memory, outermost
from chunkmap.io.beside import Others
from chunkmap.io.file_object import FileObjectSource, FileView
from chunkmap.io.head import HeadSource
from chunkmap.io.listing import expand_urls
from chunkmap.io.local import LocalSource
from chunkmap.io.memory import BytesSource
from chunkmap.io.opening import is_far, members, open_source
from chunkmap.io.remote import RemoteSource
from chunkmap.io.source import Range, Source

__all__ = [
    "ARCHIVES",
    "BytesSource",
    "FileObjectSource",
    "FileView",
    "HeadSource",
    "LocalSource",
    "MemberSource",
    "Others",
    "Range",
    "RemoteSource",
    "Source",
    "expand_urls",
    "in_memory",
    "is_far",
    "members",
    "open_source",
    "outermost",
]
