"""The names that scripts may rely on."""

import importlib
import inspect

import pytest

import chunkmap
from chunkmap.combining.recipe import HowToCombine

VERBS = {
    "scan": ["storage_options", "format", "options"],
    "scan_many": ["executor", "progress", "storage_options", "on_error", "options"],
    "combine": ["concat_dims", "coo_map", "identical_dims", "coo_dtypes"],
    "diagnose": ["concat_dims", "coo_map", "identical_dims", "coo_dtypes", "waive", "split", "eras"],
    "merge": ["compare_below", "storage_options"],
    "build": ["executor", "progress", "storage_options", "record_size", "scan_options", "how"],
    "append": ["executor", "progress", "storage_options", "cache", "overwrite", "how"],
    "load": ["storage_options"],
    "write": ["storage_options", "record_size"],
    "open_dataset": ["group", "storage_options"],
}


def test_every_public_name_resolves():
    """Each name of `chunkmap.__all__` is there, is listed by dir(), and says what it is."""
    for name in chunkmap.__all__:
        value = getattr(chunkmap, name)
        assert name in dir(chunkmap)
        assert name.startswith("__") or inspect.getdoc(value), name


def test_a_name_that_is_not_there_is_an_attribute_error():
    """Lazy exports do not change what happens for a wrong name."""
    assert not hasattr(chunkmap, "no_such_verb")


@pytest.mark.parametrize(("name", "promised"), VERBS.items())
def test_the_verbs_take_what_is_promised(name, promised):
    """Each promised verb has each promised parameter; all but its subject, and where it goes, are keyword-only."""
    parameters = inspect.signature(getattr(chunkmap, name)).parameters
    recipe = HowToCombine.__annotations__ if "how" in parameters else ()
    assert set(promised) <= {*parameters, *recipe}
    positional = [p for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert len(positional) == (2 if name in ("append", "build", "write") else 1)


def test_every_all_is_true():
    """Every module's `__all__` names things that it has."""
    for package in ("errors", "model", "io", "formats", "storage", "access", "combining", "execution"):
        module = importlib.import_module(f"chunkmap.{package}")
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{module.__name__}.{name}"
