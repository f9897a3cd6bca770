"""The verbs for many files: scan them, combine what was found, build a stored set in one go."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_arrays
from chunkmap.combining import Recipe, combine_sets
from chunkmap.combining.recipe import Selector
from chunkmap.errors import ChunkmapError
from chunkmap.execution.mapping import AnyExecutor, Progress, map_ordered
from chunkmap.formats.scanning import scan
from chunkmap.io import expand_urls, is_far
from chunkmap.model import ReferenceSet
from chunkmap.model.edits import inline
from chunkmap.storage import load, write

__all__ = ["build", "combine", "scan_many"]

Step = Callable[[ReferenceSet], ReferenceSet]
"""Something done to a set before or after combining."""


def scan_many(
    urls: str | Iterable[str | os.PathLike[str]],
    *,
    executor: AnyExecutor = None,
    progress: Progress | None = None,
    storage_options: Mapping[str, Any] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    **options: Any,
) -> list[ReferenceSet]:
    """Scan many files; the sets come back in the order of the URLs. Wildcards in them are expanded.

    `executor` runs the scans (see `chunkmap.execution.mapping`); without one, files on servers are scanned on
    threads, so that their waiting overlaps, and others one after another. `options` go to `scan`. A file that cannot be
    scanned raises its error; with `on_error="skip"` it is left out, and a warning names it.
    """
    if on_error not in {"raise", "skip"}:
        raise ValueError(f"on_error is {on_error!r}, expected 'raise' or 'skip'")
    files = expand_urls(urls, storage_options=storage_options)
    one = partial(_scan_one, storage_options=storage_options, skip=on_error == "skip", options=options)
    if executor is None and len(files) > 1 and any(map(is_far, files)):
        executor = "threads"
    found = map_ordered(one, files, executor=executor, progress=progress)
    failed = [error for error in found if isinstance(error, ChunkmapError)]
    if failed:
        warnings.warn(
            f"{len(failed)} of {len(files)} files were skipped: {'; '.join(map(str, failed[:3]))}"
            + (f"; and {len(failed) - 3} more" if len(failed) > 3 else ""),
            stacklevel=2,
        )
    return [refs for refs in found if isinstance(refs, ReferenceSet)]


def _scan_one(
    url: str, *, storage_options: Mapping[str, Any] | None, skip: bool, options: Mapping[str, Any]
) -> ReferenceSet | ChunkmapError:
    try:
        return scan(url, storage_options=storage_options, **options)
    except ChunkmapError as error:
        if skip:
            return error
        raise


def combine(
    sets: Sequence[ReferenceSet | Mapping[str, Any] | str | os.PathLike[str]],
    *,
    concat_dims: str | Sequence[str] = (),
    coo_map: Mapping[str, Selector] | None = None,
    identical_dims: Collection[str] = (),
    coo_dtypes: Mapping[str, Any] | None = None,
    waive: Collection[str] = (),
    load_below: int = 1_000_000,
    inline_threshold: int = 0,
    preprocess: Step | None = None,
    postprocess: Step | None = None,
    storage_options: Mapping[str, Any] | None = None,
    remote_options: Mapping[str, Any] | None = None,
    remote_protocol: str | None = None,
) -> ReferenceSet:
    """Many reference sets to one.

    `sets` are sets, dictionaries, or URLs of stored sets, opened with `storage_options`. What the recipe is made of,
    `concat_dims` to `load_below`, is explained in `chunkmap.combining.Recipe`. Chunks of fewer than `inline_threshold`
    bytes are fetched and held inline. `preprocess` is done to every input, `postprocess` to the result. The files
    that the references point into are opened, where coordinates must be read from them, with `remote_options`.

    Raises CombineError naming the inputs that do not fit; nothing is combined then.
    """
    recipe = Recipe(
        concat_dims=[concat_dims] if isinstance(concat_dims, str) else list(concat_dims),
        coo_map=coo_map or {},
        identical_dims=identical_dims,
        coo_dtypes=coo_dtypes or {},
        waive=waive,
        load_below=load_below,
    )
    inputs = [_as_set(refs, storage_options) for refs in sets]
    if preprocess is not None:
        inputs = [preprocess(refs) for refs in inputs]
    fetcher = Fetcher(storage_options=remote_options, remote_protocol=remote_protocol)
    combined = combine_sets(inputs, recipe, lambda arrays: read_arrays(arrays, fetcher))
    if inline_threshold:
        combined = inline(combined, fetcher.fetch, threshold=inline_threshold)
    return combined if postprocess is None else postprocess(combined)


def _as_set(
    refs: ReferenceSet | Mapping[str, Any] | str | os.PathLike[str], storage_options: Mapping[str, Any] | None
) -> ReferenceSet:
    return refs if isinstance(refs, ReferenceSet) else load(refs, storage_options=storage_options)


def build(
    urls: str | Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    executor: AnyExecutor = None,
    progress: Progress | None = None,
    storage_options: Mapping[str, Any] | None = None,
    output_options: Mapping[str, Any] | None = None,
    record_size: int = 100_000,
    on_error: Literal["raise", "skip"] = "raise",
    scan_options: Mapping[str, Any] | None = None,
    **how: Any,
) -> ReferenceSet:
    """Scan files, combine them, and write the result: JSON or Parquet, by the name of `out`.

    `how` says how to combine, as for `combine`; `scan_options` go to `scan`; `storage_options` open the files and
    `output_options` the output. The output appears whole or not at all.
    """
    sets = scan_many(
        urls,
        executor=executor,
        progress=progress,
        storage_options=storage_options,
        on_error=on_error,
        **(scan_options or {}),
    )
    combined = combine(sets, remote_options=storage_options, **how)
    write(combined, out, storage_options=output_options, record_size=record_size)
    return combined
