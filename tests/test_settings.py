"""What is set in a file and in the environment holds where nothing is said, and goes into no set."""

import logging

import fsspec
import numpy as np
import pytest
from invoking import run

import chunkmap
from chunkmap.errors import SourceError
from chunkmap.io.filesystem import locate
from chunkmap.settings import settings, settings_file


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """A function that writes the file of settings."""
    numbers = iter(range(9))

    def write(text):
        path = tmp_path / f"config-{next(numbers)}.toml"
        path.write_text(text)
        monkeypatch.setenv("CHUNKMAP_CONFIG", str(path))
        return path

    return write


@pytest.fixture
def files(tmp_path):
    """Two files of numpy."""
    for number in range(2):
        np.save(tmp_path / f"{number}.npy", np.arange(3.0) + number)
    return [str(tmp_path / f"{number}.npy") for number in range(2)]


def test_the_file_is_where_configurations_are(monkeypatch, tmp_path):
    """By its variable, else below the directory of configurations, else of the user."""
    monkeypatch.setenv("CHUNKMAP_CONFIG", "/x/c.toml")
    assert str(settings_file()) == "/x/c.toml"
    monkeypatch.delenv("CHUNKMAP_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings_file() == tmp_path / "chunkmap" / "config.toml"
    assert settings() == {}
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings_file() == tmp_path / ".config" / "chunkmap" / "config.toml"


def test_a_variable_goes_before_the_file(configured, monkeypatch):
    """An empty one unsets what the file says."""
    configured("timeout = 60\nengine = 'fsspec'\ncache = '/scans'\n")
    assert settings() == {"timeout": 60, "engine": "fsspec", "cache": "/scans"}
    monkeypatch.setenv("CHUNKMAP_TIMEOUT", "5")
    monkeypatch.setenv("CHUNKMAP_CACHE", "")
    assert settings() == {"timeout": 5.0, "engine": "fsspec"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tiemout = 3", "no setting 'tiemout': did you mean 'timeout'"),
        ("timeout = 'long'", "timeout is 'long', expected a number of seconds"),
        ("timeout = 0", "timeout is 0"),
        ("timeout = true", "timeout is True"),
        ("cache = 3", "cache is 3, expected a text"),
        ("timeout", "cannot be read as TOML"),
    ],
)
def test_what_cannot_be_meant_names_the_file(configured, text, says):
    """A misspelt name, a value of another kind and a file that is no TOML are said."""
    path = configured(text)
    with pytest.raises(ValueError, match=says) as error:
        settings()
    assert str(path) in str(error.value)


def test_a_limit_of_time_that_is_set(configured, range_server):
    """A server that is silent for longer is given up; what a call says goes before the setting."""
    url = range_server.put("a.npy", b"\x93NUMPY")
    configured("timeout = 0.2\nengine = 'fsspec'\n")
    assert locate(url).engine == "fsspec"
    assert locate("/tmp/a.npy").engine is None
    range_server.latency = 0.6
    with pytest.raises(SourceError, match="as long as `timeout` allows"):
        chunkmap.scan(url)
    range_server.latency = 0
    with pytest.raises(chunkmap.FormatError):
        chunkmap.scan(url, timeout=20)


def test_a_cache_that_is_set(configured, files, tmp_path, caplog):
    """Files that were scanned are found in it the next time."""
    configured(f"cache = '{tmp_path / 'cache'}'\n")
    first = chunkmap.scan_many(files)
    with caplog.at_level(logging.INFO, logger="chunkmap"):
        assert chunkmap.scan_many(files) == first
    assert sum("found in the cache" in record.message for record in caplog.records) == 2


@pytest.mark.parametrize("name", ["set.json", "set.parq"])
def test_nothing_that_is_set_goes_into_a_set(configured, files, tmp_path, monkeypatch, name):
    """Options that fsspec's own file has are used, and are, as all settings, in nothing that is written."""
    configured("timeout = 61.5\n")
    monkeypatch.setitem(fsspec.config.conf, "memory", {"token": "s3cr3t"})
    for number, path in enumerate(files):
        fsspec.filesystem("memory").put_file(path, f"/settings/{number}.npy")
    assert locate("memory://settings/0.npy").fs.storage_options["token"] == "s3cr3t"
    chunkmap.build("memory://settings/*.npy", tmp_path / name, concat_dims="n", coo_map={"n": "ORDER"})
    path = tmp_path / name
    written = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    for data in (one.read_bytes() for one in written):
        assert b"s3cr3t" not in data
        assert b"61.5" not in data
    fsspec.filesystem("memory").rm("/settings", recursive=True)


def test_the_doctor_says_what_is_set(configured):
    """With the file that says it."""
    path = configured("timeout = 60\n")
    assert f"settings: timeout=60 ({path})" in run("doctor").stdout
