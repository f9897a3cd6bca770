"""`tests/` mirrors `src/chunkmap/`, folder for folder."""

from pathlib import Path

from chunkmap.formats import FORMATS

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "chunkmap"
TESTS = ROOT / "tests"

# Folders of the library that have none in tests, and where they are tested.
TESTED_ELSEWHERE = {
    "codecs/hdf4": "in formats/hdf4, on files that the format's own library wrote",
    "formats/hdf5/chunk_indexes": "in formats/hdf5, a kind of index being an argument there",
    "formats/hdf5/structures": "in formats/hdf5, on files that hold them",
    "frontends/command_line/commands": "in frontends/command_line",
}


def folders(root):
    """The folders below one, that hold Python, by their path."""
    found = {path.parent.relative_to(root) for path in root.rglob("*.py")}
    return {path.as_posix() for path in found if path.parts}


def test_every_folder_of_the_library_has_its_tests():
    """For each folder of the library there is one of tests of the same path, with tests in it."""
    tested = {path.parent.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    assert folders(SRC) - tested == set(TESTED_ELSEWHERE)


def test_every_folder_of_tests_has_what_it_tests():
    """Below a floor, each folder of tests is called as a folder, a module or a format of the library."""
    floors = {path.name for path in SRC.iterdir() if path.is_dir()}
    mirrored = {path for path in folders(TESTS) if path.partition("/")[0] in floors}
    assert len(mirrored) > 20
    formats = {f"formats/{row.name}" for row in FORMATS}
    assert {path for path in mirrored if not (SRC / path).exists() and not (SRC / f"{path}.py").exists()} <= formats
