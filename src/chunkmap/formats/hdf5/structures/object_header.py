"""IV.A.1: object headers, versions 1 and 2, with their continuation blocks."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from chunkmap.errors import FormatError
from chunkmap.formats.hdf5.structures.checksums import CHECKSUM, check
from chunkmap.formats.hdf5.structures.file import File
from chunkmap.formats.hdf5.structures.shared_messages import read_shared_message
from chunkmap.io.rounds import Parser

__all__ = ["Message", "read_object_header", "resolve_shared"]

Message = tuple[int, int, bytes]
"""Type, flags and body of a header message."""

_CONTINUATION: Final = 0x10
_KNOWN_TYPES: Final = 0x18
_SHARED: Final = 0x02
_FAIL_IF_UNKNOWN: Final = 0x80
_PLAIN: Final = frozenset(range(1, _KNOWN_TYPES + 1)) - {_CONTINUATION}
"""Types of messages that are kept as they are."""

_prefix_v1 = struct.Struct("<xxHIIxxxx").unpack_from
_message_v1 = struct.Struct("<HHBxxx").unpack_from
_message_v2 = struct.Struct("<BHB").unpack_from
_order = struct.Struct("<H").unpack_from

_GUESS: Final = 1024
"""Most headers are shorter than this: asked for at once, before the header says its length."""


def read_object_header(file: File, address: int) -> Parser[list[Message]]:
    """Every message of an object, in order, without NIL messages and continuations."""
    block = yield file.span(address, 16, _GUESS)
    if block[0] == 1:
        return (yield from _read_version_1(file, address, block))
    if block[:4] == b"OHDR":
        return (yield from _read_version_2(file, address, block))
    raise file.error(f"expected an object header, found {bytes(block[:4])!r}", address)


def resolve_shared(file: File, message: Message) -> Parser[bytes]:
    """The body of a message, which may be kept in another object's header.

    IV.A.2: "If bit 1 of the flags is set, the message is shared". IV.A.1.c: version 1 holds a symbol table entry's
    remains before the address; from version 3 on, type 1 is a message of the shared message heap.
    """
    kind, flags, body = message
    if not flags & _SHARED:
        return body
    version, where = body[0], body[1]
    if version == 3 and where == 1:
        return bytes((yield from read_shared_message(file, kind, bytes(body[2:10]))))
    if not 1 <= version <= 3:
        raise FormatError(f"expected a shared message of version 1 to 3, found {version}", url=file.url)
    (address,) = file.address(body, 8 + file.sizes[1] if version == 1 else 2)
    if address in file.committed:
        return file.committed[address]
    for other, other_flags, other_body in (yield from read_object_header(file, address)):
        if other == kind:
            if other_flags & _SHARED:
                raise file.error("expected the shared message itself, found another reference", address)
            file.committed[address] = other_body
            return other_body
    raise file.error(f"expected a shared message of type {kind:#x}, found none", address)


@dataclass(slots=True)
class _Collected:
    """What was found of one header so far."""

    address: int
    budget: int
    """Bytes that continuation blocks may still have, so that they cannot go round in circles."""
    messages: list[Message] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    """When each message was made, where the header says it: of attributes their order, 0 of all others."""
    continued: list[tuple[int, int]] = field(default_factory=list)
    """Continuation blocks still to be read: address and length."""

    def add(self, file: File, kind: int, flags: int, body: bytes, size: int) -> bool:
        """File a message, which says that it has so many bytes; whether it is kept: NIL and continuations are not."""
        if len(body) < size:
            raise file.error(f"a message of type {kind:#x} reaches past the end of its object header", self.address)
        if kind == _CONTINUATION:
            self.continued.append(file.extent(body))
            return False
        if kind > _KNOWN_TYPES and flags & _FAIL_IF_UNKNOWN:
            raise file.unsupported(f"a message of type {kind:#x} must be understood, and is not", "unknown message")
        if kind:
            self.messages.append((kind, flags, body))
        return bool(kind)

    def take_continued(self, file: File) -> list[tuple[int, int]]:
        """The continuation blocks that the last ones led to."""
        found, self.continued = self.continued, []
        self.budget -= sum(16 + length for _, length in found)
        if self.budget < 0:
            raise file.error("the continuation blocks of an object header are longer than the file", self.address)
        return found

    def in_order(self) -> list[Message]:
        """The messages, attributes in the order in which they were made: a message may have been moved to the end."""
        if self.orders == sorted(self.orders):
            return self.messages
        ranks = sorted(range(len(self.orders)), key=self.orders.__getitem__)
        return [self.messages[rank] for rank in ranks]


def _read_version_1(file: File, address: int, block: memoryview) -> Parser[list[Message]]:
    # version, reserved, total number of header messages, object reference count, object header size
    count, _, size = _prefix_v1(block)
    if len(block) < 16 + size:
        block = yield file.span(address, 16 + size)
    collected = _Collected(address, file.size)
    blocks = [bytes(block[16 : 16 + size])]
    while blocks:
        for part in blocks:
            count = _split_version_1(file, collected, part, count)
        continued = collected.take_continued(file)
        more = (yield [file.span(*where) for where in continued]) if continued and count > 0 else []
        blocks = [bytes(part) for part in more]
    return collected.messages


def _split_version_1(file: File, collected: _Collected, part: bytes, count: int) -> int:
    """Header message: type, size of data, flags, reserved, data. Gives the number of messages still to come."""
    start, length, keep = 8, len(part), collected.messages.append
    while start <= length and count > 0:
        kind, size, flags = _message_v1(part, start - 8)
        stop = start + size
        if kind in _PLAIN and stop <= length:  # nearly all of them: a call for each is a fortieth of a scan
            keep((kind, flags, part[start:stop]))
        else:
            collected.add(file, kind, flags, part[start:stop], size)
        count -= 1
        start = stop + 8
    return count


def _read_version_2(file: File, address: int, block: memoryview) -> Parser[list[Message]]:
    # signature "OHDR", version, flags, times (optional), attribute phase change values (optional), size of chunk 0
    flags = block[5]
    place = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    if len(block) < place + width:
        block = yield file.span(address, place + width)
    size = int.from_bytes(block[place : place + width], "little")
    place += width
    if len(block) < place + size + CHECKSUM:
        block = yield file.span(address, place + size + CHECKSUM)
    check(file, block, place + size + CHECKSUM, address)
    header = 6 if flags & 4 else 4
    collected = _Collected(address, file.size)
    blocks = [bytes(block[place : place + size])]
    while blocks:
        for part in blocks:
            _split_version_2(file, collected, part, header)
        continued = collected.take_continued(file)
        parts = (yield [file.span(*where) for where in continued]) if continued else []
        for part, (where, length) in zip(parts, continued, strict=True):
            file.expect(part, b"OCHK", where)
            check(file, part, length, where)
        # Continuation block: signature "OCHK", messages, gap, checksum
        blocks = [bytes(part[4 : length - 4]) for part, (_, length) in zip(parts, continued, strict=True)]
    return collected.in_order()


def _split_version_2(file: File, collected: _Collected, part: bytes, header: int) -> None:
    """Header message: type, size of data, flags, creation order (optional), data."""
    place, end = 0, len(part) - header
    tracked = header == 6
    while place <= end:
        kind, size, flags = _message_v2(part, place)
        body = part[place + header : place + header + size]
        if kind in _PLAIN and len(body) == size:
            collected.messages.append((kind, flags, body))
            kept = True
        else:
            kept = collected.add(file, kind, flags, body, size)
        if kept and tracked:
            collected.orders += _order(part, place + 4)
        place += header + size
