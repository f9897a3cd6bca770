"""Reference sets as text, in CDL as `ncdump -hs` prints netCDF files: dimensions, types, attributes, chunks, filters.

CDL is described in the NetCDF User's Guide, "CDL Notation". What JSON does not keep, such as whether a number of an
attribute was of 32 or of 64 bits, is not shown; a type that CDL has no word for is shown as numpy calls it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np

from chunkmap.model import ArrayMeta, ReferenceSet

__all__ = ["cdl"]

_TYPES: Final = {
    "i1": "byte",
    "i2": "short",
    "i4": "int",
    "i8": "int64",
    "u1": "ubyte",
    "u2": "ushort",
    "u4": "uint",
    "u8": "uint64",
    "f4": "float",
    "f8": "double",
    "S1": "char",
}
_SUFFIXES: Final = {"i1": "b", "i2": "s", "i8": "ll", "u1": "ub", "u2": "us", "u4": "u", "u8": "ull", "f4": "f"}
_ENDIANNESS: Final = {"<": "little", ">": "big"}
_SPECIAL: Final = re.compile(r"([^A-Za-z0-9_.@+\-\x80-\U0010ffff])")
_IN_TEXT: Final = str.maketrans(
    {
        **{code: f"\\{code:03o}" for code in (*range(1, 32), 127)},
        "\\": "\\\\",
        '"': '\\"',
        "\n": "\\n",
        "\t": "\\t",
        "\r": "\\r",
        "\0": "\\0",
    }
)
"""Text as CDL has it; what a terminal would take for an order is a number, as `ncdump` prints it."""


def cdl(refs: ReferenceSet, name: str) -> str:
    """The set in CDL; it is called as its file is, without what follows the first dot."""
    title = PurePosixPath(name.partition("::")[0]).name.partition(".")[0] or "set"
    return "\n".join([f"netcdf {_named(title)} {{", *_group(refs, "", {}, ""), "}"])


def _group(refs: ReferenceSet, path: str, above: Mapping[str, int], indent: str) -> Iterator[str]:
    """What stands between the braces of a group; `above` are the dimensions that it can see."""
    arrays = {p.rpartition("/")[2]: a.meta for p, a in refs.arrays.items() if p.rpartition("/")[0] == path}
    own: dict[str, int] = {}
    dims = {name: _dims(meta, own, above) for name, meta in arrays.items()}
    if own:
        yield f"{indent}dimensions:"
        yield from (f"{indent}\t{_named(dim)} = {length} ;" for dim, length in own.items())
    if arrays:
        yield f"{indent}variables:"
    for name, meta in arrays.items():
        yield from (f"{indent}\t{line}" for line in _variable(name, meta, dims[name]))
    attrs = refs.groups.get(path, {})
    if attrs:
        yield ""
        yield f"{indent}// {'group' if path else 'global'} attributes:"
        yield from (f"{indent}\t\t:{_named(key)} = {_value(value)} ;" for key, value in attrs.items())
    for child in _children(refs, path):
        yield ""
        yield f"{indent}group: {_named(child)} {{"
        yield from _group(refs, f"{path}/{child}".lstrip("/"), {**above, **own}, indent + "  ")
        yield f"{indent}  }} // group {_named(child)}"


def _children(refs: ReferenceSet, path: str) -> list[str]:
    prefix = f"{path}/" if path else ""
    parents = {p.rpartition("/")[0] for p in refs.arrays} | set(refs.groups)
    below = (parent[len(prefix) :] for parent in parents if parent.startswith(prefix))
    return sorted({rest.partition("/")[0] for rest in below if rest})


def _dims(meta: ArrayMeta, own: dict[str, int], above: Mapping[str, int]) -> list[str]:
    """The names of the dimensions of an array, declared where nothing of the same name and length is in sight."""
    found = []
    for axis, length in enumerate(meta.shape):
        name = f"phony_dim_{length}" if meta.dims is None else meta.dims[axis]
        if own.get(name, length) != length:
            name = f"{name}_{length}"
        if name not in own and above.get(name) != length:
            own[name] = length
        found.append(name)
    return found


def _variable(name: str, meta: ArrayMeta, dims: Sequence[str]) -> Iterator[str]:
    called, code = _named(name), meta.dtype.str.lstrip("<>|=")
    kind = "string" if meta.dtype.kind == "O" else _TYPES.get(code, _named(str(meta.dtype)))
    yield f"{kind} {called}{'(' + ', '.join(map(_named, dims)) + ')' if dims else ''} ;"
    attrs: dict[str, str] = {_named(key): _value(value) for key, value in meta.attrs.items()}
    if meta.fill_value is not None and "_FillValue" not in meta.attrs:
        attrs["_FillValue"] = _value(meta.fill_value, _SUFFIXES.get(code, ""))
    yield from (f"\t{called}:{key} = {value} ;" for key, value in {**attrs, **_special(meta)}.items())


def _special(meta: ArrayMeta) -> dict[str, str]:
    """How it is stored, as `ncdump -s` says it."""
    found: dict[str, str] = {}
    is_whole = meta.chunk_shape == meta.shape and not meta.codecs
    found["_Storage"] = _value("contiguous" if is_whole or not meta.shape else "chunked")
    if found["_Storage"] == '"chunked"':
        found["_ChunkSizes"] = ", ".join(map(str, meta.chunk_shape))
    others = []
    for codec in meta.codecs:
        if codec.get("id") in {"zlib", "deflate"}:
            found["_DeflateLevel"] = str(codec.get("level", 1))
        elif codec.get("id") == "shuffle":
            found["_Shuffle"] = '"true"'
        elif codec.get("id") == "fletcher32":
            found["_Fletcher32"] = '"true"'
        else:
            others.append(dict(codec))
    if others:
        found["_Codecs"] = _value(json.dumps(others, default=str))
    if meta.dtype.str[0] in _ENDIANNESS:
        found["_Endianness"] = _value(_ENDIANNESS[meta.dtype.str[0]])
    return found


def _value(value: Any, suffix: str = "") -> str:
    r"""A value of an attribute, or several.

    >>> _value([1, 2.5, float("nan")]), _value('say "it"'), _value(np.float32(1)), _value(True)
    ('1, 2.5, NaN', '"say \\"it\\""', '1.', '"true"')
    """
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(item, suffix) for item in value) or '""'
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return f'"{value.translate(_IN_TEXT)}"'
    if isinstance(value, bool) or value is None:
        return '"true"' if value else '"false"' if value is False else '""'
    if isinstance(value, float):
        return f"{_float(value)}{suffix}"
    if isinstance(value, int):
        return f"{value}{suffix}"
    return _value(json.dumps(value, default=str))


def _float(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    text = f"{value:.15g}" if float(f"{value:.15g}") == value else repr(value)
    return text if any(mark in text for mark in ".e") else f"{text}."


def _named(name: str) -> str:
    r"""A name, with a backslash before what CDL takes for something else.

    >>> print(_named("a b/c"), _named("2m_temperature"))
    a\ b\/c \2m_temperature
    """
    escaped = _SPECIAL.sub(lambda found: f"\\{found[1] if found[1].isprintable() else f'%{ord(found[1]):02x}'}", name)
    return f"\\{escaped}" if escaped[:1].isdigit() else escaped
