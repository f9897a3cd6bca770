"""The examples in docstrings say what is so."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import chunkmap

NAMES = [module.name for module in pkgutil.walk_packages(chunkmap.__path__, "chunkmap.")]


def test_examples_in_docstrings():
    """Every example in the library gives what stands below it."""
    found = {name: doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS) for name in NAMES}

    assert sum(result.attempted for result in found.values()) > 80
    assert [name for name, result in found.items() if result.failed] == []
