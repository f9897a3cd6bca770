"""Arrays that stand in a file as one block of plain elements."""

from __future__ import annotations

from dataclasses import replace

from chunkmap.errors import TruncatedFile
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray
from chunkmap.model.edits import split_shape, subchunk_array

__all__ = ["block", "cut"]


def block(url: str, size: int, offset: int, meta: ArrayMeta, *, what: str = "the array") -> ManifestArray:
    """An array of one chunk from `offset` on, in a file of so many bytes; without an element it has none.

    Raises TruncatedFile where the block reaches past the end of the file; `what` names the array in the message.
    """
    whole = replace(meta, chunk_shape=tuple(max(n, 1) for n in meta.shape))
    if not meta.size:
        return ManifestArray(whole, ChunkManifest.empty(whole.grid_shape))
    stop = offset + meta.nbytes
    if offset < 0 or stop > size:
        raise TruncatedFile(
            f"{what} goes on to byte {stop}, but the file ends at byte {size}; it is cut short",
            url=url,
            offset=offset,
        )
    return ManifestArray(whole, ChunkManifest.single(url, offset, meta.nbytes, meta.ndim))


def cut(array: ManifestArray, nbytes: int) -> ManifestArray:
    """The array in equal chunks of at most so many bytes, as far as divisors of its slowest axes allow."""
    meta = array.meta
    if not meta.size:
        return array
    slowest_first = meta.chunk_shape if meta.order == "C" else meta.chunk_shape[::-1]
    chunk = split_shape(slowest_first, meta.dtype.itemsize, nbytes)
    return subchunk_array(array, chunk if meta.order == "C" else chunk[::-1])
