"""Scanning many files: how it is done, said once for every verb that does it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypedDict

from chunkmap.combining.recipe import HowToCombine
from chunkmap.errors import ChunkmapError, SkippedFiles
from chunkmap.execution.arguments import Step
from chunkmap.execution.cache import ScanCache, scan_with
from chunkmap.execution.mapping import AnyExecutor, Progress, map_ordered
from chunkmap.formats.scanning import scan
from chunkmap.io import expand_urls, is_far
from chunkmap.io.filesystem import limited
from chunkmap.keywords import check_keywords
from chunkmap.model import ReferenceSet

__all__ = ["Cache", "HowToBuild", "HowToScan", "Scanning", "told_apart"]

Cache = str | os.PathLike[str] | ScanCache


class HowToScan(TypedDict, total=False):
    """The keyword arguments that say how many files are scanned, for every verb that makes a set of them."""

    executor: AnyExecutor
    progress: Progress | None
    storage_options: Mapping[str, Any] | None
    on_error: Literal["raise", "skip"]
    cache: Cache | None
    scan_options: Mapping[str, Any] | None
    preprocess: Step | None
    timeout: float | None


class HowToBuild(HowToScan, HowToCombine, total=False):
    """Those of the verbs that scan files and combine them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanning:
    """How many files are scanned. See `chunkmap.scan_many` for what each entry means."""

    executor: AnyExecutor = None
    progress: Progress | None = None
    storage_options: Mapping[str, Any] | None = None
    on_error: Literal["raise", "skip"] = "raise"
    cache: Cache | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """What `scan` is told of every file."""
    preprocess: Step | None = None
    """What is done to every set as it comes."""

    def __post_init__(self) -> None:
        if self.on_error not in {"raise", "skip"}:
            raise ValueError(f"on_error is {self.on_error!r}, expected 'raise' or 'skip'")

    def run(self, urls: str | Iterable[str | os.PathLike[str]], keep: Step | None = None) -> list[ReferenceSet]:
        """The sets of the files; those that are in a cache stay there, and `keep` is done to every one as it comes."""
        files = expand_urls(urls, storage_options=self.storage_options)
        executor = self.executor
        if executor is None and len(files) > 1 and any(map(is_far, files)):
            executor = "threads"
        one = _ScanOne(
            self.storage_options,
            self.on_error == "skip",
            None if self.cache is None else ScanCache.of(self.cache),
            self.options,
        )
        found = map_ordered(
            one, files, executor=executor, progress=self.progress, keep=partial(_kept, steps=(self.preprocess, keep))
        )
        failed = [error for error in found if isinstance(error, ChunkmapError)]
        if failed:
            warnings.warn(SkippedFiles(failed, len(files)), stacklevel=3)
        return [refs for refs in found if isinstance(refs, ReferenceSet)]


@dataclass(frozen=True, slots=True)
class _ScanOne:
    """What a worker does: it is sent this, and a URL."""

    storage_options: Mapping[str, Any] | None
    skip: bool
    cache: ScanCache | None
    options: Mapping[str, Any]

    def __call__(self, url: str) -> ReferenceSet | ChunkmapError:
        try:
            if self.cache is not None:
                return scan_with(self.cache, url, storage_options=self.storage_options, options=self.options)
            return scan(url, storage_options=self.storage_options, **self.options)
        except ChunkmapError as error:
            if self.skip:
                return error
            raise


def _kept(found: ReferenceSet | ChunkmapError, steps: Sequence[Step | None]) -> ReferenceSet | ChunkmapError:
    for step in steps:
        if step is not None and isinstance(found, ReferenceSet):
            found = step(found)
    return found


def told_apart(verb: str, how: HowToBuild) -> tuple[Scanning, HowToCombine]:
    """How files are scanned, and how what is found is combined.

    Raises TypeError for an argument that says nothing of either, naming the one that was meant.
    """
    check_keywords(verb, how, HowToBuild, all_say="how to scan and to combine")
    scanning: Any = {name: value for name, value in how.items() if name in HowToScan.__annotations__}
    combining: Any = {name: value for name, value in how.items() if name not in scanning}
    options, timeout = scanning.pop("scan_options", None) or {}, scanning.pop("timeout", None)
    scanning["storage_options"] = limited(scanning.get("storage_options"), timeout)
    return Scanning(**scanning, options=options), combining
