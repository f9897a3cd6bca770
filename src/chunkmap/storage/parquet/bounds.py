"""What a table in Parquet may become in memory, judged by its footer before anything of it is read."""

from __future__ import annotations

from typing import Any, Final

from chunkmap.errors import StorageError

__all__ = ["check_size"]

_SPARE: Final = 64 << 20
_TIMES: Final = 200
"""Bytes that the columns of a file may take, and so many times its length: URLs compress to a hundredth at best."""


def check_size(footer: Any, nbytes: int, rows: int, where: str) -> int:
    """The bytes that a file of so many bytes may become. Raises StorageError where it says it has more, or more rows
    than so many.
    """
    if footer.num_rows > rows:
        raise StorageError(f"{where}: expected at most {rows} rows in {nbytes} bytes, found {footer.num_rows}")
    total = sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups))
    most = _SPARE + _TIMES * nbytes
    if total > most:
        raise StorageError(f"{where}: {nbytes} bytes say that they become {total}, which no table of references does")
    return most
