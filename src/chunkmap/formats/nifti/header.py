"""The header of an image, of whatever version and byte order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.errors import FormatError
from chunkmap.formats.nifti.layouts import ANALYZE, NIFTI1, NIFTI2, Layout
from chunkmap.io import Source
from chunkmap.io.rounds import Window

__all__ = ["Header", "read_header"]

_MOST_EXTENSIONS: Final = 16 << 20
"""Bytes before the voxels that are looked at for extensions."""

_TEXT_CODES: Final = frozenset({4, 6, 44})
"""Extensions whose content is text, as registered at nifti.nimh.nih.gov: XML of AFNI, a comment, XML of others."""


class Header(NamedTuple):
    """What the header says."""

    layout: Layout
    order: str
    """Byte order of the file, `<` or `>`."""
    values: Mapping[str, Any]
    is_pair: bool
    """Whether the image is in another file."""
    extensions: tuple[Mapping[str, Any], ...]

    @property
    def is_analyze(self) -> bool:
        """Whether it is one from before NIfTI."""
        return self.layout is ANALYZE


def read_header(window: Window, source: Source) -> Header:
    """Read a header. Raises FormatError for what is none."""
    head = window.take(0, 8)
    layout, order = _layout(bytes(head), source)
    data = window.take(0, layout.size)
    magic = bytes(data[layout.magic_at : layout.magic_at + len(layout.magics[0])])
    if magic not in layout.magics:
        if layout is not NIFTI1:
            raise FormatError(
                f"expected one of {layout.magics}, found {magic!r}", url=source.url, offset=layout.magic_at
            )
        return Header(ANALYZE, order, _fields(data, ANALYZE, order), True, ())
    values = _fields(data, layout, order)
    is_pair = magic == layout.magics[1]
    stop = source.size() if is_pair else int(values["vox_offset"]) if math.isfinite(values["vox_offset"]) else 0
    return Header(layout, order, values, is_pair, tuple(_extensions(window, layout, order, stop, source)))


def _layout(head: bytes, source: Source) -> tuple[Layout, str]:
    """Version and byte order, told by the size of the header, "MUST be 348" or "MUST be 540"."""
    for order in "<>":
        size = int.from_bytes(head[:4], "little" if order == "<" else "big")
        for layout in (NIFTI1, NIFTI2):
            if size == layout.size:
                return layout, order
    raise FormatError(f"expected a header of 348 or 540 bytes, it begins with {head[:4]!r}", url=source.url, offset=0)


def _fields(data: memoryview, layout: Layout, order: str) -> dict[str, Any]:
    return {name: _field(data, place, order) for name, place in layout.fields.items()}


def _field(data: memoryview, place: tuple[int, str], order: str) -> Any:
    """A number, a list of numbers, or text up to its first NUL."""
    offset, kind = place
    if kind.startswith("S"):
        return bytes(data[offset : offset + int(kind[1:])]).partition(b"\0")[0].decode("latin-1")
    count, dtype = (int(kind[:-2]), kind[-2:]) if len(kind) > 2 else (1, kind)
    values = np.frombuffer(data, np.dtype(f"{order}{dtype}"), count, offset).tolist()
    return values if len(kind) > 2 else values[0]


def _extensions(window: Window, layout: Layout, order: str, stop: int, source: Source) -> Iterator[Mapping[str, Any]]:
    """Blocks between header and voxels: `esize`, `ecode` and content; the first of four bytes says whether any come."""
    place, stop = layout.size + 4, min(stop, source.size(), layout.size + _MOST_EXTENSIONS)
    if source.size() < place or not bytes(window.take(layout.size, 4))[0]:
        return
    while place + 8 <= stop:
        size, code = np.frombuffer(window.take(place, 8), f"{order}i4").tolist()
        if size < 8 or place + size > stop:
            return  # readers of NIfTI pass over what is no extension
        content = bytes(window.take(place + 8, size - 8))
        text = content.rstrip(b"\0").decode("utf-8", "backslashreplace") if code in _TEXT_CODES else None
        yield {"code": code, "nbytes": size - 8} | ({} if text is None else {"text": text})
        place += size
