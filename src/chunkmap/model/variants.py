"""Chunks of one array that are decoded in several ways.

A year of an archive is zlib, the next zstd; one file has floats of 4 bytes, the next of 8; each has a `scale_factor` of
its own. What differs is a *variant*: a type with its order of bytes, codecs, and a packing. The array has one codec,
`VARIANTS`, whose configuration is the table of its variants; for each chunk, its manifest has the number of one. The
metadata say for the rest what readers see: the one type, and the one fill value, of decoded values.

Other readers do not know the codec, and so read nothing, instead of something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from chunkmap.model.meta import ArrayMeta, CodecConfig, check_extent
from chunkmap.model.packing import Packing, packing_of

__all__ = ["MOST_VARIANTS", "VARIANTS", "ChunkVariant", "Variants", "as_variant", "seen_by_readers", "variants_of"]

VARIANTS: Final = "chunkmap.variants"
"""The id of the codec, and its name in Zarr v3."""

MOST_VARIANTS: Final = 1 << 16
"""What two bytes a chunk can tell apart."""

_KINDS: Final = "biufcmMSU"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkVariant:
    """How some chunks of an array are decoded."""

    dtype: np.dtype[Any]
    """Type of the stored elements, byte order included."""
    filters: tuple[CodecConfig, ...] = ()
    compressor: CodecConfig | None = None
    order: Literal["C", "F"] = "C"
    packing: Packing | None = None
    """What becomes of the stored elements; None where all are packed alike, and attributes say it."""

    @classmethod
    def of(cls, meta: ArrayMeta, packing: Packing | None) -> ChunkVariant:
        """That of the chunks of an array that has but one."""
        return cls(
            dtype=meta.dtype, filters=meta.filters, compressor=meta.compressor, order=meta.order, packing=packing
        )

    @property
    def values(self) -> np.dtype[Any]:
        """The type that its elements have when they are decoded."""
        return self.dtype.newbyteorder("=") if self.packing is None else self.packing.dtype_of(self.dtype)

    def decode(self, elements: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Stored elements as values of the type that readers see."""
        values = elements if self.packing is None else self.packing.decode(elements)
        return values.astype(dtype, copy=False)

    def under(self, meta: ArrayMeta) -> ArrayMeta:
        """The metadata of an array all chunks of which are of this variant, as they are stored."""
        others = tuple(codec for codec in meta.filters if type(codec) is not Variants)
        return replace(
            meta,
            dtype=self.dtype,
            filters=(*others, *self.filters),
            compressor=self.compressor,
            order=self.order,
            fill_value=None,
            background=None,
        )

    def to_json(self) -> dict[str, Any]:
        """What it says, as JSON has it."""
        said = {
            "dtype": self.dtype.str,
            "filters": [dict(codec) for codec in self.filters],
            "compressor": None if self.compressor is None else dict(self.compressor),
            "order": None if self.order == "C" else self.order,
        }
        packing = {} if self.packing is None else {"packing": self.packing.to_json()}
        return {**{name: value for name, value in said.items() if value}, **packing}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> ChunkVariant:
        """Read it. Raises ValueError, TypeError or LookupError for what is none."""
        dtype, filters, compressor = np.dtype(said["dtype"]), tuple(said.get("filters", ())), said.get("compressor")
        codecs = filters if compressor is None else (*filters, compressor)
        check_extent((), codecs)
        if dtype.kind not in _KINDS or not isinstance(said["dtype"], str):
            raise ValueError(f"a variant is of {said['dtype']!r}, expected numbers, times or text of one length")
        for codec in codecs:
            is_codec = isinstance(codec, Mapping) and isinstance(codec["id"], str)
            if not is_codec or codec["id"].startswith("chunkmap."):
                raise ValueError(f"a variant has the codec {codec!r}, expected one of numcodecs")
        if said.get("order", "C") not in ("C", "F"):
            raise ValueError(f"order is {said['order']!r}, expected 'C' or 'F'")
        packing = said.get("packing")
        return cls(
            dtype=dtype,
            filters=filters,
            compressor=compressor,
            order=said.get("order", "C"),
            packing=None if packing is None else Packing.from_json(packing),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Variants(Mapping[str, Any]):
    """The codec of an array with variants: a configuration like any other, `{"id": ..., "variants": [...]}`."""

    table: tuple[ChunkVariant, ...]
    """The variants in the order of their numbers."""
    _said: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Variants:
        """Read it. Raises ValueError, TypeError or LookupError for what is none."""
        said = config["variants"]
        if not isinstance(said, list) or not 0 < len(said) <= MOST_VARIANTS:
            raise ValueError(f"variants are {str(said)[:60]!r}, expected a list of 1 to {MOST_VARIANTS}")
        return cls(tuple(map(ChunkVariant.from_json, said)))

    def _entries(self) -> dict[str, Any]:
        if not self._said:
            self._said.update({"id": VARIANTS, "variants": [variant.to_json() for variant in self.table]})
        return self._said

    def __getitem__(self, name: str) -> Any:
        return VARIANTS if name == "id" else self._entries()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(("id", "variants"))

    def __len__(self) -> int:
        return 2

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Variants):
            return self is other or self.table == other.table
        return isinstance(other, Mapping) and dict(other) == self._entries()

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.table,)


def variants_of(meta: ArrayMeta) -> tuple[ChunkVariant, ...]:
    """The variants of an array by their numbers; none where all chunks are decoded alike.

    >>> variants_of(ArrayMeta(shape=(2,), chunk_shape=(1,), dtype=np.dtype("i2")))
    ()
    """
    return next((codec.table for codec in meta.filters if type(codec) is Variants), ())


def as_variant(meta: ArrayMeta, own: ArrayMeta, elements: NDArray[Any]) -> NDArray[Any]:
    """Stored elements of an input, of which `own` are the metadata, as readers of an array with variants see them."""
    table = variants_of(meta)
    if not table:
        return elements
    packing = None if table[0].packing is None else packing_of(own)
    return replace(ChunkVariant.of(own, packing), dtype=elements.dtype).decode(elements, meta.dtype)


def seen_by_readers(meta: ArrayMeta) -> ArrayMeta:
    """The metadata of the values that chunks are decoded to, as if these were stored."""
    return replace(meta, filters=tuple(codec for codec in meta.filters if type(codec) is not Variants))
