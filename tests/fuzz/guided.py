"""Damaged files that coverage leads to: only errors of chunkmap may come out. Needs atheris.

    python tests/fuzz/guided.py [--kind hdf5] [--runs 20000] [--keep DIRECTORY]

Begins with the small real files of `run.py`, and keeps what reaches code that no other file has reached; ends with
anything else than an error of chunkmap, the file that did it in the directory. Of stored sets all files are one input.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["chunkmap"], enable_loader_override=False):
    import run

    from chunkmap.errors import ChunkmapError


def main() -> None:
    """One kind of files, until so many runs are done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=sorted(run.KINDS), default="hdf5")
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"))
    chosen = parser.parse_args()
    corpus = chosen.keep / f"corpus-{chosen.kind}"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in run.all_seeds(chosen.kind):
        (corpus / Path(seed.name).name).write_bytes(seed.data)
    read = run.KINDS[chosen.kind][1]

    def try_one(data: bytes) -> None:
        try:
            read(data, len(data))
        except ChunkmapError:
            return

    limits = [f"-runs={chosen.runs}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=200000"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={chosen.keep}/", str(corpus)], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
