"""The cases `import` and `command-..`: what a process costs that has only begun, and one that does a small thing.

A Python that was installed has its modules compiled; so have those of a checkout after the first run.
"""

import os
import resource
import subprocess
import sys

import h5py
import numpy as np
from outcomes import peak


def import_core(_folder):
    """Start Python and import the verbs."""
    return importing("from chunkmap import scan, combine")


def import_door(_folder):
    """Start Python and import what scans HDF5 and what combines."""
    return importing("import kerchunk.hdf, kerchunk.combine")


def import_xarray(_folder):
    """Start Python and import what every one of our users imports."""
    return importing("import xarray")


def command_help(_folder):
    """The overview of the commands."""
    return command("--help")


def command_scan(folder):
    """Scan a small file, and show what is in it."""
    return command("scan", str(folder / "small.nc"))


def command_inspect(folder):
    """Show what is in a small set."""
    return command("inspect", str(folder / "small.json"))


def importing(code):
    """Run a line in a bare Python; this process has numpy loaded already."""
    return running("-W", "ignore", "-c", code)


def command(*words):
    """Run the command line."""
    return running("-m", "chunkmap", *words)


def running(*words):
    """A Python with these words, once before the clock starts so that its modules are compiled."""
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run():
        return subprocess.run([sys.executable, *words], check=True, env=plain, stdout=subprocess.DEVNULL)

    run()
    return run, lambda _: {"memory": peak(resource.RUSAGE_CHILDREN)}


def prepare(folder):
    """A file of five variables of ten chunks, and its set."""
    import chunkmap

    if (folder / "small.json").exists():
        return
    with h5py.File(folder / "small.nc", "w") as file:
        for number in range(5):
            values = np.arange(100_000.0).reshape(100, 1000) + number
            file.create_dataset(f"v{number}", data=values, chunks=(10, 1000), compression="gzip", shuffle=True)
    chunkmap.write(chunkmap.scan(folder / "small.nc"), folder / "small.json")


COMMANDS = {
    "command-help": (command_help, import_xarray, None),
    "command-scan": (command_scan, import_xarray, None),
    "command-inspect": (command_inspect, import_xarray, None),
}
CASES = {"import": (import_core, import_door, None), **COMMANDS}
TITLES = {
    "import": "start Python, import the scanner and combine",
    "command-help": "`chunkmap --help` (other side: import xarray)",
    "command-scan": "`chunkmap scan small.nc` (other side: import xarray)",
    "command-inspect": "`chunkmap inspect small.json` (other side: import xarray)",
}
