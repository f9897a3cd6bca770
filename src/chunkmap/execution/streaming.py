"""A combined set to be written without ever holding all references: what is so of every way of keeping sets.

Memory is that of the inputs' headers, and of some stretches of the result. What is written is, byte for byte, what
`combine` and `write` give. How the stretches are kept is said by `json`, `parquet` and `icechunk` beside this.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from numpy.typing import NDArray

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_arrays
from chunkmap.combining import Inputs, Plan, make_plan
from chunkmap.combining.stretches import Census, carry_out_in_stretches
from chunkmap.execution.mapping import AnyExecutor
from chunkmap.execution.provenance import Origin
from chunkmap.io.filesystem import Located
from chunkmap.logs import logger
from chunkmap.model import ArrayInStretches, ChunkManifest, ManifestArray, Problem, ReferenceSet, Stretch, Target
from chunkmap.model.edits import inline_chunks
from chunkmap.storage import explicit_ranges, store_for, whole_files
from chunkmap.storage.states import State

__all__ = ["Finish", "Job", "finished", "problems_of", "targets_of"]

_LOG: Final = logger("combine")
_WRITTEN: Final = logger("write")

_ROWS: Final = 1 << 20
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
        plan = self.plan(inputs)
        for finding in plan.notes:
            _LOG.info("%s", finding)
        refs: ReferenceSet = store_for(self.at).appending.carry_out(self, plan)
        _WRITTEN.info("%s: wrote %d arrays, at most %d chunks", self.at.url, len(refs.arrays), refs.nchunks)
        return refs

    def plan(self, inputs: Inputs) -> Plan:
        """Where everything goes."""
        return make_plan(inputs, self.origin.recipe, self.read)

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
