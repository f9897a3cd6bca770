"""kerchunk.xarray_backend: the xarray engine `kerchunk`. A door: references are read by `chunkmap.access`.

xarray loads it before it opens its first file, whichever engine that is for: what opens is loaded when it opens. Its
entry point is that of kerchunk itself, word for word, so that xarray finds one engine where both are installed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, Final

import xarray as xr
from xarray.backends import BackendEntrypoint

from chunkmap.frontends.xarray_entries import DECODING

__all__ = ["KerchunkBackend", "open_reference_dataset"]

_SUFFIXES: Final = (".json", ".json.gz", ".json.zst", ".json.zstd", ".parq", ".parquet")


class KerchunkBackend(BackendEntrypoint):
    """The engine `kerchunk` itself."""

    description: ClassVar[str] = "Open Kerchunk References with Xarray"
    url: ClassVar[str] = "https://fsspec.github.io/kerchunk/"
    supports_groups: ClassVar[bool] = True
    open_dataset_parameters: ClassVar[tuple[str, ...]] = (
        "filename_or_obj",
        "storage_options",
        "open_dataset_options",
        *DECODING,
    )

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether the name ends as those of reference sets do."""
        if not isinstance(filename_or_obj, (str, os.PathLike)):
            return False
        return os.fspath(filename_or_obj).rstrip("/").endswith(_SUFFIXES)

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        storage_options: Mapping[str, Any] | None = None,
        open_dataset_options: Mapping[str, Any] | None = None,
        **kw: Any,
    ) -> xr.Dataset:
        """Open references; further keywords join `open_dataset_options`, which go to `xarray.open_zarr`."""
        return open_reference_dataset(
            filename_or_obj,
            storage_options=storage_options,
            open_dataset_options={**(open_dataset_options or {}), **kw},
        )

    def open_datatree(self, filename_or_obj: Any, **options: Any) -> xr.DataTree:
        """Open all groups as a tree, with the options of `open_dataset`."""
        return xr.DataTree.from_dict(self.open_groups_as_dict(filename_or_obj, **options))

    def open_groups_as_dict(
        self,
        filename_or_obj: Any,
        *,
        storage_options: Mapping[str, Any] | None = None,
        open_dataset_options: Mapping[str, Any] | None = None,
        **kw: Any,
    ) -> dict[str, xr.Dataset]:
        """Open each group as a dataset, by path, with the options of `open_dataset`."""
        asked = {**(open_dataset_options or {}), **kw}
        groups: dict[str, xr.Dataset] = _rooms().open_groups(filename_or_obj, storage_options, asked)
        return groups


def open_reference_dataset(
    filename_or_obj: Any,
    *,
    storage_options: Mapping[str, Any] | None = None,
    open_dataset_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Open a dictionary of references, a stored set, or a `LazyReferenceMapper` with xarray.

    `storage_options` are those of fsspec's ReferenceFileSystem: `remote_protocol`, `remote_options`, `target_protocol`,
    `target_options`, and so on. `open_dataset_options` go to `xarray.open_zarr`.
    """
    dataset: xr.Dataset = _rooms().open_reference_dataset(filename_or_obj, storage_options, open_dataset_options)
    return dataset


def _rooms() -> Any:
    return import_module("kerchunk._datasets")
