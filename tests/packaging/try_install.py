"""Install the wheel and the source distribution into fresh environments, and use each: `make package`.

    python try_install.py DIST PYTHON...

DIST holds the two files. Environments are made below it, and removed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ALONE = """
import chunkmap, struct, pathlib
head = b"\\x93NUMPY\\x01\\0v\\0{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }".ljust(127) + b"\\n"
pathlib.Path("a.npy").write_bytes(head + struct.pack("<3f", 1, 2, 3))
refs = chunkmap.scan("a.npy")
for name in ("a.json", "a.parq"):
    chunkmap.write(refs, name)
    assert chunkmap.load(name) == refs, name
import zarr
assert zarr.open_group(chunkmap.open_store("a.json"), mode="r")["data"][:].tolist() == [1, 2, 3]
import kerchunk.combine
"""
CLI = """
import subprocess, sys, pathlib
bin = pathlib.Path(sys.executable).parent
for words in (["--version"], ["inspect", "a.json"], ["verify", "a.parq"], ["doctor"]):
    subprocess.run([bin / "chunkmap", *words], check=True, stdout=subprocess.DEVNULL)
"""
ALL = """
import chunkmap, h5py, numpy as np
with h5py.File("a.nc", "w") as file:
    file.create_dataset("x", data=np.arange(100.0), chunks=(10,), compression="gzip")
chunkmap.write(chunkmap.scan("a.nc"), "nc.json")
assert chunkmap.open_dataset("nc.json").x.values.tolist() == list(range(100))
assert chunkmap.verify("nc.json", decode="all", compare=True)
"""


BESIDE = """
import chunkmap, kerchunk, pathlib, xarray
assert pathlib.Path(kerchunk.__file__).parents[1].name == {whose!r}, kerchunk.__file__
import kerchunk.utils
assert {{"chunkmap", "kerchunk"}} <= set(xarray.backends.list_engines())
"""


def main() -> None:
    """Try every file on every Python: alone, with the command line, with everything."""
    folder, *pythons = sys.argv[1:]
    for python in pythons:
        for file in sorted(Path(folder).resolve().glob("chunkmap-*.*")):
            for extra, codes in (("", [ALONE]), ("[cli]", [ALONE, CLI]), ("[all]", [ALONE, CLI, ALL])):
                if extra == "[all]" and file.suffix != ".whl":
                    continue
                attempt(Path(folder).resolve(), python, f"{file}{extra}", codes)


def attempt(folder: Path, python: str, what: str, codes: list[str]) -> None:
    """One environment."""
    where = folder / "env"
    shutil.rmtree(where, ignore_errors=True)
    subprocess.run([python, "-m", "venv", where], check=True)
    inside = where / "bin" / "python"
    subprocess.run([inside, "-m", "pip", "install", "-qq", what], check=True)
    if "[cli]" in what:  # kerchunk beside chunkmap: each has its files, and none of the other's
        for words in (["install", "-qq", "kerchunk==0.2.10"], ["uninstall", "-qqy", "kerchunk"]):
            subprocess.run([inside, "-m", "pip", *words], check=True)
            beside = BESIDE.format(whose="site-packages" if words[0] == "install" else "chunkmap_doors")
            subprocess.run([inside, "-W", "error", "-c", beside], check=True)
    (where / "work").mkdir()
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for code in codes:
        subprocess.run(
            [inside, "-W", "error::DeprecationWarning:chunkmap", "-c", code], cwd=where / "work", env=plain, check=True
        )
    print(f"   {Path(what).name} on {python}: installed and used")
    shutil.rmtree(where)


main()
