"""A combined set to be written without ever holding all references: what is so of every way of keeping sets.

Memory is that of the inputs' headers, and of some stretches of the result. What is written is, byte for byte, what
`combine` and `write` give. How the stretches are kept is said by `json`, `parquet` and `icechunk` beside this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from numpy.typing import NDArray

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_arrays
from chunkmap.combining import Inputs, Plan, make_plan
from chunkmap.combining.stretches import Census, Empty, carry_out_in_stretches
from chunkmap.execution.collecting import collected_rarely
from chunkmap.execution.mapping import AnyExecutor
from chunkmap.execution.provenance import Origin
from chunkmap.io.filesystem import Located
from chunkmap.logs import logger
from chunkmap.model import (
    ArrayInStretches,
    ArrayMeta,
    ChunkManifest,
    ManifestArray,
    Problem,
    ReferenceSet,
    Stretch,
    Target,
)
from chunkmap.model.dictionary import ZarrFormat
from chunkmap.model.edits import inline_chunks
from chunkmap.model.portable import in_strict_json
from chunkmap.storage import ICECHUNK, explicit_ranges, store_for, whole_files
from chunkmap.storage.states import State
from chunkmap.storage.verbs import warn_unless_portable

__all__ = ["Finish", "Job", "as_inputs_gave", "before", "finished", "problems_of", "targets_of", "written_down"]

_LOG: Final = logger("combine")
_WRITTEN: Final = logger("write")

_ROWS: Final = 1 << 18
"""Chunks of a stretch of the result that is worked on here."""


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
        with collected_rarely():
            plan = self.plan(inputs)
            for finding in plan.notes:
                _LOG.info("%s", finding)
            refs: ReferenceSet = store_for(self.at).appending.carry_out(self, plan)
        if self.origin.is_portable:
            warn_unless_portable(in_strict_json(refs, self.zarr_format), self.zarr_format)
        _WRITTEN.info("%s: wrote %d arrays, at most %d chunks", self.at.url, len(refs.arrays), refs.nchunks)
        return refs

    def plan(self, inputs: Inputs) -> Plan:
        """Where everything goes."""
        self.fetcher.learn(inputs)
        plan = make_plan(inputs, self.origin.recipe, self.read)
        return plan.in_strict_json(self.zarr_format) if self.origin.is_portable else plan

    @property
    def zarr_format(self) -> ZarrFormat:
        """The version of Zarr in whose words the set is kept."""
        return 3 if store_for(self.at) is ICECHUNK else self.origin.recipe.zarr_format

    def read(self, arrays: Sequence[ManifestArray]) -> Sequence[NDArray[Any]]:
        """Values of arrays, as plans want them."""
        return read_arrays(arrays, self.fetcher)

    def stretches(
        self, plan: Plan, *, multiple: int, only: Callable[[str], Collection[int] | None] | None = None
    ) -> Iterator[tuple[ArrayInStretches, Census | None]]:
        """The arrays of the result, each in stretches of its grid of so many chunks, and what is counted of them."""
        return carry_out_in_stretches(plan, self.read, rows=_ROWS, multiple=multiple, only=only)

    def finish(self, plan: Plan) -> Finish:
        """What is done to every stretch of the result."""
        return Finish(self.fetcher, self.origin.inline_threshold, whole_files(targets_of(plan)))


def before(census: Census, origin: Origin) -> Empty | None:
    """The empty cells of the set that is added to, of which it remembers whether an input covered them; None where
    nothing is added, or nothing remembered.
    """
    old = [part for part in census.array_plan.parts if part.index < census.plan.inputs.combined]
    if not old or not origin.inputs:
        return None
    empty = math.prod(old[0].array.meta.grid_shape) - old[0].array.most_chunks
    return Empty(empty, origin.absent_in_inputs.get(census.array_plan.path, 0))


def written_down(origin: Origin, censuses: Sequence[Census], metas: Mapping[str, ArrayMeta]) -> dict[str, Any]:
    """How a set came about, with what was counted of its arrays: what appending to it must know."""
    absent = {census.array_plan.path: census.absent_in_inputs() for census in censuses}
    filled = tuple(
        census.array_plan.path
        for census in censuses
        if census.array_plan.parts[0].array.meta.fill_value is None
        and metas[census.array_plan.path].fill_value is not None
    )
    absent = {path: number for path, number in absent.items() if number}
    return replace(origin, absent_in_inputs=absent, filled=filled).to_json()


def as_inputs_gave(refs: ReferenceSet, origin: Origin) -> ReferenceSet:
    """A set as it was before cells that no input covered were given a value."""
    arrays = {
        path: array.with_meta(fill_value=None) if path in origin.filled else array
        for path, array in refs.arrays.items()
    }
    return replace(refs, arrays=arrays)


def targets_of(plan: Plan) -> dict[str, Target]:
    """What is known of the files of all inputs."""
    return {url: target for refs in plan.inputs for url, target in refs.targets.items()}


def problems_of(plan: Plan) -> tuple[Problem, ...]:
    """What of the inputs could not be represented."""
    return tuple(problem for refs in plan.inputs for problem in refs.problems)


@dataclass(frozen=True, slots=True)
class Finish:
    """Small chunks are fetched and held inline; whole files become ranges where their size is known."""

    fetcher: Fetcher
    inline_threshold: int
    sizes: Mapping[str, tuple[str, int, int]]

    def __call__(self, path: str, chunks: ChunkManifest) -> ChunkManifest:
        """The chunks of a stretch of an array, as they are written."""
        if self.inline_threshold:
            chunks = inline_chunks(chunks, self.fetcher.fetch, threshold=self.inline_threshold)
        return explicit_ranges(path, chunks, self.sizes)


def finished(array: ArrayInStretches, finish: Finish) -> ArrayInStretches:
    """An array to every stretch of which it is done when it comes."""
    stretches = (Stretch(first, finish(array.path, chunks)) for first, chunks in array.stretches)
    return replace(array, stretches=stretches)
