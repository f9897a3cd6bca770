"""Whether two datasets are the same, to the types of attributes and of what they were decoded by."""

from __future__ import annotations

import numpy as np

__all__ = ["assert_identical"]

_PACKING = ("_FillValue", "missing_value", "scale_factor", "add_offset", "units")


def _native(dtype):
    """A type in the byte order of the machine; strings have none."""
    return dtype if dtype.kind == "T" else dtype.newbyteorder("=")


def _kind(value):
    """What an attribute is, so that two that are not the same differ: its type, and its value."""
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind in "OT":
            return type(value), array.shape, array.tolist()
        native = array.astype(_native(array.dtype))
        if array.dtype.names:  # what lies between their members is not theirs
            return type(value), native.dtype, native.shape, repr(native.tolist())
        return type(value), native.dtype, native.shape, native.tobytes()
    return type(value), value


def _of_sequences(dataset):
    """The variables whose elements are arrays, which xarray does not compare."""
    objects = [name for name, array in dataset.variables.items() if array.dtype == object and array.size]
    return [name for name in objects if isinstance(dataset[name].values.flat[0], np.ndarray)]


def assert_identical(found, expected):
    """Two datasets are the same, to the types of their attributes and of what they were decoded by."""
    types = [{name: _native(array.dtype) for name, array in some.variables.items()} for some in (found, expected)]
    assert types[0] == types[1], f"types {types[0]}, expected {types[1]}"
    for name, ours, theirs in [("", found, expected), *((n, found[n], expected[n]) for n in expected.variables)]:
        attrs = [{k: _kind(v) for k, v in some.attrs.items()} for some in (ours, theirs)]
        assert attrs[0] == attrs[1], f"attributes of {name!r}: {attrs[0]}, expected {attrs[1]}"
        kept = [{k: _kind(v) for k, v in some.encoding.items() if k in _PACKING} for some in (ours, theirs)]
        assert kept[0] == kept[1], f"encoding of {name!r}: {kept[0]}, expected {kept[1]}"
    for name in _of_sequences(expected):
        told = [[(one.dtype, one.tobytes()) for one in some[name].values.flat] for some in (found, expected)]
        assert told[0] == told[1], f"{name}: {told[0]}, expected {told[1]}"
    found, expected = (some.drop_vars(_of_sequences(expected)).drop_attrs() for some in (found, expected))
    assert found.identical(expected), f"{found}\nexpected\n{expected}"
