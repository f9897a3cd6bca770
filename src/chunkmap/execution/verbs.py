"""The verbs: say what would not fit, combine, merge, build a stored set in one go."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Unpack

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_arrays
from chunkmap.combining import Diagnosis, Inputs, Recipe, combine_sets, diagnose_sets
from chunkmap.combining import merge as merge_sets
from chunkmap.combining.diagnosis import said_of_unread
from chunkmap.combining.merging import COMPARE_BELOW
from chunkmap.combining.recipe import HowToCombine, given
from chunkmap.errors import ChunkmapError, CombineError
from chunkmap.execution.arguments import AnySet, Step, each_opened, listed, opened, to_place
from chunkmap.execution.bars import steps
from chunkmap.execution.collecting import collected_rarely
from chunkmap.execution.headers import headers_beside
from chunkmap.execution.how import HowToBuild, told_apart
from chunkmap.execution.mapping import AnyExecutor
from chunkmap.execution.provenance import Origin
from chunkmap.execution.readable import or_error, set_or_scan
from chunkmap.execution.streaming import Job
from chunkmap.io.filesystem import limited, locate
from chunkmap.io.granules import Nameable
from chunkmap.io.granules import listed as listed_urls
from chunkmap.model import Precedent, ReferenceSet
from chunkmap.model.edits import inline
from chunkmap.storage import check_format, load, open_set, write

__all__ = ["build", "combine", "diagnose", "merge"]


def combine(
    sets: Sequence[AnySet],
    *,
    out: str | os.PathLike[str] | None = None,
    inline_threshold: int = 0,
    preprocess: Step | None = None,
    postprocess: Step | None = None,
    storage_options: Mapping[str, Any] | None = None,
    remote_options: Mapping[str, Any] | None = None,
    remote_protocol: str | None = None,
    output_options: Mapping[str, Any] | None = None,
    record_size: int = 100_000,
    executor: AnyExecutor = None,
    timeout: float | None = None,
    **how: Unpack[HowToCombine],
) -> ReferenceSet:
    """Many reference sets to one.

    `sets` are sets, dictionaries, or URLs of stored sets, opened with `storage_options`. `how` says how to combine:
    `concat_dims`, `coo_map`, `identical_dims`, `coo_dtypes`, `waive`, `load_below`, `compare_below`, `split`, `eras`,
    `variants`, `zarr_format`, `uneven_group`, each explained in `chunkmap.combining.Recipe`. Chunks of fewer than
    `inline_threshold` bytes are fetched and held inline. `preprocess` is done to every input, `postprocess` to the
    result. The files that the references point into are opened, where coordinates must be read from them, with
    `remote_options`. Servers may be silent for `timeout` seconds at a time, 30 by default: see `chunkmap`.

    With `out`, the result is written there, JSON, Parquet or Icechunk by its name, and is never held as a whole: inputs
    are opened one by one, and each partition is written once, from the inputs that touch it, by `executor` if one is
    given. What comes back is then the stored set, whose chunks are read when they are asked for. (Icechunk, and a
    `postprocess`, need the whole result in memory.)

    Raises CombineError naming the inputs that do not fit; nothing is combined then.
    """
    recipe = Recipe(**given("combine", how))
    storage_options, output_options = limited(storage_options, timeout), limited(output_options, timeout)
    if out is not None:
        check_format(locate(out, output_options), recipe.zarr_format)
    sets = listed(sets)
    alike = Precedent(are_parsed=True) if preprocess is None else None  # a step may change what it is given
    fetcher = Fetcher(storage_options=limited(remote_options, timeout), remote_protocol=remote_protocol)
    if out is None or postprocess is not None:
        read = load if preprocess else partial(to_place, precedent=alike)
        inputs = opened(sets, storage_options, preprocess, read=read)
        combined = _in_memory(inputs, recipe, fetcher, threshold=inline_threshold, postprocess=postprocess)
        if out is not None:
            write(
                combined, out, storage_options=output_options, record_size=record_size, zarr_format=recipe.zarr_format
            )
        return combined
    job = Job(
        at=locate(out, output_options),
        origin=Origin(recipe=recipe, inputs=len(sets), inline_threshold=inline_threshold, steps=preprocess is not None),
        fetcher=fetcher,
        record_size=record_size,
        executor=executor,
    )
    with headers_beside(job.at) as headers:
        found = each_opened(sets, storage_options, partial(open_set, precedent=alike))
        stepped = found if preprocess is None else map(preprocess, found)
        kept = [
            refs if isinstance(own, ReferenceSet) else headers.take(refs)
            for own, refs in zip(sets, stepped, strict=True)
        ]
        return job.write(Inputs(kept))


def _in_memory(
    sets: Sequence[ReferenceSet], recipe: Recipe, fetcher: Fetcher, *, threshold: int, postprocess: Step | None
) -> ReferenceSet:
    fetcher.learn(sets)
    with collected_rarely():
        combined = combine_sets(sets, recipe, lambda arrays: read_arrays(arrays, fetcher))
    if threshold:
        combined = inline(combined, fetcher.fetch, threshold=threshold)
    return combined if postprocess is None else postprocess(combined)


def build(
    urls: Nameable | Iterable[Nameable],
    out: str | os.PathLike[str],
    *,
    output_options: Mapping[str, Any] | None = None,
    record_size: int = 100_000,
    postprocess: Step | None = None,
    inline_threshold: int = 0,
    remote_protocol: str | None = None,
    **how: Unpack[HowToBuild],
) -> ReferenceSet:
    """Scan files, combine them, and write the result: JSON, Parquet or Icechunk, by the name of `out`.

    `urls` are paths, URLs and wildcards, or what other libraries have for files, as for `scan`.

    `how` says how to combine, as for `combine`, and how to scan: `executor`, `workers`, `progress`, `on_error`,
    `cache`, `timeout` and `engine` as for `scan_many`; `scan_options` go to `scan`, `storage_options` open the files.
    With `portable` the set is for more readers, as `scan` and `write` say, and so is what is appended later.
    `output_options` open the output. `preprocess` is done to every set, `postprocess` to the result. The output appears
    whole or not at all. Its references are held all at once for Icechunk only; what comes back is the stored set, whose
    chunks are read when they are asked for.

    `executor` scans the files and writes the partitions. With `cache`, a directory that its workers can reach, a second
    run after a crash or with more files scans only what is new: see `scan_many`. Servers may be silent for `timeout`
    seconds at a time, 30 by default: see `chunkmap`.
    """
    urls = listed_urls(urls)
    scanning, combining = told_apart("build", how, urls)
    recipe = Recipe(**given("build", combining))
    output_options = limited(output_options, how.get("timeout"))
    fetcher = Fetcher(storage_options=scanning.storage_options, remote_protocol=remote_protocol)
    at = locate(out, output_options)
    check_format(at, recipe.zarr_format)
    if postprocess is not None:
        with steps(scanning.progress) as begin:
            sets = scanning.run(urls, progress=begin("scanning"))
        combined = _in_memory(sets, recipe, fetcher, threshold=inline_threshold, postprocess=postprocess)
        write(
            combined,
            out,
            storage_options=output_options,
            record_size=record_size,
            zarr_format=recipe.zarr_format,
            portable=bool(scanning.options.get("portable", False)),
        )
        return combined
    job = Job(
        at=at,
        origin=Origin(
            recipe=recipe,
            inputs=0,
            inline_threshold=inline_threshold,
            scan_options=scanning.options,
            steps=scanning.preprocess is not None,
        ),
        fetcher=fetcher,
        record_size=record_size,
        executor=scanning.executor if at.is_local or scanning.cache is not None else None,
    )
    with headers_beside(at) as headers, steps(scanning.progress) as begin:
        sets = scanning.run(urls, headers.take, progress=begin("scanning"))
        begin("combining and writing")
        return replace(job, origin=replace(job.origin, inputs=len(sets))).write(Inputs(sets))


def diagnose(
    sets: Sequence[AnySet],
    *,
    preprocess: Step | None = None,
    storage_options: Mapping[str, Any] | None = None,
    remote_options: Mapping[str, Any] | None = None,
    remote_protocol: str | None = None,
    **how: Unpack[HowToCombine],
) -> Diagnosis:
    """What `combine` would say of the same sets, and what would come of it, without combining.

    Which inputs differ and in what, gaps, overlaps, what is missing; every kind of finding once, with the first
    inputs and their number. `print` shows it, `fits` tells whether `combine` would go through, `to_dict` gives data.
    The arguments, and `how` to combine, are those of `combine`. Files that are no sets are scanned; `remote_options`
    are theirs. All that cannot be read are in `unread`, and the others are looked at; raises where there are none.
    """
    recipe = Recipe(**given("diagnose", how))
    read = or_error(partial(set_or_scan, file_options=remote_options))
    found = list(each_opened(listed(sets), storage_options, read))
    unread = tuple(error for error in found if isinstance(error, ChunkmapError))
    inputs = [refs if preprocess is None else preprocess(refs) for refs in found if isinstance(refs, ReferenceSet)]
    if unread and not inputs:
        raise unread[0] if len(unread) == 1 else CombineError(said_of_unread(unread))
    fetcher = Fetcher(storage_options=remote_options, remote_protocol=remote_protocol).learn(inputs)
    return replace(diagnose_sets(inputs, recipe, lambda arrays: read_arrays(arrays, fetcher)), unread=unread)


def merge(
    sets: Sequence[AnySet],
    *,
    compare_below: int = COMPARE_BELOW,
    storage_options: Mapping[str, Any] | None = None,
    remote_options: Mapping[str, Any] | None = None,
    remote_protocol: str | None = None,
) -> ReferenceSet:
    """Sets of different arrays to one: variables kept in files of their own, a fixed grid beside a series.

    An array that several sets have is taken from the first; it must be the same in all. Of at most `compare_below`
    bytes, its values are read and compared; of more, only what headers say. Raises CombineError naming the arrays
    and the inputs that differ.
    """
    inputs = opened(sets, storage_options)
    fetcher = Fetcher(storage_options=remote_options, remote_protocol=remote_protocol).learn(inputs)
    return merge_sets(inputs, lambda arrays: read_arrays(arrays, fetcher), compare_below=compare_below)
