"""The tables of features in the pages of formats say what the scanners do."""

import importlib.util
import sys
from pathlib import Path

import pytest

TABLES = sorted(Path(__file__).parent.glob("*/feature_table.py"))


@pytest.mark.parametrize("path", TABLES, ids=[path.parent.name for path in TABLES])
def test_a_table_of_features_is_up_to_date(path, monkeypatch):
    """Every feature is written by a library, read through references, equal to it, and where the table has it."""
    spec = importlib.util.spec_from_file_location(f"features_of_{path.parent.name}", path)
    features = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec.loader.exec_module(features)
    text = features.PAGE.read_text()
    assert features.page(text) == text
