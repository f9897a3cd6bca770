"""What words on the command line mean: globs, selectors, JSON."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import fsspec
import orjson

__all__ = ["expand", "json_object", "selectors", "stored_name"]

_MAGIC = re.compile(r"[*?[]")


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


def expand(
    words: Iterable[str], *, storage_options: Mapping[str, Any] | None = None, keep_paths: bool = False
) -> list[str]:
    """The files that words name: globs are expanded in sorted order, on any file system.

    Local paths are made absolute unless `keep_paths`, so that what is written opens from every directory.
    Raises FileNotFoundError for a glob that matches nothing.
    """
    names: list[str] = []
    for word in words:
        matches = _matches(word, storage_options)
        if not matches:
            raise FileNotFoundError(f"{word}: no file matches")
        names.extend(matches)
    return names if keep_paths else [name if "://" in name else str(Path(name).absolute()) for name in names]


def stored_name(url: str) -> str:
    """What to call the stored set of a file: its own name, and `.json`.

    >>> stored_name("tar://2020/a.nc::s3://bucket/b.tar")
    'a.nc.json'
    """
    first = url.partition("::")[0]
    return f"{first.rstrip('/').rpartition('/')[2]}.json"


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise click.BadParameter(f"{text!r} is not a regular expression: {error}") from error


def _matches(word: str, storage_options: Mapping[str, Any] | None) -> list[str]:
    if not _MAGIC.search(word) or ("://" not in word and Path(word).exists()):
        return [word]
    if "://" not in word:
        return sorted(glob.glob(word, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute patterns
    fs, pattern = fsspec.core.url_to_fs(word, **(storage_options or {}))
    found = sorted(map(str, fs.glob(pattern)))
    first, chained, rest = word.partition("::")
    if not chained:
        return [str(fs.unstrip_protocol(path)) for path in found]
    protocol = first.partition("://")[0]
    return [f"{protocol}://{path}::{rest}" for path in found]
