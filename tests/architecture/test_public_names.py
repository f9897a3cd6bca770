"""The names that scripts may rely on."""

import importlib
import inspect
from typing import get_args, get_type_hints

import pytest

import chunkmap
from chunkmap.execution.how import HowToScan
from chunkmap.frontends.opening import HowToOpen
from chunkmap.frontends.xarray_entries import OPENING

VERBS = {
    "scan": ["storage_options", "format", "options"],
    "scan_many": ["executor", "progress", "storage_options", "on_error", "options"],
    "combine": ["concat_dims", "coo_map", "identical_dims", "coo_dtypes"],
    "diagnose": ["concat_dims", "coo_map", "identical_dims", "coo_dtypes", "waive", "split", "eras"],
    "merge": ["compare_below", "storage_options"],
    "build": ["executor", "progress", "storage_options", "record_size", "scan_options", "how"],
    "append": ["executor", "progress", "storage_options", "cache", "overwrite", "concat_dims", "how"],
    "load": ["storage_options"],
    "write": ["storage_options", "record_size"],
    "open_dataset": ["group", "storage_options"],
    "open_store": ["zarr_format", "storage_options", "allow", "check", "scan_options"],
    "verify": ["decode", "compare", "storage_options", "allow"],
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
    how = get_type_hints(getattr(chunkmap, name)).get("how")
    shared = () if how is None else get_args(how)[0].__annotations__
    assert set(promised) <= {*parameters, *shared}
    positional = [p for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert len(positional) == (2 if name in ("append", "build", "write") else 1)


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: chunkmap.build([], "x.json", concat_dim="time"), "build.*'concat_dims'"),
        (lambda: chunkmap.append("x.json", [], executer="threads"), "append.*'executor'"),
        (lambda: chunkmap.combine([], concat_dim="time"), "combine.*'concat_dims'"),
        (lambda: chunkmap.open_store({}, alow=[]), "open_store.*'allow'"),
        (lambda: chunkmap.verify({}, storage_option={}), "verify.*'storage_options'"),
        (lambda: chunkmap.verify({}, xyz=1), "verify.*how to open is said by storage_options, remote_options"),
    ],
)
def test_a_misspelt_keyword_is_refused_with_the_one_that_was_meant(call, meant):
    """A keyword that several functions share is checked as if each had it in its own signature."""
    with pytest.raises(TypeError, match=meant):
        call()


def test_what_opens_a_dataset_takes_what_opens_a_store():
    """`open_dataset` says its keywords one by one, for editors to show: those of everything that opens, but `engine`,
    a word of xarray's: what fetches ranges is said among the options of a filesystem.
    """
    parameters = inspect.signature(chunkmap.open_dataset).parameters
    assert set(HowToOpen.__annotations__) - {*parameters, "scan_options"} == {"engine"}
    assert set(HowToOpen.__annotations__) - {"engine"} == set(OPENING)


def test_what_scans_many_takes_what_builds():
    """`scan_many` says its keywords one by one; `build` hands it all of them but what is done to a set afterwards."""
    parameters = inspect.signature(chunkmap.scan_many).parameters
    assert set(HowToScan.__annotations__) == {*parameters} - {"urls", "options"} | {"scan_options", "preprocess"}


def test_every_all_is_true():
    """Every module's `__all__` names things that it has."""
    for package in ("errors", "model", "io", "formats", "storage", "access", "combining", "execution"):
        module = importlib.import_module(f"chunkmap.{package}")
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{module.__name__}.{name}"
