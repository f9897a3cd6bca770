"""Small inputs for `MultiZarrToZarr`, and how they are combined.

    python tests/compat/combine_cases.py > tests/compat/combine_recorded.json

in an environment with kerchunk 0.2.10 records what it gives.
"""

import base64
import itertools
import json
import sys

import numpy as np


def array(name, values, dims, attrs=None, chunks=None):
    """The documents and inline chunks of one uncompressed array."""
    values = np.asarray(values)
    chunks = chunks or values.shape
    meta = {"shape": values.shape, "chunks": chunks, "dtype": values.dtype.str, "fill_value": None, "order": "C"}
    refs = {
        f"{name}/.zarray": json.dumps({**meta, "filters": None, "compressor": None, "zarr_format": 2}),
        f"{name}/.zattrs": json.dumps({"_ARRAY_DIMENSIONS": dims, **(attrs or {})}),
    }
    for index in itertools.product(*(range(-(-n // c)) for n, c in zip(values.shape, chunks, strict=True))):
        part = values[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))]
        data = base64.b64encode(np.ascontiguousarray(part).tobytes()).decode()
        refs[f"{name}/{'.'.join(map(str, index)) or '0'}"] = f"base64:{data}"
    return refs


def dataset(*arrays, attrs=None):
    """A reference set of version 1."""
    refs = {".zgroup": '{"zarr_format":2}', ".zattrs": json.dumps(attrs or {})}
    for documents in arrays:
        refs.update(documents)
    return {"version": 1, "refs": refs}


def month(n):
    """One time step of a field, with a static field and a scalar."""
    return dataset(
        array("time", np.array([n]), ["time"], {"units": "days since 2000-01-01"}),
        array("x", np.arange(2.0), ["x"]),
        array("d", np.array([[n, n + 0.5]]), ["time", "x"], chunks=[1, 2]),
        array("static", np.array([7.0, 8.0]), ["x"]),
        array("crs", np.int32(5), []),
        attrs={"title": f"file{n}", "date": f"2000-0{n + 1}"},
    )


def named(n, name):
    """A data variable of a given name."""
    return dataset(array("x", np.arange(2.0), ["x"]), array(name, np.array([n, n + 0.5]), ["x"]))


def turned(n):
    """Time is not the first axis."""
    return dataset(
        array("time", np.array([n]), ["time"]),
        array("x", np.arange(2.0), ["x"]),
        array("d", np.array([[n], [n + 0.5]]), ["x", "time"], chunks=[2, 1]),
    )


def grouped(n):
    """The field lies in a group."""
    refs = dataset(
        array("time", np.array([n]), ["time"]),
        array("x", np.arange(2.0), ["x"]),
        array("g/d", np.array([[n, n + 0.5]]), ["time", "x"], chunks=[1, 2]),
    )
    refs["refs"].update({"g/.zgroup": '{"zarr_format":2}', "g/.zattrs": '{"level":1}'})
    return refs


MONTHS = [month(0), month(1)]
STATIC = ["x", "static", "crs"]
SPACE = ["x", "static", "crs", "time"]

CASES = {
    "time": (MONTHS, {"concat_dims": ["time"]}),
    "one text": (MONTHS, {"concat_dims": "time"}),
    "identical": (MONTHS[::-1], {"concat_dims": ["time"], "identical_dims": STATIC}),
    "list": (MONTHS, {"concat_dims": ["time"], "coo_map": {"time": [5, 4]}, "identical_dims": STATIC}),
    "attr": (MONTHS, {"concat_dims": ["m"], "coo_map": {"m": "attr:date"}, "identical_dims": SPACE}),
    "INDEX": (MONTHS, {"coo_map": {"n": "INDEX"}, "identical_dims": SPACE}),
    "cast": (
        MONTHS,
        {"concat_dims": ["time"], "coo_map": {"time": "INDEX"}, "coo_dtypes": {"time": "f4"}, "identical_dims": STATIC},
    ),
    "constant": (MONTHS, {"concat_dims": ["time", "k"], "coo_map": {"k": "hello"}, "identical_dims": STATIC}),
    "two dims": (
        MONTHS,
        {"concat_dims": ["ens", "time"], "coo_map": {"ens": "INDEX"}, "identical_dims": STATIC},
    ),
    "VARNAME": (
        [named(0, "a"), named(1, "b")],
        {"concat_dims": ["which"], "coo_map": {"which": "VARNAME", "var": "output"}, "identical_dims": ["x"]},
    ),
    "var": ([named(0, "a"), named(1, "b")], {"concat_dims": ["var"], "identical_dims": ["x"]}),
    "var list": (
        [named(0, "a"), named(1, "a")],
        {"concat_dims": ["var"], "coo_map": {"var": ["p", "q"]}, "identical_dims": ["x"]},
    ),
    "turned": ([turned(0), turned(1)], {"concat_dims": ["time"]}),
    "groups": ([grouped(0), grouped(1)], {"concat_dims": ["time"]}),
}


def record():
    """What the installed kerchunk gives for every case."""
    from kerchunk.combine import MultiZarrToZarr

    return {name: MultiZarrToZarr(sets, **how).translate() for name, (sets, how) in CASES.items()}


if __name__ == "__main__":
    json.dump(record(), sys.stdout, indent=1, sort_keys=True)
