"""A combined set as Parquet, and files added to one: each partition is written once, from the inputs that touch it.

Of a set that is added to, only the partitions that change are written again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from chunkmap.combining import Plan
from chunkmap.combining.stretches import (
    Census,
    Count,
    StretchPlan,
    refused,
    stays,
    stretches,
    touched,
    whole_arrays,
)
from chunkmap.errors import StorageError
from chunkmap.execution.appending import Adding
from chunkmap.execution.headers import Headers
from chunkmap.execution.mapping import map_ordered
from chunkmap.execution.provenance import Origin
from chunkmap.execution.streaming import (
    Finish,
    Job,
    as_inputs_gave,
    before,
    finished,
    problems_of,
    targets_of,
    written_down,
)
from chunkmap.io.threads import Ahead
from chunkmap.model import ReferenceSet, Stretch, in_one_stretch
from chunkmap.storage import PARQUET, FoundSet, open_set, whole_files
from chunkmap.storage.about import About
from chunkmap.storage.checksum import checksum
from chunkmap.storage.journal import Place
from chunkmap.storage.parquet.chunks import PartitionedChunks, partition_name
from chunkmap.storage.parquet.partition import check_rows
from chunkmap.storage.parquet.reading import PartitionedSet
from chunkmap.storage.parquet.sidecar import PartitionRecord
from chunkmap.storage.parquet.writing import WHOLE_SET, ParquetWriter, encode_stretch, replacing_set
from chunkmap.storage.publishing import Stage, write_part

__all__ = ["append", "carry_out"]

_ROWS_TO_SEND: Final = 1 << 18
"""Chunks of a stretch of the result that a worker is handed."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Partitions of an old set that stand unchanged in the new one, and which of an array are not among them."""

    records: Mapping[str, Mapping[int, PartitionRecord]]
    changed: Mapping[str, Collection[int]]

    def names(self) -> list[str]:
        """The files."""
        return [partition_name(path, number) for path, records in self.records.items() for number in records]


def carry_out(job: Job, plan: Plan, kept: Kept | None = None) -> ReferenceSet:
    """Write what was planned; `kept` stays as it is. Gives the stored set."""
    about = About(targets_of(plan), problems_of(plan))
    names = None if kept is None else kept.names()
    with replacing_set(job.at, keeping=names, expected=job.expected) as stage, Ahead() as ahead:
        making = _Making(job, plan, kept, _writer(stage, job, ahead), job.finish(plan))
        censuses = making.here() if job.executor is None else making.on_workers()
        ahead.settle()
        making.writer.finish(plan.groups, replace(about, origin=making.origin(censuses)))
    return replace(open_set(FoundSet(PARQUET, job.at.url, job.at.options)), notes=plan.notes)


def _writer(stage: Stage, job: Job, ahead: Ahead) -> ParquetWriter:
    """Who writes what the workers do not."""
    return ParquetWriter(stage, job.record_size, ahead if job.executor is None else None)


@dataclass(frozen=True, slots=True)
class _Making:
    """A set in the making."""

    job: Job
    plan: Plan
    kept: Kept | None
    writer: ParquetWriter
    finish: Finish

    def here(self) -> list[Census]:
        """Write all arrays; gives what was counted of those that were placed."""
        job, only = self.job, None if self.kept is None else self.kept.changed.get
        censuses = []
        for array, census in job.stretches(self.plan, multiple=job.record_size, only=only):
            if census is None:
                self.writer.write(finished(array, self.finish))
                continue
            self.writer.write(finished(array, self.finish), self._begin(census))
            censuses.append(census)
        return censuses

    def on_workers(self) -> list[Census]:
        """The same, the partitions being placed, encoded and written by whoever runs the tasks."""
        plan, writer = self.plan, self.writer
        for path, array in whole_arrays(plan, self.job.read):
            writer.write(finished(in_one_stretch(path, array), self.finish))
        censuses = [Census(plan, array_plan) for array_plan in plan.arrays.values() if array_plan.load is None]
        found = [self._begin(census) for census in censuses]
        tasks = [
            (number, self._task(census, stretch))
            for number, census in enumerate(censuses)
            for stretch in stretches(
                plan,
                census.array_plan,
                rows=_ROWS_TO_SEND,
                multiple=self.job.record_size,
                only=None if self.kept is None else self.kept.changed.get(census.array_plan.path),
            )
        ]
        results = map_ordered(_Writing.run, [task for _, task in tasks], executor=self.job.executor)
        for (number, _), result in zip(tasks, results, strict=True):
            if result is None:
                raise refused(censuses[number].array_plan, ValueError("two chunks stand in one cell of the grid"))
            count, records = result
            censuses[number].counts.append(count)
            found[number].update(records)
        for census, records in zip(censuses, found, strict=True):
            _check_written(writer.stage, census.array_plan.path, records)
            writer.add(census.array_plan.path, census.meta(), records)
        writer.sort([*plan.axes, *plan.arrays])
        return censuses

    def _task(self, census: Census, stretch: StretchPlan) -> _Writing:
        path, size = census.array_plan.path, self.job.record_size
        numbers = range(stretch.cells.start // size, -(-stretch.cells.stop // size))
        files = {number: self.writer.stage.place(partition_name(path, number)) for number in numbers}
        plan = census.plan  # a set that is at rest has no whole files of known size any more
        inputs = [plan.inputs[part.index] for part in stretch.parts if part.index >= plan.inputs.combined]
        sizes = whole_files({url: target for refs in inputs for url, target in refs.targets.items()})
        return _Writing(path, stretch.trimmed(), replace(self.finish, sizes=sizes), size, files)

    def _begin(self, census: Census) -> dict[int, PartitionRecord]:
        """The partitions of an array that are there already, counted."""
        path, kept = census.array_plan.path, self.kept
        records = {} if kept is None else dict(kept.records.get(path, {}))
        present = sum(record.chunks for record in records.values())
        census.counts.append(Count(present, present))
        census.before = None if kept is None else before(census, self.job.origin)
        return records

    def origin(self, censuses: list[Census]) -> dict[str, Any]:
        """How the set came about, as it is written down."""
        return written_down(self.job.origin, censuses, self.writer.metas)


def _check_written(stage: Stage, path: str, records: Mapping[int, PartitionRecord]) -> None:
    """Workers that share no directory with the caller write into one of their own."""
    for number, record in records.items():
        at = stage.place(partition_name(path, number)).at
        if at.is_local and not (Path(at.path).is_file() and Path(at.path).stat().st_size == record.nbytes):
            raise StorageError(
                f"{at.path}: expected a file of {record.nbytes} bytes from a worker, but it is not there; the"
                " workers need a directory that they share with the caller. Write to one, or to an object store"
            )


@dataclass(frozen=True, slots=True)
class _Writing:
    """A stretch of one array: placed, encoded and written by whoever runs it."""

    path: str
    plan: StretchPlan
    finish: Finish
    record_size: int
    files: Mapping[int, Place]
    """Where each partition goes."""

    def run(self) -> tuple[Count, dict[int, PartitionRecord]] | None:
        """What was written; None where two inputs claim one cell."""
        try:
            chunks, count = self.plan.place()
        except StorageError:
            raise
        except ValueError:
            return None
        grid_shape = self.plan.grid_shape
        filled = Stretch(self.plan.cells.start, self.finish(self.path, chunks))
        check_rows(self.path, filled.chunks, filled.first, grid_shape)
        records = {}
        for number, present, data in encode_stretch(filled, self.record_size, math.prod(grid_shape)):
            write_part(self.files[number], [data])
            records[number] = PartitionRecord(present, len(data), checksum(data))
        return count, records


# ---------------------------------------------------------------------- more of the same


def append(adding: Adding) -> ReferenceSet:
    """Add files to a set in place."""
    return adding.run(WHOLE_SET, lambda: _Stored(PartitionedSet(adding.found)))


class _Stored:
    """A set that is added to, of which only what changes is written again."""

    def __init__(self, stored: PartitionedSet) -> None:
        self._stored, self.record_size, self.origin = stored, stored.record_size, stored.origin

    def header(self, origin: Origin, headers: Headers) -> ReferenceSet:  # noqa: ARG002 - its chunks wait where they are
        """The set as it was before cells that no input covered were given a value."""
        return as_inputs_gave(self._stored.deferred(), origin)

    def carry_out(self, job: Job, plan: Plan) -> ReferenceSet:
        """Write what changes."""
        return carry_out(job, plan, _kept(plan, self._stored))


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
