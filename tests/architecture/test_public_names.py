"""The names that scripts may rely on."""

import importlib
import inspect

import chunkmap

VERBS = {
    "scan": ["url", "storage_options", "format", "options"],
    "scan_many": ["urls", "executor", "progress", "storage_options", "on_error", "options"],
    "combine": ["sets", "concat_dims", "coo_map", "identical_dims", "coo_dtypes"],
    "build": ["urls", "out", "concat_dims", "coo_map", "identical_dims", "executor", "progress"],
    "load": ["url_or_dict", "storage_options"],
    "write": ["refs", "url", "storage_options", "record_size"],
    "open_dataset": ["refs_or_path", "group", "storage_options"],
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


def test_the_verbs_take_what_is_promised():
    """The facade has every promised verb, with the promised parameters; all but the subject are keyword-only."""
    for name, promised in VERBS.items():
        parameters = inspect.signature(getattr(chunkmap, name)).parameters
        assert set(promised) <= set(parameters), name
        positional = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert len(positional) <= 2, name


def test_every_all_is_true():
    """Every module's `__all__` names things that it has."""
    for package in ("errors", "model", "io", "formats", "storage", "access", "combine", "execution"):
        module = importlib.import_module(f"chunkmap.{package}")
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{module.__name__}.{name}"
