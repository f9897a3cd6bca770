"""What may be opened, and what is made of it: references, and what fetches the bytes that they name.

Opened are a stored reference set (JSON, Parquet or Icechunk), a dictionary of references, a `ReferenceSet`, what
`open_store` gave, or an archival file itself, which is scanned first. `storage_options` open what is named;
`remote_options` and `remote_protocol` open the files that its references point into. Who gives no `remote_options` has
the `storage_options` used for those files too when what is named has no need of them (a set in memory or on this
machine), or is such a file itself; but never when the set comes from elsewhere: the files it names may be on servers
that should not see the credentials of the set.

`allow` says what URLs the set may name, as beginnings of URLs; without it a set that comes from another machine may
name no file on this one. `check="etag"` refuses files that changed since they were scanned. Servers may be silent for
`timeout` seconds at a time: what that makes in all is said where `chunkmap` begins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, Unpack

from chunkmap.access.fetching import Fetcher
from chunkmap.access.store import ReferenceStore
from chunkmap.access.trust import Trust
from chunkmap.execution.readable import find_any, scan_found
from chunkmap.frontends.lacking import say_what_lacks
from chunkmap.io import is_far
from chunkmap.io.engines import Engine
from chunkmap.io.filesystem import limited
from chunkmap.keywords import check_keywords
from chunkmap.model import ReferenceSet
from chunkmap.storage import is_open, load, open_set
from chunkmap.warning import warn_caller

__all__ = ["HowToOpen", "HowToReach", "Openable", "check_how", "open_references", "open_store", "warned"]

Openable = str | os.PathLike[str] | Mapping[str, Any] | ReferenceSet | ReferenceStore


class HowToReach(TypedDict, total=False):
    """The keyword arguments that say how what is named is reached, and the files that its references point into."""

    storage_options: Mapping[str, Any] | None
    remote_options: Mapping[str, Any] | None
    remote_protocol: str | None
    allow: Sequence[str] | None
    timeout: float | None
    engine: Engine | None


class HowToOpen(HowToReach, total=False):
    """Those of everything that opens, the engine as well. The text above says what each means."""

    check: Literal["etag"] | None
    scan_options: Mapping[str, Any] | None


def open_store(
    refs_or_path: Openable, *, zarr_format: Literal[2, 3] | None = None, **how: Unpack[HowToOpen]
) -> ReferenceStore:
    """The Zarr store over a stored set, a dictionary, a `ReferenceSet`, or an archival file.

    Parquet is read partition by partition, everything else is held in memory. `zarr_format` is the version of Zarr that
    the store is of; None is that in which the set is stored. Arrays that were left out of the set are warned of.

    `how` says how it is opened: `storage_options` open what is named; `remote_options` and `remote_protocol` the files
    that its references point into; `allow` are the beginnings of URLs that the set may name; `check="etag"` refuses
    files that changed since they were scanned; `scan_options` go to `scan`, for a file. Servers may be silent for
    `timeout` seconds at a time, 30 by default: see `chunkmap`. Ranges are fetched by `engine`: "obstore" or "fsspec";
    None is obstore where it is installed and keeps every promise that fsspec does (S3), else fsspec.
    """
    check_how("open_store", how)
    refs, fetcher = open_references(refs_or_path, **how)
    say_what_lacks(refs, "", below=True)
    return warned(ReferenceStore(refs, fetcher, zarr_format))


def warned(store: ReferenceStore) -> ReferenceStore:
    """The store, of which it is said what it leaves out."""
    for why in dict.fromkeys(store.left_out.values()):
        paths = ", ".join(path for path, own in store.left_out.items() if own == why)
        warn_caller(f"{store}: {why} {paths}, which are left out; read them with chunkmap.access.values.read_array")
    return store


def open_references(refs_or_path: Openable, **how: Unpack[HowToOpen]) -> tuple[ReferenceSet, Fetcher]:
    """The references, and what fetches the bytes that they name: what `open_store` makes a store of."""
    check, allow, timeout, engine = how.get("check"), how.get("allow"), how.get("timeout"), how.get("engine")
    if check not in (None, "etag"):
        raise ValueError(f"check is {check!r}, expected 'etag' or None")
    if isinstance(refs_or_path, ReferenceStore):
        if any(value is not None for name, value in how.items() if name != "scan_options") or how.get("scan_options"):
            raise TypeError("options of opening were given with a store that is open: give them to open_store")
        return refs_or_path.source
    storage_options, remote_options = limited(how.get("storage_options"), timeout, engine), how.get("remote_options")
    refs, shared = _references(refs_or_path, storage_options, how.get("scan_options") or {}, allow or ())
    is_one = shared and remote_options is None
    fetcher = Fetcher(
        storage_options=storage_options if is_one else limited(remote_options, timeout, engine),
        remote_protocol=how.get("remote_protocol"),
        trust=Trust(refs.name, allow),
        expected=refs.targets if check else None,
    )
    return refs, fetcher.learn([refs])


def check_how(function: str, how: Mapping[str, Any], known: type = HowToOpen) -> None:
    """Raise TypeError for a keyword that says nothing of opening, naming the one that was meant."""
    check_keywords(function, how, known, all_say="how to open")


def _references(
    refs_or_path: Openable,
    storage_options: Mapping[str, Any] | None,
    scan_options: Mapping[str, Any],
    allow: Sequence[str],
) -> tuple[ReferenceSet, bool]:
    """The references, and whether `storage_options` are those of the data as well."""
    is_path = isinstance(refs_or_path, (str, os.PathLike))
    if not is_path and scan_options:
        raise TypeError(f"{', '.join(map(repr, scan_options))}: options of a scan, but a set is not scanned")
    if isinstance(refs_or_path, ReferenceSet):
        return refs_or_path, True
    if isinstance(refs_or_path, Mapping):
        return load(refs_or_path), True
    found = find_any(refs_or_path, storage_options)
    if found.store is None:
        return scan_found(found, **{"allow": allow, **scan_options}), True
    if scan_options:
        raise TypeError(f"{', '.join(map(repr, scan_options))}: options of a scan, but {found.url} is a stored set")
    return open_set(found, problems=False), is_open(found.url) or not is_far(found.url)
