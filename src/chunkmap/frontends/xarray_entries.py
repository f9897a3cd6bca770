"""The engine `chunkmap` as xarray finds it: what it is, and what it recognises.

xarray loads every engine that is installed before it opens its first file, whichever engine that is for. So what opens
is loaded when something is to be opened, and nobody waits for it who opens other files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final

import xarray as xr
from xarray.backends import BackendEntrypoint

__all__ = ["DECODING", "OPENING", "ChunkmapEntry"]

DECODING: Final = (
    "mask_and_scale",
    "decode_times",
    "concat_characters",
    "decode_coords",
    "drop_variables",
    "use_cftime",
    "decode_timedelta",
)
"""What xarray's engines may be asked to decode."""

OPENING: Final = (
    "storage_options",
    "remote_options",
    "remote_protocol",
    "allow",
    "timeout",
    "check",
    "scan_options",
)
"""Words of opening; `engine` is xarray's own, and what fetches ranges is said among the options of a filesystem."""

_SUFFIXES: Final = frozenset({".parq", ".parquet", ".json"})
_HEAD: Final = 4096
_WORDS: Final = (b'"refs"', b".zgroup", b".zarray", b"zarr.json")


class ChunkmapEntry(BackendEntrypoint):
    """The engine `chunkmap`. Files of other engines are left to them: only reference sets are recognised unasked."""

    description: ClassVar[str] = "Open archival files and reference sets through chunkmap"
    supports_groups: ClassVar[bool] = True
    open_dataset_parameters: ClassVar[tuple[str, ...]] = ("filename_or_obj", *DECODING, "group", *OPENING)

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether it is surely a reference set. Of remote names only the ending is looked at."""
        if isinstance(filename_or_obj, Mapping):
            return any(key in filename_or_obj for key in ("refs", ".zgroup", "zarr.json"))
        if isinstance(filename_or_obj, (str, os.PathLike)):
            return _names_references(os.fspath(filename_or_obj))
        return _is_open_set(filename_or_obj)

    def open_dataset(self, filename_or_obj: Any, **options: Any) -> xr.Dataset:
        """Open one group as a dataset."""
        dataset: xr.Dataset = self._engine().open_dataset(filename_or_obj, **options)
        return dataset

    def open_datatree(self, filename_or_obj: Any, **options: Any) -> xr.DataTree:
        """Open all groups as a tree."""
        tree: xr.DataTree = self._engine().open_datatree(filename_or_obj, **options)
        return tree

    def open_groups_as_dict(self, filename_or_obj: Any, **options: Any) -> dict[str, xr.Dataset]:
        """Open each group as a dataset, by path."""
        groups: dict[str, xr.Dataset] = self._engine().open_groups_as_dict(filename_or_obj, **options)
        return groups

    def _engine(self) -> Any:
        return import_module("chunkmap.frontends.xarray_engine").ChunkmapBackend()


def _is_open_set(given: Any) -> bool:
    """Whether it is a set of ours, which nobody has who did not load what makes one."""
    if not any(kind.__module__.partition(".")[0] == "chunkmap" for kind in type(given).__mro__):
        return False
    store, model = import_module("chunkmap.access.store"), import_module("chunkmap.model")
    return isinstance(given, (model.ReferenceSet, store.ReferenceStore))


def _names_references(path: str) -> bool:
    """Whether a name ends as that of a set, and what is there, if it is on this machine, begins as one."""
    suffixes = PurePosixPath(path).suffixes
    if not _SUFFIXES.intersection(suffixes[-2:]):
        return False
    compressions = import_module("chunkmap.storage.json.reading").COMPRESSIONS
    if suffixes[-1] in compressions:
        suffixes.pop()
    return suffixes[-1] in _SUFFIXES and ("://" in path or _looks_like_references(Path(path), compressions))


def _looks_like_references(path: Path, compressions: Mapping[str, bytes]) -> bool:
    """Whether a local file or directory begins as a reference set does."""
    try:
        if path.is_dir():
            metadata: str = import_module("chunkmap.storage.stores").METADATA
            return (path / metadata).is_file()
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    compressed = head.startswith(tuple(compressions.values()))
    return compressed or (head.lstrip().startswith(b"{") and any(word in head for word in _WORDS))
