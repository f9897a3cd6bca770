"""What missing chunks read as, and what is masked: two questions that HDF5 keeps apart and Zarr v2 does not.

HDF5 has a fill value, of what was never written; netCDF has the attribute `_FillValue`, of what counts as missing.
Zarr v2 has one `fill_value`, and xarray takes it for both: null reads as zeros and masks nothing, and leaves an
attribute `_FillValue` in force.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.errors import Unsupported
from chunkmap.formats.filling import MOST_CELLS, fill_missing
from chunkmap.formats.hdf5.stored import Stored
from chunkmap.formats.hdf5.structures.filters import encode
from chunkmap.model import ChunkManifest
from chunkmap.model.wording import counted

__all__ = ["Fill", "fill_native", "settle_fill"]

_LARGEST_CHUNK: Final = 64 << 20


class Fill(NamedTuple):
    """The outcome."""

    value: Any
    """Zarr's `fill_value`."""
    keeps_attribute: bool
    """Whether `_FillValue` says more than the value, which is of the array's type: it stays among the attributes."""
    chunks: ChunkManifest
    problem: str = ""
    """What is not as it should be; empty when all is."""


def settle_fill(stored: Stored, dtype: np.dtype[Any], native: bytes | None, attribute: Any) -> Fill:
    """Choose `fill_value` so that what was never written, and what is masked, are as netCDF readers have them.

    `native` is the bytes of HDF5's fill value, `attribute` the value of `_FillValue`, None where there is none.
    """
    chunks = stored.chunks
    masked = None if attribute is None else _as_scalar(attribute, dtype)
    keeps = masked is None or _is_of_another_type(attribute, dtype)
    if len(chunks) == chunks.size:
        return Fill(masked, keeps, chunks)
    is_zero = native is None or not any(native)
    if masked is not None and _reads_as(native, masked, dtype):
        return Fill(masked, keeps, chunks)
    if is_zero or native is None:
        return _of_zeros(stored, dtype)
    filled = fill_native(stored, native)
    if filled is not None:
        return Fill(masked, keeps, filled)
    value = np.frombuffer(native, dtype.base)[0]
    text = (
        f"{counted(chunks.size - len(chunks), 'chunk', 'was')} never written and read as {value!r}, which is masked too"
    )
    return Fill(value, True, chunks, text)


def _of_zeros(stored: Stored, dtype: np.dtype[Any]) -> Fill:
    """What was never written reads as zeros.

    zarr-python takes null for the number 0 in each member of a record, which is b"0" as text, and no bytes at all.
    """
    kinds = {dtype.base[name].base.kind for name in dtype.base.names or ()}
    if not kinds & {"S", "V"}:
        return Fill(None, True, stored.chunks)
    filled = fill_native(stored, bytes(dtype.itemsize))
    if filled is None:
        return Fill(np.zeros((), dtype.base)[()], True, stored.chunks)
    return Fill(None, True, filled)


def _is_of_another_type(value: Any, dtype: np.dtype[Any]) -> bool:
    """Whether a number is of another type than the array, whatever the order of their bytes."""
    return isinstance(value, np.generic) and dtype.kind in "iuf" and value.dtype.str[1:] != dtype.str[1:]


def _as_scalar(value: Any, dtype: np.dtype[Any]) -> Any:
    """The value in the array's own type; None when it is none of that type, and so masks nothing."""
    if dtype.kind == "S":  # longer ones are text to netCDF's readers, which is never equal to bytes
        return value if isinstance(value, bytes) and len(value) <= 1 else None
    if (
        dtype.kind not in "iufb"
        or not isinstance(value, (np.number, np.bool_))
        or isinstance(value, np.complexfloating)
    ):
        return None
    if value.dtype == dtype:
        return value
    with np.errstate(all="ignore"):
        cast = np.asarray(value).astype(dtype)[()]
    same = cast == value or (dtype.kind == "f" and cast != cast and value != value)
    return cast if same else None


def _reads_as(native: bytes | None, masked: Any, dtype: np.dtype[Any]) -> bool:
    found = np.frombuffer(native, dtype)[0] if native else np.zeros((), dtype)[()]
    if found != found:
        return bool(masked != masked)
    return bool(found == masked) and (dtype.kind != "f" or bool(np.signbit(found) == np.signbit(masked)))


def fill_native(stored: Stored, native: bytes) -> ChunkManifest | None:
    """A chunk of fill values in every cell that has none; None when that would cost too much."""
    count = math.prod(stored.chunk_shape)
    if stored.chunks.size - len(stored.chunks) > MOST_CELLS or count * len(native) > _LARGEST_CHUNK:
        return None
    try:
        blob = encode(stored.codecs, native * count)
    except Unsupported:
        return None  # a codec that only decodes
    return fill_missing(stored.chunks, blob, stored.variants.index(stored.codecs) if stored.variants else 0)
