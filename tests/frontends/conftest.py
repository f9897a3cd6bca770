"""Files to compress, and restart points that are near each other."""

import pytest
from compressed_kinds import write_plain

from chunkmap.io.compressed import building


@pytest.fixture
def close_points(monkeypatch):
    """Points every 64 KB, so that small files have many."""
    monkeypatch.setattr(building, "SPACING", 1 << 16)
    monkeypatch.setattr(building, "SHARE", 10.0)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Three files that are not compressed yet."""
    return write_plain(tmp_path_factory.mktemp("plain"))
