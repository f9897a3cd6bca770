"""Names in a recipe that nothing answers to."""

import numpy as np
import pytest

from chunkmap.combining import Recipe, diagnose_sets
from chunkmap.errors import CombineError
from chunkmap.model import ReferenceSet

ARRAY = (
    '{"shape": [1], "chunks": [1], "dtype": "<i2", "compressor": null, "filters": null,'
    ' "fill_value": null, "order": "C", "zarr_format": 2}'
)


def one(name):
    """A set of two arrays along time."""
    refs = {".zgroup": '{"zarr_format": 2}'}
    for place, path in enumerate(("time", "lat")):
        refs[f"{path}/.zarray"] = ARRAY
        refs[f"{path}/.zattrs"] = f'{{"_ARRAY_DIMENSIONS": ["{path}"]}}'
        refs[f"{path}/0"] = [f"{name}.nc", 2 * place, 2]
    return ReferenceSet.from_dict({"version": 1, "refs": refs}, name=name)


def read(arrays):
    """Values that are the same in all sets."""
    return [np.zeros(array.meta.shape, array.meta.dtype) for array in arrays]


def test_a_selector_of_a_dimension_that_is_not_combined_is_refused():
    """A slip in the name of a dimension is named, with the one that was meant."""
    with pytest.raises(CombineError, match="'tmie', but concat_dims names only time: did you mean 'time'"):
        Recipe(concat_dims="time", coo_map={"tmie": "cf:time"})


def test_letters_that_changed_places_are_no_constant():
    """`fc:` is nearly `cf:`, and not the constant that other texts are."""
    with pytest.raises(CombineError, match="did you mean 'cf:VARIABLE'"):
        Recipe(concat_dims="time", coo_map={"time": "fc:time"})


def test_selectors_that_are_no_mapping_are_a_type_error():
    """What is no mapping is said to be none."""
    with pytest.raises(TypeError, match="coo_map is 3, expected a mapping"):
        Recipe(concat_dims="time", coo_map=3)


def test_an_identical_name_that_no_input_has_is_refused():
    """What no input has cannot be the same in all of them; names that some have are no finding."""
    recipe = Recipe(concat_dims="time", coo_map={"time": "INDEX"}, identical_dims=["latt", "lat"])
    diagnosis = diagnose_sets([one("a"), one("b")], recipe, read)
    (finding,) = [finding for finding in diagnosis.findings if finding.refused]
    assert str(finding) == (
        "latt: named in identical_dims, but no input has an array of this name: did you mean 'lat'?"
    )
