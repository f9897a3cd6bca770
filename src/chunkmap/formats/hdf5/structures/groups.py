"""Groups and their links: symbol tables (III.B, III.C, III.D), link messages (IV.A.2.g), dense links (III.G)."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from chunkmap.formats.hdf5.structures.btree_v2 import read_btree_v2, split_records
from chunkmap.formats.hdf5.structures.file import File, u16, u32, u64
from chunkmap.formats.hdf5.structures.fractal_heap import read_heap
from chunkmap.formats.hdf5.structures.object_header import Message
from chunkmap.formats.text import text_of
from chunkmap.io.rounds import Hint, Parser, Span, Together

__all__ = ["GROUP_MESSAGES", "Link", "members_hint", "read_links"]

LINK_INFO: Final = 0x02
LINK: Final = 0x06
GROUP_INFO: Final = 0x0A
SYMBOL_TABLE: Final = 0x11

GROUP_MESSAGES: Final = frozenset({LINK_INFO, LINK, GROUP_INFO, SYMBOL_TABLE})
"""Messages that only the header of a group has."""

_GROUP_ENTRY, _SOFT_ENTRY = 1, 2
_NAMES_GUESS: Final = 1024
"""Most local heaps begin with their header, and the data follows."""
_SYMBOL: Final = "LAI4x16s"
"""Symbol table entry: link name offset, object header address, cache type, reserved, scratch pad."""

_NAMES, _CREATION_ORDER = 5, 6  # types of a version 2 B-tree
_KINDS: Final[dict[int, LinkKind]] = {0: "hard", 1: "soft", 64: "external"}

LinkKind = Literal["hard", "soft", "external", "user"]


class Link(NamedTuple):
    """One entry of a group."""

    name: str
    kind: LinkKind
    address: int
    """Of a hard link: the object header it leads to."""
    target: str
    """Of a soft link: the path it leads to."""
    order: int
    """When it was made, counted within its group; -1 where groups do not keep that."""
    members: tuple[int, int] | None = None
    """Of a link to a group, where the link says it: addresses of its B-tree and its local heap."""


def read_links(file: File, messages: list[Message]) -> Parser[list[Link]]:
    """The links of a group, in order of creation where it is kept, else of name."""
    links: list[Link] = []
    for kind, _, body in messages:
        if kind == LINK:
            links.append(_parse_link(file, body))
        elif kind == LINK_INFO:
            links += yield from _read_dense(file, body)
        elif kind == SYMBOL_TABLE:
            links += yield from _read_symbol_table(file, body)
    return sorted(links, key=lambda link: (link.order, link.name))


def _parse_link(file: File, body: bytes | memoryview) -> Link:
    """Version, flags, type (bit 3), creation order (bit 2), character set (bit 4), length of name, name."""
    version, flags, place = body[0], body[1], 2
    if version != 1:
        raise file.error(f"expected a link message of version 1, found {version}", 0)
    kind, order = 0, -1
    if flags & 8:
        kind, place = body[place], place + 1
    if flags & 4:
        order, place = u64(body, place)[0], place + 8
    if flags & 16:
        place += 1
    width = 1 << (flags & 3)
    length = int.from_bytes(body[place : place + width], "little")
    place += width
    name = _without_slash(file, _name(file, body[place : place + length], length))
    place += length
    if kind == 0:
        return Link(name, "hard", file.address(body, place)[0], "", order)
    (size,) = u16(body, place)
    target = text_of(body[place + 2 : place + 2 + size])
    return Link(name, _KINDS.get(kind, "user"), file.undefined, target, order)


def _without_slash(file: File, name: str) -> str:
    if "/" in name:
        raise file.error(f"expected the name of a link, found a path: {name!r}", 0)
    return name


def _name(file: File, raw: bytes | memoryview, length: int) -> str:
    text = bytes(raw)
    if len(text) != length or not text:
        raise file.error(f"expected the name of a link, {length} bytes, found {len(text)}", 0)
    return text_of(text)


def _read_dense(file: File, body: bytes) -> Parser[list[Link]]:
    """Link info: version, flags, maximum creation index (bit 0), fractal heap, B-tree of names, B-tree of order."""
    heap, names = file.address_pair(body, 10 if body[1] & 1 else 2)
    if heap == file.undefined:
        return []
    records = split_records((yield from read_btree_v2(file, names, (_NAMES, _CREATION_ORDER))))
    # type 5: hash of the name (4 bytes), heap ID (7 bytes)
    found = yield from read_heap(file, heap, [record[4:11] for record in records])
    return [_parse_link(file, link) for link in found]


def _read_symbol_table(file: File, body: bytes) -> Parser[list[Link]]:
    """Addresses of a version 1 B-tree and of a local heap, which holds the names."""
    tree, heap = file.address_pair(body)
    (names, nodes) = yield Together([_read_names(file, heap), _read_symbol_nodes(file, tree)])
    links: list[Link] = []
    for address, block in nodes:
        links += _parse_symbol_node(file, address, block, names)
    return links


def members_hint(file: File, links: list[Link]) -> Hint:
    """What the links say of the groups they lead to, to be fetched with the headers of these groups."""
    found = [link.members for link in links if link.members is not None]
    return Hint(
        [Span(tree + file.base, _node_prefix(file), _node_size(file)) for tree, _ in found]
        + [Span(heap + file.base, 32, _NAMES_GUESS) for _, heap in found]
    )


def _node_prefix(file: File) -> int:
    """Bytes of a B-tree node before its entries: signature, type, level, number of entries, two addresses."""
    return 8 + 2 * file.sizes[0]


def _node_size(file: File) -> int:
    return _node_prefix(file) + 2 * file.group_k * sum(file.sizes) + file.sizes[1]


def _read_names(file: File, heap: int) -> Parser[bytes]:
    """Local heap: signature, version, reserved, data segment size, offset to head of free list, its address."""
    fields = file.fields("8xLLA")
    header = yield file.span(heap, fields.size, _NAMES_GUESS)
    file.expect(header, b"HEAP", heap)
    size, _, data = fields.unpack_from(header)
    return bytes((yield file.span(data, size)))


def _read_symbol_nodes(file: File, tree: int) -> Parser[list[tuple[int, memoryview]]]:
    """Every symbol table node of a group, with its address."""
    node = _node_size(file)
    root = yield file.span(tree, _node_prefix(file), node)
    tables = yield from _read_group_tree(file, tree, root, node)
    leaf = 8 + file.fields(_SYMBOL).size * 2 * file.leaf_k
    blocks = (yield [file.span(address, 8, leaf) for address in tables]) if tables else []
    return list(zip(tables, blocks, strict=True))


def _read_group_tree(file: File, tree: int, root: memoryview, size: int) -> Parser[list[int]]:
    """III.A.1, type 0: keys are offsets of names, children are the nodes below or symbol table nodes."""
    prefix, entry = _node_prefix(file), file.fields("LA")
    addresses, blocks, above = [tree], [root], 256
    while True:
        children: list[int] = []
        level = blocks[0][5]
        for address, block in zip(addresses, blocks, strict=True):
            file.expect(block, b"TREE\x00", address)
            (used,) = u16(block, 6)
            if block[5] != level or level >= above or len(block) < prefix + entry.size * used:
                raise file.error(f"expected a group B-tree node below level {above}, found level {block[5]}", address)
            children += [child for _, child in entry.iter_unpack(block[prefix : prefix + entry.size * used])]
        if len(children) * 8 > file.size:
            raise file.error("a group B-tree has more children than the file has room for", tree)
        if level == 0 or not children:
            return children
        addresses, above = children, level
        blocks = yield [file.span(address, prefix, size) for address in addresses]


def _parse_symbol_node(file: File, address: int, block: memoryview, names: bytes) -> list[Link]:
    """Signature, version, reserved, number of symbols; entries.

    The scratch pad of an entry is the value of a soft link; of a group, the addresses of its B-tree and its local heap.
    """
    entry = file.fields(_SYMBOL)
    file.expect(block, b"SNOD", address)
    (count,) = u16(block, 6)
    if count > 2 * file.leaf_k or len(block) < 8 + entry.size * count:
        raise file.error(f"a symbol table node claims {count} entries of {2 * file.leaf_k}", address)
    links = []
    for offset, target, cached, scratch in entry.iter_unpack(block[8 : 8 + entry.size * count]):
        name = _without_slash(file, _heap_string(file, names, offset, address))
        if cached == _SOFT_ENTRY:
            path = _heap_string(file, names, u32(scratch)[0], address)
            links.append(Link(name, "soft", file.undefined, path, -1))
        else:
            members = file.address_pair(scratch) if cached == _GROUP_ENTRY else None
            links.append(Link(name, "hard", target, "", -1, members))
    return links


def _heap_string(file: File, names: bytes, offset: int, address: int) -> str:
    end = names.find(b"\0", offset) if offset < len(names) else -1
    if end < 0:
        raise file.error(f"expected a name at offset {offset} of the local heap, found none", address)
    return _name(file, names[offset:end], end - offset)
