"""JSON text as reference sets hold it."""

from __future__ import annotations

import json
from typing import Any

import orjson

__all__ = ["parse_json"]


def parse_json(data: bytes) -> Any:
    """A JSON document; one with NaN in it, which orjson refuses, is read by the standard library.

    Raises ValueError when it is none.

    >>> parse_json(b'{"a": [NaN]}')
    {'a': [nan]}
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError(f"nested too deeply: {error}") from error
