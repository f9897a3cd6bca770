"""Images with smaller versions of themselves, as a tree of xarray."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import xarray as xr

__all__ = ["with_levels"]

_OWN: Final = "0"


def with_levels(groups: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Groups by path, where an image with others below it stands in a group of its own, `0`, beside them.

    In xarray's trees the axes of a group are those of all groups below it; overviews have shorter ones.
    """
    found = dict(groups)
    for path, one in groups.items():
        own = f"{path.rstrip('/')}/{_OWN}"
        if own not in groups and "image" in one.variables and _has_others(path, one, groups):
            found[path] = xr.Dataset(attrs=_renamed(one.attrs))
            found[own] = one.drop_attrs(deep=False)
    return found


def _has_others(path: str, one: xr.Dataset, groups: Mapping[str, xr.Dataset]) -> bool:
    """Whether overviews, or further images of a file, are below a group, and have other axes."""
    base = path.rstrip("/")
    below = [other for name in ("1", "image_1") if (other := groups.get(f"{base}/{name}")) is not None]
    sizes = one.sizes
    return any("image" in other and sizes.get(dim, n) != n for other in below for dim, n in other.sizes.items())


def _renamed(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """The attributes, in which the image itself is called by its new path."""
    scales = attrs.get("multiscales")
    if not isinstance(scales, list):
        return dict(attrs)
    return {**attrs, "multiscales": [{**scale, "datasets": list(map(_moved, scale["datasets"]))} for scale in scales]}


def _moved(dataset: dict[str, Any]) -> dict[str, Any]:
    return {**dataset, "path": f"{_OWN}/image"} if dataset.get("path") == "image" else dataset
