"""The documents of a set, of Zarr v2 or v3, by key: what arrays and groups there are, and how chunks are named.

v2 has `.zarray`, `.zattrs` and `.zgroup`, v3 has `zarr.json`. A set may hold hierarchies of both, but no array twice.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from chunkmap.errors import StorageError
from chunkmap.model.meta import ArrayMeta
from chunkmap.model.v3_data_types import named
from chunkmap.model.zarr_v2 import array_from_documents
from chunkmap.model.zarr_v3 import DOCUMENT, array_from_document, consolidated_documents, is_array

__all__ = ["DOCUMENTS", "Groups", "Hierarchy", "ZarrFormat", "decode_inline", "prefix_of"]

DOCUMENTS: Final = frozenset({".zarray", ".zattrs", ".zgroup", ".zmetadata", DOCUMENT})
"""How the keys of documents end."""

_BASE64: Final = "base64:"

Groups = dict[str, Mapping[str, Any]]

ZarrFormat = Literal[2, 3]
"""The version of Zarr that keys and documents are of."""


class Hierarchy:
    """Gathers documents, and says what they mean."""

    def __init__(self) -> None:
        self._parsed: dict[str, dict[str, Any]] = {}
        self._nodes: dict[str, Mapping[str, Any]] = {}
        """The documents of v3, by path."""

    def add(self, key: str, value: Any) -> None:
        """Take in a document. Raises StorageError naming the key when it is none."""
        path, _, name = key.rpartition("/")
        document = _parse(key, value)
        if name != DOCUMENT:
            self._parsed[key] = document
            return
        try:
            below = {} if is_array(document) else consolidated_documents(document)
        except StorageError as error:
            raise StorageError(f"{key}: {error}") from error
        for below_path, node in below.items():
            self._nodes.setdefault(f"{prefix_of(path)}{below_path}", node)
        self._nodes[path] = document

    @property
    def zarr_format(self) -> ZarrFormat:
        """3 when anything is said in the words of v3, else 2."""
        return 3 if self._nodes else 2

    def knows(self, path: str) -> bool:
        """Whether there is an array, as far as documents were added."""
        return self.has_v3_array(path) or f"{prefix_of(path)}.zarray" in self._parsed

    def has_v3_array(self, path: str) -> bool:
        """Whether there is an array of v3, as far as documents were added."""
        return path in self._nodes and is_array(self._nodes[path])

    def meta(self, path: str) -> ArrayMeta:
        """What an array is. Raises StorageError or Unsupported naming it when its documents cannot be read."""
        prefix = prefix_of(path)
        if not self.has_v3_array(path):
            return array_from_documents(
                path, self._parsed[f"{prefix}.zarray"], self._parsed.get(f"{prefix}.zattrs", {})
            )
        if f"{prefix}.zarray" in self._parsed:
            raise StorageError(f"{path}: an array of Zarr v2 and of v3 at once: leave out .zarray or {DOCUMENT}")
        return array_from_document(path, self._nodes[path])

    def arrays(self) -> list[str]:
        """The paths of all arrays, as their documents came."""
        v2 = [key.rpartition("/")[0] for key in self._parsed if key.rpartition("/")[2] == ".zarray"]
        return list(dict.fromkeys([*v2, *(path for path, node in self._nodes.items() if is_array(node))]))

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

    def printed_indexes(self, path: str, names: Sequence[str]) -> Sequence[str]:
        """What stands below an array, `"c/0/1"`, as v2 prints chunk indexes: `"0.1"`."""
        if not names or not self.has_v3_array(path):
            return names
        lines = ("\n" + "\n".join(names)).replace("/", ".")
        if named(self._nodes[path]["chunk_key_encoding"])[0] == "v2":
            return lines[1:].split("\n")
        if lines == "\nc":
            return ["0"]
        if lines.count("\nc.") != len(names):
            wrong = next((name for name in names if name[:2] not in ("c/", "c.")), names[0])
            raise StorageError(f"{path}/{wrong}: expected a chunk index after c/, found {wrong!r}")
        return lines.replace("\nc.", "\n")[1:].split("\n")


def decode_inline(value: Any) -> bytes:
    """The bytes that a dictionary holds inline: text, `base64:` text, bytes, or a JSON document."""
    if isinstance(value, str):
        return base64.b64decode(value[len(_BASE64) :], validate=True) if value.startswith(_BASE64) else value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if hasattr(value, "to_bytes") and not isinstance(value, int):
        return bytes(value.to_bytes())
    return json.dumps(value).encode()


def prefix_of(path: str) -> str:
    """What the keys of an array or group begin with; an array may be all that a set is, at the root."""
    return f"{path}/" if path else ""


def _parse(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    try:
        document = json.loads(decode_inline(value))
    except ValueError as error:
        raise StorageError(f"{key}: expected a JSON document, found {str(value)[:60]!r}: {error}") from error
    if not isinstance(document, dict):
        raise StorageError(f"{key}: expected a JSON document, found {str(value)[:60]!r}")
    return document
