"""Scanning many files: how it is done, said once for every verb that does it.

What looks into a cache, and what spreads files over processes, is loaded by who has a cache or more files than one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from chunkmap.errors import ChunkmapError, SkippedFiles
from chunkmap.execution.bars import steps
from chunkmap.execution.cache import ScanCache
from chunkmap.execution.mapping import AnyExecutor, Progress, map_ordered
from chunkmap.formats.scanning import scan
from chunkmap.io import expand_urls, is_far
from chunkmap.io.engines import Engine
from chunkmap.io.filesystem import limited
from chunkmap.io.granules import Nameable, listed, options_with
from chunkmap.model import Precedent, ReferenceSet
from chunkmap.settings import settings
from chunkmap.warning import warn_caller

if TYPE_CHECKING:
    from chunkmap.execution.arguments import Step

__all__ = ["Cache", "Scanning", "scan_many"]

Cache = str | os.PathLike[str] | ScanCache
Found = ReferenceSet | ChunkmapError

_STOPPED: Final = "Stopped; nothing half-written is left."


def scan_many(
    urls: Nameable | Iterable[Nameable],
    *,
    executor: AnyExecutor = None,
    workers: int | None = None,
    progress: Progress | bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    cache: Cache | None = None,
    timeout: float | None = None,
    engine: Engine | None = None,
    **options: Any,
) -> list[ReferenceSet]:
    """Scan many files; the sets come back in the order of the URLs. Wildcards in them are expanded;
    what other libraries have for files is taken as `scan` takes it, an item of STAC with all its assets that are data.

    `executor` runs the scans (see `chunkmap.execution.mapping`). Without one, files on servers are scanned on threads,
    so that their waiting overlaps. Files of this machine are scanned one after another, and where that would take more
    than two seconds by as many processes as there are cores, or by at most so many `workers`; this one is the first of
    them, so 1 starts none.

    `options` go to `scan`. A file that cannot be scanned raises its error; with `on_error="skip"` it is left out, and a
    warning names it.

    `progress` is called with the number of files done and of all; True draws a bar, where there is a terminal or a
    notebook to draw it in (extra `cli`).

    `cache` is a directory, here or wherever fsspec writes, in which what was found in every file is kept: a file that
    was scanned before, and has not changed since, is not scanned again. Servers may be silent for `timeout` seconds at
    a time, 30 by default: see `chunkmap`; `engine` is what fetches ranges, see `scan`.
    """
    files = listed(urls)
    scanning = Scanning(
        executor=executor,
        workers=workers,
        progress=progress,
        storage_options=limited(options_with(files) if storage_options is None else storage_options, timeout, engine),
        on_error=on_error,
        cache=cache,
        options=options,
    )
    with steps(scanning.progress) as begin:
        found = scanning.run(files, progress=begin("scanning"))
    return [refs.loaded() for refs in found] if scanning.cache is not None else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanning:
    """How many files are scanned. See `chunkmap.scan_many` for what each entry means."""

    executor: AnyExecutor = None
    workers: int | None = None
    progress: Progress | bool | None = None
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
        if self.cache is None:
            object.__setattr__(self, "cache", settings().get("cache"))
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers is {self.workers!r}, expected 1 or more, or None for one a core")

    def run(
        self,
        urls: Nameable | Iterable[Nameable],
        keep: Step | None = None,
        *,
        progress: Progress | None = None,
    ) -> list[ReferenceSet]:
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
            Precedent(are_parsed=True) if keep is not None and self.preprocess is None else None,  # else it may change
        )
        kept = partial(_kept, todo=(self.preprocess, keep))
        try:
            if len(files) > 1:
                found = self._scan_many(one, files, executor, kept, progress)
            else:
                found = map_ordered(one, files, executor=executor, progress=progress, keep=kept)
        except KeyboardInterrupt as stop:
            stop.add_note(self.how_to_resume)
            raise
        failed = [error for error in found if isinstance(error, ChunkmapError)]
        if failed:
            warn_caller(SkippedFiles(failed, len(files)))
        return [refs for refs in found if isinstance(refs, ReferenceSet)]

    def _scan_many(
        self,
        one: _ScanOne,
        files: Sequence[str],
        executor: AnyExecutor,
        keep: Callable[[Found], Found],
        progress: Progress | None,
    ) -> list[Found]:
        """What is found in every file, by an executor, or by this process and by others as well."""
        from chunkmap.execution.collecting import collected_rarely  # noqa: PLC0415 - of one file it finds little

        with collected_rarely():
            if executor is not None:
                return map_ordered(one, files, executor=executor, progress=progress, keep=keep)
            from chunkmap.execution.bundles import bundled, unbundled  # noqa: PLC0415 - processes
            from chunkmap.execution.spreading import spread  # noqa: PLC0415

            found: list[Found] = []
            pack = partial(bundled, share=one.precedent is not None)
            with closing(spread(one, files, workers=self.workers, pack=pack, unpack=unbundled)) as results:
                for result in results:
                    found.append(keep(result))
                    if progress is not None:
                        progress(len(found), len(files))
            return found

    @property
    def how_to_resume(self) -> str:
        """What to do after an interruption."""
        if self.cache is None:
            return f"{_STOPPED} With cache='DIR', what was scanned is kept, and a second run scans only what is new"
        kept = getattr(self.cache, "url", self.cache)
        return f"{_STOPPED} What was scanned is kept in {kept}: the same call goes on from there"


@dataclass(frozen=True, slots=True)
class _ScanOne:
    """What a worker does: it is sent this, and a URL."""

    storage_options: Mapping[str, Any] | None
    skip: bool
    cache: ScanCache | None
    options: Mapping[str, Any]
    precedent: Precedent | None
    """What is read once of tables that are in the cache; None where sets go to somebody who may change what is in them,
    so that none shares anything with another.
    """

    def __call__(self, url: str) -> Found:
        try:
            if self.cache is not None:
                from chunkmap.execution.cached import scan_with  # noqa: PLC0415 - what writes tables

                return scan_with(
                    self.cache,
                    url,
                    storage_options=self.storage_options,
                    options=self.options,
                    precedent=self.precedent,
                )
            return scan(url, storage_options=self.storage_options, **self.options)
        except ChunkmapError as error:
            if self.skip:
                return error
            raise


def _kept(found: Found, todo: Sequence[Step | None]) -> Found:
    for step in todo:
        if step is not None and isinstance(found, ReferenceSet):
            found = step(found)
    return found
