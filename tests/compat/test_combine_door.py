"""The door to combining: kerchunk 0.2.10's own results, recorded, and the habits of its classes."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import zarr

from chunkmap import CombineError
from kerchunk.combine import JustLoad, MultiZarrToZarr, concatenate_arrays, drop, merge_vars

pytestmark = pytest.mark.filterwarnings("ignore:Concatenated coordinate")

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("combine_cases", HERE / "combine_cases.py")
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)
RECORDED = json.loads((HERE / "combine_recorded.json").read_text())

DIFFERENT = {
    ("two dims", "d/.zarray", "fill_value"): (None, "NaN"),  # tiles that no input holds read as missing, not as zero
}
"""Where ours says something else, on purpose: docs/differences.md has the reasons."""


def parsed(refs):
    """Documents as values, chunks as bytes."""
    found = {}
    for key, value in refs["refs"].items():
        if key.rpartition("/")[2].startswith(".z"):
            document = json.loads(value)
            document.pop("dimension_separator", None)
            if "attrs" not in key:
                document = {k: ("" if v == "" else v) for k, v in document.items()}
            found[key] = document
        else:
            found[key] = _bytes(value)
    return found


def combined(sets, **how):
    return MultiZarrToZarr(json.loads(json.dumps(sets)), **how).translate()


@pytest.mark.parametrize("name", cases.CASES)
def test_what_kerchunk_gives(name):
    """The dictionary is kerchunk's, document by document and chunk by chunk."""
    sets, how = cases.CASES[name]

    ours, theirs = parsed(combined(sets, **how)), parsed(RECORDED[name])

    for (case, key, entry), (recorded, ours_on_purpose) in DIFFERENT.items():
        if case == name:
            assert (theirs[key][entry], ours[key][entry]) == (recorded, ours_on_purpose)
            theirs[key][entry] = ours_on_purpose
    for document in theirs.values():
        if isinstance(document, dict) and document.get("dtype", "").startswith("<U"):
            document["fill_value"] = None  # kerchunk gives texts the empty text to fill with; nothing is missing
    assert theirs == ours


def test_names_of_files_reach_selectors(tmp_path):
    """Regular expressions and functions see the URL of each JSON, in the order of the list, whatever it is."""
    paths = []
    for n in (2, 0, 1):
        path = tmp_path / f"f_{n}.json"
        path.write_text(json.dumps(cases.month(n)))
        paths.append(str(path))
    seen = []

    def position(index, group, dim, name):
        assert isinstance(group, zarr.Group)
        seen.append((index, dim, name))
        return int(group["time"][0]) * 10

    how = {"concat_dims": ["n"], "coo_map": {"n": re.compile(r"f_(\d)")}}
    by_name = MultiZarrToZarr(paths, identical_dims=["x", "static", "crs", "time"], **how).translate()
    with pytest.raises(CombineError, match="time: taken as identical"):
        MultiZarrToZarr(paths, identical_dims=["x", "static", "crs"], **how).translate()
    refs = MultiZarrToZarr(
        paths, concat_dims=["time"], coo_map={"time": position}, identical_dims=["x", "static", "crs"]
    ).translate()

    assert _bytes(by_name["refs"]["n/0"]).decode("utf-32-le") == "012"
    assert seen == [(n, "time", f"file://{path}") for n, path in enumerate(paths)]
    assert np.frombuffer(bytes(refs["refs"]["time/0"], "latin1"), "i8").tolist() == [0, 10, 20]


def test_the_stages():
    """`first_pass` finds the coordinates, `store_coords` and `second_pass` fill `out`, `done` remembers."""
    combiner = MultiZarrToZarr(cases.MONTHS, concat_dims=["time"])

    coos = combiner.first_pass()

    assert coos == {"time": {0, 1}}
    assert combiner.coos["time"].tolist() == [0, 1]
    assert combiner.done == {1}
    assert combiner.out == {}
    combiner.store_coords()
    assert set(combiner.out) == {".zgroup", ".zattrs", "time/.zarray", "time/.zattrs", "time/0"}
    combiner.second_pass()
    assert combiner.done == {1, 2, 3}
    assert combined(cases.MONTHS, concat_dims=["time"]) == combiner.translate() == combiner.translate()


def test_the_first_stage_looks_only_at_coordinates():
    """Coordinates are found even of inputs that cannot be combined; that is refused when they are to be."""
    other = cases.month(0)
    other["refs"]["d/0.0"] = cases.month(1)["refs"]["d/0.0"]
    combiner = MultiZarrToZarr([cases.month(0), other], concat_dims=["time"])

    with pytest.warns(UserWarning, match="contains less than expected"):
        combiner.first_pass()

    assert combiner.coos["time"].tolist() == [0]
    with pytest.raises(ValueError, match="both hold time = 2000-01-01"):
        combiner.second_pass()


def test_names_of_variables_are_coordinates_too():
    """`coos` has the names that the axis of names gives."""
    combiner = MultiZarrToZarr([cases.named(0, "b"), cases.named(1, "a")], concat_dims=["var"], identical_dims=["x"])

    combiner.first_pass()

    assert combiner.coos["var"].tolist() == ["a", "b"]


def test_arguments_are_left_alone():
    """What the caller hands in is not changed."""
    coo_map, concat, sets = {"time": "data:time"}, ["time"], json.loads(json.dumps(cases.MONTHS))

    MultiZarrToZarr(sets, coo_map=coo_map, concat_dims=concat, preprocess=drop("crs")).translate()

    assert ({"time": "data:time"}, ["time"], cases.MONTHS) == (coo_map, concat, json.loads(json.dumps(sets)))


def test_steps_see_dictionaries():
    """`preprocess` changes each input's own dictionary, `postprocess` gives the result."""
    refs = combined(cases.MONTHS, concat_dims=["time"], preprocess=drop(("static", "crs")))
    marked = combined(cases.MONTHS, concat_dims=["time"], postprocess=lambda out: {**out, "extra": "text"})

    assert not [key for key in refs["refs"] if key.startswith(("static", "crs"))]
    assert marked["refs"]["extra"] == "text"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"concat_dims": ["time"], "identical_dims": ["time"]}, "Values being mapped cannot also be identical"),
        ({"concat_dims": ["var"]}, "Multiple varnames found"),
        ({"concat_dims": ["m"], "coo_map": {"m": "attr:nope"}}, "nope"),
        ({}, "found neither"),
    ],
)
def test_what_cannot_be_combined(how, words):
    """Wrong arguments raise a ValueError that says what is wrong."""
    with pytest.raises(ValueError, match=words):
        combined(cases.MONTHS, **how)


def test_chunks_of_two_shapes():
    """Chunks that differ in shape are refused in kerchunk's words, however small."""
    a = cases.dataset(cases.array("time", [0, 1], ["time"]), cases.array("d", [1.0, 2.0], ["time"]))
    b = cases.dataset(cases.array("time", [2, 3], ["time"]), cases.array("d", [1.0, 2.0], ["time"], chunks=[1]))

    with pytest.raises(ValueError, match="Found chunk size mismatch"):
        combined([a, b], concat_dims=["time"])


def test_appending():
    """What is appended to a dictionary is a new dictionary, the same as combining all at once."""
    first = combined(cases.MONTHS, concat_dims=["time"])
    before = json.loads(json.dumps(first))

    refs = MultiZarrToZarr.append([cases.month(2)], first, concat_dims=["time"]).translate()

    assert combined([*cases.MONTHS, cases.month(2)], concat_dims=["time"]) == refs
    assert first == before


def test_appending_what_is_there_already():
    """A month that the set holds already is refused: it would hide what is there."""
    first = combined(cases.MONTHS, concat_dims=["time"])

    with pytest.raises(ValueError, match="both hold time"):
        MultiZarrToZarr.append([cases.MONTHS[0]], first, concat_dims=["time"]).translate()


def test_any_text_is_a_constant():
    """A text that is no selector is a constant, even one that is nearly a selector."""
    refs = combined([cases.month(0)], concat_dims=["n"], coo_map={"n": "INEX"}, waive=["identical"])

    assert _bytes(refs["refs"]["n/0"]).decode("utf-32-le") == "INEX"


def test_counting_goes_on_when_appending():
    """INDEX goes on from the last place of the set that is appended to."""
    how = {"concat_dims": ["n"], "coo_map": {"n": "INDEX"}, "identical_dims": ["x", "static", "crs", "time"]}
    sets = [cases.month(0) for _ in range(3)]

    refs = MultiZarrToZarr.append(sets[2:], combined(sets[:2], **how), **how).translate()

    assert combined(sets, **how) == refs


def test_joining_by_order():
    """`concatenate_arrays` joins one array of every file, by the order of the files alone."""
    sets = [cases.dataset(cases.array("data0", np.arange(4.0) + 4 * n, ["x"], chunks=[2])) for n in range(2)]

    refs = concatenate_arrays(sets, path="data0")["refs"]
    slashed = concatenate_arrays(sets, path="data0", key_seperator="/")["refs"]

    assert json.loads(refs["data0/.zarray"])["shape"] == [8]
    assert {key for key in refs if ".z" not in key} == {f"data0/{n}" for n in range(4)}
    assert json.loads(slashed["data0/.zarray"])["dimension_separator"] == "/"


def test_joining_arrays_at_the_root():
    """Without a path, the array is what the file is."""
    sets = [{key.removeprefix("a/"): value for key, value in cases.array("a", [n, n], ["x"]).items()} for n in (1, 2)]

    refs = concatenate_arrays(sets)["refs"]

    assert json.loads(refs[".zarray"])["shape"] == [4]
    assert {"0", "1"} <= set(refs)


def test_merging_variables():
    """`merge_vars` gives the arrays of all files, and leaves its inputs alone."""
    a, b = cases.named(0, "a"), cases.named(1, "b")
    before = json.loads(json.dumps(a))

    refs = merge_vars([a, b])

    assert {"a/0", "b/0", "x/0"} <= set(refs["refs"])
    assert a == before


def test_loading_only(tmp_path):
    """`JustLoad` gives a stored set as it is."""
    (tmp_path / "a.json").write_text(json.dumps(cases.month(0)))

    assert cases.month(0) == json.loads(json.dumps(JustLoad(str(tmp_path / "a.json")).translate()))


def test_the_order_of_a_list_does_not_shift_names():
    """Each name stays with its references: selectors by list follow the list."""
    sets = [cases.month(n) for n in (2, 0, 1)]

    refs = combined(sets, concat_dims=["time"], coo_map={"time": [30, 10, 20]}, identical_dims=["x", "static", "crs"])

    values = [np.frombuffer(_bytes(refs["refs"][f"d/{n}.0"]), "f8")[0] for n in range(3)]
    assert values == [0.0, 1.0, 2.0]


def _bytes(text):
    import base64

    return base64.b64decode(text.removeprefix("base64:")) if text.startswith("base64:") else text.encode()


def test_what_has_no_combined_dimension_is_taken_once():
    """A scalar or a grid that all inputs share, beside several steps in each, need not be named as identical."""
    sets = [
        cases.dataset(
            cases.array("time", [2 * n, 2 * n + 1], ["time"]),
            cases.array("d", [1.0, 2.0], ["time"]),
            cases.array("crs", np.int32(5), []),
            cases.array("lat", np.array([[1.0, 2.0]]), ["y", "x"]),
        )
        for n in range(2)
    ]

    refs = combined(sets, concat_dims=["time"])["refs"]

    assert json.loads(refs["crs/.zarray"])["shape"] == []
    assert json.loads(refs["lat/.zarray"])["shape"] == [1, 2]
    other = json.loads(json.dumps(sets[1]))
    other["refs"]["crs/0"] = "base64:BgAAAA=="
    with pytest.raises(ValueError, match="crs: taken as identical"):
        combined([sets[0], other], concat_dims=["time"])


def test_writing_gives_the_set_as_well(tmp_path):
    """`translate` with a file name writes JSON, and gives what it wrote."""
    refs = MultiZarrToZarr(cases.MONTHS, concat_dims=["time"]).translate(str(tmp_path / "out.json"))

    assert json.loads((tmp_path / "out.json").read_text()) == refs == combined(cases.MONTHS, concat_dims=["time"])


def test_one_name_may_stand_for_a_list():
    """One text does for one name, and the path of a coordinate for its dimension."""
    refs = combined(cases.MONTHS, concat_dims="time", identical_dims="static")["refs"]
    grouped = [cases.grouped(n) for n in range(2)]

    assert json.loads(refs["static/.zarray"])["shape"] == [2]
    assert combined(grouped, concat_dims=["time"]) == combined(grouped, concat_dims=["g/time"])


def test_a_check_may_be_waived():
    """Checks that kerchunk does not make can be left out by name."""
    sets = [cases.month(0), cases.month(0)]

    refs = combined(sets, concat_dims=["time"], waive=["overlap"])

    assert json.loads(refs["refs"]["d/.zarray"])["shape"] == [1, 2]
