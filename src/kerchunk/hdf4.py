"""kerchunk's door to the scanner of HDF4 files."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from contextlib import closing
from typing import Any

import fsspec
import orjson

from chunkmap.formats.scanning import scan_source
from chunkmap.io import open_source
from chunkmap.warning import warn_caller

__all__ = ["HDF4ToZarr"]


class HDF4ToZarr:
    """References to the arrays of one HDF4 file, all of them at the root.

    References are put into `out`, when it is given.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        storage_options: Mapping[str, Any] | None = None,
        inline_threshold: int = 100,
        out: MutableMapping[str, Any] | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.st = storage_options
        self.thresh = inline_threshold
        self.out = out

    def translate(self, filename: str | None = None, storage_options: Mapping[str, Any] | None = None) -> Any:
        """Scan the file: references without a version; with `filename`, they are written there as JSON instead."""
        with closing(open_source(self.path, storage_options=self.st)) as source:
            refs = scan_source(source, format="hdf4", inline_threshold=self.thresh or 0, eos=False)
        for problem in refs.problems:
            warn_caller(str(problem))
        found = refs.to_dict()["refs"]
        if self.out is not None:
            self.out.update(found)
        if filename is None:
            return found if self.out is None else self.out
        with fsspec.open(filename, "wb", **(storage_options or {})) as file:
            file.write(orjson.dumps(found))
        return None
