"""What other libraries have for files, taken wherever a URL is: fsspec's open files, items and assets of STAC, granules
of earthaccess.

They are told by what they offer, so that none of those libraries is needed. URLs are all that is taken of them, and of
fsspec's files the options of their file system; credentials are never kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urljoin

__all__ = ["Nameable", "listed", "options_with", "single_url", "urls_of"]

Nameable = Any
"""A path, a URL, or something that another library has for a file."""

_NO_DATA: Final = frozenset({"thumbnail", "overview", "metadata", "visual"})
"""Roles of assets that are about the data."""

_PICTURES: Final = ("image/png", "image/jpeg", "text/", "application/json", "application/geo+json", "application/xml")


def listed(things: Nameable | Iterable[Nameable]) -> list[Nameable]:
    """Several things that name files; a single one is a list of one. Raises TypeError for what names none.

    >>> listed("a.nc"), listed(iter(["a.nc", "b.nc"]))
    (['a.nc'], ['a.nc', 'b.nc'])
    """
    if isinstance(things, (str, os.PathLike)) or urls_of(things) is not None:
        return [things]
    if not isinstance(things, Iterable):
        raise TypeError(f"expected a path or a URL, or several, found {things!r}")
    return list(things)


def single_url(thing: Nameable) -> Any:
    """The URL of something that names one file; what is no such thing as it is. Raises ValueError for several files.

    >>> single_url({"stac_version": "1.0.0", "assets": {"data": {"href": "s3://b/a.nc"}}})
    's3://b/a.nc'
    """
    urls = urls_of(thing)
    if urls is None:
        return thing
    if len(urls) != 1:
        shown = ", ".join(urls[:5]) or "none"
        raise ValueError(f"expected one file, found {len(urls)}: {shown}. Choose one, or scan all with scan_many")
    return urls[0]


def urls_of(thing: Nameable) -> list[str] | None:
    """The URLs that something of another library stands for; None for what is no such thing, paths and URLs among them.

    >>> urls_of("a.nc") is None
    True
    """
    if isinstance(thing, str) or thing is None:
        return None
    if _is_open_file(thing):
        if thing.compression is not None:
            raise TypeError(
                f"{thing.full_name}: a file that is opened as compressed is no file of ranges; open it plain"
            )
        return [str(thing.path if "file" in thing.fs.protocol else thing.full_name)]
    if callable(getattr(thing, "data_links", None)):
        return list(map(str, thing.data_links()))
    if isinstance(thing, Mapping) and "stac_version" in thing and isinstance(thing.get("assets"), Mapping):
        base = next((link["href"] for link in thing.get("links", ()) if link.get("rel") == "self"), "")
        return [urljoin(base, asset["href"]) if base else asset["href"] for asset in _data(thing["assets"], dict.get)]
    if isinstance(getattr(thing, "assets", None), Mapping) and hasattr(thing, "stac_extensions"):
        return [_href(asset) for asset in _data(thing.assets, getattr)]
    return [_href(thing)] if hasattr(thing, "href") and hasattr(thing, "media_type") else None


def options_with(things: Sequence[Nameable]) -> Mapping[str, Any] | None:
    """The options of the file system of fsspec's open files elsewhere; None where there are none, or no such files.

    Raises ValueError for files of several file systems.
    """
    far = [thing.fs for thing in things if _is_open_file(thing) and "file" not in thing.fs.protocol]
    found = [dict(fs.storage_options) for fs in far]
    if any(options != found[0] for options in found):
        raise ValueError("the open files are of file systems with different options; scan those of each by themselves")
    return found[0] if found and found[0] else None


def _is_open_file(thing: Any) -> bool:
    return hasattr(thing, "fs") and hasattr(thing, "full_name") and hasattr(thing, "compression")


def _data(assets: Mapping[str, Any], get: Any) -> list[Any]:
    """The assets that are data: those that say so, or else those that do not say to be something else."""
    all_of_them = list(assets.values())
    data = [asset for asset in all_of_them if "data" in (get(asset, "roles", None) or ())]
    return data or [asset for asset in all_of_them if not _is_about(asset, get)]


def _is_about(asset: Any, get: Any) -> bool:
    kind = str(get(asset, "type" if isinstance(asset, Mapping) else "media_type", None) or "")
    return bool(_NO_DATA & set(get(asset, "roles", None) or ())) or kind.startswith(_PICTURES)


def _href(asset: Any) -> str:
    absolute = asset.get_absolute_href() if hasattr(asset, "get_absolute_href") else None
    return str(absolute or asset.href)
