"""What S3 answers to s3fs: whether the bytes that came are those that were asked for, at which s3fs does not look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chunkmap.errors import SourceError
from chunkmap.io.http_client import too_short, wrong_range, wrong_status

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

__all__ = ["compare_ranges"]

_ASKED: Final = "chunkmap_asked"
"""Where a request of botocore keeps its range and its URL until the answer has come."""


def compare_ranges(fs: AbstractFileSystem) -> None:
    """Have a filesystem of s3fs refuse answers of other bytes than were asked for; any other is left as it is."""
    real = getattr(fs, "get_s3", None)
    if real is None or "get_s3" in vars(fs):
        return

    async def get_s3(bucket: str | None = None) -> Any:
        client = await real(bucket)
        client.meta.events.register("before-call.s3.GetObject", _keep, unique_id=f"{_ASKED}-keep")
        client.meta.events.register("after-call.s3.GetObject", _compare, unique_id=f"{_ASKED}-compare")
        return client

    vars(fs)["get_s3"] = get_s3


def _keep(*, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context[_ASKED] = str(params["headers"].get("Range", "")), str(params["url"])


def _compare(*, http_response: Any, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    asked, url = context.get(_ASKED, ("", ""))
    status = http_response.status_code
    if status == 206:
        wrong = wrong_range(asked, parsed.get("ContentRange", ""))
    elif status == 200:
        wrong = too_short(asked, parsed.get("ContentLength") or 0)
    else:
        wrong = wrong_status(status)
    if wrong:
        raise SourceError(wrong, url=url)
