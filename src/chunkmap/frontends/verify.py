"""`chunkmap.verify`: whether a set still says the truth, on demand beside what the format's own library reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Unpack

from chunkmap.access.verifying import Report, verify_set
from chunkmap.frontends.opening import HowToReach, Openable, check_how, open_references
from chunkmap.frontends.oracles.originals import Originals

__all__ = ["verify"]


def verify(
    refs_or_path: Openable,
    *,
    decode: Literal["none", "sample", "all"] = "none",
    compare: bool = False,
    sample: int = 10,
    **how: Unpack[HowToReach],
) -> Report:
    """Check a set against its files: they are there, as they were when they were scanned, and hold every range.

    `decode` reads a `sample` of the chunks of each array, or all. `compare` reads the same chunks with the library of
    the format as well, of the files themselves, and of a set which is the scan of one file it compares attributes; it
    reads a sample when `decode` says "none".
    `how` it is opened is said as for `open_store`: `storage_options`, `remote_options`, `remote_protocol`, `allow`,
    `timeout`. What is wrong is in the report, and nothing is raised for it, unless
    the set itself cannot be opened.
    """
    if decode not in ("none", "sample", "all"):
        raise ValueError(f"decode is {decode!r}, expected 'none', 'sample' or 'all'")
    if sample < 1:
        raise ValueError(f"sample is {sample}, expected 1 or more")
    check_how("verify", how, HowToReach)
    refs, fetcher = open_references(refs_or_path, **how)
    chosen = None if decode == "all" else 0 if decode == "none" and not compare else sample
    if not compare:
        return verify_set(refs, fetcher, sample=chosen)
    with Originals(refs, fetcher) as originals:
        report = verify_set(refs, fetcher, sample=chosen, compare=originals.compare)
        return replace(report, failures=(*report.failures, *originals.attributes()))
