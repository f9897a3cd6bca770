"""More files onto a stored set, in place: what is so of every way of keeping sets.

The result is what building from all files gives. The old set stays whole until the new one is complete: on this
machine a new directory, in which unchanged partitions are further names of the old files, takes the old one's name.
How it is added to is said by `json`, `parquet` and `icechunk` beside this.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar, Unpack

from chunkmap.access.fetching import Fetcher
from chunkmap.combining import Inputs, Plan, Recipe
from chunkmap.combining.recipe import HowToCombine, given
from chunkmap.errors import CombineError, NoSuchFile, OtherWriter, Remedy, SourceError, StorageError
from chunkmap.execution.bars import steps
from chunkmap.execution.headers import Headers, headers_beside
from chunkmap.execution.how import HowToBuild, told_apart
from chunkmap.execution.order_of_inputs import next_index, refuse_other_order
from chunkmap.execution.provenance import Origin
from chunkmap.execution.scanning import Scanning
from chunkmap.execution.streaming import Job
from chunkmap.io.filesystem import Located, limited, locate
from chunkmap.io.granules import Nameable, listed
from chunkmap.model import ReferenceSet
from chunkmap.storage import FoundSet, check_format, find_set
from chunkmap.storage.journal import is_publishing
from chunkmap.storage.states import check_state, state_of

__all__ = ["Adding", "append"]

T = TypeVar("T")

_TRIES: Final = 8
_PAUSE: Final = 0.05
"""How often it is tried to be the only writer, and the seconds to wait before the second try; then twice as many."""


def append(
    out: str | os.PathLike[str],
    urls: Nameable | Iterable[Nameable],
    *,
    output_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    inline_threshold: int | None = None,
    remote_protocol: str | None = None,
    **how: Unpack[HowToBuild],
) -> ReferenceSet:
    """Scan more files and add them to a stored set, JSON, Parquet or Icechunk, in place. Gives the stored set.

    A set as Parquet or JSON that `build` or `combine` wrote remembers its recipe and the options of its scans. For
    other sets, and where a function was part of the recipe, `how` says it again, as for `combine`; what is given
    replaces what is remembered. The other arguments, and what `how` says of scanning, are those of `build`.

    Files that hold what the set holds already are refused, unless they shall `overwrite` it. The old set stays whole
    until the new one is complete. Where another writer was there first, it is read and planned again, and the files are
    added to what he wrote; with `overwrite` that is refused.

    Raises CombineError naming the inputs that do not fit; nothing is changed then.
    """
    files = listed(urls)
    scanning, recipe = told_apart("append", how, files)
    output_options = limited(output_options, how.get("timeout"))
    adding = Adding(
        found=find_set(out, storage_options=output_options),
        at=locate(out, output_options),
        urls=files,
        scanning=scanning,
        fetcher=Fetcher(storage_options=scanning.storage_options, remote_protocol=remote_protocol),
        how=recipe,
        overwrite=overwrite,
        inline_threshold=inline_threshold,
    )
    refs: ReferenceSet = adding.found.read_as.appending.append(adding)
    return refs


class Stored(Protocol):
    """A stored set as adding to it needs it."""

    @property
    def record_size(self) -> int:
        """Chunks of a partition of the set that is written."""

    @property
    def origin(self) -> Mapping[str, Any]:
        """What was written down of how it came about."""

    def header(self, origin: Origin, headers: Headers) -> ReferenceSet:
        """The set as its inputs gave it."""

    def carry_out(self, job: Job, plan: Plan) -> ReferenceSet:
        """Write what was planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adding:
    """What is to be added, and how: done again from the start where another writer was there first."""

    found: FoundSet
    at: Located
    urls: Sequence[Nameable]
    scanning: Scanning
    fetcher: Fetcher
    how: HowToCombine
    overwrite: bool
    inline_threshold: int | None

    def run(self, watched: Collection[str], stored: Callable[[], Stored]) -> ReferenceSet:
        """Add to the set as it is now. Who would write over what the other one wrote is told instead.

        `watched` are the files of a directory by which it is seen that another writer was there.
        """
        with headers_beside(self.at) as headers:
            scanned: dict[str, list[ReferenceSet]] = {}
            for attempt in range(_TRIES - 1):
                try:
                    return self._once(watched, stored, headers, scanned)
                except OtherWriter:
                    if self.overwrite:
                        raise
                    time.sleep(random.uniform(0.5, 1) * _PAUSE * 2**attempt)  # noqa: S311 - no secret
            return self._once(watched, stored, headers, scanned)

    def _once(
        self,
        watched: Collection[str],
        stored_now: Callable[[], Stored],
        headers: Headers,
        scanned: dict[str, list[ReferenceSet]],
    ) -> ReferenceSet:
        at = self.at
        before = _Before(at, watched)
        stored = before.read(stored_now)
        origin = self.origin(stored.origin)
        scanning = replace(self.scanning, options={**origin.scan_options, **self.scanning.options})
        self._check_portable(origin, scanning)
        old = before.read(lambda: stored.header(origin, headers))
        recipe = self.recipe(origin)
        if "zarr_format" not in self.how:
            recipe = replace(recipe, zarr_format=old.zarr_format)
        check_format(at, recipe.zarr_format)
        if repr(scanning.options) not in scanned:  # once for all tries with the same options
            with steps(scanning.progress) as begin:
                found = scanning.run(self.urls, headers.take, progress=begin("scanning"))
            scanned[repr(scanning.options)] = found
        new = scanned[repr(scanning.options)]
        job = Job(
            at=at,
            origin=replace(origin, recipe=recipe),
            fetcher=self.fetcher,
            record_size=stored.record_size,
            executor=scanning.executor if at.is_local or scanning.cache is not None else None,
            expected=before.state,
        )
        inputs = Inputs([old, *new], combined=1, first=origin.inputs or next_index(old, recipe))
        plan = before.read(lambda: job.plan(inputs))
        refuse_other_order(plan, self.where)
        made = replace(job.origin, inputs=origin.inputs + len(new), scan_options=scanning.options)
        return before.read(lambda: stored.carry_out(replace(job, origin=made), plan))

    def _check_portable(self, origin: Origin, scanning: Scanning) -> None:
        """Raise CombineError where new files would be said in another way than those of the set."""
        if origin.inputs and origin.is_portable != bool(scanning.options.get("portable", False)):
            raise CombineError(
                f"{self.where}: the set was built {'with' if origin.is_portable else 'without'} `portable`, and new"
                " files are added as it was built. Leave `portable` out"
            )

    @property
    def where(self) -> str:
        """The set, as messages name it."""
        return os.fspath(self.found.url)

    def recipe(self, origin: Origin) -> Recipe:
        """The recipe, by which new files may win over what the set holds already."""
        return replace(origin.recipe, waive={*origin.recipe.waive, "overlap"}) if self.overwrite else origin.recipe

    def origin(self, written_down: Mapping[str, Any]) -> Origin:
        """What is remembered, with what is given in its place."""
        said, where, remembered = given("append", self.how), self.where, dict(written_down)
        if not remembered:
            if not said:
                again = Remedy("concat_dims", ...)
                raise CombineError(
                    f"{where}: it is not written down how this set was made. Say it again: {again} and what else was"
                    " given then"
                ).helped_by(again)
            return Origin(recipe=Recipe(**said), inputs=0, inline_threshold=self.inline_threshold or 0)
        functions = said.get("coo_map") or {}
        remembered["coo_map"] = {dim: s for dim, s in remembered.get("coo_map", {}).items() if dim not in functions}
        origin = Origin.from_json(remembered, where)
        if origin.steps and self.scanning.preprocess is None:
            raise CombineError(
                f"{where}: it was built with a preprocess, which is not kept with the set; give it again"
            )
        if "coo_map" in said:
            said["coo_map"] = {**origin.recipe.coo_map, **functions}
        return replace(
            origin,
            recipe=replace(origin.recipe, **said),
            inline_threshold=origin.inline_threshold if self.inline_threshold is None else self.inline_threshold,
        )


class _Before:
    """The set as it was when adding to it began."""

    def __init__(self, at: Located, names: Collection[str]) -> None:
        self._at, self._names = at, names
        self.state = state_of(at, names)

    def read(self, read: Callable[[], T]) -> T:
        """What is read of the set. What another writer replaces meanwhile is not damaged: then that is said."""
        try:
            return read()
        except (StorageError, SourceError) as error:
            publishing = isinstance(error, NoSuchFile) and is_publishing(self._at)  # asked first: it ends with a set
            check_state(self._at, self.state, self._names)
            if publishing:
                raise OtherWriter(f"{self._at.url}: another writer is publishing there. Run it again") from error
            raise
