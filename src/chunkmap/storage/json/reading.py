"""Reading a reference set that is JSON, versions 0 and 1, with templates and `gen`, compressed or not:
`{"version": 1, "refs": {key: text or [url, offset, length]}}`.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any, BinaryIO, Final, cast

import orjson

from chunkmap.errors import ChunkmapError, SourceError, StorageError, Unsupported
from chunkmap.io import FileView, Source
from chunkmap.model import Precedent, ReferenceSet
from chunkmap.model.dictionary import BESIDE, collector_at_rest
from chunkmap.model.gathering import Gathering
from chunkmap.model.told import told_in
from chunkmap.storage.about import About
from chunkmap.storage.json.ranges import read_ranges
from chunkmap.storage.stores import FoundSet
from chunkmap.storage.text import Bounded, parse_json

__all__ = ["COMPRESSIONS", "load", "open_set", "origin_of", "read_json"]

COMPRESSIONS: Final = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".zstd": b"\x28\xb5\x2f\xfd"}
"""Endings of the names of compressed sets, and how the files begin."""

_HEAD: Final = re.compile(rb'\s*\{\s*"version"\s*:\s*1\s*,\s*"refs"\s*:\s*\{')
"""How a set begins that can be read in parts: kerchunk, fsspec and chunkmap write so."""

_LONGEST_HEAD: Final = 128

_BESIDE: Final = b'},"%b":' % BESIDE.encode()
"""What the entry begins with that follows the references. No text has this in it: quotation marks are escaped there."""

_PART: Final = 1 << 20
_PARTS: Final = 64
"""Bytes of text that are read at once, and the part of what was read before that is: what is known by then is looked
through for each part, so the parts of a very large set grow with it."""

_CUTS: Final = (b'],"', b'], "', b"],\n")
_NEAR: Final = 1 << 14
"""Bytes at the end of a part in which a reference mostly ends."""


def load(found: FoundSet) -> ReferenceSet:
    """Read a set from a file. Raises StorageError naming the file when it is none."""
    return read_json(found.whole(), found.url)


def open_set(
    found: FoundSet,
    *,
    problems: bool = True,  # noqa: ARG001 - as for every store
    precedent: Precedent | None = None,  # noqa: ARG001
) -> ReferenceSet:
    """The same: a file has no parts that could be read by themselves."""
    return load(found)


def read_json(source: Source, url: str) -> ReferenceSet:
    """Read a set from bytes in memory."""
    try:
        with _opened(source) as file:
            refs = _read_in_parts(file, url)
        if refs is not None:
            return refs
        with _opened(source) as file, collector_at_rest():
            return _read_text(file.read(), url)
    except SourceError:
        raise
    except Unsupported as error:
        raise Unsupported(error.message, feature=error.feature, url=url) from error
    except ChunkmapError as error:
        raise StorageError(f"{url}: {error}") from error
    except (ValueError, TypeError, AttributeError, OSError, EOFError, zlib.error) as error:
        advice = _advice(bytes(source.read(0, min(_LOOKED_AT, source.size()))))
        text = f"{url}: expected a reference set as JSON, it cannot be read: {error}{advice}"
        raise StorageError(text) from error


_ARCHIVAL: Final = (
    *(b"\x89HDF", b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x0e\x03\x13\x01", b"GRIB", b"SIMPLE  "),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\x93NUMPY", b"PK\x03\x04", b"ENVI\n", b"ENVI\r"),
)
"""How files of the formats that are scanned begin."""


_LOOKED_AT: Final = 348
"""First bytes of a file that is no set: NIfTI's mark stands at the end of them."""


def _advice(head: bytes) -> str:
    """What to do with a file that is no set, as far as it can be told from its first bytes."""
    is_nifti = head[344:347] in (b"n+1", b"ni1") or head[4:7] in (b"n+2", b"ni2")
    if is_nifti or head.startswith(_ARCHIVAL):
        return ". It is a file to scan, not a set of references"
    is_json = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))
    return "" if is_json or not head else ". If it is a file to scan, it is no set of references: scan it"


def _read_text(text: bytes, url: str) -> ReferenceSet:
    document = parse_json(text)
    if not isinstance(document, dict):
        raise StorageError(f"expected a JSON object of references, found {str(document)[:60]!r}")
    return _with_what_is_told(ReferenceSet.from_dict(document, name=url), document)


def _with_what_is_told(refs: ReferenceSet, document: Mapping[str, Any]) -> ReferenceSet:
    """The set with what is known of its files, and what could not be represented."""
    about = About.from_json(told_in(document.get(BESIDE)))
    return replace(refs, targets=about.targets, problems=(*refs.problems, *about.problems))


def origin_of(found: FoundSet) -> Mapping[str, Any]:
    """How a set came about, as it is written down; nothing of one that does not say it."""
    with _opened(found.whole()) as file:
        text = file.read()
    at = text.rfind(_BESIDE)
    try:
        told = parse_json(b"{" + text[at + 2 :]) if at >= 0 else {}
    except ValueError:
        return {}
    return About.from_json(told_in(told.get(BESIDE))).origin


def _read_in_parts(file: BinaryIO, url: str) -> ReferenceSet | None:
    """Read a set whose text is `{"version": 1, "refs": {...}}`, a part at a time, so that the text and the objects in
    it are never all in memory; None for another one.

    A part is cut off after a reference. Whether the cut was right is seen by the part being JSON: inside a text or
    inside an array it would not be, because the text or the array would have no end.
    """
    gathering, part, done = Gathering(), file.read(_LONGEST_HEAD), 0
    head = _HEAD.match(part)
    if head is None:
        return None
    part, size = part[head.end() :], _PART
    while more := file.read(size):
        part += more
        cut = _last_cut(part)
        if cut < 0 or not _gathered(gathering, part[: cut + 1]):
            size = max(_PART, len(part))  # what is read between two tries doubles: a long text is not tried forever
            continue
        part, done = part[cut + 2 :], done + cut
        size = max(_PART, done // _PARTS)
    try:
        document = orjson.loads(b'{"version":1,"refs":{' + part)
    except orjson.JSONDecodeError:
        return None  # damage is named, and NaN understood, by who reads it whole
    if document.keys() - {BESIDE} != {"version", "refs"}:
        return None
    gathering.add(document["refs"])
    gathering.add_beside(document.get(BESIDE))
    arrays, groups = gathering.finish()
    refs = ReferenceSet(arrays, groups, gathering.problems, name=url, zarr_format=gathering.zarr_format)
    return _with_what_is_told(refs, document)


def _last_cut(part: bytes) -> int:
    """Where the last reference ends that is followed by another one; -1 where none is."""
    end = part.find(_BESIDE)
    stop = len(part) if end < 0 else end
    for start in (max(0, stop - _NEAR), 0):
        cut = max(part.rfind(mark, start, stop) for mark in _CUTS)
        if cut >= 0:
            return cut
    return -1


def _gathered(gathering: Gathering, text: bytes) -> bool:
    """Take in some references; whether the text is that of whole ones."""
    if (ranges := read_ranges(text)) is not None:
        gathering.add_ranges(*ranges)
        return True
    try:
        refs = orjson.loads(b"{%b}" % text)
    except orjson.JSONDecodeError:
        return False
    gathering.add(refs)
    return True


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    """The text of a file, decompressed as it is read."""
    with io.BufferedReader(FileView(source, blocks=1), _PART) as file:
        head = file.read(4)
        file.seek(0)
        if head.startswith(COMPRESSIONS[".gz"]):
            with gzip.open(cast(BinaryIO, file)) as text:
                yield cast(BinaryIO, Bounded(cast(BinaryIO, text), source.size()))
        elif head.startswith(COMPRESSIONS[".zst"]):
            pa: Any = import_module("pyarrow")  # when a file needs it
            with pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") as text:
                yield cast(BinaryIO, Bounded(text, source.size()))
        else:
            yield cast(BinaryIO, file)
