"""What is given where a set is wanted and a file will do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from chunkmap.formats.scanning import scan
from chunkmap.io.filesystem import OURS
from chunkmap.model import ReferenceSet
from chunkmap.storage import find_set, load

__all__ = ["set_or_scan"]


def set_or_scan(
    name: str | os.PathLike[str], file_options: Mapping[str, Any] | None, set_options: Mapping[str, Any] | None = None
) -> ReferenceSet:
    """The stored set of this name; a file, or a folder of another format, is scanned."""
    is_given = bool(set_options and set_options.keys() - OURS)
    options = set_options if is_given else file_options
    if find_set(name, storage_options=options).store is not None:
        return load(name, storage_options=options)
    return scan(name, storage_options=file_options)
