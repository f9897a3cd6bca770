"""Text: HDF4 does not say how it is encoded."""

from __future__ import annotations

__all__ = ["read_text"]


def read_text(raw: bytes) -> str:
    """UTF-8 where it is, else Latin-1, which anything is."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
