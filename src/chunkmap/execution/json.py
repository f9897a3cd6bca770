"""A combined set as JSON, and files added to one: all of a file is written again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from chunkmap.combining import Plan
from chunkmap.combining.stretches import Census
from chunkmap.execution.appending import Adding
from chunkmap.execution.headers import Headers
from chunkmap.execution.provenance import Origin
from chunkmap.execution.streaming import (
    Job,
    as_inputs_gave,
    before,
    finished,
    problems_of,
    targets_of,
    written_down,
)
from chunkmap.io import open_any
from chunkmap.model import ArrayInStretches, ArrayMeta, ReferenceSet
from chunkmap.storage import FoundSet, load
from chunkmap.storage.about import About
from chunkmap.storage.json.deferred import deferred_json
from chunkmap.storage.json.reading import origin_of
from chunkmap.storage.json.writing import write_json_in_stretches

__all__ = ["append", "carry_out"]


def carry_out(job: Job, plan: Plan) -> ReferenceSet:
    """Write what was planned. Gives the stored set."""
    finish, version = job.finish(plan), plan.recipe.zarr_format
    censuses: list[Census] = []

    def arrays() -> Iterator[ArrayInStretches]:
        for array, census in job.stretches(plan, multiple=1):
            if census is not None:
                census.before = before(census, job.origin)
                censuses.append(census)
            yield finished(array, finish)

    def about(metas: Mapping[str, ArrayMeta]) -> About:
        return About(targets_of(plan), problems_of(plan), written_down(job.origin, censuses, metas))

    written, state = write_json_in_stretches(
        arrays(), plan.groups, job.at, about=about, zarr_format=version, expected=job.expected
    )
    stored = deferred_json(job.at.url, job.at.options, written, plan.groups, state, zarr_format=version)
    return replace(stored, problems=problems_of(plan), targets=targets_of(plan), notes=plan.notes)


def append(adding: Adding) -> ReferenceSet:
    """Add files to a set in place."""
    return adding.run((), lambda: _Stored(adding.found))


class _Stored:
    """A set that is added to."""

    record_size = 100_000

    def __init__(self, found: FoundSet) -> None:
        """Raises NoSuchFile when there is no set."""
        open_any(found.url, storage_options=found.options).close()
        self._found, self.origin = found, origin_of(found)

    def header(self, origin: Origin, headers: Headers) -> ReferenceSet:
        """The set, whose table may wait on the disk."""
        return as_inputs_gave(headers.take(load(self._found.url, storage_options=self._found.options)), origin)

    def carry_out(self, job: Job, plan: Plan) -> ReferenceSet:
        """Write all of it."""
        return carry_out(job, plan)
