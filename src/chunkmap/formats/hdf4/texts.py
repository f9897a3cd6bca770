"""Text: HDF4 does not say how it is encoded."""

from __future__ import annotations

__all__ = ["counted_text", "read_text"]


def read_text(raw: bytes) -> str:
    """UTF-8 where it is, else Latin-1, which anything is."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def counted_text(data: bytes, place: int) -> tuple[str, int]:
    r"""The text at a place, where its length stands before it, up to a null byte; and where it ends.

    >>> counted_text(b"\0\3ab\0...", 0)
    ('ab', 5)
    """
    stop = place + 2 + (data[place] << 8 | data[place + 1])
    text = read_text(data[place + 2 : stop])
    return (text if "\0" not in text else text.partition("\0")[0]), stop
