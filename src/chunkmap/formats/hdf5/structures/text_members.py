"""IV.A.2.d, class 3: where text of fixed length stands in elements, and how it is padded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf5.structures.datatype import Datatype

__all__ = ["texts_in"]

_NUL_TERMINATED, _SPACE_PADDED = 0, 2
_MOST_TEXTS: Final = 1000


def texts_in(datatype: Datatype) -> list[tuple[int, int, int]]:
    """Offset, length and padding of every text in an element that does not end as numpy's does."""
    return list(_texts(datatype, 0)) if datatype.has_text else []


def _texts(datatype: Datatype, offset: int) -> Iterator[tuple[int, int, int]]:
    if datatype.is_string:
        padding, size = datatype.padding, datatype.size
        if not datatype.is_vlen and (padding == _SPACE_PADDED or (padding == _NUL_TERMINATED and size > 1)):
            yield offset, size, padding
        return
    for _, start, member in datatype.members:
        yield from _texts(member, offset + start)
    if datatype.shape and datatype.base is not None:
        inner = list(_texts(datatype.base, 0))
        number = math.prod(datatype.shape) if inner else 0
        if number * len(inner) > _MOST_TEXTS:
            raise Unsupported(f"its elements have more than {_MOST_TEXTS} texts", feature="text in large arrays")
        for at in range(number):
            for start, size, padding in inner:
                yield offset + at * datatype.base.size + start, size, padding
