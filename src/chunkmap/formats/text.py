"""Text in files whose writers kept to no character set."""

from __future__ import annotations

__all__ = ["text_of"]


def text_of(raw: bytes | memoryview) -> str:
    """Bytes as text: UTF-8, and where they are none, Latin-1, which takes any bytes and gives each back.

    >>> text_of("\u00b5m".encode()), text_of("\u00b5m".encode("latin-1"))
    ('\u00b5m', '\u00b5m')
    """
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError:
        return str(raw, "latin-1")
