"""What a reference set may make this machine read.

A reference set is a program that names files, and whoever opens it runs the program. A set of one's own may name what
it likes. One that came from another machine may name files on the network, and none on this machine. Whoever gives
`allow` says himself what may be read, and nothing else is.

This is no sandbox: servers that only this machine reaches are named by URLs that look like all others. `allow` is for
sets that are not trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote

from chunkmap.errors import SourceError
from chunkmap.io import LINKS
from chunkmap.io.names import LOCAL, protocol_of
from chunkmap.io.prefixes import begins, parent

__all__ = ["Trust", "is_remote"]

_OF_THIS_PROCESS: Final = frozenset({*LOCAL, "memory"})
_NETWORK: Final = frozenset(
    {"http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "hf", "webhdfs"}
)
"""Protocols by which a set from elsewhere may name files without being allowed to: stores of data, read by range."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Which URLs may be opened on behalf of a reference set.

    >>> Trust("https://example.org/set.json").check("s3://bucket/a.nc")
    >>> Trust(allow=("s3://bucket",)).check("s3://bucket/a.nc")
    >>> Trust(allow=("s3://bucket",)).check("s3://bucket-2/a.nc")
    Traceback (most recent call last):
    chunkmap.errors.SourceError: s3://bucket-2/a.nc: not among what the set may name: ['s3://bucket']; to allow it, pass allow=['s3://bucket', 's3://bucket-2/']
    """  # noqa: E501 - a message is one line

    origin: str | None = None
    """Where the set came from; None for one that was made here."""
    allow: Sequence[str] | None = None
    """What URLs may begin with: `"s3://bucket/"`, `"https://"`, `"/data"`; None for what the origin may name."""

    def __post_init__(self) -> None:
        if isinstance(self.allow, str):
            raise TypeError(f"allow is {self.allow!r}: expected a list of URL prefixes, [{self.allow!r}]")

    def check(self, url: str) -> None:
        """Raise SourceError, which says what to pass, when the set may not name a URL."""
        if self.allow is None and not is_remote(self.origin):
            return
        *links, outer = url.split("::")
        if ".." in PurePosixPath(unquote(url).replace("\\", "/").replace("::", "/")).parts or "\0" in url:
            raise SourceError("a set that is not trusted may not climb with '..'; name the file outright", url=url)
        for link in links:
            if link.partition("://")[0] not in LINKS or "://" not in link:
                raise SourceError(f"{link!r} is not the member of an archive, and is not run", url=url)
        if outer.startswith("data:"):
            raise SourceError(
                "a URL that holds its own bytes is not read for a set that is not trusted;"
                " hold them inline: 'base64:...'",
                url=f"{url[:40]}...",
            )
        if self.allow is None:
            self._check_by_origin(outer, url)
        elif not any(begins(outer, prefix) for prefix in self.allow):
            raise SourceError(
                f"not among what the set may name: {list(self.allow)}; to allow it,"
                f" pass allow={[*self.allow, parent(outer)]}",
                url=url,
            )

    def _check_by_origin(self, outer: str, url: str) -> None:
        protocol = protocol_of(outer)
        if protocol in _NETWORK or (protocol not in _OF_THIS_PROCESS and protocol == _protocol(self.origin or "")):
            return
        what = "a file on this machine" if protocol in _OF_THIS_PROCESS else f"a file of the odd protocol {protocol!r}"
        raise SourceError(
            f"{what}, named by a set that came from {self.origin}; if that is right, pass allow={[parent(outer)]}"
            " and whatever else the set may name",
            url=url,
        )


def is_remote(origin: str | None) -> bool:
    """Whether something came from another machine, by its URL.

    >>> is_remote("s3://bucket/set.parq"), is_remote("/data/set.json"), is_remote(None)
    (True, False, False)
    """
    return origin is not None and _protocol(origin) not in _OF_THIS_PROCESS


def _protocol(url: str) -> str | None:
    """The protocol of what a chain of URLs ends with."""
    protocol: str | None = protocol_of(url.rpartition("::")[2])
    return protocol
