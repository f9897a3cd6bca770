"""TAR archives that are compressed as a whole: gone through once, however many of their members are wanted.

Such an archive has no directory: the header of a member stands before it, somewhere in what is decompressed. So restart
points and members are found together, and kept for the archives that were gone through last.
"""

from __future__ import annotations

import tarfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from chunkmap.io.compressed.source import CompressedSource
from chunkmap.io.source import Source
from chunkmap.model.points import Points

__all__ = ["Members", "gone_through"]

_MOST: Final = 64 << 20
"""Bytes of restart points that are kept of archives, but for the last one."""

Members = Mapping[str, tarfile.TarInfo]
"""The members of an archive, by name."""


class _Known(NamedTuple):
    """What is known of an archive."""

    points: Points
    members: Members

    @property
    def nbytes(self) -> int:
        """About the memory that it takes."""
        return sum(map(len, self.points.windows)) + 40 * len(self.points) + 1000 * len(self.members)


_known: Final[OrderedDict[tuple[object, ...], _Known]] = OrderedDict()
_guard: Final = threading.Lock()
_passes: Final[dict[tuple[object, ...], threading.Lock]] = {}
"""One lock for each archive that is being gone through: who comes meanwhile waits."""


def gone_through(
    outer: Source, opened: Callable[[Points | None], CompressedSource], directory: Callable[[Source], Members]
) -> tuple[CompressedSource, Members]:
    """What an archive decompresses to, and its members.

    It is `opened` with the points that are known of it, if any. Of a file that says nothing by which to tell that it
    changed, nothing is kept.
    """
    told = outer.target()
    if told.etag is None and told.mtime is None:
        whole = opened(None)
        return whole, _listed(whole, directory)
    key = (outer.url, told.size, told.etag, told.mtime)
    with _guard:
        lock = _passes.setdefault(key, threading.Lock())
    with lock:
        known = _known.get(key)
        try:
            whole = opened(None if known is None else known.points)
            known = known or _Known(whole.points, _listed(whole, directory))
        except BaseException:
            with _guard:
                _passes.pop(key, None)
            raise
        _keep(key, known)
    return whole, known.members


def _listed(whole: CompressedSource, directory: Callable[[Source], Members]) -> Members:
    try:
        return directory(whole)
    except BaseException:
        whole.close()
        raise


def _keep(key: tuple[object, ...], known: _Known) -> None:
    """Keep the archives that were gone through last."""
    with _guard:
        _known[key] = known
        _known.move_to_end(key)
        while len(_known) > 1 and sum(each.nbytes for each in _known.values()) > _MOST:
            gone, _ = _known.popitem(last=False)
            _passes.pop(gone, None)
