"""The case `import`: start Python, and import what scans and what combines."""

import resource
import subprocess
import sys

from outcomes import peak


def import_core(_folder):
    """Start Python and import the verbs."""
    return importing("from chunkmap import scan, combine")


def import_door(_folder):
    """Start Python and import what scans HDF5 and what combines."""
    return importing("import kerchunk.hdf, kerchunk.combine")


def importing(code):
    """Run a line in a bare Python; this process has numpy loaded already."""
    return lambda: subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True), lambda _: {
        "memory": peak(resource.RUSAGE_CHILDREN)
    }


CASES = {"import": (import_core, import_door, None)}
TITLES = {"import": "start Python, import the scanner and combine"}
