"""kerchunk's tools for dictionaries of references: opening, renaming, inlining, cutting.

Whole sets and bare dictionaries of references are both taken. What is given is never changed, but by
`_encode_for_JSON` and `translate_refs_serializable`, whose contract it is, and `dict_to_store`, which writes into it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import fsspec
import numpy as np
from numcodecs.vlen import VLenUTF8
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.storage import FsspecStore, MemoryStore

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import Unsupported
from chunkmap.io import members, open_source
from chunkmap.io.archive import deflated_member
from chunkmap.io.names import ARCHIVES
from chunkmap.model import WHOLE_FILE, ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.model.dictionary import chunk_values, decode_inline, encode_inline, expand_templates, json_text
from chunkmap.model.edits import subchunk_array
from chunkmap.model.zarr_v2 import array_document
from chunkmap.model.zarr_v2 import encode_fill_value as _encode_scalar
from chunkmap.warning import warn_caller
from kerchunk._filesystems import StoreOfGroups, filesystems, with_mode

__all__ = [
    "class_factory",
    "consolidate",
    "dereference_archives",
    "dict_to_store",
    "do_inline",
    "encode_fill_value",
    "fs_as_store",
    "inline_array",
    "refs_as_fs",
    "refs_as_store",
    "rename_target",
    "rename_target_files",
    "subchunk",
    "templateize",
    "translate_refs_serializable",
]

Refs = dict[str, Any]


def dict_to_store(store_dict: dict[str, Any]) -> MemoryStore:
    """A Zarr store that keeps its values in this dictionary; bytes and text in it become Zarr's buffers."""
    buffer = default_buffer_prototype().buffer
    for key, value in store_dict.items():
        if isinstance(value, (bytes, str)):
            store_dict[key] = buffer.from_bytes(value if isinstance(value, bytes) else value.encode())
    return MemoryStore(store_dict)


def refs_as_fs(
    refs: Any,
    fs: Any = None,
    remote_protocol: str | None = None,
    remote_options: Mapping[str, Any] | None = None,
    asynchronous: bool = True,
    **kwargs: Any,
) -> Any:
    """A filesystem of fsspec over a set of references."""
    return fsspec.filesystem(
        "reference",
        fo=refs,
        fs=filesystems(fs, asynchronous=asynchronous),
        remote_protocol=remote_protocol,
        remote_options={**(remote_options or {}), "asynchronous": asynchronous},
        asynchronous=asynchronous,
        **kwargs,
    )


def refs_as_store(
    refs: Any,
    read_only: bool = False,
    fs: Any = None,
    remote_protocol: str | None = None,
    remote_options: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> FsspecStore:
    """A Zarr store over a set of references."""
    reference = refs_as_fs(refs, fs=fs, remote_protocol=remote_protocol, remote_options=remote_options, **kwargs)
    return fs_as_store(reference, read_only=read_only)


def fs_as_store(fs: Any, read_only: bool = False) -> FsspecStore:
    """A Zarr store over a filesystem of fsspec."""
    return StoreOfGroups(with_mode(fs, asynchronous=True), read_only=read_only)


def class_factory(func: Callable[..., Any]) -> type:
    """A class that calls `func` in its method `translate`."""

    class FunctionWrapper:
        __doc__ = func.__doc__
        __module__ = func.__module__

        def __init__(
            self,
            url: str,
            storage_options: Mapping[str, Any] | None = None,
            inline_threshold: int = 100,
            **kwargs: Any,
        ) -> None:
            self.url, self.storage_options, self.inline, self.kwargs = url, storage_options, inline_threshold, kwargs

        def translate(self) -> Any:
            """Call the function."""
            return func(self.url, storage_options=self.storage_options, inline_threshold=self.inline, **self.kwargs)

        def __str__(self) -> str:
            return f"<Single file to zarr processor using {func.__module__}.{func.__qualname__}>"

        __repr__ = __str__

    return FunctionWrapper


def consolidate(refs: Mapping[str, Any]) -> dict[str, Any]:
    """A set of version 1 whose every value JSON can hold."""
    plain = dict(_bare(refs))
    plain.update({key: _json_value(value) for key, value in plain.items() if type(value) not in _JSON_TYPES})
    return {"version": 1, "refs": plain}


_JSON_TYPES = frozenset({str, list})


def _json_value(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)) or hasattr(value, "as_numpy_array"):
        return encode_inline(decode_inline(value))
    return value


def translate_refs_serializable(refs: Refs) -> Refs:
    """Make Zarr's buffers bytes, and take the `/` from the start of keys; in place."""
    for key in list(refs):
        value = refs.pop(key)
        refs[key.removeprefix("/")] = value.to_bytes() if isinstance(value, Buffer) else value
    return refs


def _encode_for_JSON(store: Refs) -> Refs:
    """Make every value one that JSON can hold, Zarr's documents as compact JSON; in place."""
    for key, value in store.items():
        if isinstance(value, (Mapping, list, tuple)):
            continue
        text = _json_value(value)
        if isinstance(text, str) and key.rpartition("/")[2].startswith(".z"):
            text = _compact(text)
        store[key] = text
    return store


def _compact(text: str) -> str:
    try:
        return json.dumps(json.loads(text), separators=(",", ":"))
    except ValueError:  # no document: kept as it is, for whoever reads it to refuse
        return text


def encode_fill_value(v: Any, dtype: np.dtype[Any], compressor: Any = None) -> Any:
    """A fill value as Zarr's metadata holds it."""
    dtype = np.dtype(dtype)
    if v is None or dtype.kind == "O":
        return v
    value = np.asarray(v, None if dtype.kind in "SV" else dtype)
    if value.size != 1:
        raise TypeError(f"a fill value is one value, found {value.size}")
    scalar = value.reshape(-1)[0]
    if dtype.kind in "mM":
        scalar = scalar.astype(dtype)
    encoded = _encode_scalar(scalar, dtype)
    return tuple(encoded) if dtype.kind == "c" else encoded


def templateize(
    strings: Iterable[str], min_length: int = 10, template_name: str = "u"
) -> tuple[dict[str, str], list[str]]:
    """The common beginning of texts as a template, and the texts with `{u}` in its place; none if it is short."""
    given = list(strings)
    prefix = _max_prefix(*given)
    if len(prefix) < min_length:
        return {}, given
    return {template_name: prefix}, [f"{{{template_name}}}{text[len(prefix) :]}" for text in given]


def _max_prefix(*strings: str) -> str:
    """The beginning that all texts share."""
    low, high = min(strings, default=""), max(strings, default="")
    return next((low[:n] for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), low)


def rename_target(refs: Mapping[str, Any], renames: Mapping[str, str]) -> dict[str, Any]:
    """A set of version 1 in which files have other names; `renames` maps whole URLs."""
    renamed = {
        key: [renames.get(value[0], value[0]), *value[1:]] if _is_range(value) else value
        for key, value in _bare(refs).items()
    }
    return {"version": 1, "refs": renamed}


def rename_target_files(
    url_in: str,
    renames: Mapping[str, str],
    url_out: str | None = None,
    storage_options_in: Mapping[str, Any] | None = None,
    storage_options_out: Mapping[str, Any] | None = None,
) -> None:
    """Rename files in a set stored as JSON; it is written over, unless `url_out` says where to."""
    with fsspec.open(url_in, mode="rt", encoding="utf-8", **(storage_options_in or {})) as file:
        renamed = rename_target(json.load(file), renames)
    text = json.dumps(renamed, separators=(",", ":")).replace("/", r"\/")  # as kerchunk writes it, byte for byte
    options = storage_options_in if url_out is None else storage_options_out
    with fsspec.open(url_in if url_out is None else url_out, mode="wt", encoding="utf-8", **(options or {})) as file:
        file.write(text)


def dereference_archives(
    references: Mapping[str, Any], remote_options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """References to members of ZIP and TAR archives as ranges of the archives.

    A deflated member becomes the range of the whole member, which the codec `deflate` decodes.
    """
    refs = _bare(references)
    chained = {value[0] for value in refs.values() if _is_range(value) and _is_member(value[0])}
    places = {url: _place(url, remote_options) for url in sorted(chained)}
    if any(deflated for *_, deflated in places.values()):
        warn_caller("ZIP file contains compressed files, must use DeflateCodec")
    return {
        key: _moved(key, value, places[value[0]]) if _is_range(value) and value[0] in places else value
        for key, value in refs.items()
    }


def _is_member(url: Any) -> bool:
    return isinstance(url, str) and url.partition("://")[0] in ARCHIVES and "::" in url


def _place(url: str, remote_options: Mapping[str, Any] | None) -> tuple[str, int, int, bool]:
    """Where a member is: URL of the archive, first byte, length, whether it is deflated."""
    member, _, outer = url.partition("://")[2].partition("::")
    try:
        with closing(open_source(url, storage_options=remote_options)) as source:
            return (*members(source)[url], False)
    except Unsupported:
        if not url.startswith("zip://"):
            raise
        with closing(open_source(outer, storage_options=remote_options)) as archive:
            return (outer, *deflated_member(member, archive, url), True)


def _moved(key: str, value: Sequence[Any], place: tuple[str, int, int, bool]) -> list[Any]:
    outer, first, length, deflated = place
    if len(value) == 1:
        return [outer, first, length]
    if deflated:
        raise ValueError(f"{key}: {value[0]} is compressed, so bytes {value[1]} on of it are no range of {outer}")
    return [outer, first + value[1], value[2]]


def do_inline(
    store: Mapping[str, Any],
    threshold: int,
    remote_options: Mapping[str, Any] | None = None,
    remote_protocol: str | None = None,
) -> Refs:
    """Put the bytes of chunks shorter than the threshold, and of Zarr's documents, in place of references to them."""
    refs = _bare(store)
    small = [key for key, value in refs.items() if _is_range(value) and _is_small(key, value, threshold)]
    fetcher = Fetcher(storage_options=remote_options, remote_protocol=remote_protocol)
    stored = fetcher.fetch(_manifest([refs[key] for key in small]))
    refs.update((key, bytes(data)) for key, data in zip(small, stored, strict=True))
    return refs


def inline_array(
    store: Mapping[str, Any],
    threshold: int = 1000,
    names: Iterable[str] | None = None,
    remote_options: Mapping[str, Any] | None = None,
) -> Refs:
    """Hold whole arrays in the set, each as one chunk: those of fewer bytes than the threshold, and those named.

    A name is the path of an array, with `.` or `/` between its parts.
    """
    refs, named = _bare(store), {name.replace(".", "/") for name in names or ()}
    arrays = ReferenceSet.from_dict(refs).arrays
    for path, array in arrays.items():
        if (array.meta.nbytes < threshold or path in named) and array.meta.size:
            for key in array.manifest().keys(f"{path}/"):
                refs.pop(key, None)
            refs.update(_as_one_chunk(path, array, remote_options))
    return refs


def subchunk(store: Mapping[str, Any], variable: str, factor: int) -> Refs:
    """Cut the chunks of an uncompressed array into `factor` pieces each, along the slowest axes."""
    refs = _bare(store)
    array = ReferenceSet.from_dict(refs).arrays[variable]
    if array.meta.codecs:
        raise ValueError("Can only subchunk an uncompressed array")
    if array.manifest().is_inline.any():
        raise ValueError("Refusing to sub-chunk inlined data")
    cut = subchunk_array(array, _cut_shape(array.meta.chunk_shape, factor), variable)
    for key in array.manifest().keys(f"{variable}/"):
        refs.pop(key, None)
    refs.update(_array_refs(variable, cut))
    return refs


def _cut_shape(chunk_shape: tuple[int, ...], factor: int) -> tuple[int, ...]:
    cut, left = list(chunk_shape), factor
    for axis, length in enumerate(chunk_shape):
        if left >= 1 and length % left == 0:
            cut[axis], left = length // left, 1
            break
        if left < 1 or left % length:
            break
        cut[axis], left = 1, left // length
    if left != 1:
        raise ValueError("Must subchunk by exact integer factor")
    return tuple(cut)


def _as_one_chunk(path: str, array: ManifestArray, remote_options: Mapping[str, Any] | None) -> Refs:
    meta, elements = array.meta, read_array(array, Fetcher(storage_options=remote_options))
    filters = ({"id": "vlen-utf8"},) if meta.dtype.hasobject else ()
    data = bytes(VLenUTF8().encode(elements.ravel())) if filters else elements.tobytes()
    one = replace(meta, chunk_shape=meta.shape, edges=(), filters=filters, compressor=None, order="C")
    return _array_refs(path, ManifestArray(one, ChunkManifest.single(data, 0, len(data), meta.ndim)))


def _manifest(references: Sequence[Sequence[Any]]) -> ChunkManifest:
    """References one after the other, as a manifest."""
    count = len(references)
    ranges = [tuple(r[1:]) or (0, WHOLE_FILE) for r in references]
    urls = [r[0] or "" for r in references]
    return ChunkManifest.from_rows(
        (count,), [(n,) for n in range(count)], urls, [o for o, _ in ranges], [n for _, n in ranges]
    )


def _array_refs(path: str, array: ManifestArray) -> Refs:
    chunks = zip(array.manifest().keys(f"{path}/"), chunk_values(array.manifest()), strict=True)
    return {f"{path}/.zarray": json_text(array_document(array.meta)), **dict(chunks)}


def _bare(refs: Mapping[str, Any]) -> Refs:
    """The references of a set as a dictionary of its own, with templates filled in."""
    if "version" not in refs or not isinstance(refs.get("refs"), Mapping):
        return dict(refs)
    templates = refs.get("templates") or {}
    if not templates:
        return dict(refs["refs"])
    return {key: _filled(value, templates) for key, value in refs["refs"].items()}


def _filled(value: Any, templates: Mapping[str, str]) -> Any:
    if _is_range(value):
        return [expand_templates(value[0], templates), *value[1:]]
    return expand_templates(value, templates)


def _is_range(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) in (1, 3)


def _is_small(key: str, value: Sequence[Any], threshold: int) -> bool:
    if len(value) == 1:
        return key.rpartition("/")[2].startswith(".z")
    return bool(value[2] < threshold)
