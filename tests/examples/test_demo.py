"""The demo does the whole job on real files, and notices when it fails."""

import importlib.util
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def demo():
    """The demo as a module."""
    spec = importlib.util.spec_from_file_location("demo", Path(__file__).parents[2] / "examples" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_demo_succeeds(demo, tmp_path, capsys):
    """Every step is done, every value is equal by both roads, and the exit status is 0."""
    assert demo.main(tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert said.count("all equal") == 2
    assert "refused, as it must be" in said
    page = tmp_path / "out" / "ocean.html"
    assert f"open {page.as_uri()} in a browser" in said
    assert "tos" in page.read_text(encoding="utf-8")
    assert page.with_name("ocean-reads.html").read_text(encoding="utf-8").count("<svg") == 8


def test_the_demo_can_be_run_again(demo, tmp_path):
    """A second run replaces what the first one wrote."""
    assert demo.main(tmp_path) == 0
    assert demo.main(tmp_path) == 0


def test_a_value_that_differs_fails_the_demo(demo, tmp_path, monkeypatch, capsys):
    """When the dataset and the files differ in one value, the exit status is 1 and the variable is named."""
    real = demo.xr.open_dataset

    def disturbed(source, **options):
        dataset = real(source, **options)
        if options["engine"] != "chunkmap":
            return dataset
        values = dataset.tos.to_numpy().copy()
        values[2, 100, 100] += 1
        return dataset.assign(tos=(dataset.tos.dims, values))

    monkeypatch.setattr(demo.xr, "open_dataset", disturbed)
    assert demo.main(tmp_path) == 1
    assert "tos of nemo_1m_20150301-20150401_grid-T.nc is not what the file holds" in capsys.readouterr().err


def test_a_missing_file_fails_the_demo(demo, tmp_path, monkeypatch, capsys):
    """Without its three files the demo says so, and the exit status is 1."""
    package = tmp_path / "package"
    shutil.copytree(
        Path(str(demo.files("iris_sample_data"))) / "sample_data" / "NEMO", package / "sample_data" / "NEMO"
    )
    next((package / "sample_data" / "NEMO").glob("*grid-T.nc")).unlink()
    monkeypatch.setattr(demo, "files", lambda _: package)
    assert demo.main(tmp_path / "out") == 1
    assert "found 2" in capsys.readouterr().err
