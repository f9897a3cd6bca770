"""Text of references that becomes columns without a parser of JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkmap import ReferenceSet, load
from chunkmap.storage.json.ranges import read_ranges

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(0, 2**63 - 1)


def text_of(refs, **how):
    """The references as they stand in a set, without the braces around them."""
    return json.dumps(refs, **how)[1:-1].encode()


@given(st.dictionaries(WORDS, st.tuples(WORDS, NUMBERS, NUMBERS).map(list), min_size=1), st.booleans())
def test_what_is_read_is_what_json_says(refs, spaced):
    """Keys, URLs and numbers of any references; those that need a parser of JSON are left to it."""
    found = read_ranges(text_of(refs, ensure_ascii=False, separators=(", ", ": ") if spaced else (",", ":")))
    assert found is None or dict(zip(found[0], found[1], strict=True)) == refs
    words = "".join(word for key, value in refs.items() for word in (key, value[0]))
    if words.isalnum() and all(max(value[1:]) < 2**63 - 1 for value in refs.values()):
        assert found is not None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b'"x/0":["a.nc",0,4],"x/1":["a',
        b'"x/0":["a.nc",0,4],',
        b'"x/0":["a.nc",0,4] "x/1":["a.nc",4,4]',
        b'"x/0":["a.nc",-1,4]',
        b'"x/0":["a.nc",0.5,4]',
        b'"x/0":["a.nc",1e3,4]',
        b'"x/0":["a.nc",,4]',
        b'"x/0":["a.nc",0,9223372036854775807]',
        b'"x/0":["a.nc",0,92233720368547758070]',
        b'"x/0":["a.nc",1 2,4]',
        b'"x/0":["a.nc",0]',
        b'"x/0":["a.nc"]',
        b'"x/0":[null,0,4]',
        b'"x/0":["a\\n.nc",0,4]',
        b'"x/0":["a\n.nc",0,4]',
        b'"x/0":["a\xff.nc",0,4]',
        b'"x/0":"inline","x/1":["a.nc",0,4]',
        b'"x/0":{"a.nc":0,"b":4}',
    ],
)
def test_other_text_is_left_to_a_parser(text):
    """Inline values, whole files, odd numbers, escapes, text that was cut, and what is no JSON at all."""
    assert read_ranges(text) is None


def test_ranges_whose_array_is_said_later_wait_for_it(tmp_path):
    """Chunks before the metadata of their array, two arrays by turns, and one key that names no chunk."""
    refs = {f"{name}/{n}": [f"{name}.nc", n, 1] for n in range(50) for name in "xy"} | {"x/odd": ["x.nc", 0, 1]}
    refs |= {f"{name}/.zarray": {"shape": [50], "chunks": [1], "dtype": "|u1"} for name in "xy"}
    (tmp_path / "set.json").write_text(json.dumps({"version": 1, "refs": refs}))
    found = load(tmp_path / "set.json")
    assert found == ReferenceSet.from_dict(refs)
    assert found.arrays["y"].chunks.row(7) == ("y.nc", 7, 1)
