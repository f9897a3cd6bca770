"""The table of docs/tiff.md says what the scanner does."""

import feature_table


def test_the_table_of_features_is_up_to_date():
    """Every feature is written, read through the references, equal to the library's, and where the table has it."""
    text = feature_table.PAGE.read_text()
    assert feature_table.page(text) == text
