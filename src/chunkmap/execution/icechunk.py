"""Reference sets into Icechunk: a new set, or more of the same onto the one that is there, in one transaction.

Appending is combining: the plan is made of what the store holds and of the new sets, and refuses what `combine` would
refuse. Old references stay where they are; only new ones are set, coordinates are written anew, and arrays made longer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_arrays
from chunkmap.combining import Inputs, Plan, Recipe, make_plan
from chunkmap.combining import carry_out as carry_out_plan
from chunkmap.combining.plan import ArrayPlan, Part
from chunkmap.combining.stretches import refused, whole_arrays
from chunkmap.errors import CombineError
from chunkmap.execution.appending import Adding
from chunkmap.execution.arguments import AnySet, opened
from chunkmap.execution.bars import steps
from chunkmap.execution.order_of_inputs import next_index, refuse_other_order
from chunkmap.execution.streaming import Job, problems_of, targets_of
from chunkmap.model import ArrayMeta, ChunkManifest, Finding, ManifestArray, Placement, ReferenceSet, place
from chunkmap.model.edits import inline, uneven_apart
from chunkmap.model.trimming import trim_axis
from chunkmap.model.wording import counted
from chunkmap.storage import ICECHUNK, Icechunk, load, with_explicit_ranges

__all__ = ["append", "append_to_icechunk", "carry_out", "to_icechunk"]


def to_icechunk(
    refs: AnySet,
    store: Icechunk,
    *,
    group: str | None = None,
    append_dim: str | Sequence[str] | None = None,
    overwrite: bool = False,
    remote_options: Mapping[str, Any] | None = None,
    uneven_group: str | None = None,
    **how: Any,
) -> None:
    """Write a reference set into Icechunk: chunks become virtual references with checksums, inline bytes native chunks.

    `store` is an `IcechunkStore` or a writable session, which its owner commits, or a `Repository`, whose branch `main`
    is written to and committed. A group that is not empty is refused, unless it shall be replaced (`overwrite`), or
    appended to: with `append_dim`, the set is what the store holds, further on along that dimension, and `how` says
    more of it as for `combine` (`coo_map`, `identical_dims`, `waive`...). Coordinates of the set are read with
    `remote_options`, those of the store through its repository. `uneven_group` is that of `write`.

    Raises StorageError for what Icechunk cannot hold, and for files that no virtual chunk container of the repository
    holds; CombineError for a set that does not fit. Nothing is written then.
    """
    path, [new] = (group or "").strip("/"), opened([refs], None)
    if append_dim is None:
        if how:
            raise TypeError(f"to_icechunk() takes {sorted(how)} only together with append_dim")
        new = new if uneven_group is None else uneven_apart(new, uneven_group)
        ICECHUNK.writing.write_icechunk(with_explicit_ranges(new), store, group=path, overwrite=overwrite)
        return
    recipe = Recipe(concat_dims=append_dim, uneven_group=uneven_group, **how)
    append_to_icechunk(store, [new], recipe, Fetcher(storage_options=remote_options).learn([new]), group=path)


def carry_out(job: Job, plan: Plan) -> ReferenceSet:
    """Write what was planned into a repository, which takes a set that is held as a whole; gives that set."""
    finish = job.finish(plan)
    arrays = {
        path: ManifestArray(array.meta, finish(path, array.manifest()))
        for path, array in carry_out_plan(plan, job.read).items()
    }
    refs = ReferenceSet(arrays, plan.groups, problems_of(plan), targets_of(plan), job.at.url, notes=plan.notes)
    ICECHUNK.writing.write_icechunk(refs, job.at, overwrite=True)
    return refs


def append(adding: Adding) -> ReferenceSet:
    """Add files to the set in a repository, small chunks held inline as they were said to be."""
    module = ICECHUNK.writing
    module.check_lists(adding.where)
    origin, found = adding.origin({}), adding.found
    with steps(adding.scanning.progress) as begin:
        sets = adding.scanning.run(adding.urls, progress=begin("scanning"))
    adding.fetcher.learn(sets)
    new = [inline(refs, adding.fetcher.fetch, threshold=origin.inline_threshold) for refs in sets]
    repository, recipe = module.repository_of(found.url, found.options), adding.recipe(origin)
    notes = append_to_icechunk(repository, new, recipe, adding.fetcher)
    return replace(load(found.url, storage_options=found.options), notes=notes)


def append_to_icechunk(
    target: Any, sets: Sequence[ReferenceSet], recipe: Recipe, fetcher: Fetcher, *, group: str = ""
) -> tuple[Finding, ...]:
    """Add sets to the one in a group of a store, or in the repository of a place.

    Where that has chunks of several lengths, the new ones keep theirs too, whatever the recipe says.

    Gives what was decided on the way. Raises CombineError naming the inputs that do not fit.
    """
    module = ICECHUNK.writing
    new = [module.as_stored(with_explicit_ranges(refs)) for refs in sets]
    read = partial(read_arrays, fetcher=fetcher)
    with module.appending(target, new, group) as longer:
        if not longer.old.arrays:
            raise CombineError(
                f"{longer.old.name}: there is nothing to append to; write the first set without append_dim"
            )
        if any(array.meta.edges for array in longer.old.arrays.values()):
            recipe = replace(recipe, zarr_format=3)
        plan = make_plan(Inputs([longer.old, *new], combined=1, first=next_index(longer.old, recipe)), recipe, read)
        refuse_other_order(plan, str(longer.old.name))
        referred = {path: array_plan for path, array_plan in plan.arrays.items() if array_plan.load is None}
        for path, array_plan in referred.items():
            module.written_and_read(path, array_plan.meta)
            _check_stays(array_plan, longer.old)
        added = {path: _added(array_plan, recipe) for path, array_plan in referred.items()}
        _write(longer, plan, dict(whole_arrays(plan, read)), added)
    return plan.notes


def _check_stays(array_plan: ArrayPlan, old: ReferenceSet) -> None:
    """Raise CombineError where stored chunks would move, or where cells of the longer array would be nobody's."""
    path, parts = array_plan.path, array_plan.parts
    stored = [part for part in parts if part.index == 0]
    grid_shape = array_plan.meta.grid_shape
    if any(not _is_at_origin(part) for part in stored) or (
        stored and (path not in old.arrays or not _keeps_chunks(old.arrays[path].meta, array_plan.meta))
    ):
        raise CombineError(
            f"{path}: chunks that {old.name} holds would have to move, or be cut: what is appended must come after it,"
            " in chunks that go on where its chunks end. Combine all inputs, and write the set again"
        )
    covered = sum(math.prod(part.array.meta.grid_shape) for part in parts)
    gaps = math.prod(grid_shape) - covered
    if gaps > 0:
        raise CombineError(
            f"{path}: {counted(gaps, 'chunk')} would be in none of the inputs. Append what covers them too, or combine"
            " all inputs and write the set again"
        )


def _is_at_origin(part: Part) -> bool:
    return all(
        cell == 0 if isinstance(cell, int) else bool((cell == np.arange(len(cell))).all()) for cell in part.cells
    )


def _keeps_chunks(old: ArrayMeta, longer: ArrayMeta) -> bool:
    """Whether each cell of a stored array is as long as before, or its chunk is cut when it is decoded."""
    if len(old.shape) != len(longer.shape):
        return False
    for axis, (before, after) in enumerate(zip(old.axes, longer.axes, strict=True)):
        if before == after:
            continue
        cells = np.arange(old.grid_shape[axis])
        held, wanted = before.lengths(cells), after.lengths(cells)
        if bool((held < wanted).any()) or (axis != trim_axis(longer) and bool((held > wanted).any())):
            return False
    return True


def _added(array_plan: ArrayPlan, recipe: Recipe) -> ChunkManifest:
    """The chunks of the new sets, where they go in the longer array."""
    parts = [Placement(part.array.manifest(), part.cells) for part in array_plan.parts if part.index]
    try:
        return place(array_plan.meta.grid_shape, parts, last_wins="overlap" in recipe.waive)
    except ValueError as error:
        raise refused(array_plan, error) from error


def _write(longer: Any, plan: Plan, whole: Mapping[str, ManifestArray], added: Mapping[str, ChunkManifest]) -> None:
    """Arrays that are held inline are written anew, to the others chunks are added."""
    writer, old = longer.writer, longer.old
    for path in whole:
        if path in old.arrays:
            writer.remove(path)
    metas = {path: array.meta for path, array in whole.items()} | {path: plan.arrays[path].meta for path in added}
    groups = {path: own for path, own in plan.groups.items() if path not in old.groups}
    with writer.described(metas, groups, old.groups, old.targets):
        for path, array in whole.items():
            writer.set_chunks(path, array.manifest())
        for path, chunks in added.items():
            writer.set_chunks(path, chunks)
