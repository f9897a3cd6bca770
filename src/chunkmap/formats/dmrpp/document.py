"""The document: variables with their types, dimensions and attributes, as the XML has them.

A document type declaration is refused before any of it is read: no entity is ever expanded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, NoReturn
from xml.etree import ElementTree as ET

import numpy as np

from chunkmap.errors import FormatError
from chunkmap.formats.dmrpp.runs import Run, cut_runs
from chunkmap.model.typed import typed

__all__ = ["DAP", "DMRPP", "Document", "Member", "Variable", "read_document"]

DAP: Final = "{http://xml.opendap.org/ns/DAP/4.0#}"
DMRPP: Final = "{http://xml.opendap.org/dap/dmrpp/1.0.0#}"

_DEEPEST: Final = 64

NUMBERS: Final[Mapping[str, str]] = {
    "Byte": "u1",
    "UInt8": "u1",
    "Char": "u1",
    "Int8": "i1",
    "Int16": "i2",
    "UInt16": "u2",
    "Int32": "i4",
    "UInt32": "u4",
    "Int64": "i8",
    "UInt64": "u8",
    "Float32": "f4",
    "Float64": "f8",
}
"""DAP4's atomic types that are numbers, as numpy writes them without a byte order."""

_VARIABLES: Final = frozenset({*NUMBERS, "String", "URL", "URI", "Enum", "Opaque", "Structure", "Sequence"})
_CONTAINERS_OF_FILE: Final = frozenset({"HDF5_GLOBAL", "NC_GLOBAL", "HDF_GLOBAL"})
"""Containers in which servers put the attributes of the root group."""

_DEFAULT_FILL: Final = "9.96921e+36"
"""netCDF's default fill value of floats, as servers print it: with fewer digits than it has."""


class Member(NamedTuple):
    """A field of a structure."""

    name: str
    type: str
    shape: tuple[int, ...]
    element: ET.Element


class Variable(NamedTuple):
    """A variable, and the element that describes where its data is."""

    path: str
    type: str
    """The name of its element: `Float32`, `String`, `Structure`..."""
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    attrs: Mapping[str, Any]
    element: ET.Element
    basetype: str = ""
    """Of an enumeration."""
    flags: Mapping[str, Any] = {}
    """What the numbers of an enumeration mean, as the CF conventions write it (section 3.5)."""
    members: tuple[Member, ...] = ()


@dataclass(slots=True)
class Document:
    """All that it says."""

    href: str
    """Where the granule is: a URL, a path on the server, or a placeholder."""
    groups: dict[str, dict[str, Any]] = field(default_factory=lambda: {"": {}})
    """Attributes by the path of a group."""
    variables: list[Variable] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    """Chunks that were listed one after the other, by the number in the element that stands for them."""
    odd: list[tuple[str, str]] = field(default_factory=list)
    """Path and reason of what cannot be taken for a variable."""


class _Builder(ET.TreeBuilder):
    """Builds elements, of documents that declare nothing."""

    def doctype(self, name: str, _pubid: str | None, _system: str | None) -> NoReturn:
        """Refuse the declaration, in which entities would be declared."""
        raise ValueError(f"it declares a document type {name!r}, which a DMR++ has no use for; refused")


def read_document(data: memoryview, url: str) -> Document:
    """Read and check a document. Raises FormatError for one that is no DMR++."""
    parser = ET.XMLParser(target=_Builder())  # noqa: S314 - see `_Builder`
    text, runs = cut_runs(bytes(data))
    try:
        parser.feed(text)
        root = parser.close()
    except ET.ParseError as error:
        raise FormatError(f"it is no XML: {error}", url=url) from error
    except (ValueError, LookupError) as error:
        raise FormatError(str(error), url=url) from error
    if root.tag != f"{DAP}Dataset":
        raise FormatError(f"expected an element Dataset of DAP4, found {root.tag}", url=url, offset=0)
    document = Document(root.get(f"{DMRPP}href", ""), runs=runs)
    _Reader(document, url).group(root, "", 0)
    return document


class _At(NamedTuple):
    """Where an element stands."""

    group: str
    """The path of the group."""
    path: str
    """Its own."""
    kind: str
    """The name of the element."""
    depth: int
    """Groups above it."""


class _Reader:
    """Walks over groups, and knows dimensions and enumerations by their full names."""

    def __init__(self, document: Document, url: str) -> None:
        self._document, self._url = document, url
        self._dims: dict[str, int] = {}
        self._enums: dict[str, tuple[str, dict[str, Any]]] = {}

    def group(self, element: ET.Element, path: str, depth: int) -> None:
        """A group and all that it holds: what it declares comes before what uses it."""
        if depth > _DEEPEST:
            raise self._wrong(f"groups stand {depth} deep in one another", path)
        self._document.groups.setdefault(path, {})
        for child in element:
            kind = child.tag.removeprefix(DAP)
            take = _TAKEN.get(kind)
            if take is not None:
                take(self, child, _At(path, f"{path}/{child.get('name', '')}".strip("/"), kind, depth))

    def dimension(self, element: ET.Element, at: _At) -> None:
        """The length of a dimension, for who lies along it."""
        length = self._length(element, at.path)
        if self._dims.setdefault(f"/{at.path}", length) != length:
            raise FormatError(f"the dimension {at.path!r} is declared twice, with two lengths", url=self._url)

    def enumeration(self, element: ET.Element, at: _At) -> None:
        """A type whose numbers have names."""
        self._enums[f"/{at.path}"] = (element.get("basetype", "Int32"), self._flags(element, at.path))

    def attribute(self, element: ET.Element, at: _At) -> None:
        """An attribute of a group."""
        found = self._attribute(element, "") if at.group else self._root_attribute(element)
        self._document.groups[at.group] |= found

    def below(self, element: ET.Element, at: _At) -> None:
        """A group in a group."""
        self.group(element, at.path, at.depth + 1)

    def variable(self, element: ET.Element, at: _At) -> None:
        """A variable, unless its name cannot be that of an array."""
        path, kind = at.path, at.kind
        name = path.rpartition("/")[2]
        if not name or name.startswith("."):
            self._document.odd.append((path, f"the name {name!r} cannot be the path of an array"))
            return
        shape, own = self._axes(element, path, self._dims)
        attrs = {k: v for child in element.iterfind(f"{DAP}Attribute") for k, v in self._attribute(child, "").items()}
        basetype, flags = (
            self._enums.get(_absolute(element.get("enum", ""), path), ("", {})) if kind == "Enum" else ("", {})
        )
        members = tuple(self._members(element, path)) if kind == "Structure" else ()
        self._document.variables.append(Variable(path, kind, shape, own, attrs, element, basetype, flags, members))

    def _axes(self, element: ET.Element, path: str, dims: Mapping[str, int]) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Lengths and names of its axes; one without a name is called by the variable."""
        lengths, names = [], []
        for axis, dim in enumerate(element.iterfind(f"{DAP}Dim")):
            full = dim.get("name")
            if full is None:
                lengths.append(self._length(dim, path))
                names.append(f"{path.rpartition('/')[2]}_dim_{axis}")
                continue
            absolute = _absolute(full, path)
            if absolute not in dims:
                raise self._wrong(f"it lies along {full!r}, a dimension that is not declared", path)
            lengths.append(dims[absolute])
            names.append(absolute.rpartition("/")[2])
        return tuple(lengths), tuple(names)

    def _members(self, element: ET.Element, path: str) -> Iterator[Member]:
        for child in element:
            kind = child.tag.removeprefix(DAP)
            if kind in _VARIABLES:
                shape, _ = self._axes(child, path, {})
                yield Member(child.get("name", ""), kind, shape, child)

    def _flags(self, element: ET.Element, path: str) -> dict[str, Any]:
        found = [(c.get("name", ""), c.get("value", "")) for c in element.iterfind(f"{DAP}EnumConst")]
        try:
            values = [int(value) for _, value in found]
        except ValueError as error:
            raise self._wrong(f"an enumeration has a value that is no integer: {error}", path) from error
        return {"flag_values": values, "flag_meanings": " ".join("_".join(name.split()) for name, _ in found)}

    def _length(self, element: ET.Element, path: str) -> int:
        text = element.get("size", "")
        if not text.isdecimal() or len(text) > 18:
            raise self._wrong(f"a dimension has the size {text!r}, expected a number", path)
        return int(text)

    def _root_attribute(self, element: ET.Element) -> dict[str, Any]:
        if element.get("type") == "Container" and element.get("name") in _CONTAINERS_OF_FILE:
            return {
                k: v for child in element.iterfind(f"{DAP}Attribute") for k, v in self._attribute(child, "").items()
            }
        return self._attribute(element, "")

    def _attribute(self, element: ET.Element, outer: str, depth: int = 0) -> dict[str, Any]:
        """An attribute; those of a container are called `container.name`."""
        name, kind = f"{outer}{element.get('name', '')}", element.get("type", "String")
        if depth > _DEEPEST:
            raise self._wrong("containers of attributes stand too deep in one another", name)
        if kind == "Container":
            found: dict[str, Any] = {}
            for child in element.iterfind(f"{DAP}Attribute"):
                found |= self._attribute(child, f"{name}.", depth + 1)
            return found
        texts = [child.text or "" for child in element.iterfind(f"{DAP}Value")] or [element.get("value", "")]
        try:
            values = [attribute_value(text, kind) for text in texts]
        except (ValueError, OverflowError) as error:
            raise self._wrong(f"attribute {name!r} of type {kind}: {error}", name) from error
        return {name: typed(values[0] if len(values) == 1 else values, NUMBERS.get(kind, kind))}

    def _wrong(self, message: str, path: str) -> FormatError:
        return FormatError(f"{path or 'the document'}: {message}", url=self._url)


_TAKEN: Final[Mapping[str, Callable[[_Reader, ET.Element, _At], None]]] = {
    "Dimension": _Reader.dimension,
    "Enumeration": _Reader.enumeration,
    "Attribute": _Reader.attribute,
    "Group": _Reader.below,
    **dict.fromkeys(_VARIABLES, _Reader.variable),
}
"""What is done with each element of a group; others are passed over."""


def attribute_value(text: str, kind: str) -> Any:
    """A value of an attribute as JSON has it; of a float, the nearest that its type has."""
    if kind not in NUMBERS:
        return text
    if not kind.startswith("Float"):
        return int(text)
    if kind == "Float32" and text == _DEFAULT_FILL:
        return float(np.float32(15 * 2.0**119))
    return float(np.float32(text)) if kind == "Float32" else float(text)


def _absolute(name: str, path: str) -> str:
    """The full name of a dimension or an enumeration, given from where a variable stands."""
    if not name or name.startswith("/"):
        return name
    group = path.rpartition("/")[0]
    return f"/{group}/{name}" if group else f"/{name}"


def texts_of(elements: Sequence[ET.Element]) -> list[str]:
    """The text of each element, without the white space around it."""
    return [(element.text or "").strip() for element in elements]
