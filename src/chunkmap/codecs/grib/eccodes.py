"""GRIB messages as eccodes reads them: the one place at which that library is imported.

What it reports as an error becomes one of ours here, so that nobody else has to know its exceptions. So do its failed
assertions: bytes that are damaged in some ways let it abort the process, unless someone else is named to be told.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, Unsupported

if "eccodes" not in sys.modules:
    # Each brings a PROJ: loaded second, that of pyproj finds no database, and the process dies at its end.
    if find_spec("pyproj"):
        import_module("pyproj")
    with suppress(ImportError):  # each brings a libcurl: loaded second, pycurl finds the other one too old
        import_module("pycurl")
try:
    import eccodes
    from gribapi import bindings
except RuntimeError as error:  # the package is there, its library is not
    raise Unsupported(
        f"GRIB is read with eccodes, whose library cannot be loaded: {error}. Run: pip install 'chunkmap[grib]'",
        feature="eccodes",
    ) from error

__all__ = ["Message"]

T = TypeVar("T")

_MOST_PARALLELS: Final = 1 << 14
"""Between pole and equator: the finest grids have 4000, and the time that eccodes takes rises with the square."""


class _Watch(threading.local):
    """Whether this thread is inside a call of ours, and the assertion that failed in it."""

    inside = False
    failed: str | None = None


_watch: Final = _Watch()


def _assertion_failed(message: bytes) -> None:
    """Take note of it in a call of ours; whoever else calls eccodes is aborted, as without us."""
    if not _watch.inside:
        sys.stderr.write(f"{message.decode(errors='replace')}\n")
        os.abort()
    _watch.failed = _watch.failed or message.decode(errors="replace")


# kept as long as the library may call it
_told: Final = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(_assertion_failed)
ctypes.CDLL(bindings.library_path).codes_set_codes_assertion_failed_proc(_told)


def _is_thread_safe() -> bool:
    """Whether the library says that it was built so that several threads may use it, each its own messages."""
    ask = getattr(eccodes, "codes_get_features", None)
    return ask is not None and "ECCODES_THREADS" in ask().split()


_lock: Final[AbstractContextManager[Any]] = nullcontext() if _is_thread_safe() else threading.RLock()


def _call(function: Callable[..., T], *arguments: Any) -> T:
    """Call eccodes. Raises FormatError where it says that the bytes are wrong, or an assertion of it failed."""
    _watch.inside, _watch.failed = True, None
    try:
        with _lock:
            found = function(*arguments)
    except eccodes.CodesInternalError as error:
        raise FormatError(f"eccodes: {error}") from error
    except (ValueError, MemoryError) as error:  # text that is none, lengths that are none
        raise FormatError(f"eccodes gives what cannot be read: {error}") from error
    finally:
        _watch.inside = False
    if _watch.failed is not None:
        raise FormatError(f"eccodes cannot go on with these bytes: {_watch.failed}")
    return found


class Message:
    """One message under a handle of eccodes, to be used in a `with`. A key that it has no value for is None."""

    __slots__ = ("_handle",)

    def __init__(self, message: bytes) -> None:
        self._handle = _call(eccodes.codes_new_from_message, message)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _call(eccodes.codes_release, self._handle)

    def get(self, key: str, kind: type | None = None) -> Any:
        """The value of a key, of its own type or of the one asked for; None where there is none, or it is missing."""
        try:
            if _call(eccodes.codes_is_missing, self._handle, key):
                return None
            return _call(eccodes.codes_get, self._handle, key, kind)
        except FormatError:
            return None

    def reals(self, key: str) -> NDArray[np.float64]:
        """The values of a key that has many. Raises FormatError saying what eccodes says."""
        if key in ("latitudes", "longitudes") and (self.get("N", int) or 0) > _MOST_PARALLELS:
            raise FormatError(f"{self.get('N', int)} Gaussian parallels are more than are computed")
        found: NDArray[np.float64] = _call(eccodes.codes_get_double_array, self._handle, key)
        return found

    def set(self, key: str, value: float | str) -> None:
        """Change the message under the handle, not the bytes that it was made of."""
        _call(eccodes.codes_set, self._handle, key, value)

    def offset(self, key: str) -> int | None:
        """The byte of the message at which the octets of a key begin; None where it has none of its own."""
        try:
            return int(_call(eccodes.codes_get_offset, self._handle, key))
        except FormatError:
            return None
