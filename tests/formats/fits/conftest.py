"""The reader of this folder's tests, as a fixture: modules of tests are not imported by their path."""

import importlib.util
import sys
from pathlib import Path

import pytest


def load(name):
    """A module that lies beside this one."""
    full = f"fits_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        spec.loader.exec_module(module)
    return sys.modules[full]


@pytest.fixture(scope="session")
def reading():
    """Scans, reads, and compares with astropy."""
    return load("reading")
