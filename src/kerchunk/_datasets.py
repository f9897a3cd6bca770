"""What the xarray engine `kerchunk` opens; loaded when it opens something."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

import xarray as xr
from fsspec.implementations.reference import LazyReferenceMapper
from zarr.abc.store import Store

from chunkmap.access.store import ReferenceStore
from chunkmap.frontends.opening import open_store
from chunkmap.frontends.xarray_engine import without_encoding
from kerchunk._filesystems import StoreOfGroups
from kerchunk.utils import refs_as_fs

__all__ = ["open_groups", "open_reference_dataset"]

_FSSPEC: Final = frozenset({"fs", "target", "template_overrides", "ref_storage_args"})
"""Options that only fsspec's own reader of references knows; all others but those of `_store` change no value."""


def open_reference_dataset(
    filename_or_obj: Any,
    storage_options: Mapping[str, Any] | None,
    open_dataset_options: Mapping[str, Any] | None,
) -> xr.Dataset:
    """Open a dictionary of references, a stored set, or a `LazyReferenceMapper` with xarray."""
    store, options = _opened(filename_or_obj, storage_options, open_dataset_options)
    dataset: xr.Dataset = xr.open_zarr(store, **options)
    return without_encoding(dataset)


def open_groups(
    filename_or_obj: Any,
    storage_options: Mapping[str, Any] | None,
    open_dataset_options: Mapping[str, Any] | None,
) -> dict[str, xr.Dataset]:
    """Open each group as a dataset, by path."""
    store, options = _opened(filename_or_obj, storage_options, open_dataset_options)
    groups = xr.open_groups(store, engine="zarr", **options)  # type: ignore[arg-type]
    return {path: without_encoding(dataset) for path, dataset in groups.items()}


def _opened(
    filename_or_obj: Any, storage_options: Mapping[str, Any] | None, asked: Mapping[str, Any] | None
) -> tuple[Store, dict[str, Any]]:
    """The store of references, and the options with which xarray opens it."""
    options = dict(storage_options or {})
    given = {name for name, value in options.items() if value is not None}
    store = _fsspec_store(filename_or_obj, options) if given & _FSSPEC else _store(filename_or_obj, options)
    return store, {"zarr_format": 2, "consolidated": isinstance(store, ReferenceStore), **(asked or {})}


def _store(refs: Any, options: Mapping[str, Any]) -> Store:
    target_options = options.get("target_options")
    if isinstance(refs, LazyReferenceMapper):
        refs, target_options = refs.out_root, refs.fs.storage_options
    elif isinstance(refs, (str, os.PathLike)):
        protocol, path = options.get("target_protocol"), os.fspath(refs)
        refs = path if protocol is None or "://" in path else f"{protocol}://{path}"
    return open_store(
        refs,
        storage_options=target_options,
        remote_options=options.get("remote_options"),
        remote_protocol=options.get("remote_protocol"),
        zarr_format=2,
    )


def _fsspec_store(refs: Any, options: Mapping[str, Any]) -> Store:
    """Options that only fsspec's own reader has (`fs`, `target`...) take its road."""
    return StoreOfGroups(refs_as_fs(refs, **{**options, "asynchronous": True}), read_only=True, path="")
