"""kerchunk.df: references as Parquet. A door: the work is done by `chunkmap.storage`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chunkmap.io.filesystem import locate
from chunkmap.model import ReferenceSet
from chunkmap.model.dictionary import decode_inline
from chunkmap.storage import load
from chunkmap.storage.parquet.writing import write_parquet

__all__ = ["get_variables", "refs_to_dataframe"]


def refs_to_dataframe(
    fo: Any,
    url: str,
    target_protocol: str | None = None,
    target_options: Mapping[str, Any] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    record_size: int = 100_000,
    categorical_threshold: int = 10,
) -> None:
    """Write references, a dictionary or the path of a JSON file, as Parquet under `url`.

    `target_protocol` and `target_options` open the JSON file, `storage_options` the output. `categorical_threshold` has
    no effect: URLs are always dictionary-encoded.
    """
    if isinstance(fo, (Mapping, ReferenceSet)):
        refs = fo if isinstance(fo, ReferenceSet) else load(fo)
    else:
        refs = load(_with_protocol(fo, target_protocol), storage_options=target_options)
    write_parquet(refs, locate(url, storage_options), record_size=record_size)


def get_variables(refs: Mapping[str, Any], consolidated: bool = True) -> list[str]:
    """The paths of the arrays in a dictionary of references.

    `consolidated` is kept for its callers: the answer is the same with and without `.zmetadata`.
    """
    inner = refs.get("refs", refs)
    return [key.removesuffix("/.zarray") for key in inner if key.endswith("/.zarray")]


# Kept because others call them: fsspec's LazyReferenceMapper writes its raw column through `_proc_raw`.


def _proc_raw(r: Any) -> bytes:
    """The bytes of an inline value: text, `base64:` text, or bytes."""
    return decode_inline(r)


def _normalize_json(json_obj: Any) -> bytes:
    """A JSON document as bytes, whether it came as text, bytes or a dictionary."""
    if isinstance(json_obj, Mapping):
        return json.dumps(json_obj, separators=(",", ":")).encode()
    return json_obj if isinstance(json_obj, bytes) else str(json_obj).encode()


def _with_protocol(path: Any, protocol: str | None) -> str:
    text = str(path)
    return text if protocol is None or "://" in text else f"{protocol}://{text}"
