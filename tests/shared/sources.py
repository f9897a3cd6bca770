"""The sources of the library as trees, for tests that look at them: each file is parsed once, and walked once."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"


@cache
def parsed(path: Path) -> ast.Module:
    """A file as a tree."""
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Everything in the tree of a file."""
    return tuple(ast.walk(parsed(path)))
