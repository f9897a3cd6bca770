"""VIII.A: selections of elements, as virtual datasets store them.

Only what is a product of one list of indices an axis is represented: everything but sets of points, and unions of
blocks in more than one axis.
"""

from __future__ import annotations

import math
import struct
from itertools import product
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, Unsupported

__all__ = ["Selection", "index_of", "parse_selection"]

_NONE, _POINTS, _HYPERSLABS, _ALL = range(4)
_REGULAR: Final = 1
_MOST_AXES: Final = 32
_MOST_INDICES: Final = 1 << 22
_UNLIMITED: Final = -1
_MOST_BLOCKS: Final = 1 << 16
"""Blocks or points that are written out as text."""

_u32 = struct.Struct("<I").unpack_from


class Slab(NamedTuple):
    """The indices along one axis: `blocks` blocks, each so many after the one before. -1 is without end."""

    start: int
    stride: int
    blocks: int
    block: int


class Selection(NamedTuple):
    """Elements of a dataset."""

    slabs: tuple[Slab, ...] | None
    """A regular hyperslab; None when it is none."""
    blocks: tuple[tuple[int, int], ...] = ()
    """Of one axis: first and last index of each block."""
    is_all: bool = False

    @property
    def unlimited(self) -> int | None:
        """The axis that grows, if there is one."""
        slabs = self.slabs or ()
        return next((axis for axis, slab in enumerate(slabs) if _UNLIMITED in (slab.blocks, slab.block)), None)

    def indices(self, shape: tuple[int, ...], blocks: int | None = None) -> list[NDArray[np.int64]]:
        """The indices along each axis of a dataset of this shape; `blocks` is how many an unlimited axis has."""
        if self.is_all:
            return [_bounded(0, n) for n in shape]
        if self.slabs is None:
            return [np.concatenate([_bounded(first, last + 1) for first, last in self.blocks])]
        if len(self.slabs) != len(shape):
            raise FormatError(f"a selection of {len(self.slabs)} axes in a dataset of {len(shape)}")
        return [_expand(slab, length, blocks) for slab, length in zip(self.slabs, shape, strict=True)]

    def as_index(self) -> str:
        """The same selection as numpy writes it. Raises Unsupported for what no slices select.

        >>> Selection((Slab(1, 1, 1, 2), Slab(0, 3, 4, 1))).as_index()
        '1:3, 0:10:3'
        """
        if self.is_all:
            return "..."
        return ", ".join(map(_slice, self.slabs or _regular([n for block in self.blocks for n in block], 1)))


def _slice(slab: Slab) -> str:
    start, stride, count, block = slab
    if _UNLIMITED in (count, block):
        raise Unsupported("it selects elements without end", feature="unlimited selection")
    if count == 1 or block == stride:
        return f"{start}:{start + count * block}"
    if block != 1:
        raise Unsupported("it selects several blocks along an axis", feature="blocks of a selection")
    return f"{start}:{start + (count - 1) * stride + 1}:{stride}"


def _bounded(start: int, stop: int) -> NDArray[np.int64]:
    if stop - start > _MOST_INDICES:
        raise Unsupported(f"it selects {stop - start} elements along an axis", feature="virtual dataset")
    return np.arange(start, stop)


def _expand(slab: Slab, length: int, blocks: int | None) -> NDArray[np.int64]:
    start, stride, count, block = slab
    if block == _UNLIMITED:
        return _bounded(start, max(length, start))
    if count == _UNLIMITED:
        if blocks is None:
            offsets = _bounded(start, max(length, start)) - start
            return offsets[offsets % stride < block] + start
        count = blocks
    if count * block > _MOST_INDICES:
        raise Unsupported(f"it selects {count * block} elements along an axis", feature="virtual dataset")
    return (start + np.arange(count)[:, None] * stride + np.arange(block)).ravel()


def index_of(body: bytes, place: int) -> str:
    """A selection as numpy writes it: slices, lists of the coordinates of points, or several blocks with `|` between.

    Raises Unsupported for one that has no end, or too many parts.
    """
    if _u32(body, place)[0] == _POINTS:
        return _points(body, place)
    try:
        return f"[{parse_selection(body, place)[0].as_index()}]"
    except Unsupported as refusal:
        blocks = _blocks(body, place)
        if blocks is None:
            raise refusal from None
    return " | ".join(f"[{', '.join(f'{first}:{last + 1}' for first, last in block)}]" for block in blocks)


def _points(body: bytes, place: int) -> str:
    """Version 1: reserved, length, rank, number of points, coordinates; version 2: width of numbers, rank, number."""
    version = _u32(body, place + 4)[0]
    if version not in (1, 2):
        raise FormatError(f"expected a selection of points of version 1 or 2, found {version}")
    width, place = (4, place + 16) if version == 1 else (body[place + 8], place + 9)
    if width not in (2, 4, 8):
        raise FormatError(f"expected a selection in numbers of 2, 4 or 8 bytes, found {width}")
    rank, count = _rank(body, place), _number(body, place + 4, width)
    place += 4 + width
    if not 0 <= count <= (len(body) - place) // (rank * width):
        raise FormatError(f"a selection claims {count} points")
    if count > _MOST_BLOCKS:
        raise Unsupported(f"it selects {count} points", feature="points of a selection")
    numbers = np.frombuffer(body, f"<u{width}", count * rank, place).reshape(count, rank)
    return f"[{', '.join(str(axis) for axis in numbers.T.tolist())}]"


def _blocks(body: bytes, place: int) -> list[list[tuple[int, int]]] | None:
    """First and last index along each axis of every block of a hyperslab; None where they are too many, or endless."""
    version = _u32(body, place + 4)[0]
    flags = body[place + 8] if version > 1 else 0
    if flags & _REGULAR:
        slabs = parse_selection(body, place)[0].slabs or ()
        if any(_UNLIMITED in (s.blocks, s.block) for s in slabs) or math.prod(s.blocks for s in slabs) > _MOST_BLOCKS:
            return None
        starts = [[slab.start + n * slab.stride for n in range(slab.blocks)] for slab in slabs]
        axes = [[(at, at + s.block - 1) for at in own] for s, own in zip(slabs, starts, strict=True)]
        return list(map(list, product(*axes)))
    width, start = {1: (4, 16), 2: (8, 13)}.get(version, (body[place + 9], 10))
    place += start
    rank = _rank(body, place)
    numbers, _ = _corners(body, place, width, rank)
    if len(numbers) // (2 * rank) > _MOST_BLOCKS:
        return None
    pairs = np.array(numbers, np.int64).reshape(-1, 2, rank).transpose(0, 2, 1)
    return [[(first, last) for first, last in block] for block in pairs.tolist()]


def parse_selection(body: bytes, place: int) -> tuple[Selection, int]:
    """Type, version, and what these say. Gives the selection and where it ends."""
    kind, version = _u32(body, place)[0], _u32(body, place + 4)[0]
    place += 8
    if kind in (_NONE, _ALL):
        return (Selection(None, is_all=True) if kind == _ALL else Selection(None, ((0, -1),))), place + 8
    if kind == _POINTS:
        raise Unsupported("it selects single points", feature="virtual dataset")
    if kind != _HYPERSLABS or not 1 <= version <= 3:
        raise FormatError(f"expected a selection of type 0 to 3 and version 1 to 3, found {kind} and {version}")
    if version == 1:
        return _parse_blocks(body, place + 8, 4, _rank(body, place + 8))
    flags = body[place]
    width = 8 if version == 2 else body[place + 1]
    place += 5 if version == 2 else 2
    if width not in (2, 4, 8):
        raise FormatError(f"expected a selection in numbers of 2, 4 or 8 bytes, found {width}")
    rank = _rank(body, place)
    if not flags & _REGULAR:
        return _parse_blocks(body, place, width, rank)
    place += 4
    numbers = [_number(body, place + width * n, width) for n in range(4 * rank)]
    slabs = tuple(Slab(*numbers[n : n + 4]) for n in range(0, 4 * rank, 4))
    if any(slab.start < 0 or slab.stride < 1 or not slab.block for slab in slabs):
        raise FormatError(f"a selection has the hyperslab {slabs}")
    return Selection(slabs), place + 4 * rank * width


def _rank(body: bytes, place: int) -> int:
    (rank,) = _u32(body, place)
    if not 0 < rank <= _MOST_AXES:
        raise FormatError(f"a selection has {rank} axes")
    return int(rank)


def _number(body: bytes, place: int, width: int) -> int:
    raw = body[place : place + width]
    if len(raw) != width:
        raise FormatError("a selection ends too early")
    return _UNLIMITED if raw == b"\xff" * width else int.from_bytes(raw, "little")


def _corners(body: bytes, place: int, width: int, rank: int) -> tuple[list[int], int]:
    """Rank, number of blocks, then of each block its first and its last element."""
    count_width = 4 if width == 4 else width
    count = _number(body, place + 4, count_width)
    place += 4 + count_width
    end = place + count * 2 * rank * width
    if count < 0 or end > len(body):
        raise FormatError(f"a selection claims {count} blocks")
    numbers = [_number(body, start, width) for start in range(place, end, width)]
    if any(number < 0 for number in numbers):
        raise FormatError("a selection has a block without end")
    return numbers, end


def _parse_blocks(body: bytes, place: int, width: int, rank: int) -> tuple[Selection, int]:
    numbers, end = _corners(body, place, width, rank)
    if len(numbers) == 2 * rank:
        corners = zip(numbers[:rank], numbers[rank:], strict=True)
        return Selection(tuple(Slab(first, 1, 1, last - first + 1) for first, last in corners)), end
    if rank > 1:
        return Selection(_regular(numbers, rank)), end
    return Selection(None, tuple(sorted(zip(numbers[::2], numbers[1::2], strict=True)))), end


def _regular(numbers: list[int], rank: int) -> tuple[Slab, ...]:
    """Blocks that together are a product of indices along each axis, evenly spaced."""
    corners = np.array(numbers, np.int64).reshape(-1, 2, rank)
    slabs, total = [], 1
    for axis in range(rank):
        firsts = np.unique(corners[:, 0, axis])
        lengths = np.unique(corners[:, 1, axis] - corners[:, 0, axis] + 1)
        steps = np.unique(np.diff(firsts))
        if len(lengths) > 1 or len(steps) > 1:
            raise Unsupported("it selects blocks that are no regular pattern", feature="virtual dataset")
        stride = int(steps[0]) if len(steps) else int(lengths[0])
        slabs.append(Slab(int(firsts[0]), stride, len(firsts), int(lengths[0])))
        total *= len(firsts)
    if total != len(corners):
        raise Unsupported("it selects blocks that are no regular pattern", feature="virtual dataset")
    return tuple(slabs)
