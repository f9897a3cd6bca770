"""What a URL says of where its bytes are, beside fsspec."""

import pytest
from fsspec.core import split_protocol
from fsspec.implementations.local import LocalFileSystem

from chunkmap.io.names import local_path, protocol_of

LOCAL = (
    *("a.nc", "./a.nc", "../a.nc", ".", "/", "/data/a.nc", "/data//a/", "/data/./a.nc", "a/b/"),
    *("file:///data/a.nc", "file://a.nc", "file:/data/a.nc", "local:///data/a.nc", "file://./a.nc", "file://"),
    *("~", "~/a.nc", "~nobody-of-this-name/a.nc", "file://~/a.nc", "a:b.nc", "with space.nc", "été.nc", "a?b#c.nc", ""),
)
FAR = ("s3://bucket/key", "memory://x", "https://host/a.nc", "tar://a.nc::/data/a.tar", "data:;base64,aGk=")


@pytest.mark.parametrize("url", LOCAL)
def test_local_paths_are_those_of_fsspec(url):
    """A path or URL of this machine means the file that fsspec opens."""
    assert local_path(url) == (LocalFileSystem._strip_protocol(url) or "/")


@pytest.mark.parametrize("url", FAR)
def test_what_is_elsewhere_has_no_local_path(url):
    """A URL of another protocol, and a member of an archive, are no file of this machine."""
    assert local_path(url) is None


@pytest.mark.parametrize("url", [*LOCAL, *FAR, "c://x", "x://y://z", "://"])
def test_protocols_are_those_of_fsspec(url):
    """The protocol of a URL is the one by which fsspec chooses a filesystem."""
    assert protocol_of(url) == split_protocol(url)[0]
