"""What words on the command line mean: names of files, selectors, JSON. What keeps sets is loaded for who writes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import click
import orjson

from chunkmap.errors import Remedy
from chunkmap.io import expand_urls

__all__ = ["as_option", "destinations", "expand", "json_object", "selectors", "stored_name", "words_by_name"]


def json_object(_ctx: click.Context, _param: click.Parameter, value: str | None) -> dict[str, Any] | None:
    """The value of an option that takes a JSON object, such as `{"anon": true}`."""
    if value is None:
        return None
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise click.BadParameter(f"{value!r} is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise click.BadParameter(f"{value!r} is not a JSON object")
    return parsed


def words_by_name(_ctx: click.Context, _param: click.Parameter, words: Iterable[str]) -> dict[str, str]:
    """The values of an option that takes `NAME=VALUE`, as text.

    >>> words_by_name(None, None, ["group=/a", "name=x=y"])
    {'group': '/a', 'name': 'x=y'}
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"{word!r} is not NAME=VALUE")
        if name in found:
            raise click.BadParameter(f"{name} is given twice")
        found[name] = value
    return found


def selectors(_ctx: click.Context, _param: click.Parameter, words: Iterable[str]) -> dict[str, str | re.Pattern[str]]:
    """The values of an option that takes `DIM=SELECTOR`: where the values of each dimension come from.

    >>> selectors(None, None, ["time=cf:time_centered", "year=re:[0-9]{4}"])
    {'time': 'cf:time_centered', 'year': re.compile('[0-9]{4}')}
    """
    found: dict[str, str | re.Pattern[str]] = {}
    for word in words:
        dim, _, selector = word.partition("=")
        if not (dim and selector):
            raise click.BadParameter(f"{word!r} is not DIM=SELECTOR")
        if dim in found:
            raise click.BadParameter(f"{dim} is given twice")
        found[dim] = _pattern(selector.removeprefix("re:")) if selector.startswith("re:") else selector
    return found


def expand(words: Iterable[str], *, storage_options: Mapping[str, Any] | None = None) -> list[str]:
    """The files that words name, wildcards expanded.

    Local paths are made absolute, so that what is written opens from every directory.
    """
    names = expand_urls(words, storage_options=storage_options)
    return [name if "://" in name else str(Path(name).absolute()) for name in names]


def stored_name(url: str) -> str:
    """What to call the stored set of a file: its own name, and `.json`.

    >>> stored_name("tar://2020/a.nc::s3://bucket/b.tar")
    'a.nc.json'
    """
    first = url.partition("::")[0]
    return f"{first.rstrip('/').rpartition('/')[2]}.json"


def destinations(names: list[str], out: str | None) -> dict[str | None, str | None]:
    """File -> where its set goes: nowhere, to the one name given, or into the directory of this name."""
    if out is None:
        return dict.fromkeys(names, out)
    from chunkmap.storage.stores import store_named  # noqa: PLC0415

    is_set = out == "-" or store_named(out) is not None
    if is_set and len(names) == 1:
        return dict.fromkeys(names, out)
    if is_set:
        raise ValueError(
            f"{out}: expected a directory for the sets of {len(names):,} files, found the name of one set. Name a"
            " directory, or make one set of all with `chunkmap build`"
        )
    targets: dict[str | None, str | None] = {name: f"{out.rstrip('/')}/{stored_name(name)}" for name in names}
    counts = Counter(targets.values())
    twice = [target for target, count in counts.items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]}: two files of this name would be written to one set; scan them apart")
    return targets


_OPTIONS: Final[Mapping[str, str]] = {"coo_map": "--coord", "concat_dims": "--concat", "identical_dims": "--identical"}
"""What the library's arguments are called here, where it is not their own name."""


def as_option(remedy: Remedy) -> str:
    """An argument that would help, as an option.

    >>> as_option(Remedy("coo_map", {"time": "cf:time"})), as_option(Remedy("waive", "units"))
    ('--coord time=cf:time', 'give --waive units')
    """
    option = _OPTIONS.get(remedy.argument, f"--{remedy.argument.replace('_', '-')}")
    if remedy.argument == "waive":
        return f"give {option} {remedy.value}"
    if remedy.value is None or remedy.value is True:
        return option
    if isinstance(remedy.value, Mapping):
        return " ".join(f"{option} {name}={_or_dots(value)}" for name, value in remedy.value.items())
    return f"{option} {_or_dots(remedy.value)}"


def _or_dots(value: Any) -> str:
    return "..." if value is ... else str(value)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise click.BadParameter(f"{text!r} is not a regular expression: {error}") from error
