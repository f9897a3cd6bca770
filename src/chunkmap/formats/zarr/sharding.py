"""Shards of Zarr v3: what their metadata say, and their metadata without them.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html. A shard is a file that
holds many chunks, and an index that says where each is. Without shards, an array has those chunks as its own, encoded
by the codecs that stand inside of the shards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from google_crc32c import value as crc32c
from numpy.typing import NDArray

from chunkmap.codecs import make
from chunkmap.errors import FormatError, Unsupported
from chunkmap.model.v3_data_types import named

__all__ = ["ABSENT", "IndexEncoding", "Level", "unsharded"]

ABSENT: Final = np.uint64(2**64 - 1)
"""Offset and length of a chunk that is not in its shard."""

_SHARDING: Final = "sharding_indexed"
_CELLWISE: Final = frozenset(
    {"cast_value", "scale_offset", "bitround"}
    | {f"numcodecs.{name}" for name in ("astype", "bitround", "fixedscaleoffset", "quantize")}
)
"""Codecs of arrays that change each element by itself, so that they are the same before shards and inside of them."""
_CHECKSUMS: Final = frozenset({"adler32", "crc32", "crc32c", "fletcher32", "jenkins_lookup3"})
"""Codecs of numcodecs that add 4 bytes."""
_STANDS: Final = {"numcodecs.adler32": "start", "numcodecs.crc32": "start"}
"""Where checksums stand whose configuration does not say it, unless at the end."""
_MOST_LEVELS: Final = 8


@dataclass(frozen=True, slots=True)
class IndexEncoding:
    """How an index is written: offset and length of each chunk, in C order of the chunks of a shard."""

    dtype: np.dtype[np.uint64]
    checksums: tuple[tuple[str, Mapping[str, Any]], ...]
    """Codecs that add 4 bytes each, in the order of encoding."""
    order: tuple[int, ...] | None
    """The axes of the index as they are written, the one of offset and length among them; None when as they are."""
    at_start: bool

    @classmethod
    def of(cls, configuration: Mapping[str, Any], ndim: int) -> IndexEncoding:
        """What the configuration of a codec of shards says. Raises Unsupported for other codecs."""
        order, dtype, checksums = None, None, []
        for name, own in map(named, configuration["index_codecs"]):
            if name == "transpose" and order is None and dtype is None:
                order = tuple(map(int, own["order"]))
                if sorted(order) != list(range(ndim + 1)):
                    raise ValueError(f"the index of shards has {ndim + 1} axes, and is transposed to {order}")
            elif name in ("bytes", "endian") and dtype is None:
                dtype = np.dtype({"little": "<u8", "big": ">u8"}[own.get("endian", "little")])
            elif dtype is not None and name.removeprefix("numcodecs.") in _CHECKSUMS:
                checksums.append((name, own))
            else:
                raise Unsupported(
                    f"the index of its shards is encoded by {name!r}; read are bytes and checksums", feature=_SHARDING
                )
        location = configuration.get("index_location", "end")
        if dtype is None or location not in ("start", "end"):
            raise ValueError(f"the index of shards is encoded by no codec of bytes, or stands at {location!r}")
        return cls(dtype, tuple(checksums), order, location == "start")

    def nbytes(self, count: int) -> int:
        """Bytes of the index of so many chunks."""
        return 16 * count + 4 * len(self.checksums)

    def decode(self, raw: NDArray[np.uint8], counts: Sequence[int], names: Sequence[str]) -> NDArray[np.uint64]:
        """The indexes of shards, of shape (shards, chunks, 2), from their bytes, a row each.

        Raises FormatError naming a shard of which a checksum is wrong.
        """
        for name, own in reversed(self.checksums):
            if name == "crc32c":
                self._check_crc32c(raw, names)
            else:
                self._check(name, own, raw, names)
            raw = raw[:, 4:] if own.get("location", _STANDS.get(name, "end")) == "start" else raw[:, :-4]
        index = np.ascontiguousarray(raw).view(self.dtype).astype(np.uint64, copy=False)
        if self.order is None:
            return index.reshape(len(raw), -1, 2)
        shape = (*counts, 2)
        written = index.reshape(len(raw), *(shape[axis] for axis in self.order))
        axes = [0, *(1 + self.order.index(axis) for axis in range(len(shape)))]
        return written.transpose(axes).reshape(len(raw), -1, 2)

    def _check_crc32c(self, raw: NDArray[np.uint8], names: Sequence[str]) -> None:
        stored = np.ascontiguousarray(raw[:, -4:]).view("<u4").ravel().tolist()
        for name, row, expected in zip(names, raw[:, :-4], stored, strict=True):
            if crc32c(row.tobytes()) != expected:
                raise _damaged(name)

    def _check(self, codec: str, own: Mapping[str, Any], raw: NDArray[np.uint8], names: Sequence[str]) -> None:
        decoder = make({"id": codec.removeprefix("numcodecs."), **own})
        for name, row in zip(names, raw, strict=True):
            try:
                decoder.decode(row.tobytes())
            except (RuntimeError, ValueError) as error:
                raise _damaged(name) from error


def _damaged(name: str) -> FormatError:
    return FormatError(
        "expected the index of a shard, but its checksum is that of other bytes; it is damaged", url=name
    )


@dataclass(frozen=True, slots=True)
class Level:
    """One level of shards: the chunks that a shard holds, and its index."""

    chunk_shape: tuple[int, ...]
    """Of the chunks inside, along the axes of the array."""
    order: tuple[int, ...]
    """The axes of the array in the order in which the index counts them: another one where shards are transposed."""
    index: IndexEncoding


def unsharded(document: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Level, ...]]:
    """The `zarr.json` of the array of the innermost chunks, and the levels of shards above them, the outermost first.

    The chunk grid is left as it is, that of the shards. Raises Unsupported for shards whose chunks are no ranges of
    files, KeyError, TypeError or ValueError for what is no array.
    """
    codecs, ndim = list(document["codecs"]), len(document["shape"])
    levels: list[Level] = []
    outside: list[Any] = []
    order = tuple(range(ndim))
    while (at := next((at for at, codec in enumerate(codecs) if named(codec)[0] == _SHARDING), None)) is not None:
        before, (_, configuration), after = codecs[:at], named(codecs[at]), codecs[at + 1 :]
        if after or len(levels) >= _MOST_LEVELS:
            what = f"its shards are compressed as a whole, by {named(after[0])[0]!r}" if after else "shards in shards"
            raise Unsupported(f"{what}, so that no chunk is a range of a file", feature=_SHARDING)
        for name, own in map(named, before):
            if name == "transpose":
                order = _transposed(order, own["order"])
            elif name not in _CELLWISE:
                raise Unsupported(f"its shards are encoded by {name!r} before they are shards", feature=_SHARDING)
        inner = [int(n) for n in configuration["chunk_shape"]]
        if len(inner) != ndim or min(inner, default=1) < 1:
            raise ValueError(f"shards hold chunks of {inner}, of an array of {ndim} axes")
        levels.append(Level(_along_axes(inner, order), order, IndexEncoding.of(configuration, ndim)))
        outside, codecs = outside + before, list(configuration["codecs"])
    return {**document, "codecs": [*outside, *codecs]}, tuple(levels)


def _transposed(order: Sequence[int], by: Any) -> tuple[int, ...]:
    if sorted(by) != list(range(len(order))):
        raise ValueError(f"transpose has the order {by}, expected the {len(order)} axes")
    return tuple(order[axis] for axis in by)


def _along_axes(lengths: Sequence[int], order: Sequence[int]) -> tuple[int, ...]:
    """Lengths along axes in an order, in that of the array."""
    found = [0] * len(order)
    for length, axis in zip(lengths, order, strict=True):
        found[axis] = length
    return tuple(found)
