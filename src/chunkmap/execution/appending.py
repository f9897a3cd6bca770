"""More files onto a stored set, in place: only the partitions that change are written again.

The result is what building from all files gives. The old set stays whole until the new one is complete: on this
machine a new directory, in which unchanged partitions are further names of the old files, takes the old one's name.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeVar, Unpack

from chunkmap.access.fetching import Fetcher
from chunkmap.combining import Inputs, Plan, Recipe
from chunkmap.combining.recipe import HowToCombine, given
from chunkmap.combining.stretches import stays, touched
from chunkmap.errors import CombineError, OtherWriter, Remedy, SourceError, StorageError
from chunkmap.execution.arguments import Step
from chunkmap.execution.headers import Headers, headers_beside
from chunkmap.execution.icechunk import append_to_icechunk
from chunkmap.execution.mapping import AnyExecutor, Progress
from chunkmap.execution.order_of_inputs import counted, refuse_other_order
from chunkmap.execution.provenance import Origin
from chunkmap.execution.scanning import Cache, Scanning
from chunkmap.execution.streaming import Job, Kept
from chunkmap.io import open_any
from chunkmap.io.filesystem import Located, limited, locate
from chunkmap.model import Finding, ReferenceSet
from chunkmap.model.edits import inline
from chunkmap.storage import ICECHUNK, PARQUET, FoundSet, check_format, find_set, load
from chunkmap.storage.parquet.chunks import PartitionedChunks
from chunkmap.storage.parquet.reading import PartitionedSet
from chunkmap.storage.parquet.sidecar import PartitionRecord
from chunkmap.storage.parquet.writing import WHOLE_SET
from chunkmap.storage.states import check_state, state_of

__all__ = ["append"]

T = TypeVar("T")

_TRIES: Final = 8
_PAUSE: Final = 0.05
"""How often it is tried to be the only writer, and the seconds to wait before the second try; then twice as many."""


def append(
    out: str | os.PathLike[str],
    urls: str | Iterable[str | os.PathLike[str]],
    *,
    executor: AnyExecutor = None,
    progress: Progress | None = None,
    storage_options: Mapping[str, Any] | None = None,
    output_options: Mapping[str, Any] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    cache: Cache | None = None,
    scan_options: Mapping[str, Any] | None = None,
    preprocess: Step | None = None,
    overwrite: bool = False,
    inline_threshold: int | None = None,
    remote_protocol: str | None = None,
    timeout: float | None = None,
    **how: Unpack[HowToCombine],
) -> ReferenceSet:
    """Scan more files and add them to a stored set, JSON, Parquet or Icechunk, in place. Gives the stored set.

    A Parquet set that `build` or `combine` wrote remembers its recipe and the options of its scans. For other sets, and
    where a function was part of the recipe, `how` says it again, as for `combine`; what is given replaces what is
    remembered. The other arguments are those of `build`.

    Files that hold what the set holds already are refused, unless they shall `overwrite` it. The old set stays whole
    until the new one is complete. Where another writer was there first, it is read and planned again, and the files are
    added to what he wrote; with `overwrite` that is refused.

    Raises CombineError naming the inputs that do not fit; nothing is changed then.
    """
    storage_options, output_options = limited(storage_options, timeout), limited(output_options, timeout)
    scanning = Scanning(
        executor=executor,
        progress=progress,
        storage_options=storage_options,
        on_error=on_error,
        cache=cache,
        options=scan_options or {},
    )
    fetcher = Fetcher(storage_options=storage_options, remote_protocol=remote_protocol)
    found, at = find_set(out, storage_options=output_options), locate(out, output_options)
    if found.store is ICECHUNK:
        icechunk = ICECHUNK.functions()
        icechunk.check_lists(str(out))
        origin = _origin(None, str(out), how, inline_threshold, preprocess)
        sets = scanning.run(urls, preprocess)
        notes = _to_repository(icechunk.repository_of(out, output_options), sets, origin, fetcher, overwrite=overwrite)
        return replace(load(out, storage_options=output_options), notes=notes)
    adding = _Adding(
        found=found,
        at=at,
        urls=[urls] if isinstance(urls, (str, os.PathLike)) else list(urls),
        scanning=scanning,
        fetcher=fetcher,
        how=how,
        preprocess=preprocess,
        overwrite=overwrite,
        inline_threshold=inline_threshold,
    )
    with headers_beside(at) as headers:
        return adding.run(headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Adding:
    """What is to be added, and how: done again from the start where another writer was there first."""

    found: FoundSet
    at: Located
    urls: Sequence[str | os.PathLike[str]]
    scanning: Scanning
    fetcher: Fetcher
    how: HowToCombine
    preprocess: Step | None
    overwrite: bool
    inline_threshold: int | None

    def run(self, headers: Headers) -> ReferenceSet:
        """Add to the set as it is now. Who would write over what the other one wrote is told instead."""
        scanned: dict[str, list[ReferenceSet]] = {}
        for attempt in range(_TRIES - 1):
            try:
                return self._once(headers, scanned)
            except OtherWriter:
                if self.overwrite:
                    raise
                time.sleep(random.uniform(0.5, 1) * _PAUSE * 2**attempt)  # noqa: S311 - no secret
        return self._once(headers, scanned)

    def _once(self, headers: Headers, scanned: dict[str, list[ReferenceSet]]) -> ReferenceSet:
        at, where = self.at, os.fspath(self.found.url)
        before = _Before(at, WHOLE_SET if self.found.store is PARQUET else ())
        stored = before.read(lambda: _partitioned(self.found))
        origin = _origin(stored, where, self.how, self.inline_threshold, self.preprocess)
        options = {**origin.scan_options, **self.scanning.options}
        old = before.read(lambda: _old(stored, where, self.found.options, origin, headers))
        recipe = _recipe(origin, overwrite=self.overwrite)
        if "zarr_format" not in self.how:
            recipe = replace(recipe, zarr_format=old.zarr_format)
        check_format(at, recipe.zarr_format)
        new = self._scanned(headers, options, scanned)
        job = Job(
            at=at,
            origin=replace(origin, recipe=recipe),
            fetcher=self.fetcher,
            record_size=100_000 if stored is None else stored.record_size,
            executor=self.scanning.executor if at.is_local or self.scanning.cache is not None else None,
            expected=before.state,
        )
        inputs = Inputs([old, *new], combined=1, first=origin.inputs or counted(old, recipe))
        plan = before.read(lambda: job.plan(inputs))
        refuse_other_order(plan, where)
        job = replace(job, origin=replace(job.origin, inputs=origin.inputs + len(new), scan_options=options))
        return before.read(lambda: _carry_out(job, plan, stored))

    def _scanned(
        self, headers: Headers, options: Mapping[str, Any], scanned: dict[str, list[ReferenceSet]]
    ) -> list[ReferenceSet]:
        """The new files, scanned once for all tries with the same options."""
        keep: Step = headers.take
        if (preprocess := self.preprocess) is not None:
            keep = lambda refs: headers.take(preprocess(refs))  # noqa: E731
        if repr(options) not in scanned:
            scanned[repr(options)] = replace(self.scanning, options=options).run(self.urls, keep)
        return scanned[repr(options)]


def _carry_out(job: Job, plan: Plan, stored: PartitionedSet | None) -> ReferenceSet:
    """Write all of a file again, of Parquet what changes."""
    return job.carry_out(plan, "json") if stored is None else job.carry_out(plan, "parquet", _kept(plan, stored))


class _Before:
    """The set as it was when adding to it began."""

    def __init__(self, at: Located, names: Collection[str]) -> None:
        self._at, self._names = at, names
        self.state = state_of(at, names)

    def read(self, read: Callable[[], T]) -> T:
        """What is read of the set. What another writer replaces meanwhile is not damaged: then that is said."""
        try:
            return read()
        except (StorageError, SourceError):
            check_state(self._at, self.state, self._names)
            raise


def _partitioned(found: FoundSet) -> PartitionedSet | None:
    """The stored set, where it is one of Parquet, of which only what changes is written.

    Raises NoSuchFile when there is no set of another kind either.
    """
    if found.store is not PARQUET:
        open_any(found.url, storage_options=found.options).close()
        return None
    return PartitionedSet(found)


def _to_repository(
    target: Any, sets: Sequence[ReferenceSet], origin: Origin, fetcher: Fetcher, *, overwrite: bool
) -> tuple[Finding, ...]:
    """Add sets to what is in a repository, small chunks held inline as they were said to be."""
    new = [inline(refs, fetcher.fetch, threshold=origin.inline_threshold) for refs in sets]
    return append_to_icechunk(target, new, _recipe(origin, overwrite=overwrite), fetcher)


def _recipe(origin: Origin, *, overwrite: bool) -> Recipe:
    """The recipe, by which new files may win over what the set holds already."""
    return replace(origin.recipe, waive={*origin.recipe.waive, "overlap"}) if overwrite else origin.recipe


def _origin(
    stored: PartitionedSet | None, where: str, how: HowToCombine, threshold: int | None, preprocess: Step | None
) -> Origin:
    """What is remembered, with what is given in its place."""
    said = given("append", how)
    remembered = {} if stored is None else dict(stored.origin)
    if not remembered:
        if not said:
            again = Remedy("concat_dims", ...)
            raise CombineError(
                f"{where}: it is not written down how this set was made. Say it again: {again} and what else was given"
                " then"
            ).helped_by(again)
        return Origin(recipe=Recipe(**said), inputs=0, inline_threshold=threshold or 0)
    functions = said.get("coo_map") or {}
    remembered["coo_map"] = {dim: s for dim, s in remembered.get("coo_map", {}).items() if dim not in functions}
    origin = Origin.from_json(remembered, where)
    if origin.steps and preprocess is None:
        raise CombineError(f"{where}: it was built with a preprocess, which is not kept with the set; give it again")
    if "coo_map" in said:
        said["coo_map"] = {**origin.recipe.coo_map, **functions}
    return replace(
        origin,
        recipe=replace(origin.recipe, **said),
        inline_threshold=origin.inline_threshold if threshold is None else threshold,
    )


def _old(
    stored: PartitionedSet | None,
    out: str | os.PathLike[str],
    options: Mapping[str, Any] | None,
    origin: Origin,
    headers: Headers,
) -> ReferenceSet:
    """The header of the old set, as it was before cells that no input covered were given a value."""
    if stored is None:
        return headers.take(load(out, storage_options=options))
    refs = stored.deferred()
    arrays = {
        path: array.with_meta(fill_value=None) if path in origin.filled else array
        for path, array in refs.arrays.items()
    }
    return replace(refs, arrays=arrays)


def _kept(plan: Plan, stored: PartitionedSet) -> Kept:
    """The partitions that nothing new touches, of arrays whose old chunks stay where they are.

    There are none in a set that another tool wrote: of its files nothing is known, and all of it is written again.
    """
    if stored.records is None:
        return Kept({}, {})
    size = stored.record_size
    records: dict[str, dict[int, PartitionRecord]] = {}
    changed: dict[str, set[int]] = {}
    for path, array_plan in plan.arrays.items():
        first = array_plan.parts[0]
        if array_plan.load is not None or first.index != 0 or path not in stored.records:
            continue
        grid_shape = array_plan.meta.grid_shape
        if not stays(first, grid_shape):
            continue
        before = PartitionedChunks(stored.folder, path, first.array.meta.grid_shape, size, stored.records[path])
        after = PartitionedChunks(stored.folder, path, grid_shape, size, stored.records[path])
        new = touched(array_plan.parts[1:], grid_shape, size)
        grown = {n for n in stored.records[path] if before.cells(n) != after.cells(n)}
        changed[path] = new | grown
        records[path] = {n: record for n, record in stored.records[path].items() if n not in changed[path]}
    return Kept(records, changed)
