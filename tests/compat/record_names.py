"""Record the public names of an installed kerchunk 0.2.10 into names.json.

It is run by hand, once, in an environment that holds kerchunk and not this project:

    python tests/compat/record_names.py > tests/compat/names.json

It asks the running package, by `inspect`, for names, parameters, kinds and defaults, and records nothing else.
"""

import importlib
import inspect
import json
import sys
from importlib.metadata import version

MODULES = (
    "",
    ".hdf",
    ".netCDF3",
    ".combine",
    ".df",
    ".utils",
    ".codecs",
    ".xarray_backend",
    ".tiff",
    ".zarr",
    ".fits",
    ".hdf4",
)

# Names that begin with an underscore and are imported by other packages all the same.
USED_BY_OTHERS = {"kerchunk.df._proc_raw", "kerchunk.utils._encode_for_JSON", "kerchunk.hdf._HIDDEN_ATTRS"}


def parameters(function):
    """Each parameter as [name, kind, repr of the default or None]."""
    empty = inspect.Parameter.empty
    return [
        [p.name, p.kind.name, None if p.default is empty else repr(p.default)]
        for p in inspect.signature(function).parameters.values()
    ]


def describe_member(member):
    """A method, classmethod, staticmethod or property of a class; None for what is neither."""
    if isinstance(member, property):
        return {"kind": "property"}
    function = getattr(member, "__func__", member)
    return {"kind": type(member).__name__, "parameters": parameters(function)} if callable(function) else None


def describe(value):
    """One public object."""
    if inspect.isclass(value):
        members = {name: describe_member(member) for name, member in vars(value).items() if not name.startswith("_")}
        entry = {
            "kind": "class",
            "bases": [base.__name__ for base in value.__mro__[1:-1] if base.__module__ == "builtins"],
            "parameters": parameters(value.__init__) if "__init__" in vars(value) else [],
            "members": {name: member for name, member in members.items() if member},
        }
        if isinstance(getattr(value, "codec_id", None), str):
            entry["codec_id"] = value.codec_id
        return entry
    return {"kind": "function", "parameters": parameters(value)} if callable(value) else {"kind": type(value).__name__}


def public(module):
    """The names that a module defines itself."""
    for name, value in sorted(vars(module).items()):
        kept = f"{module.__name__}.{name}" in USED_BY_OTHERS
        defined = getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
        if kept or defined:
            yield name, value


def main():
    """Print the record."""
    modules = [importlib.import_module(f"kerchunk{name}") for name in MODULES]
    record = {
        "kerchunk": version("kerchunk"),
        "modules": {module.__name__: {name: describe(value) for name, value in public(module)} for module in modules},
    }
    json.dump(record, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
