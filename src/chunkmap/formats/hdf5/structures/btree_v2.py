"""III.A.2: version 2 B-trees, read one level at a time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.formats.hdf5.structures.checksums import CHECKSUM, check, check_rows
from chunkmap.formats.hdf5.structures.file import File, largest, little_endian
from chunkmap.io.rounds import Parser, Together

__all__ = ["read_btree_v2", "split_records"]

_HEADER: Final = "4sBBIHHBBAHL"
"""Signature, version, type, node size, record size, depth, split percent, merge percent, root address, number of
records in root node, total number of records; then a checksum."""

_NODE_PREFIX: Final = 6  # signature, version, type
_NODE_OVERHEAD: Final = 10  # prefix and checksum
_DEEPEST: Final = 32
_AT_ONCE: Final = 512
"""Leaves that are decoded at once: all of a large tree are never in memory together."""


def read_btree_v2(file: File, address: int, types: tuple[int, ...]) -> Parser[NDArray[np.uint8]]:
    """Every record of a tree of one of the given types, as rows of bytes, in no particular order."""
    header = file.fields(_HEADER)
    block = yield file.span(address, header.size + CHECKSUM, 64)
    signature, _, kind, node_size, record_size, depth, _, _, root, root_count, total = header.unpack_from(block)
    file.expect(signature, b"BTHD", address)
    check(file, block, header.size + CHECKSUM, address)
    if kind not in types:
        raise file.error(f"expected a B-tree of type {' or '.join(map(str, types))}, found {kind}", address)
    if root == file.undefined or not total:
        return np.empty((0, record_size), np.uint8)
    if not record_size or node_size <= _NODE_OVERHEAD + record_size or depth > _DEEPEST:
        raise file.error(f"a B-tree has nodes of {node_size} bytes, records of {record_size}, depth {depth}", address)
    if total * record_size > file.size:
        raise file.error(f"a B-tree claims {total} records of {record_size} bytes", address)
    if depth == 0:
        return (yield from _read_only_leaf(file, address, (root, node_size, total, record_size)))
    widths = _pointer_widths(file.sizes[0], node_size, record_size, depth)
    addresses, counts = np.array([root], np.uint64), np.array([root_count], np.int64)
    found = []
    for level in range(depth, 0, -1):
        _check_counts(file, address, counts, (node_size, record_size, sum(widths[level])))
        nodes = yield file.gather(addresses, node_size)
        _check_nodes(file, nodes, b"BTIN", address)
        pointer = sum(widths[level])
        check_rows(file, nodes, _NODE_PREFIX + counts * record_size + (counts + 1) * pointer + CHECKSUM, addresses)
        found.append(_records(nodes, counts, record_size))
        addresses, counts = _children(nodes, counts, record_size, widths[level])
    _check_counts(file, address, counts, (node_size, record_size, 0))
    file.gather(addresses, node_size)  # refused before any of them is read
    parts = [slice(start, start + _AT_ONCE) for start in range(0, len(addresses), _AT_ONCE)]
    leaves = [_read_leaves(file, addresses[part], counts[part], (node_size, record_size)) for part in parts]
    records = np.concatenate(found + (yield Together(leaves)))
    if len(records) != total:
        raise file.error(f"expected {total} records in a B-tree, found {len(records)}", address)
    return records


def _check_counts(file: File, address: int, counts: NDArray[np.int64], sizes: tuple[int, int, int]) -> None:
    """`sizes`: bytes of a node, of a record, and of a child pointer."""
    node, record, pointer = sizes
    most = (node - _NODE_OVERHEAD - pointer) // (record + pointer)
    if largest(counts) > most:
        raise file.error(f"a node of the B-tree claims {largest(counts)} records, it has room for {most}", address)


def _read_leaves(
    file: File, addresses: NDArray[np.uint64], counts: NDArray[np.int64], sizes: tuple[int, int]
) -> Parser[NDArray[np.uint8]]:
    """The records of some leaves. `sizes`: bytes of a node, and of a record."""
    node_size, record_size = sizes
    nodes = yield file.gather(addresses, node_size)
    _check_nodes(file, nodes, b"BTLF", int(addresses[0]))
    check_rows(file, nodes, _NODE_PREFIX + counts * record_size + CHECKSUM, addresses)
    return _records(nodes, counts, record_size)


def split_records(records: NDArray[np.uint8]) -> list[bytes]:
    """Records one by one, where each becomes an object of its own."""
    raw, width = records.tobytes(), records.shape[1]
    return [raw[start : start + width] for start in range(0, len(raw), width)]


def _read_only_leaf(file: File, address: int, leaf: tuple[int, int, int, int]) -> Parser[NDArray[np.uint8]]:
    """The records of a tree that is one leaf, as most are."""
    root, node_size, total, record_size = leaf
    if total * record_size > node_size - _NODE_OVERHEAD:
        raise file.error(f"a B-tree claims {total} records in one leaf of {node_size} bytes", address)
    node = yield file.span(root, node_size)
    file.expect(node, b"BTLF", root)
    check(file, node, _NODE_PREFIX + total * record_size + CHECKSUM, root)
    return np.frombuffer(node, np.uint8, total * record_size, _NODE_PREFIX).reshape(total, record_size)


def _pointer_widths(address: int, node_size: int, record_size: int, depth: int) -> list[tuple[int, int, int]]:
    """Level -> bytes of a child pointer: address, number of records, and (above level 1) total number of records.

    "The size of this field is variable", just enough for the largest number that a child can hold.
    """
    most = (node_size - _NODE_OVERHEAD) // record_size
    count_width = _width(most)
    widths, total, total_width = [(0, 0, 0)], most, 0
    for level in range(1, depth + 1):
        pointer = (address, count_width, total_width if level > 1 else 0)
        widths.append(pointer)
        most = (node_size - _NODE_OVERHEAD - sum(pointer)) // (record_size + sum(pointer))
        total = (most + 1) * total + most
        total_width = min(_width(total), 8)
    return widths


def _width(number: int) -> int:
    return max(1, (number.bit_length() + 7) // 8)


def _check_nodes(file: File, nodes: NDArray[np.uint8], signature: bytes, address: int) -> None:
    if nodes[:, :4].tobytes() != signature * len(nodes):
        raise file.error(f"a node of the B-tree does not begin with {signature.decode()!r}", address)


def _records(nodes: NDArray[np.uint8], counts: NDArray[np.int64], record_size: int) -> NDArray[np.uint8]:
    most = largest(counts)
    records = nodes[:, _NODE_PREFIX : _NODE_PREFIX + most * record_size].reshape(len(nodes), most, record_size)
    there: NDArray[np.uint8] = records[0] if len(nodes) == 1 else records[np.arange(most) < counts[:, None]]
    return there


def _children(
    nodes: NDArray[np.uint8], counts: NDArray[np.int64], record_size: int, widths: tuple[int, int, int]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Child pointers follow the records that a node has, not those that it could have: a loop over inner nodes."""
    pointer = sum(widths)
    parts: list[NDArray[Any]] = []
    for node, count in zip(nodes, counts.tolist(), strict=True):
        start = _NODE_PREFIX + count * record_size
        parts.append(node[start : start + (count + 1) * pointer].reshape(count + 1, pointer))
    pointers = np.concatenate(parts)
    address, count, _ = widths
    counted = little_endian(pointers[:, address : address + count]).astype(np.int64)
    return little_endian(pointers[:, :address]), counted
