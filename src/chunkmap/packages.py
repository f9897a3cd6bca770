"""Packages that are no dependency: where one is missing, one error says what needs it and the line that installs it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from chunkmap.errors import NotInstalled

__all__ = ["not_installed", "require"]


def require(module: str, extra: str | None, wanted_by: str) -> Any:
    """A module of a package that is part of an extra. Raises NotInstalled where the package is not there.

    >>> require("json", "cli", "the command line").__name__
    'json'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise
        raise not_installed(package, extra, wanted_by) from error


def not_installed(package: str, extra: str | None, wanted_by: str) -> NotInstalled:
    """The error for a package that is missing; without an extra it is installed by its own name.

    >>> print(not_installed("h5py", "compare", "comparing hdf5"))
    comparing hdf5 needs the package h5py, which is not installed: pip install 'chunkmap[compare]'
    """
    what = package if extra is None else f"'chunkmap[{extra}]'"
    return NotInstalled(
        f"{wanted_by} needs the package {package}, which is not installed: pip install {what}", feature=package
    )
