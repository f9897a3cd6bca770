from .archive import ARCHIVES, GZIP, LINKS, MemberSource, gzip_file, in_memory, is_gzip, outermost, stored_file
from .archive_folder import ArchiveFolder, archive_kind
from .beside import Others
from .file_object import FileObjectSource, FileView
from .folder import Folder, Listing, Within
from .head import HeadSource
from .listing import expand_urls
from .local import LocalSource
from .local_folder import LocalFolder
from .memory import BytesSource
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
)
from .remote import RemoteSource
from .remote_folder import RemoteFolder
from .source import Range, Source

__all__ = [
    "ARCHIVES",
    "GZIP",
    "LINKS",
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
    "gzip_file",
    "in_memory",
    "is_far",
    "is_folder",
    "is_gzip",
    "members",
    "open_any",
    "open_folder",
    "open_source",
    "open_whole",
    "outermost",
    "stored_file",
]
