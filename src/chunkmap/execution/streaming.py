"""Combine and write without ever holding all references: each partition once, in order, from the inputs it touches.

Memory is that of the inputs' headers, and of some stretches of the result. What is written is, byte for byte, what
`combine` and `write` give.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_arrays
from chunkmap.combining import Inputs, Plan, carry_out, make_plan
from chunkmap.combining.stretches import (
    Census,
    Count,
    Empty,
    StretchPlan,
    carry_out_in_stretches,
    refused,
    stretches,
    whole_arrays,
)
from chunkmap.errors import StorageError
from chunkmap.execution.mapping import AnyExecutor, map_ordered
from chunkmap.execution.provenance import Origin
from chunkmap.io.filesystem import Located
from chunkmap.model import ArrayInStretches, ChunkManifest, ManifestArray, ReferenceSet, Stretch, in_one_stretch
from chunkmap.model.edits import inline_chunks
from chunkmap.storage import ICECHUNK, PARQUET, FoundSet, explicit_ranges, open_set, store_for, whole_files
from chunkmap.storage.json.deferred import deferred_json
from chunkmap.storage.json.writing import write_json_in_stretches
from chunkmap.storage.parquet.chunks import partition_name
from chunkmap.storage.parquet.partition import check_rows
from chunkmap.storage.parquet.sidecar import PartitionRecord, checksum
from chunkmap.storage.parquet.writing import About, ParquetWriter, encode_stretch, replacing_set
from chunkmap.storage.publishing import Stage, write_part
from chunkmap.storage.states import State

__all__ = ["Job", "Kept"]

_ROWS: Final = 1 << 20
"""Chunks of a stretch of the result that is worked on here."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One combined set to be written."""

    at: Located
    origin: Origin
    fetcher: Fetcher
    record_size: int
    executor: AnyExecutor = None
    """Who writes the partitions."""
    expected: State | None = None
    """The state of the set that is added to, which nobody else may have replaced meanwhile."""

    def write(self, inputs: Inputs) -> ReferenceSet:
        """Combine and write, in place of the set that is there, whole or not at all. Gives the stored set.

        Raises CombineError for inputs that do not fit.
        """
        kind = store_for(self.at).name
        return self.carry_out(self.plan(inputs), kind)

    def plan(self, inputs: Inputs) -> Plan:
        """Where everything goes."""
        return make_plan(inputs, self.origin.recipe, self._read)

    def carry_out(self, plan: Plan, kind: str, kept: Kept | None = None) -> ReferenceSet:
        """Write what was planned; `kept` stays as it is."""
        return replace(self._written(plan, kind, kept), notes=plan.notes)

    def _written(self, plan: Plan, kind: str, kept: Kept | None) -> ReferenceSet:
        about = About(
            plan.groups,
            {url: target for refs in plan.inputs for url, target in refs.targets.items()},
            tuple(problem for refs in plan.inputs for problem in refs.problems),
        )
        finish = _Finish(self.fetcher, self.origin.inline_threshold, whole_files(about.targets))
        if kind == "icechunk":
            return self._write_repository(plan, about, finish)
        if kind == "json":
            arrays = carry_out_in_stretches(plan, self._read, rows=_ROWS, multiple=1)
            version, finished = plan.recipe.zarr_format, (_finished(array, finish) for array, _ in arrays)
            written, state = write_json_in_stretches(
                finished, about.groups, self.at, zarr_format=version, expected=self.expected
            )
            url, options = self.at.url, self.at.options
            stored = deferred_json(url, options, written, about.groups, state, zarr_format=version)
            return replace(stored, problems=about.problems, targets=about.targets)
        names = None if kept is None else kept.names()
        with replacing_set(self.at, keeping=names, expected=self.expected) as stage:
            writer = ParquetWriter(stage, self.record_size)
            road = self._write_here if self.executor is None else self._write_on_workers
            tallies = road(plan, writer, finish, kept)
            writer.finish(replace(about, origin=self._origin(writer, tallies)))
        return open_set(FoundSet(PARQUET, self.at.url, self.at.options))

    def _write_repository(self, plan: Plan, about: About, finish: _Finish) -> ReferenceSet:
        """The same in an Icechunk repository, which takes a set that is held as a whole; gives that set."""
        arrays = {
            path: ManifestArray(array.meta, finish(path, array.manifest()))
            for path, array in carry_out(plan, self._read).items()
        }
        refs = ReferenceSet(arrays, about.groups, about.problems, about.targets, self.at.url)
        ICECHUNK.functions().write_icechunk(refs, self.at, overwrite=True)
        return refs

    def _write_here(self, plan: Plan, writer: ParquetWriter, finish: _Finish, kept: Kept | None) -> list[Census]:
        only = None if kept is None else kept.changed.get
        tallies = []
        for array, census in carry_out_in_stretches(plan, self._read, rows=_ROWS, multiple=self.record_size, only=only):
            if census is None:
                writer.write(_finished(array, finish))
                continue
            records = _begin(census, kept, self.origin)
            writer.write(_finished(array, finish), records)
            tallies.append(census)
        return tallies

    def _write_on_workers(self, plan: Plan, writer: ParquetWriter, finish: _Finish, kept: Kept | None) -> list[Census]:
        """The same, the partitions being placed, encoded and written by whoever runs the tasks."""
        for path, array in whole_arrays(plan, self._read):
            writer.write(_finished(in_one_stretch(path, array), finish))
        tallies = [Census(plan, array_plan) for array_plan in plan.arrays.values() if array_plan.load is None]
        found = [_begin(census, kept, self.origin) for census in tallies]
        tasks = [
            (number, self._task(census, stretch, finish, writer.stage))
            for number, census in enumerate(tallies)
            for stretch in stretches(
                plan,
                census.array_plan,
                rows=_ROWS_TO_SEND,
                multiple=self.record_size,
                only=None if kept is None else kept.changed.get(census.array_plan.path),
            )
        ]
        results = map_ordered(_Writing.run, [task for _, task in tasks], executor=self.executor)
        for (number, _), result in zip(tasks, results, strict=True):
            if result is None:
                raise refused(tallies[number].array_plan, ValueError("two chunks stand in one cell of the grid"))
            count, records = result
            tallies[number].counts.append(count)
            found[number].update(records)
        for census, records in zip(tallies, found, strict=True):
            _check_written(writer.stage, census.array_plan.path, records)
            writer.add(census.array_plan.path, census.meta(), records)
        writer.sort([*plan.axes, *plan.arrays])
        return tallies

    def _task(self, census: Census, stretch: StretchPlan, finish: _Finish, stage: Stage) -> _Writing:
        path = census.array_plan.path
        numbers = range(stretch.cells.start // self.record_size, -(-stretch.cells.stop // self.record_size))
        files = {number: stage.file(partition_name(path, number)) for number in numbers}
        plan = census.plan  # a set that is at rest has no whole files of known size any more
        inputs = [plan.inputs[part.index] for part in stretch.parts if part.index >= plan.inputs.combined]
        sizes = whole_files({url: target for refs in inputs for url, target in refs.targets.items()})
        return _Writing(path, stretch.trimmed(), replace(finish, sizes=sizes), self.record_size, files)

    def _read(self, arrays: Any) -> list[Any]:
        return read_arrays(arrays, self.fetcher)

    def _origin(self, writer: ParquetWriter, tallies: list[Census]) -> dict[str, Any]:
        absent = {census.array_plan.path: census.absent_in_inputs() for census in tallies}
        filled = tuple(
            census.array_plan.path
            for census in tallies
            if census.array_plan.parts[0].array.meta.fill_value is None
            and writer.metas[census.array_plan.path].fill_value is not None
        )
        absent = {path: number for path, number in absent.items() if number}
        return replace(self.origin, absent_in_inputs=absent, filled=filled).to_json()


def _begin(census: Census, kept: Kept | None, origin: Origin) -> dict[int, PartitionRecord]:
    """The partitions of an array that are there already, counted."""
    path = census.array_plan.path
    records = {} if kept is None else dict(kept.records.get(path, {}))
    present = sum(record.chunks for record in records.values())
    census.counts.append(Count(present, present))
    old = [part for part in census.array_plan.parts if part.index < census.plan.inputs.combined]
    if kept is not None and old and origin.inputs:
        empty = math.prod(old[0].array.meta.grid_shape) - old[0].array.most_chunks
        census.before = Empty(empty, origin.absent_in_inputs.get(path, 0))
    return records


def _check_written(stage: Stage, path: str, records: Mapping[int, PartitionRecord]) -> None:
    """Workers that share no directory with the caller write into one of their own."""
    for number, record in records.items():
        at = stage.file(partition_name(path, number))
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
    finish: _Finish
    record_size: int
    files: Mapping[int, Located]
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


# ---------------------------------------------------------------------- what is done to every stretch


@dataclass(frozen=True, slots=True)
class _Finish:
    """Small chunks are fetched and held inline; whole files become ranges where their size is known."""

    fetcher: Fetcher
    inline_threshold: int
    sizes: Mapping[str, tuple[str, int, int]]

    def __call__(self, path: str, chunks: ChunkManifest) -> ChunkManifest:
        if self.inline_threshold:
            chunks = inline_chunks(chunks, self.fetcher.fetch, threshold=self.inline_threshold)
        return explicit_ranges(path, chunks, self.sizes)


def _finished(array: ArrayInStretches, finish: _Finish) -> ArrayInStretches:
    stretches = (Stretch(first, finish(array.path, chunks)) for first, chunks in array.stretches)
    return replace(array, stretches=stretches)
