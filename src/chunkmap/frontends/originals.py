"""Chunks of a reference set beside what the format's own library reads from the files.

Where in a file a chunk is, is found out by scanning the file anew: the range of bytes says which chunk of which array
it is there. What is compared is what is stored, before any scale, mask or unit of time is applied.
"""

from __future__ import annotations

import gc
import io
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from types import TracebackType
from typing import Any, BinaryIO, Final, NamedTuple, Self, cast

import numpy as np
from numpy.typing import NDArray

from chunkmap.access.fetching import Fetcher
from chunkmap.access.verifying import Chunk
from chunkmap.errors import ChunkmapError, NotInstalled
from chunkmap.formats import sniff
from chunkmap.formats.scanning import scan
from chunkmap.io import FileView, Source
from chunkmap.model import ArrayMeta, ReferenceSet
from chunkmap.packages import require

__all__ = ["Originals"]

_OPEN: Final = 16
"""Files that are held open."""

Part = tuple[slice, ...]
Read = Callable[[str, Part], NDArray[Any]]
"""Reads a part of an array of a file, by its path."""


class _Original(NamedTuple):
    """A file, scanned and opened by its library."""

    refs: ReferenceSet
    """What is in it, nothing held inline."""
    cells: dict[tuple[int, int], tuple[str, int]]
    """(offset, length) -> the array and the cell of its grid."""
    read: Read
    close: ExitStack


class Originals:
    """The files of a set, each opened when a chunk of it is compared."""

    def __init__(self, refs: ReferenceSet, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._opened: OrderedDict[str, _Original | str] = OrderedDict()
        self._only = _only_file(refs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._opened:
            self._close_oldest()

    def compare(self, chunk: Chunk) -> tuple[bool, str] | None:
        """None when a chunk is what the library reads; else whether that is wrong, and what was found."""
        url = chunk.url or self._only
        if url is None:
            return False, "held inline, so which file it came from is not known; not compared"
        original = self._original(url)
        if isinstance(original, str):
            return False, f"not compared: {original}"
        place = _inline_place(chunk, original) if chunk.url is None else _place(chunk, original)
        if isinstance(place, str):
            return False, f"not compared: {place}"
        misplaced = _misplaced(chunk, original)
        if misplaced is not None:
            return True, misplaced
        path, meta, cell = place
        part = _part(meta, cell)
        is_cut = bool(chunk.meta.edges) and chunk.values.shape == tuple(p.stop - p.start for p in part)
        if meta.chunk_shape != chunk.values.shape and not is_cut:
            return True, f"chunks of {chunk.values.shape}, in the file they are {meta.chunk_shape}"
        ours = chunk.values[tuple(slice(0, p.stop - p.start) for p in part)]
        try:
            theirs = original.read(path, part)
        except Exception as error:  # noqa: BLE001 - libraries raise what they like, and the report says it
            return True, f"the library of the format cannot read it: {type(error).__name__}: {error}"
        if _holds_references(theirs):
            return False, f"not compared: {path} holds references, and h5py does not say as text what they point to"
        found = _difference(ours, theirs)
        return None if found is None else (True, f"{found}, in {path} of the file")

    def _original(self, url: str) -> _Original | str:
        if url not in self._opened:
            try:
                self._opened[url] = self._open(url)
            except NotInstalled:  # who asks for a comparison must not take its absence for success
                raise
            except ChunkmapError as error:
                self._opened[url] = str(error)
            if len(self._opened) > _OPEN:
                self._close_oldest()
        self._opened.move_to_end(url)
        return self._opened[url]

    def _open(self, url: str) -> _Original | str:
        source = self._fetcher.source(url)
        reader = _READERS.get(sniff(source).name)
        if reader is None:
            return f"no library is known here that reads {sniff(source).name}"
        refs = scan(self._fetcher.resolved(url), storage_options=self._fetcher.storage_options, inline_threshold=0)
        cells = {
            (offset, length): (path, cell)
            for path, array in refs.arrays.items()
            for offset, length, cell in zip(
                array.chunks.offset.tolist(),
                array.chunks.length.tolist(),
                array.chunks.positions().tolist(),
                strict=True,
            )
        }
        close = ExitStack()
        return _Original(refs, cells, reader(source, close), close)

    def _close_oldest(self) -> None:
        _, original = self._opened.popitem(last=False)
        if isinstance(original, _Original):
            original.close.close()


def _only_file(refs: ReferenceSet) -> str | None:
    """The file that all chunks of a set are in: that of a set which is the scan of one file."""
    urls: set[str] = set()
    try:
        urls |= refs.targets.keys()
        for array in refs.arrays.values():
            for number in array.stretches():
                urls.update(array.in_stretch(number).urls)
                if len(urls) > 1:
                    return None
    except ChunkmapError:
        return None  # what is lost or damaged is a finding of its own
    return urls.pop() if len(urls) == 1 else None


def _place(chunk: Chunk, original: _Original) -> tuple[str, ArrayMeta, int] | str:
    found = original.cells.get((chunk.offset, chunk.length))
    if found is None:
        return f"no chunk of the file is {chunk.length} bytes at byte {chunk.offset}, it is a part of one or of none"
    path, cell = found
    return path, original.refs.arrays[path].meta, cell


def _misplaced(chunk: Chunk, original: _Original) -> str | None:
    """What is wrong with a chunk that stands at another place of an array which is, in shape and chunks, that of the
    file; None when nothing is, or when the array is another one, as that of a combined set.
    """
    array = original.refs.arrays.get(chunk.path)
    if chunk.url is None or array is None or not _same_grid(array.meta, chunk.meta):
        return None
    row = array.chunks.row_at(chunk.position)
    found = None if row is None else array.chunks.row(row)
    if found is not None and (found.offset, found.length) == (chunk.offset, chunk.length):
        return None
    there = "there is none" if found is None else f"it is {found.length} bytes at byte {found.offset}"
    return f"its bytes are {chunk.length} at byte {chunk.offset}, in the file {there}"


def _same_grid(a: ArrayMeta, b: ArrayMeta) -> bool:
    return (a.shape, a.chunks) == (b.shape, b.chunks)


def _inline_place(chunk: Chunk, original: _Original) -> tuple[str, ArrayMeta, int] | str:
    """A chunk held inline stands where it stands in the file, when the array is as it is there."""
    array = original.refs.arrays.get(chunk.path)
    if array is None or not _same_grid(array.meta, chunk.meta):
        return "held inline, in an array that is not as it is in the file"
    return chunk.path, array.meta, chunk.position


def _part(meta: ArrayMeta, cell: int) -> Part:
    coord = np.unravel_index(cell, meta.grid_shape) if meta.ndim else ()
    return meta.elements_of_chunk([int(n) for n in coord])


def _holds_references(values: NDArray[Any]) -> bool:
    """Whether HDF5's references are among values that its library gave, which are no text as ours are."""
    if values.dtype.names is not None:
        return any(_holds_references(values[name]) for name in values.dtype.names)
    return values.dtype.kind == "O" and any(
        type(value).__module__.partition(".")[0] == "h5py" for value in values.ravel().tolist()
    )


def _difference(ours: NDArray[Any], theirs: NDArray[Any]) -> str | None:
    """How values differ; None when they are the same, NaN being the same as NaN."""
    if ours.shape != theirs.shape:
        return f"expected values of shape {theirs.shape}, found {ours.shape}"
    if "O" in (ours.dtype.kind, theirs.dtype.kind) or ours.dtype.kind in "SU":
        same = np.array([_text(a) == _text(b) for a, b in zip(ours.ravel(), theirs.ravel(), strict=True)], np.bool_)
    elif theirs.dtype.names is not None:
        return _field_difference(ours, theirs, theirs.dtype.names)
    elif ours.dtype.kind == "V":
        same = np.array([a == b for a, b in zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True)], np.bool_)
    else:
        same = ((ours == theirs) | ((ours != ours) & (theirs != theirs))).ravel()
    if bool(same.all()):
        return None
    first = int(np.flatnonzero(~same)[0])
    count = math.prod(ours.shape) - int(same.sum())
    return f"{count} of {same.size} values differ: expected {theirs.ravel()[first]!r}, found {ours.ravel()[first]!r}"


def _field_difference(ours: NDArray[Any], theirs: NDArray[Any], names: tuple[str, ...]) -> str | None:
    """The same of records, field by field; fields that only we have are the padding between the others."""
    for name in names:
        if name not in (ours.dtype.names or ()):
            return f"expected a field {name!r}, found {ours.dtype.names}"
        found = _difference(ours[name], theirs[name])
        if found is not None:
            return f"field {name!r}: {found}"
    return None


def _text(value: Any) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace") if isinstance(value, bytes) else str(value).rstrip("\0")


# ---------------------------------------------------------------------- the libraries


def _file(source: Source) -> BinaryIO:
    """A file object that never reads short: neither h5py nor scipy asks again."""
    return cast(BinaryIO, io.BufferedReader(FileView(source)))


@contextmanager
def _collector_off() -> Iterator[None]:
    """No collection of cycles meanwhile: h5py holds a lock while it asks us for bytes, and the thread that fetches them
    would wait for that lock if it were to collect an object of h5py.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _hdf5(source: Source, close: ExitStack) -> Read:
    h5py = require("h5py", "compare", "comparing with what is in HDF5 files")
    with _collector_off():
        file = close.enter_context(h5py.File(_file(source), "r"))

    def read(path: str, part: Part) -> NDArray[Any]:
        with _collector_off():
            return np.asarray(file[path][part])

    return read


def _netcdf3(source: Source, close: ExitStack) -> Read:
    if bytes(source.read(0, 4)) == b"CDF\x05" or find_spec("scipy") is None:
        netCDF4 = require("netCDF4", "compare", "comparing with what is in netCDF-3 files")  # noqa: N806 - its name
        dataset = close.enter_context(netCDF4.Dataset("memory", memory=bytes(source.read(0, source.size()))))
        dataset.set_auto_maskandscale(False)
        dataset.set_auto_chartostring(False)
        return lambda path, part: np.asarray(dataset[path][part])
    from scipy.io import netcdf_file  # noqa: PLC0415 - needed here only

    file = close.enter_context(netcdf_file(_file(source), "r", mmap=False))
    return lambda path, part: np.array(file.variables[path][part or ...])


_READERS: Final[dict[str, Callable[[Source, ExitStack], Read]]] = {"hdf5": _hdf5, "netcdf3": _netcdf3}
"""Format -> who reads it."""
