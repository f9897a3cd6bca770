"""What the cookbooks have at hand: a public bucket, and the directory of a notebook.

Their scripts are written anew here, with kerchunk's names, and run as they would be in a notebook.
"""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import fsspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from granules import netcdf4


class Bucket:
    """A bucket that anybody may read, under names that begin with `s3://`."""

    def __init__(self, options):
        self.name = f"public-{uuid.uuid4().hex[:8]}"
        self._writer = fsspec.filesystem("s3", **options)
        self._writer.mkdir(self.name, acl="public-read")

    def put(self, name, data):
        """Store bytes, or a dataset as NetCDF4; gives their URL."""
        body = data if isinstance(data, bytes) else netcdf4(data)
        self._writer.pipe_file(f"{self.name}/{name}", body, ACL="public-read")
        return f"s3://{self.name}/{name}"


@pytest.fixture
def bucket(s3_options, monkeypatch):
    """The bucket; scripts name no endpoint, as they do not for AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_options["client_kwargs"]["endpoint_url"])
    return Bucket(s3_options)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The directory of a notebook."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
