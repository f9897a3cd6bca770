"""The documents of a set, of Zarr v2 or v3, by key: what arrays and groups there are, and how chunks are named.

v2 has `.zarray`, `.zattrs` and `.zgroup`, v3 has `zarr.json`. A set may hold hierarchies of both, but no array twice.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from sys import intern
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import StorageError
from chunkmap.model.keys import MOST_GROUPS, Below, Precedent, StrayKey, positions_of
from chunkmap.model.meta import ArrayMeta
from chunkmap.model.printed import Lines
from chunkmap.model.v3_data_types import named
from chunkmap.model.zarr_v2 import array_from_documents
from chunkmap.model.zarr_v3 import DOCUMENT, array_from_document, consolidated_documents, is_array

__all__ = ["Groups", "Hierarchy", "ZarrFormat", "decode_inline", "prefix_of"]

_BASE64: Final = b"base64:"
_NEEDED: Final = frozenset({"shape", "chunks", "dtype"})
_NO_ATTRS: Final[Mapping[str, Any]] = {}

Groups = dict[str, Mapping[str, Any]]

ZarrFormat = Literal[2, 3]
"""The version of Zarr that keys and documents are of."""


class Hierarchy:
    """Gathers documents, and says what they mean."""

    def __init__(self, precedent: Precedent) -> None:
        self._precedent = precedent
        self._parsed: dict[str, dict[str, Any]] = {}
        self._nodes: dict[str, Mapping[str, Any]] = {}
        """The documents of v3, by path."""
        self._v3: set[str] = set()
        """The paths of arrays of v3."""

    def add(self, key: str, value: Any) -> None:
        """Take in a document. Raises StorageError naming the key when it is none."""
        path, _, name = key.rpartition("/")
        _check_depth(path)
        document = self._precedent.document(key, value, _parse)
        if name != DOCUMENT:
            self._parsed[key] = document
            return
        try:
            below = {} if is_array(document) else consolidated_documents(document)
        except StorageError as error:
            raise StorageError(f"{key}: {error}") from error
        for name_below, node in below.items():
            path_below = f"{prefix_of(path)}{name_below}"
            if path_below not in self._nodes:
                self._add_node(path_below, node)
        self._add_node(path, document)

    def _add_node(self, path: str, node: Mapping[str, Any]) -> None:
        _check_depth(path)
        self._nodes[path] = node
        if is_array(node):
            self._v3.add(path)
        else:
            self._v3.discard(path)

    @property
    def zarr_format(self) -> ZarrFormat:
        """3 when anything is said in the words of v3, else 2."""
        return 3 if self._nodes else 2

    def knows(self, path: str) -> bool:
        """Whether there is an array, as far as documents were added."""
        return path in self._v3 or f"{prefix_of(path)}.zarray" in self._parsed

    def meta(self, path: str) -> ArrayMeta:
        """What an array is. Raises StorageError or Unsupported naming it when its documents cannot be read."""
        prefix = prefix_of(path)
        if path not in self._v3:
            documents = self._parsed[f"{prefix}.zarray"], self._parsed.get(f"{prefix}.zattrs", _NO_ATTRS)
            return self._precedent.meta(path, documents, array_from_documents)
        if f"{prefix}.zarray" in self._parsed:
            raise StorageError(f"{path}: an array of Zarr v2 and of v3 at once: leave out .zarray or {DOCUMENT}")
        return self._precedent.meta(path, (self._nodes[path],), array_from_document)

    @property
    def is_empty(self) -> bool:
        """Whether no document was added."""
        return not self._parsed and not self._nodes

    def lacks(self, path: str) -> bool:
        """Whether the `.zarray` of an array lacks an entry without which it cannot be read."""
        return path not in self._v3 and not self._parsed[f"{prefix_of(path)}.zarray"].keys() >= _NEEDED

    def arrays(self) -> list[str]:
        """The paths of all arrays, as their documents came."""
        v2 = [intern(key.rpartition("/")[0]) for key in self._parsed if key.rpartition("/")[2] == ".zarray"]
        return list(dict.fromkeys([*v2, *(path for path in self._nodes if path in self._v3)]))

    def groups(self) -> Groups:
        """The attributes of all groups, by path; the root is one, unless it is an array."""
        arrays = set(self.arrays())
        groups: Groups = {} if "" in arrays else {"": {}}
        for key in self._parsed:
            path, _, name = key.rpartition("/")
            if path not in arrays and name in (".zgroup", ".zattrs"):
                groups[path] = self._parsed.get(f"{prefix_of(path)}.zattrs", {})
        for path, node in self._nodes.items():
            if path not in arrays:
                groups[path] = node.get("attributes") or {}
        return groups

    def v3_arrays(self) -> frozenset[str]:
        """The paths of arrays of v3, as far as documents were added."""
        return frozenset(self._v3)

    def positions(self, path: str, below: Below) -> NDArray[np.int64]:
        """Where the chunks that stand below an array are in its grid. Raises StorageError for a key that is none."""
        grid_shape = self.meta(path).grid_shape
        if path not in self._v3:
            return below.positions(path, grid_shape)
        is_default = named(self._nodes[path]["chunk_key_encoding"])[0] == "default"
        return positions_of(path, _printed_indexes(path, below, is_default=is_default), grid_shape)


def _check_depth(path: str) -> None:
    if path.count("/") >= MOST_GROUPS:
        raise StorageError(f"{path[:60]}...: {path.count('/') + 1} groups deep, expected {MOST_GROUPS} or fewer")


def _printed_indexes(path: str, below: Below, *, is_default: bool) -> Lines:
    """What stands below an array of v3, `"c/0/1"`, as v2 prints chunk indexes: `"0.1"`."""
    found = below.lines
    lines = f"\n{found.text}".replace("/", ".")
    if not is_default:
        return Lines(lines[1:], found.count)
    if lines == "\nc":
        return Lines("0", 1)
    if lines.count("\nc.") != found.count:
        names = below.names
        wrong = next((name for name in names if name[:2] not in ("c/", "c.")), names[0])
        raise StrayKey(f"{path}/{wrong}: expected a chunk index after c/, found {wrong!r}")
    return Lines(lines.replace("\nc.", "\n")[1:], found.count)


def decode_inline(value: Any) -> bytes:
    """The bytes that a dictionary holds inline: text, `base64:` text, either of them as bytes, or a JSON document."""
    if isinstance(value, str):
        data = value.encode()
    elif isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
    elif hasattr(value, "to_bytes") and not isinstance(value, int):
        data = bytes(value.to_bytes())
    else:
        data = json.dumps(value).encode()
    return _from_base64(data[len(_BASE64) :]) if data.startswith(_BASE64) else data


def _from_base64(text: bytes) -> bytes:
    """The bytes that base64 stands for, which some writers break into lines."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return base64.b64decode(b"".join(text.split()), validate=True)


def prefix_of(path: str) -> str:
    """What the keys of an array or group begin with; an array may be all that a set is, at the root."""
    return f"{path}/" if path else ""


def _parse(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    try:
        document = json.loads(decode_inline(value))
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{key}: expected a JSON document, found {str(value)[:60]!r}: {error}") from error
    if not isinstance(document, dict):
        raise StorageError(f"{key}: expected a JSON document, found {str(value)[:60]!r}")
    return document
