"""The objects of a file: every group and dataset, found by walking the links from the root group.

An object is read once, however many links lead to it. What is legal but not handled stays with its object, as an
`Unsupported`, and so do bytes that break the rules, but for those of the root group; a strict scan stops at them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from chunkmap.errors import FormatError, Unsupported
from chunkmap.formats.hdf5.chunk_indexes.btree_v1 import Leaf, decode_leaves
from chunkmap.formats.hdf5.chunk_indexes.chunk_index import read_chunk_index
from chunkmap.formats.hdf5.chunk_indexes.chunk_table import ChunkTable
from chunkmap.formats.hdf5.structures.attributes import Attributes, read_attributes
from chunkmap.formats.hdf5.structures.datatype import Datatype, parse_datatype
from chunkmap.formats.hdf5.structures.external import Segment, read_external_files
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.groups import GROUP_MESSAGES, Link, members_hint, read_links
from chunkmap.formats.hdf5.structures.layout import Chunked, Compact, Layout, parse_layout
from chunkmap.formats.hdf5.structures.messages import (
    Dataspace,
    Filter,
    is_never_filled,
    parse_dataspace,
    parse_fill_value,
    parse_filter_pipeline,
    parse_old_fill_value,
)
from chunkmap.formats.hdf5.structures.object_header import Message, read_object_header, resolve_shared
from chunkmap.io.rounds import Hint, Parser, Together
from chunkmap.model import ChunkManifest, CodecConfig

__all__ = ["BROKEN", "NAMED_TYPE", "Dataset", "Group", "Objects", "Stored", "damaged", "located", "read_objects"]

_DATASPACE, _DATATYPE, _OLD_FILL_VALUE, _FILL_VALUE, _EXTERNAL_FILES = 0x01, 0x03, 0x04, 0x05, 0x07
_LAYOUT, _FILTER_PIPELINE = 0x08, 0x0B

NAMED_TYPE: Final = "named datatype"

BROKEN: Final = (struct.error, IndexError, ValueError, OverflowError)
"""What reading past the end of a message, or believing a number in it, comes to in Python."""


class Stored(NamedTuple):
    """The data of one dataset."""

    chunk_shape: tuple[int, ...]
    codecs: tuple[CodecConfig, ...]
    chunks: ChunkManifest
    variants: tuple[tuple[CodecConfig, ...], ...] = ()
    """Where chunks skip filters, the codecs of each by the number of its variant; nothing where all are alike."""


@dataclass(slots=True)
class Dataset:
    """A dataset: what its header says, and where its chunks are."""

    address: int
    datatype: Datatype
    space: Dataspace
    layout: Layout
    filters: tuple[Filter, ...] = ()
    fill_value: bytes | None = None
    """One element as it is stored; b"" and None stand for zeros."""
    external: tuple[Segment, ...] = ()
    """Where the data is in other files."""
    elsewhere: Stored | None = None
    """The data, where it was found in other files or datasets."""
    attributes: Attributes = field(default_factory=lambda: Attributes({}, None, []))
    chunks: ChunkTable | Leaf | None = None
    """Of a chunked layout."""
    refused: Unsupported | None = None
    """Why the dataset cannot be represented."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the dataspace."""
        return self.space.shape or ()


@dataclass(slots=True)
class Group:
    """A group: its links and attributes."""

    address: int
    links: list[Link] = field(default_factory=list)
    attributes: Attributes = field(default_factory=lambda: Attributes({}, None, []))
    refused: Unsupported | None = None
    """Why not all of it could be read."""


@dataclass(slots=True)
class Objects:
    """Every object of a file."""

    root: int
    """Address of the root group."""
    found: dict[int, Dataset | Group | None] = field(default_factory=dict)
    """By the address of the object header; None is something else, such as a committed datatype."""
    refused: dict[int, Unsupported] = field(default_factory=dict)
    """Objects whose header already says something that is not handled."""


def read_objects(file: File, root: int) -> Parser[Objects]:
    """Walk the whole file. Raises FormatError where the bytes break the rules."""
    objects = Objects(root)
    yield from _read_object(file, root, objects)
    if not isinstance(objects.found[root], Group):
        if root in objects.refused:
            raise objects.refused[root]
        raise file.error("expected the root group, found something else", root)
    _decode_leaves(file, objects)
    return objects


def _read_object(file: File, address: int, objects: Objects) -> Parser[None]:
    """Read one object, and from a group all that it leads to."""
    objects.found[address] = None
    try:
        messages = yield from read_object_header(file, address)
        kinds = {kind for kind, _, _ in messages}
        if _LAYOUT in kinds and _DATASPACE in kinds and _DATATYPE in kinds:
            dataset = yield from _read_dataset(file, address, messages)
            objects.found[address] = dataset
            yield Together([_attributes(file, messages, dataset), _dataset_chunks(file, dataset)])
        elif kinds & GROUP_MESSAGES:
            group = objects.found[address] = Group(address)
            yield Together([_attributes(file, messages, group), _group_links(file, messages, group, objects)])
        elif _DATATYPE in kinds:
            attributes = yield from read_attributes(file, messages)
            names = [*attributes.values, *(name for name, _ in attributes.lost)]
            if names:
                objects.refused[address] = Unsupported(
                    f"it is a named datatype, whose attributes have no place in Zarr: {', '.join(map(repr, names))}",
                    feature=NAMED_TYPE,
                )
    except Unsupported as refusal:
        objects.refused[address] = refusal
    except BROKEN as error:
        objects.refused[address] = damaged(file, address, error, may_be_lost=address != objects.root)


def damaged(file: File, address: int, error: Exception, *, may_be_lost: bool = True) -> Unsupported:
    """Why an object is left out that does not parse. Raises the error instead where it may not be lost, or where a
    strict scan asks for that.
    """
    found = located(file, address, error)
    if file.strict or not may_be_lost:
        raise found from error
    return Unsupported(f"it is damaged, strict=True makes that an error: {found}", feature="damaged object")


def located(file: File, address: int, error: Exception) -> FormatError:
    """The same error, with the file's name and the address of the object where it had none."""
    if isinstance(error, FormatError) and error.url is not None:
        return error
    kind = type(error) if isinstance(error, FormatError) else FormatError
    text = error.message if isinstance(error, FormatError) else f"the object does not parse: {error}"
    return kind(text, url=file.url, offset=address + file.base)


def _attributes(file: File, messages: list[Message], found: Dataset | Group) -> Parser[None]:
    try:
        found.attributes = yield from read_attributes(file, messages)
    except Unsupported as refusal:
        found.attributes = Attributes({}, None, [("", refusal.message)])
    except BROKEN as error:
        found.attributes = Attributes({}, None, [("", damaged(file, found.address, error).message)])


def _dataset_chunks(file: File, dataset: Dataset) -> Parser[None]:
    if not isinstance(dataset.layout, Chunked) or dataset.space.shape is None:
        return
    try:
        dataset.chunks = yield from read_chunk_index(file, dataset.layout, dataset.space)
    except Unsupported as refusal:
        dataset.refused = refusal
    except BROKEN as error:
        dataset.refused = damaged(file, dataset.address, error)


def _decode_leaves(file: File, objects: Objects) -> None:
    """The chunk indexes of all datasets that were left to be decoded together."""
    datasets, leaves = list[Dataset](), list[Leaf]()
    for found in objects.found.values():
        if isinstance(found, Dataset) and isinstance(found.chunks, Leaf):
            datasets.append(found)
            leaves.append(found.chunks)
    try:
        tables = list(decode_leaves(file, leaves))
    except BROKEN:
        for dataset, leaf in zip(datasets, leaves, strict=True):
            _decode_leaf(file, dataset, leaf)
        return
    for dataset, table in zip(datasets, tables, strict=True):
        dataset.chunks = table


def _decode_leaf(file: File, dataset: Dataset, leaf: Leaf) -> None:
    try:
        (dataset.chunks,) = decode_leaves(file, [leaf])
    except BROKEN as error:
        dataset.refused = damaged(file, dataset.address, error)


def _group_links(file: File, messages: list[Message], group: Group, objects: Objects) -> Parser[None]:
    try:
        group.links = yield from read_links(file, messages)
    except Unsupported as refusal:
        group.refused = refusal
    except BROKEN as error:
        group.refused = damaged(file, group.address, error, may_be_lost=group.address != objects.root)
    new = dict.fromkeys(link.address for link in group.links if link.kind == "hard")
    unread = [address for address in new if address not in objects.found]
    objects.found.update(dict.fromkeys(unread))
    if len(objects.found) * 16 > file.size + 1024:
        raise file.error("there are more objects than the file has room for", group.address)
    readers: list[Parser[None]] = [_read_object(file, address, objects) for address in unread]
    if unread and any(link.members is not None for link in group.links):
        readers.append(_foresee(members_hint(file, group.links)))
    yield Together(readers)


def _foresee(hint: Hint) -> Parser[None]:
    yield hint


def _read_dataset(file: File, address: int, messages: Sequence[Message]) -> Parser[Dataset]:
    bodies: dict[int, bytes] = {}
    for message in messages:
        kind, flags, body = message
        if kind in _DATASET_MESSAGES:
            bodies[kind] = bytes((yield from resolve_shared(file, message)) if flags & 2 else body)
    space = parse_dataspace(bodies[_DATASPACE], file.sizes[1])
    datatype = parse_datatype(bodies[_DATATYPE], file.sizes[0])
    layout = Compact(b"") if space.shape is None else parse_layout(bodies[_LAYOUT], len(space.shape), file.sizes)
    dataset = Dataset(address, datatype, space, layout)
    if _EXTERNAL_FILES in bodies:
        dataset.external = yield from read_external_files(file, bodies[_EXTERNAL_FILES])
    if _FILTER_PIPELINE in bodies:
        dataset.filters = parse_filter_pipeline(bodies[_FILTER_PIPELINE])
    dataset.fill_value = _fill_value(file, address, bodies, datatype)
    if isinstance(layout, Chunked) and layout.element_size != datatype.size:
        raise file.error(
            f"chunks have elements of {layout.element_size} bytes, the datatype has {datatype.size}", address
        )
    if math.prod(dataset.shape) * datatype.size >= 2**63:
        raise file.error(f"a dataset has the shape {dataset.shape}", address)
    return dataset


_DATASET_MESSAGES: Final = frozenset(
    {_DATASPACE, _DATATYPE, _OLD_FILL_VALUE, _FILL_VALUE, _EXTERNAL_FILES, _LAYOUT, _FILTER_PIPELINE}
)


def _fill_value(file: File, address: int, bodies: dict[int, Any], datatype: Datatype) -> bytes | None:
    body = bodies.get(_FILL_VALUE)
    value = None if body is None else parse_fill_value(body)
    if body is not None and is_never_filled(body):
        return None
    if not value and _OLD_FILL_VALUE in bodies:
        value = parse_old_fill_value(bodies[_OLD_FILL_VALUE])
    if value and len(value) != datatype.size:
        raise file.error(f"expected a fill value of {datatype.size} bytes, found {len(value)}", address)
    return value
