"""Damaged files by the thousand: only errors of chunkmap may come out, in little time and little memory.

    python tests/fuzz/run.py [--files 100000] [--seconds 3600] [--seed 0] [--only hdf5] [--keep DIRECTORY]

stops after so many files or seconds, prints what it did, and exits with 1 when anything else than an error of
chunkmap came out, or a file took more than 2 s of processor time or 256 MB more than its own size. Each finding is
named by its seed file and number; with `--keep` the damaged file is kept as well.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import messages
import seeds
import small
import stored
from mutations import Ranges, mutate
from repair import repair

import chunkmap
from chunkmap.errors import ChunkmapError
from chunkmap.formats import hdf5
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource, head
from chunkmap.io.archive import open_member
from chunkmap.io.rounds import Gather, Span
from chunkmap.io.source import SourceBase

SECONDS = 2
MEMORY = 256 << 20
THREADS = 1 << 30


class TooLongError(BaseException):
    """A file took more time than it may; no handler for errors may catch this."""


class Far(SourceBase):
    """Bytes that have to be fetched, so that rounds are damaged too."""

    def __init__(self, data: bytes) -> None:
        self.url, self._inner = "far", BytesSource(data)

    def size(self) -> int:
        return self._inner.size()

    def read(self, offset: int, length: int) -> memoryview:
        return self._inner.read(offset, length)

    def read_many(self, ranges: Any) -> list[memoryview]:
        return self._inner.read_many(ranges)

    def target(self) -> Any:
        return self._inner.target()


class Seed(NamedTuple):
    """A file to damage."""

    kind: str
    name: str
    data: bytes
    ranges: Ranges


def scan_hdf5(data: bytes, number: int) -> None:
    """Near, or far; of every other file as if damage had been done before checksums were made."""
    if number % 2:
        data = repair(data)
    scan_source(BytesSource(data, "near") if number % 4 else Far(data), format="hdf5")


def scan_netcdf3(data: bytes, _number: int) -> None:
    """The header, and all that follows from it."""
    scan_source(BytesSource(data, "near"), format="netcdf3")


def scan_tiff(data: bytes, number: int) -> None:
    """Near, or far."""
    scan_source(BytesSource(data, "near") if number % 2 else Far(data), format="tiff")


def scan_fits(data: bytes, number: int) -> None:
    """All headers, descriptors of tables, and every option in turn."""
    options = ({}, {"portable": True}, {"chunk_nbytes": 100}, {"wcs": True})[
        number % 4 if number % 16 == 3 else number % 3
    ]
    scan_source(BytesSource(data, "near") if number % 4 else Far(data), format="fits", **options)


def scan_hdf4(data: bytes, number: int) -> None:
    """All objects, as a tree and as the library lists them."""
    asked = {"eos": number % 3 > 0, "latlon": number % 3 > 1, "interpolate": number % 3 > 1}
    refs = scan_source(BytesSource(data, "near"), format="hdf4", **asked)
    refs.to_dict()


def open_archive(data: bytes, _number: int) -> None:
    """Find a member and read it."""
    kind = "zip" if data[:2] == b"PK" else "tar"
    member = open_member(kind, "a.bin", BytesSource(data, "a"), f"{kind}://a.bin::a")
    member.read(0, member.size())


def load_document(data: bytes, _number: int) -> None:
    """From JSON to a reference set, and every array of it."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(data)
        file.flush()
        chunkmap.load(file.name).to_dict()


def scan_zarr(data: bytes, number: int) -> None:
    """A store in an archive: documents, the names of chunks, and the indexes of shards; every array of it."""
    refs = scan_source(BytesSource(data, "near"), format="zarr", inline_threshold=number % 2 * 100)
    refs.to_dict(zarr_format=3)


KINDS: dict[str, tuple[Callable[[Path], dict[str, bytes]], Callable[[bytes, int], None]]] = {
    "hdf5": (seeds.hdf5, scan_hdf5),
    "netcdf3": (seeds.netcdf3, scan_netcdf3),
    "tiff": (seeds.tiff, scan_tiff),
    "fits": (seeds.fits, scan_fits),
    "hdf4": (seeds.hdf4, scan_hdf4),
    "archives": (seeds.archives, open_archive),
    "documents": (seeds.documents, load_document),
    "stored": (stored.seeds, stored.read),
    "zarr": (seeds.zarr_stores, scan_zarr),
    "nifti": (small.nifti, small.scan_plain("nifti")),
    "npy": (small.npy, small.scan_plain("npy")),
    "envi": (small.envi, small.scan_plain("envi")),
    "dmrpp": (small.dmrpp, small.scan_plain("dmrpp")),
    "grib": (messages.seeds, messages.read),
}

WEIGHTS = {
    "hdf5": 8,
    "netcdf3": 2,
    "tiff": 3,
    "archives": 1,
    "documents": 1,
    "stored": 2,
    "zarr": 2,
    "fits": 2,
    "hdf4": 3,
    "nifti": 1,
    "npy": 1,
    "envi": 1,
    "dmrpp": 2,
    "grib": 3,
}


def structures(kind: str, data: bytes) -> Ranges:
    """Where the scanner reads: the places of the structures of a file of HDF5; the beginning of any other."""
    if kind != "hdf5":
        return [(0, min(len(data), 12_000 if kind == "fits" else 2000))]
    source = BytesSource(data, "seed")
    found: list[tuple[int, int]] = []
    parser = hdf5.parse(source, hdf5.Options())
    hdf5_requests(parser, source, found)
    return sorted(set(found))


def hdf5_requests(parser: Any, source: BytesSource, found: list[tuple[int, int]]) -> None:
    """Run a parser, and note what it asks for."""
    from chunkmap.io.rounds import scheduler

    class Noting(scheduler.InMemory):
        def span(self, span: Span) -> memoryview:
            found.append((span.offset, span.want))
            return super().span(span)

        def rows(self, gather: Gather) -> Any:
            found.extend((offset, gather.size) for offset in gather.offsets.tolist())
            return super().rows(gather)

    original = scheduler.InMemory
    scheduler.InMemory = Noting  # type: ignore[misc]
    try:
        scheduler.run(source, parser)
    finally:
        scheduler.InMemory = original  # type: ignore[misc]


def all_seeds(only: str | None) -> list[Seed]:
    """Every file to damage."""
    found = []
    for kind, (write, _) in KINDS.items():
        if only in (None, kind):
            with tempfile.TemporaryDirectory() as folder:
                files = write(Path(folder))
            found += [Seed(kind, name, data, structures(kind, data)) for name, data in files.items()]
    return found


def schedule(files: list[Seed], first: int) -> Iterator[tuple[int, Seed]]:
    """Numbers and the seeds that they damage, endlessly; some kinds more often than others."""
    import itertools
    import random

    weights = [WEIGHTS[seed.kind] / sum(s.kind == seed.kind for s in files) for seed in files]
    for number in itertools.count(first):
        yield number, random.Random(number).choices(files, weights)[0]


def damage(number: int, seed: Seed) -> bytes:
    """A damaged file, or set of files."""
    return stored.damage(number, seed.data) if seed.kind == "stored" else mutate(number, seed.data, seed.ranges)


def limit_memory(size: int, *, with_threads: bool) -> None:
    """From now on this process may have so much more memory than it has; threads reserve more than they use."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    more = MEMORY + size + (THREADS if with_threads else 0)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, hard))


def expire(_signal: int, _frame: Any) -> None:
    """The processor time is over."""
    raise TooLongError


def attempt(seed: Seed, data: bytes, number: int) -> tuple[str, str]:
    """What came of one damaged file: a word for the table, and the trace of what must not be."""
    try:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        KINDS[seed.kind][1](data, number)
    except ChunkmapError as error:
        return type(error).__name__, ""
    except TooLongError:
        return "took too long", traceback.format_exc()
    except MemoryError:
        return "took too much memory", traceback.format_exc()
    except Exception as error:
        return f"raised {type(error).__name__}", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "read", ""


def main() -> int:
    """Damage, scan, count: once, or of several parts each in a process of its own that need not import anew."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=0, help="number of the first file")
    parser.add_argument("--only", choices=list(KINDS))
    parser.add_argument("--keep", type=Path, help="where damaged files go that were not refused as they should be")
    parser.add_argument("--parts", nargs="*", metavar="KIND:SEED:FILES", help="these, one after the other")
    given = parser.parse_args()
    if given.parts is None:
        return run(given)
    statuses = []
    for part in given.parts:
        given.only, seed, files = part.split(":")
        given.seed, given.files = int(seed), int(files)
        statuses.append(in_a_process(given))
        print(f"part {part} ended with {statuses[-1]}", flush=True)
    return any(statuses)


def in_a_process(given: argparse.Namespace) -> int:
    """Do one part in a process of its own, which may limit itself; gives how it ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 2
    try:
        status = run(given)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
    os._exit(status)


def run(given: argparse.Namespace) -> int:
    """Damage, scan, count."""
    warnings.simplefilter("ignore")
    head.WHOLE, head.HEAD = 0, 512  # type: ignore[misc]
    files = all_seeds(given.only)
    for seed in files:
        KINDS[seed.kind][1](seed.data, 1)
    signal.signal(signal.SIGPROF, expire)
    limit_memory(max(len(seed.data) for seed in files), with_threads=any(seed.kind == "stored" for seed in files))
    counts: collections.Counter[str] = collections.Counter()
    slowest, start, findings = 0.0, time.monotonic(), {}
    for number, seed in schedule(files, given.seed):
        if number == given.seed + given.files or time.monotonic() - start > given.seconds:
            break
        data = damage(number, seed)
        before = time.process_time()
        word, trace = attempt(seed, data, number)
        slowest = max(slowest, time.process_time() - before)
        counts[word] += 1
        if trace and (place := "".join(trace.strip().splitlines()[-3:])) not in findings:
            findings[place] = f"{seed.name}, number {number}: {word}\n{trace}"
            if given.keep:
                given.keep.mkdir(parents=True, exist_ok=True)
                (given.keep / f"{number}-{seed.name}").write_bytes(data)
    print(json.dumps({"files": counts.total(), "slowest": round(slowest, 3), **dict(counts.most_common())}))
    for finding in findings.values():
        print(finding)
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
