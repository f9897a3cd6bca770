"""A member of a ZIP or TAR archive, as a range of bytes of the archive.

Only members that are stored as they are have such a range: a compressed member, or a compressed archive, is refused.
The first byte of a ZIP member is found from its local header (APPNOTE.TXT 4.3.7), whose extra field may be longer or
shorter than the one in the central directory: Info-ZIP writes them differently.
"""

from __future__ import annotations

import io
import posixpath
import struct
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from typing import Final

from chunkmap.errors import FormatError, NoSuchFile, SourceError, Unsupported
from chunkmap.io.compressed.source import CompressedSource
from chunkmap.io.compressed.stream import Stream, compression_of
from chunkmap.io.compressed_tar import gone_through
from chunkmap.io.file_object import FileView
from chunkmap.io.head import bare
from chunkmap.io.member import MemberSource, outermost
from chunkmap.io.names import WRAPPERS
from chunkmap.io.source import Source
from chunkmap.model.points import Points

__all__ = [
    "check_zip_info",
    "compressed_file",
    "compressed_members",
    "deflated_member",
    "deflated_range",
    "open_inside",
    "open_member",
    "stored_file",
    "tar_directory",
    "tar_range",
    "zip_directory",
    "zip_range",
]

_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_COMPRESSED: Final[Mapping[bytes, str]] = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_WRONG_BYTES: Final = (struct.error, ValueError, EOFError, OverflowError, OSError, NotImplementedError, KeyError)
_ZIP_METHODS: Final[Mapping[int, str]] = {8: "deflate", 9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd"}


def stored_file(source: Source) -> Source:
    """The file that is really there, of whatever member or compressed file a source is."""
    source = bare(source)
    return stored_file(source.outer) if isinstance(source, (MemberSource, CompressedSource)) else source


def open_inside(
    kind: str, member: str, outer: Source, url: str, *, points: bytes | None = None, make_points: bool = False
) -> Source:
    """What a link of a chained URL leads to: a member of an archive, or what a file decompresses to.

    `points` are the restart points of what is compressed. Raises SourceError for points that are not of such a file.
    """
    if points is not None:
        known = Points.from_bytes(points)
        if not known.lead_into(kind):
            raise SourceError("its restart points are those of another file; scan it again", url=url)
        return CompressedSource(outer, url, points=known)
    if kind in WRAPPERS:
        return compressed_file(WRAPPERS[kind], outer, url, make_points=make_points)
    return open_member(kind, member, outer, url, make_points=make_points)


def open_member(
    kind: str, member: str, outer: Source, url: str, *, make_points: bool = False
) -> MemberSource | CompressedSource:
    """Find a member by name: a range of the archive, or what it decompresses to.

    Raises SourceError when there is none, Unsupported when it is compressed by what has no points.
    """
    if kind == "zip":
        info = _zip_info(member, outer, url)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            return compressed_source(outer, url, _deflated(info, outer), make_points=make_points)
        return MemberSource(outer, url, *zip_range(info, outer))
    frame = compression_of(outer)
    if frame is not None:
        whole, members = compressed_members(frame, outer, make_points=make_points)
        try:
            return whole.part(url, *_tar_member(member, members, outer.url, url))
        except BaseException:
            whole.close()
            raise
    return MemberSource(outer, url, *_tar_member(member, tar_directory(outer, member), outer.url, url))


def compressed_file(frame: str, outer: Source, url: str, *, make_points: bool = False) -> CompressedSource:
    """What a file that is compressed as a whole decompresses to, by gzip, bzip2 or zstd."""
    return compressed_source(outer, url, Stream(frame, 0, outer.size()), make_points=make_points)


def compressed_members(
    frame: str, outer: Source, *, make_points: bool = False
) -> tuple[CompressedSource, Mapping[str, tarfile.TarInfo]]:
    """What a compressed TAR archive decompresses to, and its members: one pass for all that are asked for."""

    def opened(points: Points | None) -> CompressedSource:
        if points is not None and make_points:
            return CompressedSource(outer, outer.url, points=points)
        return compressed_file(frame, outer, outer.url, make_points=make_points)

    return gone_through(outer, opened, tar_directory)


def compressed_source(outer: Source, url: str, stream: Stream, *, make_points: bool) -> CompressedSource:
    """A file that is compressed, of which nothing is known yet. Raises Unsupported where no points may be made."""
    if not make_points:
        raise Unsupported(
            "it is compressed, and there are no restart points of it, without which each read would decompress it from"
            " its beginning; scan it with chunkmap.scan, and keep the set that it gives",
            feature="compressed archive member",
            url=url,
        )
    if isinstance(outermost(outer), CompressedSource):
        raise Unsupported("it is compressed within a compressed file", feature="compressed archive member", url=url)
    return CompressedSource(outer, url, stream=stream)


def _deflated(info: zipfile.ZipInfo, outer: Source) -> Stream:
    """Where the stream of a deflated member is, and what it decompresses to."""
    return Stream("deflate", _zip_data(info, outer), info.compress_size, info.file_size, info.CRC)


def deflated_member(member: str, outer: Source, url: str) -> tuple[int, int]:
    """A deflated member of a ZIP archive with its local header, as the codec `deflate` decodes it: first byte, length.

    Raises Unsupported when it is not deflated.
    """
    return deflated_range(_zip_info(member, outer, url), outer)


def deflated_range(info: zipfile.ZipInfo, outer: Source) -> tuple[int, int]:
    """The same of a member that was found."""
    if info.compress_type != zipfile.ZIP_DEFLATED:
        raise _compressed(
            info.filename, _ZIP_METHODS.get(info.compress_type, f"method {info.compress_type}"), outer.url
        )
    return info.header_offset, _zip_data(info, outer) + info.compress_size - info.header_offset


def zip_directory(outer: Source) -> dict[str, zipfile.ZipInfo]:
    """The members of a ZIP archive, by name."""
    view = FileView(outer)
    try:
        with zipfile.ZipFile(io.BufferedReader(view)) as archive:
            return {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, *_WRONG_BYTES) as error:
        raise view.failure or FormatError(f"not a ZIP archive: {error}", url=outer.url) from error


def tar_directory(outer: Source, member: str = "") -> dict[str, tarfile.TarInfo]:
    """The members of a TAR archive, by name. Raises Unsupported when the archive as a whole is compressed."""
    view = FileView(outer)
    head = view.read(6) or b""
    view.seek(0)
    for magic, method in _COMPRESSED.items():
        if head.startswith(magic):
            raise _compressed(member, method, outer.url)
    try:
        with tarfile.open(fileobj=io.BufferedReader(view), mode="r:") as archive:
            return {info.name: info for info in archive.getmembers()}
    except (tarfile.TarError, *_WRONG_BYTES) as error:
        raise view.failure or FormatError(f"not a TAR archive: {error}", url=outer.url) from error


def _zip_info(member: str, outer: Source, url: str) -> zipfile.ZipInfo:
    members = zip_directory(outer)
    info = members[_found(member, list(members), outer.url, url)]
    return check_zip_info(info, outer, url)


def check_zip_info(info: zipfile.ZipInfo, outer: Source, url: str) -> zipfile.ZipInfo:
    """The member, unless it is none that can be read."""
    member = info.filename
    if info.is_dir():
        raise SourceError(f"member {member!r} of {outer.url} is a directory", url=url)
    if info.flag_bits & 1:
        raise Unsupported(f"member {member!r} is encrypted", feature="encrypted ZIP member", url=outer.url)
    return info


def _zip_data(info: zipfile.ZipInfo, outer: Source) -> int:
    """The first byte of a member's data: after its local header, whose length only it knows."""
    signature, name, extra = _LOCAL_HEADER.unpack(outer.read(info.header_offset, _LOCAL_HEADER.size))
    if signature != b"PK\x03\x04":
        raise FormatError(
            f"expected the local header of {info.filename!r} (PK 3 4), found {signature!r}",
            url=outer.url,
            offset=info.header_offset,
        )
    return info.header_offset + _LOCAL_HEADER.size + int(name) + int(extra)


def zip_range(info: zipfile.ZipInfo, outer: Source) -> tuple[int, int]:
    """The first byte and the length of a member that is stored as it is."""
    member = info.filename
    if info.compress_type != zipfile.ZIP_STORED:
        raise _compressed(member, _zip_method(info), outer.url)
    if info.file_size != info.compress_size:
        raise FormatError(
            f"member {member!r} is stored, but its {info.file_size} bytes take {info.compress_size}", url=outer.url
        )
    return _zip_data(info, outer), info.file_size


def _tar_member(member: str, members: Mapping[str, tarfile.TarInfo], archive: str, url: str) -> tuple[int, int]:
    return tar_range(members[_found(member, list(members), archive, url)], archive, url)


def tar_range(info: tarfile.TarInfo, archive: str, url: str) -> tuple[int, int]:
    """The first byte and the length of a member that is a plain file."""
    member = info.name
    if info.issparse():
        raise Unsupported(f"member {member!r} is stored sparse", feature="sparse TAR member", url=archive)
    if not info.isreg():
        raise SourceError(f"member {member!r} of {archive} is not a file", url=url)
    return info.offset_data, info.size


def _zip_method(info: zipfile.ZipInfo) -> str:
    return _ZIP_METHODS.get(info.compress_type, f"method {info.compress_type}")


def _compressed(member: str, method: str, url: str) -> Unsupported:
    what = f"member {member!r}" if member else "it"
    return Unsupported(
        f"{what} is compressed ({method}), so no range of the archive holds its bytes;"
        " store it uncompressed (zip -0, or a plain tar), or unpack it",
        feature="compressed archive member",
        url=url,
    )


def _found(member: str, names: Sequence[str], outer_url: str, url: str) -> str:
    """The name that a member has in the archive, where `./a.nc` and `a.nc` are the same."""
    for name in (member, *(n for n in names if posixpath.normpath(n) == posixpath.normpath(member))):
        if name in names:
            return name
    some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    hint = "; wildcards are for scan_many and build" if set(member) & set("*[?") else ""
    raise NoSuchFile(f"no member {member!r} in {outer_url}; it has {some or 'no members'}{hint}", url=url)
