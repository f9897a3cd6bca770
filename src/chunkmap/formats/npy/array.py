"""NumPy's `.npy` files: one array behind a short header.

Specification: NumPy Enhancement Proposal 1, https://numpy.org/neps/nep-0001-npy-format.html, and the module
`numpy.lib.format`, which adds versions 2.0 (a longer header) and 3.0 (names of fields in UTF-8).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.lib.format import descr_to_dtype

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.blocks import block, bytes_after, cut
from chunkmap.formats.format import Scanned
from chunkmap.io import Source
from chunkmap.io.rounds import Parser, Window, windowed
from chunkmap.model import ArrayMeta
from chunkmap.model.records import flat_and_nested

__all__ = ["MAGIC", "Options", "parse", "parse_header"]

MAGIC: Final = b"\x93NUMPY"

_ANOTHER: Final = ": numpy.save may have been called for this file more than once, and the first array is the one here"
_LONGEST_HEADER: Final = 1 << 20
_DEEPEST: Final = 32
_ENTRIES: Final = {"descr", "fortran_order", "shape"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be chosen."""

    name: str = "data"
    """What the array is called: the file does not say."""
    chunk_nbytes: int | None = None
    """Cut the array along its slowest axes into equal chunks of at most so many bytes; None leaves it whole."""


def parse(source: Source, options: Options) -> Parser[Scanned]:
    """The one array of a file; its dimensions are `dim_0`, `dim_1`..., as xarray calls those without a name."""
    meta, first = yield from parse_header(source)
    array = block(source.url, source.size(), first, meta)
    stop = first + meta.nbytes
    problems = bytes_after(options.name, stop, source.size(), source.url, more=_ANOTHER)
    if options.chunk_nbytes is not None:
        array = cut(array, options.chunk_nbytes)
    return Scanned({options.name: array}, {"": {}}, problems)


def parse_header(source: Source) -> Parser[tuple[ArrayMeta, int]]:
    """What the array of a file is, and its first byte. Raises Unsupported for Python objects, which are pickles."""
    return (yield from windowed(lambda window: _header(window, source), source))


def _header(window: Window, source: Source) -> tuple[ArrayMeta, int]:
    """What the header says, and the first byte after it."""
    prefix = bytes(window.take(0, 12))
    if not prefix.startswith(MAGIC):
        raise FormatError(f"expected a .npy file ({MAGIC!r}), it begins with {prefix[:6]!r}", url=source.url, offset=0)
    version = tuple(prefix[6:8])
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise FormatError(
            f"expected version 1.0, 2.0 or 3.0, found {version[0]}.{version[1]}", url=source.url, offset=6
        )
    # "the next 2 bytes form a little-endian unsigned short int: the length of the header data", 4 bytes since 2.0
    first = 10 if version == (1, 0) else 12
    length = int.from_bytes(prefix[8:first], "little")
    if length > _LONGEST_HEADER:
        raise FormatError(
            f"expected a header of at most {_LONGEST_HEADER} bytes, found {length}", url=source.url, offset=8
        )
    text = bytes(window.take(first, length))
    return _meta(_literal(text, "utf-8" if version == (3, 0) else "latin-1", source), source), first + length


def _literal(text: bytes, encoding: str, source: Source) -> dict[str, Any]:
    """The dictionary of the header, "an ASCII string which contains a Python literal expression"."""
    try:
        # files of Python 2 write long integers as 10L
        tree = ast.parse(text.decode(encoding).strip().replace("L,", ",").replace("L)", ")"), mode="eval")
        if _depth(tree) > _DEEPEST:
            raise ValueError("it is nested too deeply")
        found = ast.literal_eval(tree)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise FormatError(f"the header is no dictionary: {error}", url=source.url, offset=8) from error
    if not isinstance(found, dict) or set(found) != _ENTRIES:
        raise FormatError(f"expected a header with {sorted(_ENTRIES)}, found {text[:80]!r}", url=source.url, offset=8)
    return found


def _depth(tree: ast.AST) -> int:
    """How deep expressions stand inside expressions, told without recursion."""
    level, depth = [tree], 0
    while level and depth <= _DEEPEST:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth


def _meta(header: dict[str, Any], source: Source) -> ArrayMeta:
    shape, order = header["shape"], header["fortran_order"]
    sound = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape) and isinstance(order, bool)
    if not sound or len(shape) > 64:
        raise FormatError(f"expected a shape and an order, found {shape!r} and {order!r}", url=source.url, offset=8)
    try:
        dtype = descr_to_dtype(header["descr"])
    except (TypeError, ValueError, KeyError, IndexError, OverflowError, SyntaxError) as error:
        raise FormatError(f"{header['descr']!r} is no type: {error}", url=source.url, offset=8) from error
    if dtype.hasobject:
        raise Unsupported(
            "its elements are Python objects, which are pickled: reading them would run code",
            feature="object array",
            url=source.url,
        )
    if not dtype.itemsize or dtype.subdtype is not None or _has_long_doubles(dtype):
        raise Unsupported(f"elements of type {dtype} have no form in Zarr", feature="data type", url=source.url)
    ndim = len(shape)
    flat, nested = flat_and_nested(dtype)
    return ArrayMeta(
        shape=shape,
        chunk_shape=tuple(max(n, 1) for n in shape),
        dtype=flat,
        order="F" if order and ndim > 1 else "C",
        dims=tuple(f"dim_{axis}" for axis in range(ndim)),
        nested=nested,
    )


def _has_long_doubles(dtype: np.dtype[Any]) -> bool:
    """Whether numbers are of more than 64 bits, or parts of them, which are the machine's own affair."""
    if dtype.fields is not None:
        return any(_has_long_doubles(member) for member, *_ in dtype.fields.values())
    dtype = dtype.base
    return dtype.itemsize > {"f": 8, "c": 16}.get(dtype.kind, dtype.itemsize)
