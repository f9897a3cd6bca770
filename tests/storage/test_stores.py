"""The table of how sets are kept: every row says all."""

import inspect
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from chunkmap.storage.stores import STORES, Store, store_named

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

FUNCTIONS = {"reading": ("load", "open_set"), "writing": ("write",), "appending": ("carry_out", "append")}


def required(function):
    """The arguments that a function cannot be called without."""
    return [name for name, one in inspect.signature(function).parameters.items() if one.default is one.empty]


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.name)
def test_every_row_has_every_column(store):
    """A row has a name, modules, suffixes, something by which files or folders are told, and an extra that there is."""
    for column in ("name", "reads", "writes", "appends", "suffixes", "zarr_formats"):
        assert getattr(store, column), column
    assert {field.name for field in fields(Store)} == {
        *("name", "reads", "writes", "appends", "suffixes", "zarr_formats"),
        *("begins", "holds", "extra"),
    }
    assert store.begins or store.holds
    assert set(store.zarr_formats) <= {2, 3}
    assert store.extra is None or store.extra in PROJECT["optional-dependencies"]
    assert all(store_named(f"s3://bucket/set{suffix}") is store for suffix in store.suffixes)


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.name)
@pytest.mark.parametrize("column", FUNCTIONS)
def test_every_module_of_a_row_has_its_functions(store, column):
    """What a column promises is a function of its module, and all stores' take the same arguments."""
    for name in FUNCTIONS[column]:
        own, first = (required(getattr(getattr(row, column), name)) for row in (store, STORES[0]))
        assert own == first, name


def test_no_two_rows_are_told_alike():
    """Names and suffixes stand in one row each."""
    suffixes = [suffix for store in STORES for suffix in store.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert len({store.name for store in STORES}) == len(STORES)
