"""Names that kerchunk users import.

Importing this package makes its codecs known to numcodecs, as scripts rely on.
"""

import warnings
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from chunkmap import codecs as _codecs
from kerchunk import codecs as _own_codecs  # noqa: F401 - makes them known at once, as scripts rely on

__version__ = "0.2.10"
"""The version of kerchunk whose names and behaviour these modules keep; `chunkmap.__version__` is the library's own."""

__all__ = ["__version__"]

_codecs.register()


def _name_a_mixture() -> None:
    """Say so where kerchunk itself was written into this very folder, as a copy of files may do: its modules are then
    partly of the one, partly of the other. (Installing does not: each has a folder of its own.)
    """
    try:
        kerchunk = distribution("kerchunk")
    except PackageNotFoundError:
        return
    if Path(str(kerchunk.locate_file("kerchunk"))).resolve() == Path(__file__).resolve().parent:
        warnings.warn(
            f"the package `kerchunk` is a mixture: chunkmap and kerchunk {kerchunk.version} both wrote its files. Keep"
            " them apart, and install the one that is to stay again",
            stacklevel=3,
        )


_name_a_mixture()


def set_reference_filesystem_cachable(cachable: bool = True) -> None:
    """Say whether fsspec keeps one instance of a reference filesystem for all who ask for the same references."""
    import_module("fsspec").get_filesystem_class("reference").cachable = cachable
