"""What README, CONTRIBUTING and docs name is there: paths, modules, functions, commands."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import chunkmap
from chunkmap.codecs.table import CODECS, V3_CODECS

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
OF_THE_HOUSE = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "design.md", ROOT / "bench" / "README.md"]
"""Pages for who works on the project: every path and every name in them is one of the project."""
PAGES = sorted({*OF_THE_HOUSE, ROOT / "README.md", *(ROOT / "docs").rglob("*.md")})

WORD = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w.<>*-]*/[\w./<>*-]*|[\w-]+\.(?:py|pyi|toml|yml|md)")
TREES = ("src/", "tests/", "bench/", "docs/", "examples/", "chunkmap/", "kerchunk/")
NAME = re.compile(r"(chunkmap|kerchunk)(\.\w+)+")
IDENTIFIER = re.compile(r"[A-Za-z]\w*(_\w+|[a-z][A-Z]\w*)")

# What is no path, or no name, of the project, and what it is.
ELSEWHERE = {
    "data/2024-01.nc": "a file of the place where examples run",
    "data/2024-03.nc": "the same",
}
NOT_OURS = {
    "TypedDict": "of typing",
    "tmp_path": "of pytest",
    "scale_factor": "an attribute of CF",
    "add_offset": "the same",
}


def words(page):
    """What stands between backticks, outside of blocks of code."""
    return WORD.findall(re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))


def is_there(path):
    """Whether a path is one of the project, from its root or from the library's; `<name>` stands for any."""
    pattern = re.sub(r"<\w+>", "*", path).rstrip("/")
    if "/" not in pattern and not (ROOT / pattern).exists():
        return any(next((ROOT / tree).rglob(pattern), None) for tree in ("src", "tests", "bench"))
    return any(next(root.glob(pattern), None) for root in (ROOT, SRC, SRC / "chunkmap", ROOT / "tests"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_paths_are_there(page):
    """Every path between backticks that is said to be in the project is there."""
    named = [word for word in words(page) if PATH.fullmatch(word) and word not in ELSEWHERE]
    ours = [word for word in named if page in OF_THE_HOUSE or word.startswith(TREES)]
    assert [path for path in ours if not is_there(path)] == []


def resolves(name):
    """Whether a dotted name leads from a module to something in it, or is the id of a codec."""
    if name in {row.id for row in (*CODECS, *V3_CODECS)}:
        return True
    module, *attributes = name.split(".")
    found = import_module(module)
    for attribute in attributes:
        module = f"{module}.{attribute}"
        if hasattr(found, attribute):
            found = getattr(found, attribute)
        else:
            try:
                found = import_module(module)
            except ModuleNotFoundError:
                return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_dotted_names_resolve(page):
    """Every name between backticks that begins with a package of ours leads to something."""
    found = (NAME.match(word) for word in words(page))
    assert [match[0] for match in found if match and not resolves(match[0])] == []


def defined(names):
    """Those of some names that the library, its tests, or its benchmarks define: functions, classes, arguments, fields.

    Files are parsed in which one stands that was not found before.
    """
    left, paths = set(names), (path for tree in ("src", "tests", "bench") for path in (ROOT / tree).rglob("*.py"))
    for path in paths:
        text = path.read_text()
        if any(name in text for name in left):
            left -= names_of(ast.parse(text))
        if not left:
            break
    return set(names) - left


def names_of(tree):
    """Every name that a file defines."""
    names = set()
    for node in ast.walk(tree):
        names |= {getattr(node, "name", None), getattr(node, "arg", None)}
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def test_names_are_defined():
    """What CONTRIBUTING and the design call a function, a class or an argument is one."""
    named = {word.partition("(")[0].rstrip("=") for page in OF_THE_HOUSE[:2] for word in words(page)}
    named = {name for name in named if IDENTIFIER.fullmatch(name)} - set(NOT_OURS)
    assert len(named) > 5
    assert named - defined(named) == set()


def test_verbs_are_public():
    """Every verb in the table of the design is a public name, and so is every noun."""
    text = (ROOT / "docs" / "design.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", text[text.index("## Verbs") :], re.MULTILINE)
    verbs = {name for row in rows for name in re.findall(r"`(\w+)\(", row)}
    assert len(verbs) > 10
    assert verbs <= set(chunkmap.__all__)
    nouns = re.findall(r"\*\*(\w+?)s?\*\*", text[text.index("## Nouns") : text.index("## Verbs")])
    assert set(nouns) <= defined(nouns)
    assert len(nouns) > 4


def test_commands_are_targets():
    """Every `make` that a page names is a target of the Makefile, and every target stands in CONTRIBUTING."""
    targets = set(re.findall(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split())
    for page in PAGES:
        assert set(re.findall(r"(?:`|^    )make (\w+)", page.read_text(), re.MULTILINE)) <= targets, page
    shown = set(re.findall(r"^    make (\w+)", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))
    assert targets - shown == {"help"}, "what make says when it is told nothing"


def test_budgets_are_those_that_are_kept():
    """Each number that CONTRIBUTING gives as a budget is the one of the test that keeps it."""
    kept = (ROOT / "tests" / "architecture" / "test_budgets.py").read_text()
    names = ("FUNCTION_LINES", "NESTING", "BRANCHES", "ARGUMENTS", "FILE_LINES")
    budgets = [re.search(rf"^{name} = (\d+)$", kept, re.MULTILINE)[1] for name in names]
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text().split())
    said = re.search(
        r"at most (\d+) lines without.*? at most (\d+) deep, has at most (\d+) branches and (\d+) named arguments;"
        r" a file has at most (\d+) lines",
        text,
    )
    assert list(said.groups()) == budgets
