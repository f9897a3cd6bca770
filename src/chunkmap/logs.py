"""What happens, for who asks: loggers below `chunkmap`, which are silent unless logging is told to show them.

`chunkmap.scan` says what was scanned and what it cost, `chunkmap.cache` what did not have to be, `chunkmap.retry` what
is tried again, `chunkmap.combine` what was decided, `chunkmap.write` what was written.
"""

from __future__ import annotations

import logging

__all__ = ["logger"]


def logger(name: str) -> logging.Logger:
    """A logger below `chunkmap`: `logger("scan")` is that of the scans.

    >>> logger("scan").name
    'chunkmap.scan'
    """
    root = logging.getLogger("chunkmap")
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    child = root.getChild(name)
    child.addFilter(_as_text)
    return child


def _as_text(record: logging.LogRecord) -> bool:
    """Show bytes of a file's name that are no text as escapes: what cannot be encoded, no handler can write."""
    message = record.getMessage()
    text = message.encode("utf-8", "backslashreplace").decode()
    if text != message:
        record.msg, record.args = text, ()
    return True
