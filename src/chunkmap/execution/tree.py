"""Combining as a tree on Dask: scan every file, combine in batches, combine the results.

Tables travel between workers, 20 bytes a chunk, not dictionaries.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dask.base import compute
from dask.delayed import delayed

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_arrays
from chunkmap.combining import Recipe, combine_sets
from chunkmap.model import ReferenceSet
from chunkmap.model.edits import inline

__all__ = ["Tree", "reduce_on_dask"]

_SHARES: Final = 4
"""Tasks that scan, for each thread of the cluster: so that one that is slow holds up little, and few tables travel from
worker to worker. A task, and the way of its tables, cost about as much as scanning a file does."""

_MOST_FILES: Final = 64
"""Files that one task scans, at most: what is lost when a worker dies."""

_THREADS: Final = 16
"""Threads that are reckoned with, where a cluster has none yet."""

ScanOne = Callable[[str], ReferenceSet | Sequence[ReferenceSet]]
Step = Callable[[ReferenceSet], ReferenceSet]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What every worker does."""

    scan: ScanOne
    """One file -> its set, or its sets."""
    recipe: Recipe
    preprocess: Step | None = None
    """Done to every set before the first combine."""
    postprocess: Step | None = None
    """Done once, to the result."""
    inline_threshold: int = 0
    """Chunks of fewer bytes are held inline in the result."""
    remote_options: Mapping[str, Any] | None = None
    remote_protocol: str | None = None

    def leaf(self, urls: Sequence[str]) -> list[ReferenceSet]:
        """Scan a few files and prepare what was found."""
        found = [self.scan(url) for url in urls]
        sets = [refs for one in found for refs in ([one] if isinstance(one, ReferenceSet) else one)]
        return sets if self.preprocess is None else [self.preprocess(refs) for refs in sets]

    def branch(self, leaves: Sequence[Sequence[ReferenceSet]], first: int) -> ReferenceSet:
        """Combine one batch; `first` is the place of its first file among all."""
        sets = [refs for leaf in leaves for refs in leaf]
        fetcher = self._fetcher().learn(sets)
        return combine_sets(sets, self.recipe, lambda arrays: read_arrays(arrays, fetcher), first=first)

    def root(self, branches: Sequence[ReferenceSet]) -> ReferenceSet:
        """Combine the batches, and finish the result."""
        fetcher = self._fetcher().learn(branches)
        refs = combine_sets(
            branches, self.recipe.again(), lambda arrays: read_arrays(arrays, fetcher), combined=len(branches)
        )
        if self.inline_threshold:
            refs = inline(refs, fetcher.fetch, threshold=self.inline_threshold)
        return refs if self.postprocess is None else self.postprocess(refs)

    def _fetcher(self) -> Fetcher:
        return Fetcher(storage_options=self.remote_options, remote_protocol=self.remote_protocol)


def reduce_on_dask(urls: Sequence[str], tree: Tree, *, batches: int) -> ReferenceSet:
    """Run the tree where Dask runs: on the cluster of the current client, or on this machine."""
    size = max(1, math.ceil(len(urls) / max(1, batches)))
    leaf, branch, root = (delayed(step, pure=False) for step in (tree.leaf, tree.branch, tree.root))
    few = max(1, min(_MOST_FILES, len(urls) // (_SHARES * _threads())))
    parts = []
    for first in range(0, len(urls), size):
        own = urls[first : first + size]
        parts.append(branch([leaf(own[i : i + few]) for i in range(0, len(own), few)], first))
    result: ReferenceSet = compute(root(parts))[0]  # type: ignore[no-untyped-call]
    return result


def _threads() -> int:
    """How many threads Dask has, there or here."""
    try:
        from distributed import default_client  # noqa: PLC0415 - slow to import, and not there without a cluster

        return sum(default_client().nthreads().values()) or _THREADS  # type: ignore[no-untyped-call]
    except (ImportError, ValueError):  # no cluster
        return os.cpu_count() or 1
