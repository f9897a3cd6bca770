"""What Icechunk calls files, and by what it tells that they changed."""

from datetime import UTC, datetime

import pytest

from chunkmap.errors import StorageError
from chunkmap.model import Target
from chunkmap.storage.icechunk.locations import check_containers, checksum_of, containers_for, location_of, url_of

S3, HTTP, FILE = "s3://bucket/a.nc", "https://host/a.nc", "file:///data/a.nc"


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("/data/a b.nc", "file:///data/a%20b.nc"),
        ("file:///data/100%.nc", "file:///data/100%25.nc"),
        ("/data//x/../a.nc", "file:///data/a.nc"),
        ("s3a://bucket/a#?.nc", "s3://bucket/a%23%3F.nc"),
        ("gcs://bucket/é.nc", "gs://bucket/%C3%A9.nc"),
        ("http://host:80/a%20b.nc", "http://host:80/a%20b.nc"),
    ],
)
def test_a_url_is_a_location_and_back(url, location):
    """Paths are encoded, URLs of HTTP are already; the way back gives a URL of the same file."""
    assert location_of(url) == location
    assert location_of(url_of(location)) == location


def test_a_port_that_would_be_dropped_is_refused():
    """Icechunk 1 drops it, and would ask another server."""
    with pytest.raises(StorageError, match="use Icechunk 2"):
        location_of("http://host:8080/a.nc", keeps_ports=False)
    assert location_of("http://host/a.nc", keeps_ports=False) == "http://host/a.nc"


@pytest.mark.parametrize(
    ("location", "target", "checksum"),
    [
        (S3, Target(etag='"abc"', mtime=5.0), '"abc"'),
        (HTTP, Target(etag='"abc"', mtime=5.0), '"abc"'),
        (HTTP, Target(etag='W/"abc"', mtime=5.0), datetime.fromtimestamp(5, UTC)),
        (HTTP, Target(etag='W/"abc"'), None),
        ("gs://bucket/a.nc", Target(etag="CKih16GjycICEAE=", mtime=5.0), datetime.fromtimestamp(5, UTC)),
        (FILE, Target(mtime=5.2), datetime.fromtimestamp(6, UTC)),
        (FILE, Target(size=3), None),
    ],
)
def test_the_best_checksum_is_taken(location, target, checksum):
    """A strong etag that the server compares, else the time, in whole seconds that are not before it; else none."""
    assert checksum_of(location, target) == checksum


def test_containers_of_a_new_repository():
    """Below each directory of the root the deepest one that needs no encoding, and every server."""
    locations = [f"file:///data/x/a%20b/{n}.nc" for n in range(2)] + ["file:///more/c/1.nc", "https://host/b/c.nc"]
    expected = {"file:///data/x/": "/data/x", "file:///more/c/": "/more/c", "https://host/": None}
    assert containers_for(locations) == expected


@pytest.mark.parametrize(
    ("location", "said"),
    [
        (S3, r"VirtualChunkContainer\('s3://bucket/'"),
        ("file:///x.nc", "root of a file system"),
        ("file:///a%20b/x.nc", "has to be encoded"),
    ],
)
def test_containers_that_cannot_be_told_are_refused(location, said):
    """Buckets need a region or an endpoint, and Icechunk knows no container for everything."""
    with pytest.raises(StorageError, match=said):
        containers_for([location])


def test_a_container_that_icechunk_would_not_find_holds_nothing():
    """It takes locations for a container with an encoded name, and then does not read them."""
    check_containers(["file:///data/a%20b/x.nc"], ["file:///data/"])
    with pytest.raises(StorageError, match=r"VirtualChunkContainer\('file:///data/'"):
        check_containers(["file:///data/a%20b/x.nc"], ["file:///data/a%20b/"])
