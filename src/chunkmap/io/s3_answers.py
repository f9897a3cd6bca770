"""What S3 answers to s3fs: whether the bytes that came are those that were asked for, at which s3fs does not look."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakValueDictionary

from chunkmap.errors import SourceError
from chunkmap.io.http_client import too_short, wrong_range, wrong_status

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

__all__ = ["compare_ranges", "expect"]

_ASKED: Final = "chunkmap_asked"
"""Where a request of botocore keeps its range and its URL until the answer has come, and before them its object."""


class Sized(Protocol):
    """A file that is open."""

    def size(self) -> int:
        """Its length in bytes."""


def expect(fs: AbstractFileSystem, path: str, file: Sized) -> None:
    """While a file is open, refuse a whole object of another length than it has as an answer to a request for a part:
    as short as that part, it would be taken for it.
    """
    if getattr(fs, "get_s3", None) is not None:
        _open_files(fs)[path] = file


def _open_files(fs: AbstractFileSystem) -> WeakValueDictionary[str, Sized]:
    found: WeakValueDictionary[str, Sized] = vars(fs).setdefault("_chunkmap_open", WeakValueDictionary())
    return found


def compare_ranges(fs: AbstractFileSystem) -> None:
    """Have a filesystem of s3fs refuse answers of other bytes than were asked for; any other is left as it is."""
    real = getattr(fs, "get_s3", None)
    if real is None or "get_s3" in vars(fs):
        return

    compare = partial(_compare, _open_files(fs))

    async def get_s3(bucket: str | None = None) -> Any:
        client = await real(bucket)
        client.meta.events.register("before-parameter-build.s3.GetObject", _name, unique_id=f"{_ASKED}-name")
        client.meta.events.register("before-call.s3.GetObject", _keep, unique_id=f"{_ASKED}-keep")
        client.meta.events.register("after-call.s3.GetObject", compare, unique_id=f"{_ASKED}-compare")
        return client

    vars(fs)["get_s3"] = get_s3


def _name(*, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context[_ASKED] = f"{params.get('Bucket')}/{params.get('Key')}"


def _keep(*, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context[_ASKED] = str(params["headers"].get("Range", "")), str(params["url"]), context.get(_ASKED, "")


def _compare(
    open_files: Mapping[str, Sized], *, http_response: Any, parsed: dict[str, Any], context: dict[str, Any], **_: Any
) -> None:
    asked, url, path = context.get(_ASKED, ("", "", ""))
    status = http_response.status_code
    if status == 206:
        wrong = wrong_range(asked, parsed.get("ContentRange", ""))
    elif status == 200:
        length, file = parsed.get("ContentLength") or 0, open_files.get(path) if asked else None
        wrong = too_short(asked, length) or ("" if file is None else _other_length(asked, length, file.size()))
    else:
        wrong = wrong_status(status)
    if wrong:
        raise SourceError(wrong, url=url)


def _other_length(asked: str, length: int, expected: int) -> str:
    """What is wrong with the whole of an object, by how long it is; empty when it is as long as it was."""
    if length == expected:
        return ""
    return f"asked for {asked} of {expected} bytes, the server sent {length} bytes as the whole file; it has changed"
