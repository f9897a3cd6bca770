"""The table beside kerchunk: each case in fresh processes, the tools in turn, medians and ratios.

    python bench/run.py --ours PYTHON --theirs PYTHON [--repeats 3] [--write FILE] [CASE...]

How to read the table: bench/README.md.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import archives
import dask_reading
import grib_files
from cases import CASES, ROADS, TITLES, WITHOUT_DOOR
from far_files import FAR
from many_files import MANY

HERE = Path(__file__).parent
LONG = (*FAR, *MANY, *archives.CASES, *dask_reading.CASES)
"""Cases that take minutes a run: only done when they are named."""

DATA = HERE.parent / ".bench" / "data-3"
TIME_LIMIT = 900
LIMITS = dict.fromkeys(grib_files.CASES, 300)
"""Cases in which kerchunk may hang."""

RUNNERS = (
    ("chunkmap", "core"),
    ("chunkmap's door", "door"),
    ("kerchunk", "door"),
    ("VirtualiZarr", "virtualizarr"),
    ("h5py's chunk_iter", "h5py"),
    ("hidefix", "hidefix"),
    ("astropy", "astropy"),
    ("cfgrib", "cfgrib"),
    ("pyhdf", "pyhdf"),
    ("chunkmap, files alike", "alike"),
)
HEADER = ("case", "tool", "median", "fastest", "slowest", "kerchunk takes", "memory", "bytes", "day", "")


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--ours", required=True, help="a Python that has chunkmap")
    parser.add_argument("--theirs", required=True, help="a Python that has kerchunk 0.2.10, and not chunkmap")
    parser.add_argument("--virtualizarr", help="a Python that has VirtualiZarr; left out when not given")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--write",
        metavar="FILE",
        type=Path,
        help="write the table here as well; of cases that are not named, what is there stays",
    )
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; when none is named, all but {', '.join(LONG)}"
    )
    given = parser.parse_args()
    unknown = set(given.cases) - set(CASES)
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    return given


def environment():
    """The variables of this process, but for those that would put a package into every environment, or have what is
    imported from source compiled each time.
    """
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}


def ask(python, code):
    """What a line of Python prints in an environment."""
    words = [python, "-c", code]
    return subprocess.run(words, capture_output=True, text=True, check=True, env=environment()).stdout.strip()


def check_environments(ours, theirs):
    """Refuse to compare a tool with itself."""
    has = "from importlib.util import find_spec; print(find_spec('chunkmap') is not None)"
    if ask(ours, has) != "True" or ask(theirs, has) != "False":
        sys.exit("expected chunkmap in the first environment, and not in the second")
    return ask(theirs, "from importlib.metadata import version; print(version('kerchunk'))")


def run(python, case, road):
    """One case in one fresh process: what it measured, or why it failed."""
    touch_memory()
    words = [python, "-W", "ignore", str(HERE / "cases.py"), case, road, str(DATA)]
    limit = LIMITS.get(case, TIME_LIMIT)
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=limit, env=environment())
    except subprocess.TimeoutExpired:
        return {"failed": f"took more than {limit} s"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1][:80]}
    return json.loads(done.stdout.splitlines()[-1])


def touch_memory():
    """Take two gigabytes and give them back: a virtual machine is slow to get memory that it has not used yet."""
    subprocess.run([sys.executable, "-c", "import numpy; numpy.ones(2 << 30, numpy.uint8)"], check=True)


def measure(case, pythons, repeats):
    """Every runner of a case, in turn, so that a slow minute of the machine strikes all of them."""
    there = dict(zip(ROADS, CASES[case], strict=False))
    runners = [(name, road) for name, road in RUNNERS if name in pythons and there.get(road) is not None]
    if case in WITHOUT_DOOR:
        runners = [runner for runner in runners if runner[0] != "chunkmap's door"]
    results = {name: [] for name, _ in runners}
    for _ in range(repeats):
        for name, road in runners:
            results[name].append(run(pythons[name], case, road))
            print(".", end="", flush=True, file=sys.stderr)
    return results


def rows(case, results):
    """The rows of one case, measured today."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    runs = {name: [r for r in measured if "failed" not in r] for name, measured in results.items()}
    theirs = [r["seconds"] for r in runs.get("kerchunk", [])]
    outcomes = {json.dumps(r["result"]) for measured in runs.values() for r in measured if "result" in r}
    for name, measured in runs.items():
        if not measured:
            yield (TITLES[case], name, "failed", "", "", "", "", "", today, results[name][0]["failed"])
            continue
        seconds = [r["seconds"] for r in measured]
        ratio = f"{median(theirs) / median(seconds):.1f} x" if theirs and name != "kerchunk" else ""
        size = measured[0].get("bytes")
        notes = ["results differ"] if len(outcomes) > 1 else []
        notes += [f"{len(results[name]) - len(measured)} runs failed"] if len(measured) < len(results[name]) else []
        yield (
            TITLES[case],
            name,
            *(f"{value:.3f} s" for value in (median(seconds), min(seconds), max(seconds))),
            ratio,
            f"{median(r['memory'] for r in measured):.0f} MB",
            "" if size is None else f"{size:,}",
            today,
            "; ".join(notes),
        )


def table(lines):
    """Rows as a table of Markdown, its columns aligned."""
    widths = [max(len(row[column]) for row in lines) for column in range(len(HEADER))]
    drawn = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in lines
    ]
    return [drawn[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *drawn[1:]]


def with_kept(path, lines):
    """Rows with those that a file has of other cases, all in the order of the cases."""
    found = [
        tuple(cell.strip() for cell in line.strip("|\n").split("|")) for line in path.open() if line.startswith("| ")
    ]
    new = {row[0] for row in lines}
    every = [*lines, *(row for row in found if row[0] not in new)]
    return [row for title in (HEADER[0], *TITLES.values()) for row in every if row[0] == title]


def main():
    """Measure, print, and write when asked to. The exit status is 1 when anything failed or differed."""
    given = arguments()
    version = check_environments(given.ours, given.theirs)
    pythons = {"chunkmap": given.ours, "chunkmap's door": given.ours, "kerchunk": given.theirs}
    pythons["cfgrib"] = given.theirs
    pythons["h5py's chunk_iter"] = pythons["astropy"] = pythons["pyhdf"] = given.ours
    pythons["chunkmap, files alike"] = given.ours
    if given.virtualizarr:
        pythons["VirtualiZarr"] = pythons["hidefix"] = given.virtualizarr
        has = "from importlib.metadata import version; print(version('virtualizarr'))"
        version += f"; VirtualiZarr {ask(given.virtualizarr, has)}"
    print(f"preparing inputs in {DATA.relative_to(HERE.parent)}", file=sys.stderr)
    subprocess.run([given.ours, str(HERE / "cases.py"), "prepare", str(DATA)], check=True, env=environment())
    lines = [HEADER]
    for case in given.cases or [case for case in CASES if case not in LONG]:
        print(f"{case} ", end="", flush=True, file=sys.stderr)
        lines += rows(case, measure(case, pythons, given.repeats))
        print(file=sys.stderr)
    python = ask(given.ours, "import platform; print(platform.python_version())")
    machine = f"{platform.system()} {platform.machine()}"
    about = f"kerchunk {version}; Python {python}; {machine}; {given.repeats} runs of each."
    print("\n".join([about, "", *table(lines), ""]))
    if given.write:
        every = with_kept(given.write, lines) if given.cases and given.write.exists() else lines
        text = "\n".join([about, "", *table(every), ""])
        given.write.write_text(
            f"# Beside kerchunk\n\nMade by `make bench WRITE=1`; read as bench/README.md says.\n\n{text}"
        )
    sys.exit(any(row[2] == "failed" or row[-1] for row in lines[1:]))


if __name__ == "__main__":
    main()
