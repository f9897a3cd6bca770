"""docs/reliability.md and docs/security.md name the tests of what they promise."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`((?:tests/[a-z_/]+/)?test_[a-z0-9_]+\.py)(?:::(test_[a-z0-9_]+))?`")


@pytest.mark.parametrize("page", ["reliability.md", "security.md"])
def test_every_test_that_is_named_exists(page):
    """Each promise names a test that is there."""
    found = NAMED.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert len(found) > 5
    for file, name in found:
        path = ROOT / file if file.startswith("tests/") else ROOT / "tests" / "reliability" / file
        assert f"def {name}(" in path.read_text(encoding="utf-8"), (file, name)
