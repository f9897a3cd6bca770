"""What a stored set says for chunkmap alone, in one entry beside what other readers look at.

The entry is the text of a JSON object: GDAL opens no set in which other lists than references stand. Earlier versions
wrote the object itself. Anybody may have written it, so that what is not understood says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["BESIDE", "entry", "told_in"]

BESIDE: Final = "chunkmap"
"""The name of the entry."""


def entry(said: Mapping[str, Any]) -> dict[str, str]:
    """The entry that says these things; none where there is nothing to say.

    >>> entry({"a": [1], "b": {}}), entry({"b": {}})
    ({'chunkmap': '{"a":[1]}'}, {})
    """
    some = {name: value for name, value in said.items() if value}
    return {BESIDE: json.dumps(some, separators=(",", ":"))} if some else {}


def told_in(value: Any) -> Mapping[str, Any]:
    """What an entry says.

    >>> told_in('{"a": [1]}'), told_in({"a": [1]}), told_in("[1]"), told_in("{")
    ({'a': [1]}, {'a': [1]}, {}, {})
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}
