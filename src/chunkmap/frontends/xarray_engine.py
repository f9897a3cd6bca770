"""The xarray engine: `xarray.open_dataset(refs, engine="chunkmap")`.

What may be opened, and with which options, is said in `chunkmap.frontends.opening`. Attributes have the types that they
have in the file, as its own engine gives them.

Options of a scan are keywords as any other, or `scan_options={...}` where xarray has a keyword of the same name, such
as `group`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Unpack

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray, ZarrStore
from xarray.backends.store import StoreBackendEntrypoint
from xarray.coding.strings import create_vlen_dtype
from xarray.core import indexing

from chunkmap.access.selection import ArrayReader
from chunkmap.access.store import ReferenceStore
from chunkmap.access.store_for_xarray import EvenStore, lengths_of_chunks
from chunkmap.access.values import sequences_of
from chunkmap.errors import Unsupported
from chunkmap.frontends.chosen_fields import one_dataset
from chunkmap.frontends.lacking import check_group, say_what_lacks, say_where_arrays_are
from chunkmap.frontends.levels import with_levels
from chunkmap.frontends.opening import HowToOpen, Openable, open_references, warned
from chunkmap.frontends.xarray_entries import DECODING, OPENING, ChunkmapEntry
from chunkmap.model import ArrayMeta, ReferenceSet
from chunkmap.model.records import laid_flat
from chunkmap.model.typed import MEANINGS, VALUES, enumerated

__all__ = ["ChunkmapBackend", "open_dataset", "without_encoding"]

_FILL_VALUE: Final = "_FillValue"
_OF_MASKS: Final = (_FILL_VALUE, "missing_value")

_ENCODERS: Final = ("compressor", "compressors", "filters", "serializer", "shards")


def open_dataset(
    refs_or_path: Openable,
    *,
    group: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    remote_options: Mapping[str, Any] | None = None,
    remote_protocol: str | None = None,
    allow: Sequence[str] | None = None,
    check: Literal["etag"] | None = None,
    timeout: float | None = None,
    **options: Any,
) -> xr.Dataset:
    """Open references as an xarray dataset: `xarray.open_dataset(refs_or_path, engine="chunkmap", ...)`.

    `options` are those of `xarray.open_dataset`: `chunks={}` for dask arrays, `drop_variables`, `decode_times`...
    """
    dataset: xr.Dataset = xr.open_dataset(
        refs_or_path,  # type: ignore[arg-type]
        engine="chunkmap",
        group=group,
        storage_options=storage_options,
        remote_options=remote_options,
        remote_protocol=remote_protocol,
        allow=allow,
        check=check,
        timeout=timeout,
        **options,
    )
    return dataset


class ChunkmapBackend(ChunkmapEntry):
    """The engine `chunkmap` itself."""

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: Openable,
        *,
        group: str | None = None,
        **options: Any,
    ) -> xr.Dataset:
        """Open one group as a dataset; its arrays are read when they are used. Who chooses fields of GRIB by their keys
        need not know the group.
        """
        decoding, how = _told_apart(options)
        if group is None and (how["scan_options"] or {}).get("filter_by_keys"):
            return one_dataset(self.open_groups_as_dict(filename_or_obj, **options))
        store: Any = _store_for_xarray(filename_or_obj, **how)
        check_group(store.source[0], group or "")
        opened = _ReferencesInXarray.open_group(store, group=group, consolidated=True, zarr_format=store.zarr_format)
        opened.shows_masks = decoding.get("mask_and_scale") is False
        dataset = without_encoding(StoreBackendEntrypoint().open_dataset(opened, **decoding))
        say_what_lacks(store.source[0], group or "", decoding.get("drop_variables"))
        if not dataset.variables:
            say_where_arrays_are(store.source[0], group or "")
        return dataset

    def open_datatree(self, filename_or_obj: Openable, **options: Any) -> xr.DataTree:  # type: ignore[override]
        """Open all groups as a tree; the options are those of `open_dataset`."""
        return xr.DataTree.from_dict(with_levels(self.open_groups_as_dict(filename_or_obj, **options)))

    def open_groups_as_dict(  # type: ignore[override]
        self,
        filename_or_obj: Openable,
        *,
        group: str | None = None,
        **options: Any,
    ) -> dict[str, xr.Dataset]:
        """Open each group as a dataset, by path."""
        decoding, how = _told_apart(options)
        store: Any = _store_for_xarray(filename_or_obj, **how)
        check_group(store.source[0], group or "")
        parent = f"/{(group or '').strip('/')}"
        opened = _ReferencesInXarray.open_store(store, group=parent, consolidated=True, zarr_format=store.zarr_format)
        say_what_lacks(store.source[0], parent, decoding.get("drop_variables"), below=True)
        for one in opened.values():
            one.shows_masks = decoding.get("mask_and_scale") is False
        return {
            _below(path, parent): without_encoding(StoreBackendEntrypoint().open_dataset(one, **decoding))
            for path, one in opened.items()
        }


class _ReferencesInXarray(ZarrStore):
    """What xarray makes of a Zarr group, but for the reading of values: a selection is read at once; and but for
    attributes: they have the types that they have in their file.
    """

    shows_masks = False
    """Whether what says which values are missing stays an attribute of records and sequences, in which xarray cannot
    look for it.
    """

    def get_attrs(self) -> dict[str, Any]:
        """The attributes of the group."""
        store = self.zarr_group.store
        attrs = super().get_attrs()  # type: ignore[no-untyped-call]
        own = store.attributes(self.zarr_group.path) if isinstance(store, ReferenceStore) else {}
        return {name: own.get(name, value) for name, value in attrs.items()}

    def open_store_variable(self, name: str) -> xr.Variable:
        """A variable whose values are read when they are used."""
        variable: xr.Variable = super().open_store_variable(name)  # type: ignore[no-untyped-call]
        array = self.members[name]
        store = array.store
        if not isinstance(store, ReferenceStore):
            raise TypeError(f"expected a store of references, found {store!r}")
        if variable.dims == (name,):  # xarray reads it for its index, at once and whole
            store.check_coordinate(array.path)
        reader = store.reader(array.path)
        variable.attrs = _with_types(variable.attrs, store, reader.meta, array.path)
        encoding = variable.encoding
        names = enumerated(reader.meta.attrs)
        if names:  # which xarray's own engines give as the type that is decoded, and no attribute
            del variable.attrs[VALUES], variable.attrs[MEANINGS]
            told = {"enum": names, "enum_name": f"{name}_enum"}
            encoding = {**encoding, "dtype": np.dtype(reader.meta.dtype.str, metadata=told)}
        if reader.meta.edges:
            chunks = lengths_of_chunks(reader.meta)
            preferred = dict(zip(variable.dims, chunks, strict=True))
            encoding = {**encoding, "chunks": chunks, "preferred_chunks": preferred}
        elif (
            reader.meta.dtype.kind == "O" and variable.dtype.kind not in "OT"
        ):  # what zarr makes of it is its own affair
            return variable
        elif _is_text(reader) and reader.is_held:  # as the engines of files do: text as long as the longest
            text = create_vlen_dtype(str)  # type: ignore[no-untyped-call]
            data = indexing.LazilyIndexedArray(_LazyArray(reader, text))
            return xr.Variable(variable.dims, data, variable.attrs, {**encoding, "dtype": str})
        dtype = _type_for_xarray(variable, reader.meta)
        if not dtype.isnative and not dtype.names:  # what is decoded is turned while it is read
            encoding = {"dtype": dtype, **encoding}
        if _is_of_zeros(reader.meta):
            variable.attrs.pop(_FILL_VALUE, None)
        if dtype.names or sequences_of(reader.meta) is not None:
            hidden = [] if self.shows_masks else [name for name in _OF_MASKS if name in variable.attrs]
            encoding = {**encoding, **{name: variable.attrs.pop(name) for name in hidden}}
        data = indexing.LazilyIndexedArray(_LazyArray(reader, dtype))
        return xr.Variable(variable.dims, data, variable.attrs, encoding)


def _with_types(attrs: Mapping[str, Any], store: ReferenceStore, meta: ArrayMeta, path: str) -> dict[str, Any]:
    """The attributes that xarray sees, in the types that they have in their file."""
    own = store.attributes(path)
    is_said = meta.fill_value is not None or store.zarr_format == 3
    if is_said and not isinstance(own.get(_FILL_VALUE), (np.generic, np.ndarray)):
        own.pop(_FILL_VALUE, None)  # without a type of its own it is of the array's
    return {name: own.get(name, value) for name, value in attrs.items()}


def _is_of_zeros(meta: ArrayMeta) -> bool:
    """Whether the fill value of records only says what null says of numbers, and no attribute of the file says it."""
    is_said = meta.dtype.names is not None and meta.fill_value is not None and _FILL_VALUE not in meta.attrs
    return is_said and not any(meta.fill_value.tobytes())


def _type_for_xarray(variable: xr.Variable, meta: ArrayMeta) -> np.dtype[Any]:
    """Of records that of the file, where it is known; of texts what zarr makes of them; of sequences that of their
    numbers, as the engine `netcdf4` has it: of objects xarray expects single values. Else that of the array.
    """
    if meta.dtype.kind == "O":
        numbers = sequences_of(meta)
        return variable.dtype if numbers is None else numbers.newbyteorder("=")  # of another one xarray would cast
    return meta.nested if meta.nested is not None and laid_flat(meta.nested) == meta.dtype else meta.dtype


def _is_text(reader: ArrayReader) -> bool:
    """Whether elements are texts of any length."""
    return reader.meta.dtype.kind == "O" and any(codec["id"] == "vlen-utf8" for codec in reader.meta.codecs)


class _LazyArray(BackendArray):
    """An array that xarray reads selections of. Texts are read as objects, and given in the type that is asked for."""

    def __init__(self, reader: ArrayReader, dtype: np.dtype[Any]) -> None:
        self.shape, self._stored, self._reader = reader.meta.shape, dtype, reader
        # Of the other byte order xarray takes records for plain bytes, masks nothing that is unsigned, and copies all.
        self.dtype = dtype if dtype.isnative else dtype.newbyteorder("=")

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: Any) -> NDArray[Any]:
        values = self._reader.read(key)
        if self.dtype.names:
            return values.view(self._stored).astype(self.dtype, copy=False)
        if values.dtype.byteorder != "|" and not values.dtype.isnative and values.dtype == self._stored:
            return values.byteswap(inplace=True).view(self.dtype)  # nobody else has them
        if values.dtype.kind == "O" and self.dtype.kind in "iufb":
            return values  # sequences, whatever xarray was told
        if self.dtype.kind == "S" and not self.shape:
            return np.array(values[()])  # as long as it is, as the engines of files give a single text
        return values.astype(self.dtype, copy=False) if self.dtype.kind in "Tiu" else values

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        """The same, on another thread."""
        return await asyncio.to_thread(self.__getitem__, key)


def _store_for_xarray(refs_or_path: Openable, **how: Unpack[HowToOpen]) -> ReferenceStore:
    """The store that xarray takes metadata from: of Zarr v2, in which it masks text as well, or of v3 for a set that
    says what v2 has no words for.
    """
    refs, fetcher = open_references(refs_or_path, **how)
    _check_dataset(refs)
    version: Literal[2, 3] = 3 if any(array.meta.background is not None for array in refs.arrays.values()) else 2
    return warned(EvenStore(refs, fetcher, version))


def _check_dataset(refs: ReferenceSet) -> None:
    """Raise Unsupported for what would be a dataset of nothing, and for an array that is none."""
    refs.check_not_emptied()
    if "" in refs.arrays:
        raise Unsupported(
            "it is one array in no group, which is no dataset. Scan it with a name for it, name='data'; or open it with"
            " zarr: zarr.open(chunkmap.open_store(...))",
            feature="array alone",
            url=refs.name,
        )


def without_encoding(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset, which forgets how its files are compressed: those codecs are of the archive, mostly of Zarr v2, and
    `to_zarr` would ask the new store for them. So are byte orders, unless it is packed: then the type is that in the
    file, as xarray has it.
    """
    for variable in dataset.variables.values():
        for name in _ENCODERS:
            variable.encoding.pop(name, None)
        stored: Any = variable.encoding.get("dtype")
        is_swapped = isinstance(stored, np.dtype) and not stored.isnative and not stored.metadata
        if is_swapped and stored.newbyteorder("=") == variable.dtype:
            variable.encoding["dtype"] = variable.dtype
    return dataset


def _told_apart(options: Mapping[str, Any]) -> tuple[dict[str, Any], HowToOpen]:
    """Keywords of xarray's decoding, and those of opening, to which all others belong as options of a scan."""
    decoding = {name: value for name, value in options.items() if name in DECODING}
    how: Any = {name: value for name, value in options.items() if name in OPENING}
    others = {name: value for name, value in options.items() if name not in (*DECODING, *OPENING)}
    how["scan_options"] = {**(how.get("scan_options") or {}), **others}
    return decoding, how


def _below(path: str, parent: str) -> str:
    """The path of a group, from the group that was asked for on."""
    return f"/{path.strip('/').removeprefix(parent.strip('/')).strip('/')}"
