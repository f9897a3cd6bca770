"""GRIB messages as eccodes reads them: the one place at which that library is imported.

What it reports as an error becomes one of ours here, so that nobody else has to know its exceptions.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, Unsupported

try:
    import eccodes
except RuntimeError as error:  # the package is there, its library is not
    raise Unsupported(
        f"GRIB is read with eccodes, whose library cannot be loaded: {error}. Run: pip install 'chunkmap[grib]'",
        feature="eccodes",
    ) from error

__all__ = ["Message"]


class Message:
    """One message under a handle of eccodes, to be used in a `with`. A key that it has no value for is None."""

    __slots__ = ("_handle",)

    def __init__(self, message: bytes) -> None:
        try:
            self._handle = eccodes.codes_new_from_message(message)
        except eccodes.CodesInternalError as error:
            raise FormatError(f"eccodes takes {len(message)} bytes for no GRIB message: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        eccodes.codes_release(self._handle)

    def get(self, key: str, kind: type | None = None) -> Any:
        """The value of a key, of its own type or of the one asked for; None where there is none, or it is missing."""
        try:
            return None if eccodes.codes_is_missing(self._handle, key) else eccodes.codes_get(self._handle, key, kind)
        except eccodes.CodesInternalError:
            return None

    def reals(self, key: str) -> NDArray[np.float64]:
        """The values of a key that has many. Raises FormatError saying what eccodes says."""
        try:
            values: NDArray[np.float64] = eccodes.codes_get_double_array(self._handle, key)
        except eccodes.CodesInternalError as error:
            raise FormatError(f"eccodes cannot read {key}: {error}") from error
        return values

    def set(self, key: str, value: float | str) -> None:
        """Change the message under the handle, not the bytes that it was made of."""
        try:
            eccodes.codes_set(self._handle, key, value)
        except eccodes.CodesInternalError as error:
            raise FormatError(f"eccodes cannot set {key}: {error}") from error

    def offset(self, key: str) -> int | None:
        """The byte of the message at which the octets of a key begin; None where it has none of its own."""
        try:
            found = int(eccodes.codes_get_offset(self._handle, key))
        except eccodes.CodesInternalError:
            return None
        return found
