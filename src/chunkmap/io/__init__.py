"""What lies at a URL: sources and folders, ranged reads, listings, archives, file objects."""

from chunkmap.io.archive import ARCHIVES, MemberSource, in_memory, outermost
from chunkmap.io.archive_folder import ArchiveFolder, archive_kind
from chunkmap.io.beside import Others
from chunkmap.io.file_object import FileObjectSource, FileView
from chunkmap.io.folder import Folder, Listing, Within
from chunkmap.io.head import HeadSource
from chunkmap.io.listing import expand_urls
from chunkmap.io.local import LocalSource
from chunkmap.io.local_folder import LocalFolder
from chunkmap.io.memory import BytesSource
from chunkmap.io.opening import (
    files_beside,
    folder_at,
    is_far,
    is_folder,
    members,
    open_any,
    open_folder,
    open_source,
    open_whole,
)
from chunkmap.io.remote import RemoteSource
from chunkmap.io.remote_folder import RemoteFolder
from chunkmap.io.source import Range, Source

__all__ = [
    "ARCHIVES",
    "ArchiveFolder",
    "BytesSource",
    "FileObjectSource",
    "FileView",
    "Folder",
    "HeadSource",
    "Listing",
    "LocalFolder",
    "LocalSource",
    "MemberSource",
    "Others",
    "Range",
    "RemoteFolder",
    "RemoteSource",
    "Source",
    "Within",
    "archive_kind",
    "expand_urls",
    "files_beside",
    "folder_at",
    "in_memory",
    "is_far",
    "is_folder",
    "members",
    "open_any",
    "open_folder",
    "open_source",
    "open_whole",
    "outermost",
]
