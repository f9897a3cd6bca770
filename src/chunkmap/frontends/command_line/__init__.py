"""The command line: the verbs of the library under their own names, `chunkmap scan`, `chunkmap build`.

Drawing and parsing are click's and rich's (extra `cli`); without them `main` says how to get them.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """Run the command line with the arguments of this process."""
    missing = [name for name in ("click", "rich") if find_spec(name) is None]
    if missing:
        sys.stderr.write(f"chunkmap: {' and '.join(missing)} not installed: pip install 'chunkmap[cli]'\n")
        raise SystemExit(1)
    atexit.register(gc.freeze)  # what a process holds goes with it: looking for cycles took a tenth of a short command
    os.environ.setdefault("ICECHUNK_LOG", "error")  # what it warns of, and this says better, is no output of ours
    from chunkmap.frontends.command_line.commands import chunkmap  # noqa: PLC0415 - needs what is checked above

    chunkmap(prog_name="chunkmap")
