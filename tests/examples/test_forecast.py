"""The example of GRIB opens a real field and a forecast, and notices when a value differs."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("eccodes")


@pytest.fixture
def forecast():
    """The example as a module."""
    path = Path(__file__).parents[2] / "examples" / "forecast.py"
    spec = importlib.util.spec_from_file_location("forecast", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_succeeds(forecast, tmp_path, capsys):
    """A field and a hypercube of six steps and three levels are what eccodes decodes."""
    assert forecast.main(tmp_path) == 0
    said = capsys.readouterr().out
    assert said.count("every value is what eccodes decodes") == 2
    assert "18 messages, t(('step', 6), ('isobaricInhPa', 3), ('y', 200), ('x', 247))" in said


def test_a_value_that_differs_fails_the_example(forecast, tmp_path, monkeypatch, capsys):
    """When one value differs, the messages that differ are counted, and the exit status is 1."""
    real = forecast.chunkmap.open_dataset
    monkeypatch.setattr(forecast.chunkmap, "open_dataset", lambda refs, **how: real(refs, **how) + 1)
    assert forecast.main(tmp_path) == 1
    assert "18 messages differ from eccodes" in capsys.readouterr().out
