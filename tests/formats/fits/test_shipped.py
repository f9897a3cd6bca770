"""The files that astropy ships for its own tests: odd headers, old compression, every kind of table."""

from importlib.resources import files
from pathlib import Path

import pytest

FOLDER = Path(str(files("astropy") / "io" / "fits" / "tests" / "data"))
SHIPPED = sorted(FOLDER.glob("*.fits"))
UNREADABLE = {"group_invalid.fits"}
"""Files that astropy itself does not read."""


@pytest.mark.skipif(not SHIPPED, reason="this astropy comes without its tests")
@pytest.mark.parametrize("path", [path for path in SHIPPED if path.name not in UNREADABLE], ids=lambda path: path.name)
def test_what_astropy_ships(path, reading):
    """Every array is what astropy reads, and nothing is left out."""
    assert reading.check(path).problems == ()
