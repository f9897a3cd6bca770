"""The examples in docstrings say what is so."""

from __future__ import annotations

import doctest
from importlib import import_module

from sources import SRC

NAMES = [
    ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((SRC / "chunkmap").rglob("*.py"))
    if ">>> " in path.read_text()
]


def test_examples_in_docstrings():
    """Every example in the library gives what stands below it."""
    found = {name: doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS) for name in NAMES}

    assert sum(result.attempted for result in found.values()) > 80
    assert [name for name, result in found.items() if result.failed] == []
