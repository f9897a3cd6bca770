"""Plain elements without a header: what they are, `scan(url, format="raw", dtype=..., shape=...)` says.

Such a file is told by nothing in it, so its format must be named.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import index
from typing import Any, Literal

import numpy as np

from chunkmap.errors import TruncatedFile
from chunkmap.formats.blocks import block, bytes_after, cut
from chunkmap.formats.format import Scanned
from chunkmap.formats.names import check_name
from chunkmap.io import Source
from chunkmap.io.rounds import Parser
from chunkmap.model import ArrayMeta
from chunkmap.model.records import flat_and_nested

__all__ = ["Options", "parse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the file does not say."""

    dtype: str = "u1"
    """Type of the elements as numpy writes it, with its byte order: `<f4`, `>i2`."""
    shape: tuple[int, ...] | None = None
    """Lengths of the axes; None for one axis up to the end of the file."""
    order: Literal["C", "F"] = "C"
    """Whether the last axis is the fastest (`C`) or the first (`F`)."""
    offset: int = 0
    """Bytes before the first element."""
    dims: tuple[str, ...] | None = None
    """Names of the axes; None for `dim_0`, `dim_1`..."""
    name: str = "data"
    """What the array is called."""
    chunk_nbytes: int | None = None
    """Cut the array along its slowest axes into equal chunks of at most so many bytes; None leaves it whole."""


def parse(source: Source, options: Options) -> Parser[Scanned]:
    """The array as it is described: nothing of the file is read.

    What comes after it is a problem. Raises ValueError for a description that is none, TruncatedFile where the file is
    shorter.
    """
    size = source.size()
    meta = _meta(options, size)
    if options.offset > size:
        raise TruncatedFile(
            f"the array begins at byte {options.offset}, but the file ends at byte {size}", url=source.url
        )
    array = block(source.url, size, options.offset, meta)
    if options.chunk_nbytes is not None:
        array = cut(array, options.chunk_nbytes)
    yield []
    problems = bytes_after(options.name, options.offset + meta.nbytes, size, source.url)
    return Scanned({options.name: array}, {"": {}}, problems)


def _meta(options: Options, size: int) -> ArrayMeta:
    check_name(options.name)
    dtype = _dtype(options.dtype)
    if options.offset < 0:
        raise ValueError(f"offset is {options.offset}, expected 0 or more")
    if options.order not in ("C", "F"):
        raise ValueError(f"order is {options.order!r}, expected 'C' or 'F'")
    given = options.shape
    try:
        shape = (max(size - options.offset, 0) // dtype.itemsize,) if given is None else tuple(map(index, given))
    except TypeError as error:
        raise ValueError(f"shape is {given}, expected whole numbers") from error
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize > 2**63:
        raise ValueError(f"shape is {given}, expected lengths that a file may have")
    dims = options.dims or tuple(f"dim_{axis}" for axis in range(len(shape)))
    if len(dims) != len(shape) or len(set(dims)) != len(dims):
        raise ValueError(f"dims are {dims}, expected {len(shape)} different names, as the shape is {shape}")
    flat, nested = flat_and_nested(dtype)
    return ArrayMeta(
        shape=shape,
        chunk_shape=tuple(max(n, 1) for n in shape),
        dtype=flat,
        order=options.order if len(shape) > 1 else "C",
        dims=tuple(dims),
        nested=nested,
    )


def _dtype(text: str) -> np.dtype[Any]:
    try:
        dtype = np.dtype(text)
    except (TypeError, ValueError, SyntaxError) as error:
        raise ValueError(f"dtype is {text!r}, expected a type as numpy writes it, such as '<f4': {error}") from error
    if dtype.hasobject or not dtype.itemsize or dtype.subdtype is not None:
        raise ValueError(f"dtype is {text!r}, expected a type of plain elements")
    if dtype.kind in "Mm" and np.datetime_data(dtype)[0] == "generic":
        raise ValueError(f"dtype is {text!r}, expected a unit of time, such as 'M8[s]'")
    return dtype
