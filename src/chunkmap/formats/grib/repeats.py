"""Fields that are in a file twice, byte for byte: each is taken once.

GFS writes the precipitation of its first hours twice, as that of the last interval and as that since the start. What
only *says* that it is the same, and has other values, is left to `chunkmap.formats.grib.assembly`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from chunkmap.formats.grib.fields import Field, Fields
from chunkmap.io.rounds import Parser, Span

__all__ = ["without_repeats"]

_MOST_BYTES: Final = 64 << 20
"""More than so much is not read in order to compare: then repeated fields are as if they had other values."""


def without_repeats(fields: Fields) -> Parser[Fields]:
    """The fields without those that repeat an earlier one."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for number in _perhaps_alike(fields):
        alike.setdefault(_said(fields[number]), []).append(number)
    groups = [numbers for numbers in alike.values() if len(numbers) > 1]
    if sum(fields[n].stop - fields[n].offset for numbers in groups for n in numbers) > _MOST_BYTES:
        return fields
    left_out: set[int] = set()
    for numbers in groups:
        lengths = [fields[n].stop - fields[n].offset for n in numbers]
        blocks = yield [Span(fields[n].offset, size, size) for n, size in zip(numbers, lengths, strict=True)]
        seen: set[bytes] = set()
        for number, block, size in zip(numbers, blocks, lengths, strict=True):
            held = bytes(block[:size])
            if held in seen:
                left_out.add(number)
            seen.add(held)
    return fields.take([n for n in range(len(fields)) if n not in left_out]) if left_out else fields


def _perhaps_alike(fields: Sequence[Field]) -> list[int]:
    """The fields of which another one says what has the same hash: mostly none, and nothing is held of the others."""
    hashes = np.fromiter((hash(_said(field)) for field in fields), np.int64, len(fields))
    _, which, count = np.unique(hashes, return_inverse=True, return_counts=True)
    return [int(number) for number in np.flatnonzero(count[which] > 1)]


def _said(field: Field) -> tuple[object, ...]:
    """All that is known of a field without its data."""
    said = field.indicator, field.identification, field.local, field.grid, field.product, field.packed
    return (field.stop - field.offset, field.number, *said)
