"""How long the content of a frame of Zstandard is, which its header mostly says (RFC 8878, section 3.1.1.1)."""

from __future__ import annotations

from typing import Final

__all__ = ["MAGIC", "content_size"]

MAGIC: Final = b"\x28\xb5\x2f\xfd"
"""How a frame begins."""


def content_size(data: memoryview) -> int | None:
    """The bytes that come out of a frame; None where its header does not say, or where it is none.

    >>> content_size(memoryview(MAGIC + bytes([0x20, 9, 0])))
    9
    """
    head = bytes(data[:18])
    if len(head) < 6 or head[:4] != MAGIC:
        return None
    single, flag = head[4] >> 5 & 1, head[4] >> 6
    size = (single, 2, 4, 8)[flag]
    start = 5 + (0 if single else 1) + (0, 1, 2, 4)[head[4] & 3]
    if not size or len(head) < start + size:
        return None
    return int.from_bytes(head[start : start + size], "little") + (256 if size == 2 else 0)
