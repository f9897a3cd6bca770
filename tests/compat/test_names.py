"""The names of kerchunk 0.2.10: scripts that import and call them find them here, with the same parameters.

`names.json` was recorded from the installed package by `record_names.py`.
"""

import importlib
import importlib.util
import inspect
import json
import runpy
from pathlib import Path

import pytest

RECORDER = runpy.run_path(str(Path(__file__).with_name("record_names.py")))
describe, parameters = RECORDER["describe"], RECORDER["parameters"]

RECORD = json.loads(Path(__file__).with_name("names.json").read_text())["modules"]

# What is not here, and why. An entry whose name appears after all fails `test_what_is_left_out_is_not_there`.
LEFT_OUT = {
    "kerchunk.hdf4.reg": "a step of kerchunk's own decoder",
    "kerchunk.codecs.GRIBZarrCodec": "in Zarr v3 the codec is wrapped as all are",
}

# Methods that are steps of kerchunk's own decoder: there is none here.
STEPS = {"kerchunk.hdf4.HDF4ToZarr": ("read_int", "read_ddh", "read_dd", "decode")}

# Whose parameters are others, and why.
OTHERWISE = {
    "kerchunk.codecs.ZlibCodec": "numcodecs' own codec of the same id, which takes a level too",
}

NAMES = [(module, name) for module in RECORD for name in RECORD[module] if f"{module}.{name}" not in LEFT_OUT]


def promised_parameters(recorded, ours):
    """Our parameters without those that only we have: keyword-only ones, at the end."""
    known = {name for name, _, _ in recorded}
    return [p for p in ours if p[0] in known or p[1] != "KEYWORD_ONLY"]


@pytest.mark.parametrize("module", list(RECORD))
def test_the_module_is_there(module):
    """Every module that is not left out can be imported, and says that it is a door."""
    assert importlib.import_module(module).__doc__


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_the_name_is_there(module, name):
    """A public name of kerchunk's has the same kind, parameters and defaults here."""
    recorded = RECORD[module][name]
    value = getattr(importlib.import_module(module), name)
    if f"{module}.{name}" in OTHERWISE:
        assert callable(value)
        return
    if recorded["kind"] == "class":
        assert inspect.isclass(value)
        ours = parameters(value.__init__) if recorded["parameters"] else []
    else:
        ours = describe(value).get("parameters", [])
        assert describe(value)["kind"] == recorded["kind"]
    assert promised_parameters(recorded.get("parameters", []), ours) == recorded.get("parameters", [])


@pytest.mark.parametrize(("module", "name"), [pair for pair in NAMES if RECORD[pair[0]][pair[1]]["kind"] == "class"])
def test_the_class_is_the_same_outside(module, name):
    """A class has the same built-in bases, codec id, public methods and properties."""
    recorded = RECORD[module][name]
    value = getattr(importlib.import_module(module), name)
    assert {base.__name__ for base in value.__mro__} >= set(recorded["bases"])
    assert getattr(value, "codec_id", None) == recorded.get("codec_id")
    steps = STEPS.get(f"{module}.{name}", ())
    assert not any(hasattr(value, step) for step in steps)
    for member, entry in recorded["members"].items():
        if member in steps:
            continue
        ours = inspect.getattr_static(value, member)
        if entry["kind"] == "property":
            assert isinstance(ours, property)
        elif f"{module}.{name}" in OTHERWISE:
            assert callable(ours)
        else:
            found = parameters(getattr(ours, "__func__", ours))
            assert promised_parameters(entry["parameters"], found) == entry["parameters"], member


def test_what_is_left_out_is_not_there():
    """Every name of the list of what is left out is missing indeed, and has a reason."""
    for name, reason in LEFT_OUT.items():
        assert reason
        module, _, last = name.rpartition(".")
        owner = importlib.import_module(module)
        there = hasattr(owner, last) or (hasattr(owner, "__path__") and importlib.util.find_spec(name) is not None)
        assert not there, f"{name} is there now: take it off the list"
