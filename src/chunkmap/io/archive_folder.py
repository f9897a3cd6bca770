"""The members of an archive as a folder: its directory is read once, however many members are asked for."""

from __future__ import annotations

import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, NoSuchFile, SourceError, Unsupported
from chunkmap.io.archive import (
    check_zip_info,
    compressed_file,
    deflated_range,
    open_member,
    tar_directory,
    tar_range,
    zip_directory,
    zip_range,
)
from chunkmap.io.folder import Folder, FolderBase, Listing, Within, check_name
from chunkmap.io.member import MemberSource, outermost
from chunkmap.io.names import WRAPPERS
from chunkmap.io.rounds import Gather, Parser, run
from chunkmap.io.source import Range, Source
from chunkmap.model import Target

__all__ = ["ArchiveFolder", "member_or_folder"]

_Info = zipfile.ZipInfo | tarfile.TarInfo

_HEADER: Final = 30
"""Bytes of a local header of ZIP before the name; the last four are the lengths of the name and of the extra field."""

_LONGEST_INFLATED: Final = 64 << 20
"""Bytes of a compressed member that are read whole: documents are, chunks are not."""


def member_or_folder(kind: str, member: str, archive: Source, name: str) -> Source | Folder:
    """What a link of a chained URL leads to, of which nobody knows whether it is a member or a directory."""
    if kind in WRAPPERS:
        return compressed_file(WRAPPERS[kind], archive, name, make_points=True)
    folder = ArchiveFolder(kind, archive, member)
    if not member.strip("/"):
        return folder
    try:
        return open_member(kind, member, archive, name, make_points=True)
    except SourceError:
        if folder.is_empty:
            raise
        return folder


class ArchiveFolder(FolderBase):
    """The members of a ZIP or TAR archive, or those below a directory of it."""

    def __init__(self, kind: str, outer: Source, below: str = "") -> None:
        self._kind, self._outer, self._below = kind, outer, below.strip("/")
        self.url = self._url("")

    def __reduce__(self) -> tuple[type[ArchiveFolder], tuple[str, Source, str]]:
        return ArchiveFolder, (self._kind, self._outer, self._below)

    @property
    def archive(self) -> Source:
        """The archive itself."""
        return self._outer

    @property
    def outermost(self) -> Source:
        """The file that all members are ranges of."""
        return outermost(self._outer)

    @cached_property
    def _members(self) -> Mapping[str, _Info]:
        """Files of the archive by their names below the folder, sorted; what leads out of it is passed over."""
        found: Mapping[str, _Info] = (zip_directory if self._kind == "zip" else tar_directory)(self._outer)
        prefix = f"{self._below}/" if self._below else ""
        plain = {posixpath.normpath(name): info for name, info in found.items() if _is_file(info)}
        inside = (name for name in sorted(plain) if name.startswith(prefix) and not name.startswith(("/", "../")))
        return {name[len(prefix) :]: plain[name] for name in inside}

    def _found(self, names: Sequence[str]) -> list[_Info | None]:
        """The members of these names, as far as there are any."""
        return [self._members.get(check_name(name, self.url)) for name in names]

    @property
    def is_empty(self) -> bool:
        """Whether no file is in it."""
        return not self._members

    def _url(self, name: str) -> str:
        """The chained URL of a member, as fsspec writes it."""
        return f"{self._kind}://{posixpath.join(self._below, name)}::{self._outer.url}"

    def listing(self, below: str = "") -> Listing:
        """From the directory of the archive, and in a ZIP from the headers of its members, all at once."""
        return self._listing.below(below)

    @cached_property
    def _listing(self) -> Listing:
        sizes = np.array([_size(info) for info in self._members.values()], np.int64)
        url, first = self._place()
        starts, packed = self._ranges
        packed = packed + np.array([first, 0]) * (packed[:, 1:] > 0)
        return Listing(list(self._members), sizes, Within(url, np.where(starts < 0, -1, starts + first), packed))

    @cached_property
    def _ranges(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where members are in the archive, as `Within` says it."""
        infos = self._members.values()
        zips = [info for info in infos if isinstance(info, zipfile.ZipInfo)]
        tars = [info for info in infos if isinstance(info, tarfile.TarInfo)]
        if zips:
            return self._zip_ranges(zips)
        return np.array([_tar_start(info) for info in tars], np.int64), np.zeros((len(tars), 2), np.int64)

    @cached_property
    def _listed(self) -> Mapping[str, int]:
        """Where members begin that are no compressed ones, once all of them have been listed."""
        return {name: start for name, start in zip(self._members, self._ranges[0].tolist(), strict=True) if start >= 0}

    def _place(self) -> tuple[str, int]:
        """The outermost file, and where the archive begins in it."""
        if isinstance(self._outer, MemberSource):
            url, first, _ = self._outer.range_in_file()
            return url, first
        return self._outer.url, 0

    def _zip_ranges(self, infos: Sequence[zipfile.ZipInfo]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        before = next((info for info in infos if info.header_offset < 0), None)
        if before is not None:
            raise FormatError(f"member {before.filename!r} begins before the archive", url=self._outer.url)
        headers = np.array([info.header_offset for info in infos], np.int64)
        methods = np.array([-1 if info.flag_bits & 1 else info.compress_type for info in infos])
        known = (methods == zipfile.ZIP_STORED) | (methods == zipfile.ZIP_DEFLATED)
        data = np.full(len(infos), -1, np.int64)
        data[known] = run(self._outer, _data_starts(headers[known].astype(np.uint64), self._outer.url))
        stops = np.where(known, data + np.array([info.compress_size for info in infos], np.int64), headers)
        if len(stops) and int(stops.max()) > self._outer.size():
            name = infos[int(stops.argmax())].filename
            raise FormatError(f"member {name!r} reaches past the end of the archive", url=self._outer.url)
        return np.where(methods == zipfile.ZIP_STORED, data, -1), np.stack([headers, stops - headers], axis=1)

    def open(self, name: str) -> MemberSource:
        """A range of the archive. Raises Unsupported when the member is compressed."""
        (info,) = self._found([name])
        url = self._url(name)
        if info is None:
            raise NoSuchFile(f"there is no member {name!r} in {self._outer.url}", url=url)
        if "_listing" in vars(self) and name in self._listed:
            return MemberSource(self._outer, url, self._listed[name], _size(info))
        return self._source(info, url)

    def _source(self, info: _Info, url: str) -> MemberSource:
        if isinstance(info, zipfile.ZipInfo):
            return MemberSource(self._outer, url, *zip_range(check_zip_info(info, self._outer, url), self._outer))
        return MemberSource(self._outer, url, *tar_range(info, self._outer.url, url))

    def read_many(self, names: Sequence[str], *, optional: bool = False) -> list[bytes | None]:  # noqa: ARG002 - no one
        """Stored members all at once; short deflated ones are inflated."""
        found = {name: info for name, info in zip(names, self._found(names), strict=True) if info is not None}
        plain = [name for name, info in found.items() if not _is_compressed(info)]
        members = [self._source(found[name], self._url(name)) for name in plain]
        blocks = self._outer.read_many([Range(member.first, member.size()) for member in members])
        data = {name: bytes(block) for name, block in zip(plain, blocks, strict=True)}
        data |= {name: self._inflated(info) for name, info in found.items() if name not in data}
        return [data.get(name) for name in names]

    def _inflated(self, info: _Info) -> bytes:
        assert isinstance(info, zipfile.ZipInfo)
        first, length = deflated_range(info, self._outer)
        header = length - info.compress_size
        if info.file_size > _LONGEST_INFLATED:
            raise Unsupported(
                f"member {info.filename!r} is compressed, and has {info.file_size:,} bytes;"
                " store it uncompressed (zip -0)",
                feature="compressed archive member",
                url=self._outer.url,
            )
        try:
            inflate = zlib.decompressobj(-15)
            data = inflate.decompress(self._outer.read(first + header, info.compress_size), info.file_size or 1)
        except zlib.error as error:
            raise self._damaged(info, str(error)) from error
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise self._damaged(info, f"{len(data)} bytes of {info.file_size}, or another checksum")
        return data

    def _damaged(self, info: zipfile.ZipInfo, found: str) -> FormatError:
        return FormatError(f"member {info.filename!r} cannot be decompressed: {found}", url=self._outer.url)

    def read_ranges(self, names: Sequence[str], ranges: Sequence[Range]) -> list[memoryview]:
        """Ranges of the archive, all at once."""
        sources = {name: self.open(name) for name in dict.fromkeys(names)}
        return self._outer.read_many(
            [sources[name].in_archive(wanted) for name, wanted in zip(names, ranges, strict=True)]
        )

    def sizes(self, names: Sequence[str]) -> NDArray[np.int64]:
        """From the directory."""
        sizes = (-1 if info is None else _size(info) for info in self._found(names))
        return np.fromiter(sizes, np.int64, len(names))

    def target(self) -> Target:
        """What is known of the outermost file."""
        return outermost(self._outer).target()

    def close(self) -> None:
        """Close the archive."""
        self._outer.close()


def _data_starts(headers: NDArray[np.uint64], url: str) -> Parser[NDArray[np.int64]]:
    """Where the data of members of a ZIP archive begin: behind local headers, whose lengths only they know."""
    if not len(headers):
        return np.empty(0, np.int64)
    rows: NDArray[np.uint8] = yield Gather(headers, _HEADER)
    wrong = np.flatnonzero((rows[:, :4] != np.frombuffer(b"PK\x03\x04", np.uint8)).any(axis=1))
    if len(wrong):
        raise FormatError(
            "expected the local header of a member (PK 3 4), found none", url=url, offset=int(headers[wrong[0]])
        )
    lengths = np.ascontiguousarray(rows[:, 26:30]).view("<u2").astype(np.int64)
    starts: NDArray[np.int64] = headers.astype(np.int64) + _HEADER + lengths.sum(axis=1)
    return starts


def _is_file(info: _Info) -> bool:
    if isinstance(info, zipfile.ZipInfo):
        return bool(info.filename) and not info.is_dir()
    return info.isreg()


def _size(info: _Info) -> int:
    return info.file_size if isinstance(info, zipfile.ZipInfo) else info.size


def _is_compressed(info: _Info) -> bool:
    return isinstance(info, zipfile.ZipInfo) and info.compress_type != zipfile.ZIP_STORED


def _tar_start(info: tarfile.TarInfo) -> int:
    """Where a member begins; one that is stored sparse is in no one place."""
    return -1 if info.issparse() else info.offset_data
