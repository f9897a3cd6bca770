"""How files are scanned and combined, as keyword arguments that several verbs take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from chunkmap.combining.recipe import HowToCombine
from chunkmap.execution.arguments import Step
from chunkmap.execution.mapping import AnyExecutor, Progress
from chunkmap.execution.scanning import Cache, Scanning
from chunkmap.formats.format import PORTABLE
from chunkmap.io.engines import Engine
from chunkmap.io.filesystem import limited
from chunkmap.io.granules import Nameable, options_with
from chunkmap.keywords import check_keywords

__all__ = ["HowToBuild", "HowToScan", "told_apart"]


class HowToScan(TypedDict, total=False):
    """The keyword arguments that say how many files are scanned, for every verb that makes a set of them."""

    executor: AnyExecutor
    workers: int | None
    progress: Progress | bool | None
    storage_options: Mapping[str, Any] | None
    on_error: Literal["raise", "skip"]
    cache: Cache | None
    scan_options: Mapping[str, Any] | None
    preprocess: Step | None
    timeout: float | None
    engine: Engine | None


class HowToBuild(HowToScan, HowToCombine, total=False):
    """Those of the verbs that scan files and combine them."""

    portable: bool


def told_apart(verb: str, how: HowToBuild, files: Sequence[Nameable]) -> tuple[Scanning, HowToCombine]:
    """How files are scanned, and how what is found is combined. Files that fsspec opened bring options of their own.

    Raises TypeError for an argument that says nothing of either, naming the one that was meant.
    """
    check_keywords(verb, how, HowToBuild, all_say="how to scan and to combine")
    scanning: Any = {name: value for name, value in how.items() if name in HowToScan.__annotations__}
    combining: Any = {name: value for name, value in how.items() if name not in scanning}
    options = scanning.pop("scan_options", None) or {}
    portable = combining.pop(PORTABLE, None)
    if portable is not None:
        options = {**options, PORTABLE: portable}
    timeout, engine = scanning.pop("timeout", None), scanning.pop("engine", None)
    given = scanning.get("storage_options")
    scanning["storage_options"] = limited(options_with(files) if given is None else given, timeout, engine)
    return Scanning(**scanning, options=options), combining
