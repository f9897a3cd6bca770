"""Where kerchunk itself is installed too, both wrote the package of its name."""

import subprocess
import sys

CODE = "import sys, warnings; sys.path.insert(0, {path!r}); warnings.simplefilter('error'); import kerchunk"


def test_a_mixture_is_named(tmp_path):
    """`import kerchunk` warns where the other distribution is there, and says nothing where it is not."""
    words = [sys.executable, "-c", CODE.format(path=str(tmp_path))]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stderr == ""
    (tmp_path / "kerchunk-0.2.10.dist-info").mkdir()
    (tmp_path / "kerchunk-0.2.10.dist-info" / "METADATA").write_text("Name: kerchunk\nVersion: 0.2.10\n")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "is a mixture: chunkmap and kerchunk 0.2.10 both wrote its files" in done.stderr
