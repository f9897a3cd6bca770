"""Arrays of inputs that differ only in how their chunks are decoded, as variants of one array.

It is done to the inputs, before they are compared: afterwards all of them have the metadata that readers will see, and
one table of variants, and planning knows nothing of it.

Where all are packed alike, stored numbers stay what readers see, and are unpacked by them as before. Where not, readers
see unpacked values: what xarray makes of each file, in the type to which it joins them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from chunkmap.combining.findings import Finding
from chunkmap.combining.request import Found, Request
from chunkmap.combining.times import is_time
from chunkmap.errors import CombineError, Remedy, StorageError
from chunkmap.model import ArrayMeta, ChunkManifest, ChunksElsewhere, CodecConfig, DeferredArray, ManifestArray
from chunkmap.model.array import fetched_together
from chunkmap.model.codecs import decodes_as
from chunkmap.model.meta import same_scalar
from chunkmap.model.packing import PACKING_ATTRS, packing_of
from chunkmap.model.placement import rows_of_each
from chunkmap.model.record_slices import cut_records, records_of
from chunkmap.model.trimming import trim_axis, untrimmed
from chunkmap.model.typed import code_of
from chunkmap.model.variants import MOST_VARIANTS, ChunkVariant, Variants, variants_of

__all__ = ["are_times", "as_variants", "why_apart", "without_encoding"]

_PACKED: Final = ("valid_min", "valid_max", "valid_range")
"""Attributes in stored numbers, which say nothing of unpacked ones (CF section 2.5.1)."""

_DURATIONS: Final = frozenset({"days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"})
"""Units of which xarray makes lengths of time, and no numbers."""

Numbers = list[int]
"""The number that each variant of an input has among those of all; of most inputs there is but one."""


def as_variants(request: Request, path: str, found: Found) -> Found:
    """The arrays as variants of one, where the recipe asks for it, and they can be; else as they are."""
    if not request.recipe.variants or len(found) < 2:
        return found
    table, numbers = _table_of(found)
    if len(table) == 1:
        return found
    if any(records_of(array.meta) for _, array in found) and len({array.meta.chunk_shape for _, array in found}) > 1:
        found = [(i, cut_records(array, 1) if records_of(array.meta) else array) for i, array in found]
        table, numbers = _table_of(found)
    if len(table) > MOST_VARIANTS:
        message = f"its chunks are encoded in {len(table):,} ways, expected {MOST_VARIANTS:,} or fewer"
        request.findings.add(Finding("variants", path, message))
        return found
    seen = _seen_by_readers(table, found)
    if seen is None:
        return found
    _note(request, path, found, seen)
    return [
        (index, _joined(request, path, (index, array), of_array, seen))
        for (index, array), of_array in zip(found, numbers, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What readers see of all inputs."""

    codec: Variants
    dtype: np.dtype[Any]
    is_unpacked: bool
    fill_value: Any
    background: Any
    hidden: frozenset[str]
    """Attributes that are not theirs."""
    exact: bool = True
    """Whether the type has every value of the inputs."""
    _given: list[tuple[ArrayMeta, list[str | None]]] = field(default_factory=list)
    """The metadata that were made last, and the types of its attributes."""

    @property
    def missing(self) -> Any:
        """What missing chunks read as."""
        return _missing(self.dtype, self.background if self.fill_value is None else self.fill_value)

    def of(self, meta: ArrayMeta) -> ArrayMeta:
        """The metadata of an input as readers see it."""
        trim = meta.filters[:1] if trim_axis(meta) is not None else ()
        attrs = {name: value for name, value in meta.attrs.items() if name not in self.hidden}
        codes = [code_of(value) for value in attrs.values()]
        for known, types in self._given:  # files are mostly alike in all but how they are packed
            if (
                known.attrs == attrs
                and types == codes
                and not trim
                and (known.shape, known.chunk_shape) == (meta.shape, meta.chunk_shape)
                and (known.dims, known.edges) == (meta.dims, meta.edges)
            ):
                return known
        self._given[:] = [(self._new(meta, trim, attrs), codes)]
        return self._given[0][0]

    def _new(self, meta: ArrayMeta, trim: tuple[CodecConfig, ...], attrs: Mapping[str, Any]) -> ArrayMeta:
        return replace(
            meta,
            dtype=self.dtype,
            filters=(*trim, self.codec),
            compressor=None,
            order="C",
            fill_value=self.fill_value,
            background=self.background,
            attrs=attrs,
        )


@dataclass(slots=True)
class _Table:
    """The variants of all inputs, each once."""

    found: list[ChunkVariant] = field(default_factory=list)
    """The variants in the order of their numbers."""
    known: dict[tuple[Any, int, Hashable], int] = field(default_factory=dict)
    """What tells them apart, type, codecs, and packing -> number."""
    _chains: list[tuple[Any, int]] = field(default_factory=list)
    _alike: list[Any] = field(default_factory=list)

    def numbers(self, meta: ArrayMeta, *, records: bool) -> Numbers:
        """The numbers of the variants of an array. With `records`, which can be cut, codecs are not compared."""
        own = untrimmed(meta)
        packing = packing_of(own)
        said: Hashable = packing
        if packing is None:  # nothing can be joined with it but what says the very same
            said = repr((own.fill_value, [own.attrs.get(name) for name in PACKING_ATTRS]))
        numbers: Numbers = []
        for variant in variants_of(own) or (ChunkVariant.of(own, packing),):
            chain = 0 if records else self._chain((variant.filters, variant.compressor, variant.order))
            key = (variant.dtype, chain, said if variant.packing is None else variant.packing)
            number = self.known.setdefault(key, len(self.found))
            if number == len(self.found):
                self.found.append(variant if variant.packing is not None else replace(variant, packing=packing))
            numbers.append(number)
        return numbers

    def __len__(self) -> int:
        return len(self.found)

    def _chain(self, codecs: tuple[tuple[CodecConfig, ...], CodecConfig | None, str]) -> int:
        """A number for codecs: the same for those that decode alike."""
        known = next((number for own, number in self._chains if own == codecs), None)
        if known is not None:
            return known
        filters, compressor, order = codecs
        alike = [decodes_as(codec) for codec in (*filters, *(() if compressor is None else (compressor,)))], order
        if alike not in self._alike:
            self._alike.append(alike)
        self._chains.append((codecs, self._alike.index(alike) + 1))
        return self._chains[-1][1]


def _table_of(found: Found) -> tuple[_Table, list[Numbers]]:
    records = records_of(found[0][1].meta) is not None and all(records_of(array.meta) for _, array in found)
    table = _Table()
    return table, [table.numbers(array.meta, records=records) for _, array in found]


def _seen_by_readers(table: _Table, found: Found) -> _Seen | None:
    """What readers see; None where these are no variants of one array."""
    variants, first = table.found, found[0][1].meta
    native = {variant.dtype.newbyteorder("=") for variant in variants}
    if first.dtype.fields is not None or any(dtype.hasobject for dtype in native):
        return None
    if len({key[-1] for key in table.known}) == len(native) == 1:
        codec = Variants(tuple(replace(variant, packing=None) for variant in variants))
        plain = next((array.meta for _, array in found if not variants_of(array.meta)), first)
        return _Seen(codec, first.dtype, False, plain.fill_value, plain.background, frozenset())
    return _unpacked(variants, found)


def _unpacked(variants: Sequence[ChunkVariant], found: Found) -> _Seen | None:
    """What readers see where stored numbers differ: their values."""
    packings = [variant.packing for variant in variants]
    if any(packing is None for packing in packings) or any(are_times(array.meta) for _, array in found):
        return None
    types = {variant.values for variant in variants}
    kinds = {dtype.kind for dtype in types}
    if not kinds <= set("iuf") and (len(kinds) > 1 or not kinds <= set("cSU")):
        return None
    dtype = np.result_type(*types)
    masks = any(packing is not None and (packing.labelled or packing.is_scaled) for packing in packings)
    changes = any(packing is not None and (packing.is_scaled or packing.unsigned) for packing in packings)
    backgrounds = {str(array.meta.background) for _, array in found}
    return _Seen(
        Variants(tuple(variants)),
        dtype.newbyteorder("<"),
        True,
        dtype.type(np.nan) if masks and dtype.kind in "fc" else None,
        found[0][1].meta.background if not masks and len(backgrounds) == 1 else None,
        frozenset({*PACKING_ATTRS, *(_PACKED if changes else ())}),
        all(_holds(dtype, own) for own in types),
    )


def are_times(meta: ArrayMeta) -> bool:
    """Whether xarray makes times of the values, in ways that depend on the type in which they are stored."""
    units = meta.attrs.get("units")
    return is_time(units) or (isinstance(units, str) and units in _DURATIONS)


def why_apart(request: Request, found: Found) -> str:
    """Why arrays are no variants of one, where the recipe asks for variants; nothing where it is not known."""
    if not request.recipe.variants:
        return ""
    if any(are_times(array.meta) for _, array in found):
        return "Times are joined as variants only where they differ in codecs alone. "
    for index, array in found:
        meta = array.meta
        if not variants_of(meta) and packing_of(untrimmed(meta)) is None:
            said = ", ".join(f"{name} {meta.attrs[name]!r}" for name in PACKING_ATTRS if name in meta.attrs)
            return (
                f"They are no variants of one array: what {request.inputs.name(index)} says of its packing ({said})"
                " does not unpack to floats, with one number as a factor and one as an offset. "
            )
    return ""


def without_encoding(meta: ArrayMeta) -> ArrayMeta:
    """What must be the same of arrays that can be variants of one: the metadata without how chunks are decoded."""
    if are_times(meta) or meta.dtype.kind not in "iufc":
        return replace(meta, filters=(), compressor=None, order="C")
    return replace(
        meta,
        dtype=np.dtype("c16" if meta.dtype.kind == "c" else "f8"),
        filters=(),
        compressor=None,
        order="C",
        fill_value=None,
        background=None,
        attrs={name: value for name, value in meta.attrs.items() if name not in PACKING_ATTRS},
    )


def _missing(dtype: np.dtype[Any], value: Any) -> Any:
    return np.zeros(1, dtype)[0] if value is None else value


def _joined(
    request: Request, path: str, part: tuple[int, ManifestArray], numbers: Numbers, seen: _Seen
) -> ManifestArray:
    """One input as readers see it, its chunks told apart by the numbers of their variants."""
    index, array = part
    meta = seen.of(array.meta)
    chunks = None if isinstance(array, DeferredArray) and array.at_rest else array.manifest()
    if chunks is not None and chunks.index is None:  # no chunk is missing
        return ManifestArray(meta, _numbered(chunks, numbers))
    count, most = math.prod(array.meta.grid_shape), array.most_chunks if chunks is None else len(chunks)
    own = _own_missing(array.meta, seen)
    differs = not same_scalar(own, seen.missing)
    if differs and most < count:
        head = (
            f"{count - most:,} of the chunks of {request.inputs.name(index)} are not there, and read as"
            f" {own}; in the array of all inputs missing chunks read as {seen.missing}"
        )
        apart = Remedy("eras", True)
        what, advice = "value of missing chunks", f"Combine it apart: {apart}"  # apart from the note of the array
        request.findings.each(path, "variants", index, head, what=what, advice=advice, remedies=(apart,))
    if isinstance(array, DeferredArray) and chunks is None:
        return DeferredArray(meta, _Numbered(array, numbers, request.inputs.name(index) if differs else None))
    return ManifestArray(meta, _numbered(array.manifest(), numbers))


def _own_missing(meta: ArrayMeta, seen: _Seen) -> Any:
    """What a missing chunk of an input is in the eyes of readers."""
    raw = np.asarray([_missing(meta.dtype, meta.missing)], meta.dtype)
    packing = packing_of(meta) if seen.is_unpacked else None
    return (raw if packing is None else packing.decode(raw)).astype(seen.dtype)[0]


def _numbered(chunks: ChunkManifest, numbers: Numbers) -> ChunkManifest:
    """The chunks with the numbers that their variants have among those of all inputs."""
    if chunks.variant is None:
        if not numbers[0]:
            return chunks
        variant = np.full(len(chunks.source), numbers[0], np.uint16)
        columns = (chunks.source, chunks.offset, chunks.length, chunks.index, variant)
        return ChunkManifest(chunks.grid_shape, chunks.sources, *columns)
    _check_numbers(chunks.variant, len(numbers))
    return replace(chunks, variant=np.array(numbers, np.uint16)[chunks.variant])


def _check_numbers(own: NDArray[Any], sizes: NDArray[np.int64] | int) -> None:
    """Raise StorageError for the number of a variant that an input does not have."""
    wrong = own >= sizes
    if wrong.any():
        raise StorageError(f"a chunk is of variant {own[wrong][0]}, of which there are fewer")


@dataclass(frozen=True, slots=True, eq=False)
class _Numbered(ChunksElsewhere):
    """The same of chunks that are elsewhere."""

    array: DeferredArray
    numbers: Numbers
    complete: str | None
    """The input, where all of its chunks must be there."""

    @property
    def most_chunks(self) -> int:
        """How many there are, or at most may be."""
        return self.array.most_chunks

    def between(self, start: int, stop: int) -> ChunkManifest:
        """Those in cells `start` to `stop`."""
        chunks = self.array.between(start, stop)
        self.check(len(chunks), range(start, stop))
        return _numbered(chunks, self.numbers)

    @classmethod
    def together(cls, wanted: Sequence[tuple[Self, range]]) -> ChunkManifest:
        """As what is below fetches them, all at once; each chunk has its number among those of its own input."""
        found = fetched_together([(some.array, cells) for some, cells in wanted])
        rows = rows_of_each(found, [len(cells) for _, cells in wanted])
        for (some, cells), count in zip(wanted, rows.tolist(), strict=True):
            some.check(count, cells)
        sizes = np.array([len(some.numbers) for some, _ in wanted])
        own, first = found.variants().astype(np.int64), np.repeat(np.cumsum(sizes) - sizes, rows)
        _check_numbers(own, np.repeat(sizes, rows))
        numbers = np.array([number for some, _ in wanted for number in some.numbers], np.uint16)
        return replace(found, variant=numbers[first + own])

    def check(self, found: int, cells: range) -> None:
        """Raise CombineError where fewer chunks were found in some cells than must be there."""
        expected = min(cells.stop, math.prod(self.array.meta.grid_shape)) - max(cells.start, 0)
        if self.complete is not None and found < expected:
            raise CombineError(
                f"{self.complete}: {expected - found:,} chunks are not there, and would read otherwise than"
                " those that are missing in the combined array",
                inputs=[self.complete],
            )


def _note(request: Request, path: str, found: Found, seen: _Seen) -> None:
    """Say what becomes of the array."""
    message = f"chunks are encoded in {len(seen.codec.table):,} ways, and stay as they are"
    if seen.is_unpacked:
        message += f": readers see unpacked values of {seen.dtype.name}, " + (
            "the smallest type that has every one of them"
            if seen.exact
            else "to which xarray joins them, and which has not every integer of 8 bytes"
        )
        message += "" if seen.fill_value is None else "; what is missing is NaN"
    message += ". Only chunkmap reads such arrays; chunkmap.open_store serves them to others"
    request.findings.add(
        Finding("variants", path, message, request.findings.names(i for i, _ in found[:3]), len(found), refused=False)
    )


def _holds(dtype: np.dtype[Any], other: np.dtype[Any]) -> bool:
    return not (dtype.kind == "f" and other.kind in "iu" and other.itemsize >= dtype.itemsize)
