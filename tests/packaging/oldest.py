"""The oldest versions that pyproject.toml names, as constraints for pip: `make oldest`.

    python oldest.py PYPROJECT > constraints.txt

The extras and what the demo needs are among them; tools of the tests are not, of which any version will do. It refuses
a Python that is newer than the oldest one supported.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

FLOOR = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[.*\])?(>=|==)(?P<version>[0-9][0-9.]*)")
"""A requirement that says how old a package may be."""


def main() -> None:
    """Print a line for each package."""
    project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    oldest = project["project"]["requires-python"].removeprefix(">=")
    if oldest != f"{sys.version_info.major}.{sys.version_info.minor}":
        sys.exit(f"the oldest Python supported is {oldest}, and this one is {sys.version.split()[0]}: say PYTHON=...")
    print("\n".join(f"{name}=={version}" for name, version in floors(project)))


def floors(project: dict) -> list[tuple[str, str]]:
    """Each package with its oldest version, once for each place that names it."""
    extras = project["project"]["optional-dependencies"].values()
    groups = project["dependency-groups"]
    named = [*project["project"]["dependencies"], *(text for extra in extras for text in extra), *groups["demo"]]
    own = project["project"]["name"]
    return sorted({floor(text) for text in named if not text.startswith(f"{own}[")})


def floor(requirement: str) -> tuple[str, str]:
    """What one requirement says.

    >>> floor("numcodecs>=0.16.6,!=0.17.0")
    ('numcodecs', '0.16.6')
    """
    found = FLOOR.match(requirement)
    if found is None:
        sys.exit(f"{requirement}: expected a name and >= the oldest version, found none. Name one.")
    return found["name"], found["version"]


if __name__ == "__main__":
    main()
