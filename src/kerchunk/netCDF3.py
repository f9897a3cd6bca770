"""kerchunk's door to the scanner of NetCDF classic files."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from contextlib import closing
from typing import Any, Final

from chunkmap.formats import netcdf3, refusing_compressed
from chunkmap.formats.inlining import small_arrays
from chunkmap.formats.scanning import read
from chunkmap.io import open_source
from chunkmap.warning import warn_caller

__all__ = ["NetCDF3ToZarr", "netcdf_recording_file"]

_ACCEPTED: Final[Mapping[str, tuple[Any, ...]]] = {"mode": ("r",), "mmap": (False, None), "maskandscale": (False,)}


class NetCDF3ToZarr:
    """References to the variables of one NetCDF classic file.

    `max_chunk_size`, in bytes, cuts what is stored in one piece into smaller chunks; 0 leaves it whole. References
    are put into `out`, when it is given.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        storage_options: Mapping[str, Any] | None = None,
        inline_threshold: int = 100,
        max_chunk_size: int = 0,
        out: MutableMapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        for name, value in kwargs.items():
            if name != "version" and value not in _ACCEPTED.get(name, ()):
                raise ValueError(f"NetCDF3ToZarr: {name}={value!r} is not supported; leave it out")
        self.filename = os.fspath(filename)
        self.storage_options = storage_options
        self.inline = inline_threshold
        self.chunk = max_chunk_size
        self.out = out

    def translate(self) -> Any:
        """Scan the file: `{"version": 1, "refs": ...}`, or `out` itself when it stores references on its own."""
        with closing(open_source(self.filename, storage_options=self.storage_options)) as source:
            parser = netcdf3.parse(source, netcdf3.Options(chunk_nbytes=self.chunk or None, portable=True))
            with refusing_compressed(source):
                refs = read(source, parser, inline=small_arrays(self.inline or 0))
        for problem in refs.problems:
            warn_caller(str(problem))
        document = {"version": 1, "refs": refs.to_dict()["refs"]}
        if self.out is None:
            return document
        self.out.update(document["refs"])
        if hasattr(self.out, "flush"):
            self.out.flush()
            return self.out
        return {"version": 1, "refs": self.out}


netcdf_recording_file = NetCDF3ToZarr  # kept because scripts written for the first versions import it
