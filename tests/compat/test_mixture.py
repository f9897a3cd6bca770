"""Where kerchunk itself is there too, each has a folder of its own; a folder that both wrote is named."""

import shutil
import subprocess
import sys
from pathlib import Path

import kerchunk

CODE = """
import sys, warnings
sys.path[:0] = {paths!r}
warnings.simplefilter("error")
import kerchunk
print(kerchunk.__file__)
"""


def imported(*paths):
    """What `import kerchunk` does where these directories go first."""
    code = CODE.format(paths=[str(path) for path in paths])
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def installed(folder):
    """A directory in which the other distribution says that it is installed."""
    (folder / "kerchunk-0.2.10.dist-info").mkdir(parents=True)
    (folder / "kerchunk-0.2.10.dist-info" / "METADATA").write_text("Name: kerchunk\nVersion: 0.2.10\n")
    return folder


def test_kerchunk_beside_is_no_mixture(tmp_path):
    """`import kerchunk` says nothing where the other one has a folder of its own."""
    done = imported()
    assert (done.stderr, Path(done.stdout.strip())) == ("", Path(kerchunk.__file__))
    doors = shutil.copytree(Path(kerchunk.__file__).parent, tmp_path / "doors" / "kerchunk")
    done = imported(doors.parent, installed(tmp_path / "site"))
    assert (done.stderr, Path(done.stdout.strip()).parent) == ("", doors)


def test_a_mixture_is_named(tmp_path):
    """It warns where the other distribution was written into the same folder."""
    shutil.copytree(Path(kerchunk.__file__).parent, tmp_path / "kerchunk")
    done = imported(installed(tmp_path))
    assert "is a mixture: chunkmap and kerchunk 0.2.10 both wrote its files" in done.stderr
