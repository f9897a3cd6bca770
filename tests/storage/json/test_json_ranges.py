"""Text of references that becomes columns without a parser of JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkmap import ReferenceSet, load
from chunkmap.storage.json.ranges import read_ranges

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(0, 2**63 - 1)


ROADS = {"python": 1 << 60, "arrow": 0}
"""From how many bytes on Arrow reads a text."""


def listed(keys):
    """Keys, which come as a list or as one text."""
    return keys if isinstance(keys, list) else keys.names()


def text_of(refs, **how):
    """The references as they stand in a set, without the braces around them."""
    return json.dumps(refs, **how)[1:-1].encode()


@given(st.dictionaries(WORDS, st.tuples(WORDS, NUMBERS, NUMBERS).map(list), min_size=1), st.booleans())
def test_what_is_read_is_what_json_says(refs, spaced):
    """Keys, URLs and numbers of any references, by both readers; those that need a parser of JSON are left to it."""
    text = text_of(refs, ensure_ascii=False, separators=(", ", ": ") if spaced else (",", ":"))
    words = "".join(word for key, value in refs.items() for word in (key, value[0]))
    for long in ROADS.values():
        found = read_ranges(text, long=long)
        assert found is None or dict(zip(listed(found[0]), found[1], strict=True)) == refs
        if words.isalnum() and all(max(value[1:]) < 2**63 - 1 for value in refs.values()):
            assert found is not None


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["close", "spaced"])
@pytest.mark.parametrize("slash", ["/", "\\/"])
def test_arrow_reads_what_writers_write(separators, slash):
    """Compact and spaced, slashes escaped or not: the keys come as one text, and each run of a URL once."""
    refs = {f"x/{n}.0": [f"s3://b/{n // 3}.nc", 10**n, n] for n in range(9)}
    text = text_of(refs, separators=separators).decode().replace("/", slash).encode()
    keys, ranges = read_ranges(text, long=0)
    assert keys.text.split("\n") == list(refs)
    assert list(ranges) == list(refs.values())
    assert ranges.urls == ["s3://b/0.nc", "s3://b/1.nc", "s3://b/2.nc"]
    assert ranges[3:5].urls == ["s3://b/1.nc"]


def test_an_escaped_backslash_before_a_slash_is_no_escaped_slash():
    """`\\\\/` in JSON is a backslash and a slash: it is left to a parser, as is every other escape."""
    assert read_ranges(b'"x/0":["a\\\\/b.nc",0,4]', long=0) is None
    assert read_ranges(b'"x/0":["a\\u0041.nc",0,4]', long=0) is None


@pytest.mark.parametrize("long", ROADS.values(), ids=ROADS)
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
        b'"x/0":["a.nc",0,4],"x/1": ["a.nc",4,4]',
        b'"x/0":["a.nc",0x4,4]',
        b'"x/0":["a.nc",+4,4]',
        b'"x/0"x["a.nc",0,4]',
        b'"x/0":["a.nc"x,0,4]',
        b'"x/0":["a.nc",0,4]x,"x/1":["a.nc",4,4]',
        b'"x/0":["a.nc",0,4],x"x/1":["a.nc",4,4]',
        b'x"x/0":["a.nc",0,4]',
    ],
)
def test_other_text_is_left_to_a_parser(text, long):
    """Inline values, whole files, odd numbers, escapes, text that was cut, and what is no JSON at all."""
    assert read_ranges(text, long=long) is None


def test_ranges_whose_array_is_said_later_wait_for_it(tmp_path):
    """Chunks before the metadata of their array, two arrays by turns, and one key that names no chunk."""
    refs = {f"{name}/{n}": [f"{name}.nc", n, 1] for n in range(50) for name in "xy"} | {"x/odd": ["x.nc", 0, 1]}
    refs |= {f"{name}/.zarray": {"shape": [50], "chunks": [1], "dtype": "|u1"} for name in "xy"}
    (tmp_path / "set.json").write_text(json.dumps({"version": 1, "refs": refs}))
    found = load(tmp_path / "set.json")
    assert found == ReferenceSet.from_dict(refs)
    assert found.arrays["y"].chunks.row(7) == ("y.nc", 7, 1)


def test_a_large_set_is_read_by_arrow_and_says_the_same(tmp_path):
    """Two arrays, commas in the URLs of one, keys out of order, inline chunks between: as a parser of JSON reads it."""
    refs = {f"{name}/.zarray": {"shape": [9000], "chunks": [1], "dtype": "|u1"} for name in "xy"}
    refs |= {f"x/{n}": [f"s3://bucket/{n // 100}.nc", n * 1000, 1] for n in reversed(range(9000))}
    refs |= {f"y/{n}": [f"s3://bucket/a,{n // 100}.nc", n * 1000, 1] for n in range(8000)}
    refs |= {f"y/{n}": "a" for n in range(8000, 8100)}
    text = json.dumps({"version": 1, "refs": refs}, separators=(",", ":"))
    (tmp_path / "set.json").write_text(text)
    assert len(text) > 1 << 19
    assert load(tmp_path / "set.json") == ReferenceSet.from_dict(json.loads(text))
