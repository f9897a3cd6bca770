"""Sets made from xarray datasets, and datasets read from sets: zarr is the only go-between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from chunkmap.combining import Recipe, combine_sets
from chunkmap.model import ManifestArray, ReferenceSet
from chunkmap.model.dictionary import decode_inline


def to_refs(dataset: xr.Dataset, name: str | None = None, **encoding: Mapping[str, Any]) -> ReferenceSet:
    """Every chunk of the dataset, as zarr writes it, held inline."""
    store: dict[str, Any] = {}
    dataset.to_zarr(MemoryStore(store), zarr_format=2, consolidated=False, encoding=encoding)
    return ReferenceSet.from_dict({key: value.to_bytes() for key, value in store.items()}, name=name)


def to_dataset(refs: ReferenceSet, **options: Any) -> xr.Dataset:
    """What xarray and zarr read through the references, all of which must be inline."""
    prototype = default_buffer_prototype()
    refs_by_key = refs.to_dict()["refs"]
    store = {key: prototype.buffer.from_bytes(decode_inline(value)) for key, value in refs_by_key.items()}
    return xr.open_dataset(MemoryStore(store), engine="zarr", consolidated=False, zarr_format=2, **options).load()


def read(arrays: Sequence[ManifestArray]) -> list[np.ndarray]:
    """A reader for inline arrays, through zarr."""
    values = []
    for array in arrays:
        found = ReferenceSet({"a": array}).to_dict()["refs"]
        prototype = default_buffer_prototype()
        store = {key: prototype.buffer.from_bytes(decode_inline(value)) for key, value in found.items()}
        values.append(np.asarray(zarr.open_array(MemoryStore(store), path="a", mode="r", zarr_format=2)[...]))
    return values


def combine(sets: Sequence[ReferenceSet], *, combined: int = 0, first: int = 0, **recipe: Any) -> ReferenceSet:
    """Combine inline sets."""
    return combine_sets(sets, Recipe(**recipe), read, combined=combined, first=first)


def month(number: int, *, ntime: int = 2, units: str = "days since 2000-01-01") -> xr.Dataset:
    start = number * ntime
    time = xr.DataArray(np.arange(start, start + ntime), dims="time", attrs={"units": units, "calendar": "standard"})
    values = np.arange(ntime * 6, dtype="f4").reshape(ntime, 2, 3) + 100 * number
    return xr.Dataset(
        {
            "temp": (("time", "y", "x"), values, {"units": "K"}),
            "area": (("y", "x"), np.arange(6.0).reshape(2, 3)),
        },
        coords={"time": time, "x": [10.0, 20.0, 30.0], "y": [1.0, 2.0]},
        attrs={"title": f"month {number}", "number": number},
    )
