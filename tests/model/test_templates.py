"""Templates and `gen` are expanded as fsspec expands them, and nothing in them is run."""

import pytest

from chunkmap.errors import ChunkmapError, StorageError, Unsupported
from chunkmap.model import ReferenceSet
from chunkmap.model.templates import expand_templates, generate

TEMPLATES = {"u": "server.domain/path", "f": "{{c}}", "g": "{{ f(c=c) }}-{{c + 1}}"}


def test_the_example_of_the_specification():
    """The keys that version 1's own example generates."""
    section = {
        "key": "gen_key{{i}}",
        "url": "http://{{u}}_{{i}}",
        "offset": "{{(i + 1) * 1000}}",
        "length": "1000",
        "dimensions": {"i": {"stop": 5}},
    }
    found = dict(generate([section], TEMPLATES))
    assert found == {f"gen_key{i}": [f"http://server.domain/path_{i}", 1000 * (i + 1), 1000] for i in range(5)}
    assert expand_templates("http://{{f(c='text')}}", TEMPLATES) == "http://text"


@pytest.mark.parametrize(
    "text",
    [
        "{{u}}/a",
        "{{ u }}",
        "{{f(c='x')}}",
        "{{f(c=3)}}/{{f(c=1.5)}}",
        "{{ u + 'x' }}",
        "{{ 7 // 2 }}",
        "{{ -7 % 4 }}",
        "{{ 'a%03d' % 7 }}",
        "{{ '%02d' | format(7) }}",
        "{{ '%s-%s' | format(7, u) }}",
        "{{ 1 / 4 }}",
        "{{ (1 + 2) * 3 }}",
    ],
)
def test_expressions_are_those_of_jinja(text):
    """Each expression gives what jinja2 gives, with which fsspec expands them."""
    jinja2 = pytest.importorskip("jinja2")
    names = {"u": "path", "f": lambda **words: jinja2.Template(TEMPLATES["f"]).render(**words)}
    assert expand_templates(text, {"u": "path", "f": TEMPLATES["f"]}) == jinja2.Template(text).render(**names)


def test_sets_with_gen_are_read():
    """Ranges and steps, lists, several dimensions, whole files; and references that are written out win."""
    section = {
        "key": "x/{{i}}.{{j}}",
        "url": "{{u}}/{{ '%02d' | format(i) }}.nc",
        "offset": "{{ 10 * j }}",
        "length": "10",
        "dimensions": {"i": [0, 1], "j": {"start": 0, "stop": 4, "step": 2}},
    }
    whole = {"key": "y/0", "url": "whole.nc", "dimensions": {}}
    refs = {
        "x/.zarray": {"shape": [2, 3], "chunks": [1, 1], "dtype": "|u1"},
        "y/.zarray": {"shape": [1], "chunks": [1], "dtype": "|u1"},
        "x/1.2": ["other", 0, 1],
    }
    document = {"version": 1, "templates": {"u": "b"}, "gen": [section, whole], "refs": refs}
    read = ReferenceSet.from_dict(document).to_dict()["refs"]
    assert {key: value for key, value in read.items() if isinstance(value, list)} == {
        "x/0.0": ["b/00.nc", 0, 10],
        "x/0.2": ["b/00.nc", 20, 10],
        "x/1.0": ["b/01.nc", 0, 10],
        "x/1.2": ["other", 0, 1],
        "y/0": ["whole.nc"],
    }


@pytest.mark.parametrize(
    "text",
    [
        "{{ u.__class__ }}",
        "{{ u['x'] }}",
        "{{ [1] }}",
        "{{ 2 ** 9 }}",
        "{{ open('x') }}",
        "{{ f('x') }}",
        "{{ f(**u) }}",
        "{{ (lambda: 1)() }}",
        "{{ u if 1 else 2 }}",
        "{{ True }}",
        "{{ unknown }}",
        "{{ u | upper }}",
        "{% for %}{{u}}",
        "{{ f }}",
        "{{ 'x' * 99999 }}",
        "{{ 1 // 0 }}",
        "{{ '%9999d' % 1 }}",
        "{{ '%*d' % 1 }}",
        "{{ 1 + }}",
        "{{ 'a' + 1 }}",
        "{{ " + "9" * 60 + " }}",
        "{{ 1e308 * 10 }}",
        "{{ " + "(" * 240 + "1" + ")" * 240 + " }}",
        "{{ " + "1+" * 400 + "1 }}",
        "{{ '%(a)s' % 1 }}",
        "{{ h(c='x') }}",
        "{{ '{0.__class__}' | format(1) | upper }}",
    ],
)
@pytest.mark.timeout(20)
def test_nothing_is_run_and_nothing_grows(text):
    """What is no text, number, sum or call of a template is refused, and so is what would grow without end."""
    with pytest.raises(ChunkmapError):
        expand_templates(text, {**TEMPLATES, "h": "{{ h(c=c) }}"})


@pytest.mark.timeout(20)
def test_templates_that_double_are_bounded():
    """A chain of templates, each calling the next twice, ends by its length or its depth."""
    chain = {f"t{n}": f"{{{{t{n + 1}(c=c)}}}}" * 2 for n in range(40)}
    with pytest.raises(ChunkmapError):
        expand_templates("{{t0(c='x')}}", {**chain, "t40": "{{c}}"})


@pytest.mark.parametrize(
    "section",
    [
        1,
        {"key": "x"},
        {"key": "x", "url": "u", "dimensions": {"i": 5}},
        {"key": "x", "url": "u", "dimensions": {"i": {"stop": 10**12}}},
        {"key": "x", "url": "u", "dimensions": {"i": {"stop": 5, "step": 0}}},
        {"key": "x", "url": "u", "dimensions": {"i": {"stop": "5"}}},
        {"key": "x", "url": "u", "dimensions": {"i": [[1]]}},
        {"key": "x", "url": "u", "offset": "1", "dimensions": {}},
        {"key": "x", "url": "u", "offset": "1.5", "length": "1", "dimensions": {}},
        {"key": "x", "url": 5, "dimensions": {}},
        {"key": "x", "url": "u", "dimensions": {name: {"stop": 1000} for name in "abc"}},
    ],
)
def test_sections_that_make_no_sense_are_refused(section):
    """Each fault is a StorageError, and none makes references without end."""
    with pytest.raises(StorageError):
        list(generate([section], {}))
    with pytest.raises(StorageError):
        list(generate("abc", {}))


def test_statements_are_refused():
    """Templates with statements are programs."""
    with pytest.raises(Unsupported, match="program"):
        ReferenceSet.from_dict({"version": 1, "templates": {"u": "{% if 1 %}"}, "refs": {}})
    with pytest.raises(StorageError, match="texts by name"):
        ReferenceSet.from_dict({"version": 1, "templates": {"u": 5}, "refs": {}})
