"""The table of docs/fits.md says what the scanner does."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def test_the_table_of_features_is_up_to_date():
    """Every feature is written by astropy, read through references, equal to astropy, and where the table has it."""
    spec = spec_from_file_location("fits_feature_table", Path(__file__).with_name("feature_table.py"))
    features = module_from_spec(spec)
    spec.loader.exec_module(features)
    text = features.PAGE.read_text()
    assert features.page(text) == text
