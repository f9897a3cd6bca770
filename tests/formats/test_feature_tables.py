"""The tables of features in the pages of formats say what the scanners do.

python tests/formats/test_feature_tables.py hdf4      writes the table of docs/hdf4.md anew
"""

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FORMATS = sorted(path.parent.name for path in HERE.glob("*/feature_table.py"))
END = "<!-- end of table -->"


def features_of(name):
    """The module that writes and reads the features of a format; it finds what lies beside it."""
    spec = importlib.util.spec_from_file_location(f"features_of_{name}", HERE / name / "feature_table.py")
    features = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(features)
    return features


def page(name, features, text):
    """The page of a format with its table written anew."""
    begin = f"<!-- table: written by tests/formats/{name}/feature_table.py -->"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(END)
    return f"{head}{begin}\n\n{features.printed()}\n\n{END}{tail}"


@pytest.mark.parametrize("name", FORMATS)
def test_a_table_of_features_is_up_to_date(name, monkeypatch):
    """Every feature is written by a library, read through references, equal to it, and where the table has it."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    features = features_of(name)
    text = features.PAGE.read_text()
    assert page(name, features, text) == text


if __name__ == "__main__":
    for chosen in sys.argv[1:]:
        module = features_of(chosen)
        module.PAGE.write_text(page(chosen, module, module.PAGE.read_text()))
