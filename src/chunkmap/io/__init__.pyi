from .archive import compressed_file, stored_file
from .archive_folder import ArchiveFolder
from .beside import Others
from .compressed.stream import compression_of
from .file_object import FileObjectSource, FileView
from .folder import Folder, Listing, Within
from .head import HeadSource, with_head
from .listing import expand_urls
from .local import LocalSource
from .local_folder import LocalFolder
from .member import MemberSource, archive_kind, outermost
from .memory import BytesSource
from .names import ARCHIVES, LINKS, PROTOCOLS, WRAPPERS
from .opening import (
    files_beside,
    folder_at,
    is_far,
    is_folder,
    members,
    open_any,
    open_folder,
    open_source,
    open_whole,
    whole,
)
from .remote import RemoteSource
from .remote_folder import RemoteFolder
from .source import Range, Source

__all__ = [
    "ARCHIVES",
    "LINKS",
    "PROTOCOLS",
    "WRAPPERS",
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
    "compressed_file",
    "compression_of",
    "expand_urls",
    "files_beside",
    "folder_at",
    "is_far",
    "is_folder",
    "members",
    "open_any",
    "open_folder",
    "open_source",
    "open_whole",
    "outermost",
    "stored_file",
    "whole",
    "with_head",
]
