"""Names that kerchunk users import.

Importing this package makes its codecs known to numcodecs, as scripts rely on.
"""

import warnings
from importlib.metadata import PackageNotFoundError, distribution

import fsspec

from chunkmap import codecs as _codecs
from kerchunk import codecs as _own_codecs  # noqa: F401 - makes them known at once, as scripts rely on

__version__ = "0.2.10"
"""The version of kerchunk whose names and behaviour these modules keep; `chunkmap.__version__` is the library's own."""

__all__ = ["__version__"]

_codecs.register()


def _name_a_mixture() -> None:
    """Say so where kerchunk itself is installed too: the modules of this name are then partly of the one, partly of the
    other.
    """
    try:
        version = distribution("kerchunk").version
    except PackageNotFoundError:
        return
    warnings.warn(
        f"the package `kerchunk` is a mixture: chunkmap and kerchunk {version} both wrote its files. Keep them in"
        " environments of their own, and install the one that is to stay again",
        stacklevel=3,
    )


_name_a_mixture()


def set_reference_filesystem_cachable(cachable: bool = True) -> None:
    """Say whether fsspec keeps one instance of a reference filesystem for all who ask for the same references."""
    fsspec.get_filesystem_class("reference").cachable = cachable
