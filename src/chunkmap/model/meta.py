"""What an array is, without where its chunks are: shape, type, encoding and attributes.

`ArrayMeta` says what Zarr v2's `.zarray` and `.zattrs` say, as values: its dtype is a numpy dtype, its fill value a
scalar of that dtype, its dimension names stand beside the attributes, not in them. Reading and writing the documents
is the business of `zarr_v2` and `zarr_v3`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np

from chunkmap.model.edges import Edges, EvenSteps
from chunkmap.model.records import NESTED, nested_in, nested_text
from chunkmap.model.typed import same_types, types_of, with_codes

__all__ = ["ArrayMeta", "CodecConfig", "check_cells", "check_extent", "grid_shape_of", "lengths_of"]

_MOST_AXES: Final = 64
"""Axes that an array of numpy may have."""

_MOST_CODECS: Final = 64
"""Each is run for each chunk; HDF5 knows 32 of them at the most."""

_MOST_CELLS: Final = 2**63 - 1
"""Positions in a grid are counted in 64 bits."""

CodecConfig = Mapping[str, Any]
"""A codec as numcodecs configures it: `{"id": "zlib", "level": 4}`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArrayMeta:
    """Shape, chunk grid, type, codecs, fill value and attributes of one array.

    >>> meta = ArrayMeta(shape=(5, 4), chunk_shape=(2, 4), dtype=np.dtype("<f4"), dims=("time", "x"))
    >>> meta.grid_shape
    (3, 1)
    """

    shape: tuple[int, ...]
    """Length of each axis, in elements."""
    chunk_shape: tuple[int, ...]
    """Length of a chunk along each axis, in elements, of the longest one where they vary; the last chunk of an axis may
    hang over its end."""
    dtype: np.dtype[Any]
    """Type of the decoded elements, byte order included."""
    filters: tuple[CodecConfig, ...] = ()
    """Codecs in the order of encoding; decoding runs backwards."""
    compressor: CodecConfig | None = None
    """The codec after the filters, kept apart as Zarr v2 keeps it."""
    fill_value: Any = None
    """Value of elements that no chunk holds, a scalar of `dtype` (`bytes` for strings); None when there is none.

    xarray masks it, as Zarr v2 is read."""
    background: Any = None
    """Value of elements that no chunk holds, where there is no fill value: Zarr v3 has such, which masks nothing. None
    stands for zero, no time, or no text."""
    order: Literal["C", "F"] = "C"
    """Order of the elements inside a chunk."""
    dims: tuple[str, ...] | None = None
    """Name of each axis; None when the axes have no names."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Attributes as JSON has them, without the names of the dimensions."""
    edges: tuple[Edges | None, ...] = ()
    """For each axis the lengths of its chunks, None where all are of one; nothing when none of them vary.
    Only Zarr v3 has grids with edges."""
    nested: np.dtype[Any] | None = None
    """The type of a record as the file has it, with gaps or records in it, where `dtype` is the same laid flat."""

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.chunk_shape):
            raise ValueError(f"chunks {self.chunk_shape} do not have as many axes as the shape {self.shape}")
        for length, chunk in zip(self.shape, self.chunk_shape, strict=True):
            if length < 0 or chunk < (length > 0):
                raise ValueError(f"a shape {self.shape} in chunks {self.chunk_shape} has a length that is none")
        if self.dims is not None and len(self.dims) != len(self.shape):
            raise ValueError(f"dimensions {self.dims} do not have as many axes as the shape {self.shape}")
        if self.edges:
            self._check_edges()

    def _check_edges(self) -> None:
        if not any(self.edges):
            object.__setattr__(self, "edges", ())
            return
        for n, chunk, edges in zip(self.shape, self.chunk_shape, self.edges, strict=True):
            if edges is None:
                continue
            if edges.longest != chunk:
                raise ValueError(f"chunks of {edges} elements, of which the longest is said to have {chunk}")
            if not edges.starts(np.array([len(edges) - 1]))[0] < n <= edges.ends[-1]:
                raise ValueError(f"chunks that end at {edges.ends[-1]} do not cover an axis of {n} elements")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArrayMeta):
            return NotImplemented
        return (
            self.shape == other.shape
            and self.chunk_shape == other.chunk_shape
            and self.edges == other.edges
            and self.dtype == other.dtype
            and self.dims == other.dims
            and ((self.filters == other.filters and self.compressor == other.compressor) or self.codecs == other.codecs)
            and self.order == other.order
            and same_scalar(self.fill_value, other.fill_value)
            and same_scalar(self.background, other.background)
            and same_attrs(self.attrs, other.attrs)
        )

    __hash__ = None  # type: ignore[assignment]

    def is_same(self, other: ArrayMeta) -> bool:
        """Whether it is equal to the letter, so that one can stand for the other: its attributes are of the same types,
        in the same order, its codecs are divided and printed alike, and its zeros are of one sign.
        """
        return self is other or (
            self == other
            and self.nested == other.nested
            and self._letters() == other._letters()
            and same_types(self.attrs, other.attrs)
        )

    def _letters(self) -> str:
        """What may be equal and another, as 1 and 1.0, or a zero and a negative one."""
        return repr((self.filters, self.compressor, self.fill_value, self.background))

    def types(self) -> dict[str, list[str]]:
        """What a stored set says beside the documents: names of attributes by the code of their type, and how a record
        was that is laid flat.
        """
        found = types_of(self.attrs)
        return found if self.nested is None else {**found, NESTED: [nested_text(self.nested)]}

    def with_types(self, codes: Mapping[str, str]) -> ArrayMeta:
        """The same with what a stored set said beside the documents."""
        return replace(self, attrs=with_codes(self.attrs, codes), nested=nested_in(codes, self.dtype))

    @property
    def codecs(self) -> tuple[CodecConfig, ...]:
        """Every codec, in the order of encoding."""
        return self.filters if self.compressor is None else (*self.filters, self.compressor)

    @property
    def missing(self) -> Any:
        """What elements read as that no chunk holds; None stands for zero, no time, or no text."""
        return self.background if self.fill_value is None else self.fill_value

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the decoded array."""
        return self.size * self.dtype.itemsize

    @property
    def chunk_nbytes(self) -> int:
        """Bytes of one decoded chunk, as long along each axis as the longest."""
        return math.prod(self.chunk_shape) * self.dtype.itemsize

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        even = grid_shape_of(self.shape, self.chunk_shape)
        if not self.edges:
            return even
        return tuple(n if edges is None else len(edges) for n, edges in zip(even, self.edges, strict=True))

    @property
    def chunks(self) -> tuple[int | Edges, ...]:
        """Of each axis the length of its chunks, or their edges: what two grids are compared by."""
        if not self.edges:
            return self.chunk_shape
        return tuple(n if edges is None else edges for n, edges in zip(self.chunk_shape, self.edges, strict=True))

    @property
    def axes(self) -> tuple[EvenSteps | Edges, ...]:
        """How each axis is cut into chunks."""
        return tuple(EvenSteps(n) if isinstance(n, int) else n for n in self.chunks)

    def shape_of_chunk(self, coord: Sequence[int]) -> tuple[int, ...]:
        """The shape of the chunk in a cell of the grid, decoded; an edge chunk is whole.

        >>> meta = ArrayMeta(shape=(59, 4), chunk_shape=(31, 3), dtype=np.dtype("u1"), edges=(Edges.of([31, 28]), None))
        >>> meta.grid_shape, meta.shape_of_chunk((1, 1))
        ((2, 2), (28, 3))
        """
        if not self.edges:
            return self.chunk_shape
        return tuple(
            n if edges is None else int(edges.lengths(np.array([at]))[0])
            for n, edges, at in zip(self.chunk_shape, self.edges, coord, strict=True)
        )

    def elements_of_chunk(self, coord: Sequence[int]) -> tuple[slice, ...]:
        """Which elements of the array the chunk in a cell of the grid holds.

        >>> ArrayMeta(shape=(5, 4), chunk_shape=(2, 4), dtype=np.dtype("u1")).elements_of_chunk((2, 0))
        (slice(4, 5, None), slice(0, 4, None))
        """
        starts = [n * at for n, at in zip(self.chunk_shape, coord, strict=True)]
        for axis, edges in enumerate(self.edges):
            if edges is not None:
                starts[axis] = int(edges.starts(np.array([coord[axis]]))[0])
        sizes = zip(starts, self.shape_of_chunk(coord), self.shape, strict=True)
        return tuple(slice(start, min(start + n, length)) for start, n, length in sizes)


def check_extent(shape: Sequence[Any], codecs: Sequence[Any]) -> None:
    """Raise ValueError for more axes, or more codecs, than any array has that can be read."""
    if len(shape) > _MOST_AXES:
        raise ValueError(f"{len(shape)} axes, expected {_MOST_AXES} or fewer")
    if len(codecs) > _MOST_CODECS:
        raise ValueError(f"{len(codecs)} codecs, expected {_MOST_CODECS} or fewer")


def lengths_of(said: Sequence[Any]) -> tuple[int, ...]:
    """Lengths of axes or chunks as JSON has them. Raises ValueError for what is no whole number, or too large a one.

    >>> lengths_of([3, 4.0])
    (3, 4)
    """
    lengths = tuple(int(n) for n in said if isinstance(n, (int, float)) and not isinstance(n, bool))
    if lengths != tuple(said) or not all(0 <= n <= _MOST_CELLS for n in lengths):
        raise ValueError(f"{str(said)[:60]} are no lengths, expected whole numbers of 64 bits")
    return lengths


def check_cells(meta: ArrayMeta) -> None:
    """Raise ValueError for a grid of more chunks than can be counted."""
    if math.prod(meta.grid_shape) > _MOST_CELLS:
        raise ValueError(f"a grid of {meta.grid_shape} chunks, more than 64 bits count")


@lru_cache(maxsize=1024)
def grid_shape_of(shape: tuple[int, ...], chunk_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Number of chunks along each axis: the length over the chunk length, rounded up.

    >>> grid_shape_of((5, 0), (2, 1))
    (3, 0)
    """
    return tuple(-(-n // c) if c else 0 for n, c in zip(shape, chunk_shape, strict=True))


_OF_PARTS: Final = (complex, np.complexfloating, np.void)
"""What may be NaN in one part, and differ in another."""


def same_scalar(a: Any, b: Any) -> bool:
    """Whether two fill values or attribute numbers are the same, NaN being the same as NaN.

    >>> same_scalar(np.float32("nan"), float("nan")), same_scalar(None, 0)
    (True, False)
    """
    if a is None or b is None:
        return a is b
    try:
        return bool(a == b) or bool(a != a and b != b and (not isinstance(a, _OF_PARTS) or repr(a) == repr(b)))
    except (TypeError, ValueError):
        return False


def same_attrs(a: Any, b: Any) -> bool:
    """Whether two JSON values are equal, NaN being equal to NaN.

    >>> same_attrs({"a": [1, float("nan")]}, {"a": [1, float("nan")]})
    True
    """
    if a is b or a == b:
        return True
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same_attrs(v, b[k]) for k, v in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same_attrs, a, b))
    return isinstance(a, float) and isinstance(b, float) and a != a and b != b
