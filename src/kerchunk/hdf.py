"""kerchunk's door to the HDF5 scanner: its names, parameters and return values. The work is `chunkmap.formats.hdf5`."""

from __future__ import annotations

import io
import os
import pdb  # noqa: T100 - what error="pdb" asks for
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from chunkmap.errors import FormatError
from chunkmap.formats import refusing_compressed
from chunkmap.formats.hdf5 import Options, parse
from chunkmap.formats.hdf5.arrays import VlenEncode
from chunkmap.formats.hdf5.netcdf4 import HIDDEN
from chunkmap.formats.hdf5.structures.filters import codec_objects
from chunkmap.formats.hdf5.structures.messages import Filter
from chunkmap.formats.inlining import small_chunks
from chunkmap.formats.scanning import read
from chunkmap.io import BytesSource, FileObjectSource, FileView, LocalSource, Source, open_source
from chunkmap.model import Problem, ReferenceSet
from chunkmap.warning import warn_caller

__all__ = ["Hdf5FeatureNotSupported", "NotHdf5", "SingleHdf5ToZarr", "has_visititems_links"]

_VLEN_ENCODE: Final[Mapping[str, VlenEncode]] = {
    "embed": "embed",
    "null": "null",
    "encode": "embed",
    "leave": "leave",
}

# kept because kerchunk's own tests and users of its private names look at it
_LINK: Final = "link"
"""The problem of a dataset that has other names, of which kerchunk says nothing."""

_NOT_DATA: Final = frozenset({"attribute", "external link", "user-defined link", "named datatype"})
"""Problems of what is no dataset."""

_HIDDEN_ATTRS: Final = set(HIDDEN)


class Hdf5FeatureNotSupported(RuntimeError):
    """A dataset uses something that references cannot express."""


def has_visititems_links() -> bool:
    """Whether links can be followed: always, since no h5py is needed for it."""
    return True


class NotHdf5(FormatError, OSError):
    """The bytes are no HDF5 file, or a damaged one: an OSError as well, for scripts that then try another format."""


class SingleHdf5ToZarr:
    """Translate one HDF5 file into references.

    `h5f` is a path or URL, an open binary file, or an `h5py.File` or `h5py.Group`; for a file or an h5py object, `url`
    is what the references shall name.
    """

    def __init__(
        self,
        h5f: BinaryIO | str | os.PathLike[str] | Any,
        url: str | None = None,
        spec: int = 1,
        inline_threshold: int | None = 500,
        storage_options: Mapping[str, Any] | None = None,
        error: str = "warn",
        vlen_encode: str = "embed",
        out: MutableMapping[str, Any] | None = None,
        unsupported_inline_threshold: int | None = None,
    ) -> None:
        if vlen_encode not in _VLEN_ENCODE:
            raise NotImplementedError(f"vlen_encode is {vlen_encode!r}, expected one of {', '.join(_VLEN_ENCODE)}")
        self.input_file, self._group = h5f, ""
        self._owned = isinstance(h5f, (str, Path))
        self._source = self._open(h5f, url, storage_options)
        self._uri = os.fspath(h5f) if isinstance(h5f, (str, Path)) else url
        self.inline = inline_threshold or 0
        self.spec, self.error, self.vlen = spec, error, vlen_encode
        self.unsupported_inline_threshold = unsupported_inline_threshold or inline_threshold or 100
        self.store_dict: MutableMapping[str, Any] = {} if out is None else out

    def translate(self, preserve_linked_dsets: bool = False) -> Any:
        """Scan, and give kerchunk's version 1; or fill what was passed as `out`."""
        refs = self._scan(linked_datasets=preserve_linked_dsets)
        documents = refs.to_dict()["refs"]
        empty = {f"{path}/.zattrs": "{}" for path in refs.groups if path}
        self.store_dict.update(self._below_group({**empty, **documents}))
        if hasattr(self.store_dict, "flush"):
            self.store_dict.flush()
            return self.store_dict
        return self.store_dict if self.spec < 1 else {"version": 1, "refs": self.store_dict}

    def references(self) -> ReferenceSet:
        """Scan, and give the set of references itself: what travels on a cluster."""
        return self._scan(linked_datasets=False)

    def _scan(self, *, linked_datasets: bool) -> ReferenceSet:
        try:
            options = Options(vlen_encode=_VLEN_ENCODE[self.vlen], linked_datasets=linked_datasets, portable=True)
            parser = parse(self._source, options, read_values=self._read_small)
            with refusing_compressed(self._source):
                refs = read(self._source, parser, inline=small_chunks(self.inline))
        except FormatError as error:
            raise NotHdf5(error.message, url=error.url, offset=error.offset) from error
        self._report(refs)
        return refs

    def close(self) -> None:
        """Close what was opened here, not what was passed in."""
        if self._owned:
            self._source.close()

    def _open(self, h5f: Any, url: str | None, storage_options: Mapping[str, Any] | None) -> Source:
        if isinstance(h5f, (str, Path)):
            return open_source(h5f, storage_options=storage_options)
        if isinstance(h5f, io.IOBase):
            return FileObjectSource(cast("BinaryIO", h5f), url or "")
        h5py = sys.modules.get("h5py")
        if h5py is None or not isinstance(h5f, h5py.Group):
            raise ValueError("type of input `h5f` not recognised")
        self._group = h5f.name.strip("/")
        if h5f.file.mode != "r":
            h5f.file.flush()
        if h5f.file.driver != "fileobj" and Path(h5f.file.filename).is_file():
            return LocalSource(h5f.file.filename, url or "")
        return BytesSource(h5f.file.id.get_file_image(), url or "")

    def _below_group(self, refs: dict[str, Any]) -> dict[str, Any]:
        """What belongs to the group that was passed in, under its full path; its attributes are the root's too."""
        if not self._group:
            return refs
        kept = {key: value for key, value in refs.items() if key.startswith(f"{self._group}/")}
        root = {
            name: refs[f"{self._group}/{name}"] for name in (".zgroup", ".zattrs") if f"{self._group}/{name}" in kept
        }
        return {".zgroup": refs[".zgroup"], ".zattrs": "{}", **root, **kept}

    def _read_small(self, path: str, nbytes: int) -> bytes | None:
        """The values of a small dataset whose filters have no codec, where h5py is there and can read them."""
        if nbytes >= self.unsupported_inline_threshold or find_spec("h5py") is None:
            return None
        h5py = import_module("h5py")
        if find_spec("hdf5plugin") is not None:
            import_module("hdf5plugin")
        try:
            with h5py.File(io.BufferedReader(FileView(self._source)), "r") as file:
                values: bytes = file[path][()].tobytes()
        except (OSError, KeyError, ValueError, RuntimeError):
            return None
        return values

    def _report(self, refs: ReferenceSet) -> None:
        """Each problem as `error` asks: a warning, nothing, an exception, or a debugger."""
        for problem in (problem for problem in refs.problems if problem.feature != _LINK):
            left_out = problem.path not in refs.arrays and problem.feature not in _NOT_DATA
            if self.error == "raise" and left_out:
                raise Hdf5FeatureNotSupported(str(problem))
            if self.error == "pdb":
                _debug(problem)
            elif self.error not in ("ignore", "raise"):
                warn_caller(f"The following exception was caught and quashed while traversing HDF5\n{problem}")

    def _decode_filters(self, h5obj: Any) -> list[Any]:
        """The numcodecs codecs of an h5py dataset. Kept because rashdf calls it, with `self` None."""
        plist = h5obj.id.get_create_plist()
        found = [plist.get_filter(number) for number in range(plist.get_nfilters())]
        filters = [Filter(code, bool(flags & 1), name.decode(), values) for code, flags, values, name in found]
        return codec_objects(filters)


def _debug(problem: Problem) -> None:
    try:
        raise Hdf5FeatureNotSupported(str(problem))
    except Hdf5FeatureNotSupported:
        traceback.print_exc()
        pdb.post_mortem()
