"""Ways to damage a file: anywhere, and where it hurts."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

Ranges = Sequence[tuple[int, int]]
"""Where the structures of a file are: first byte and length."""

INTERESTING = (0, 1, 2, 3, 7, 8, 63, 64, 127, 128, 255, 256, 4095, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


def place(chance: random.Random, data: bytearray, ranges: Ranges) -> int:
    """A byte, three times out of four inside a structure."""
    if ranges and chance.random() < 0.75:
        start, length = chance.choice(ranges)
        return min(start + chance.randrange(max(min(length, 512), 1)), len(data) - 1)
    return chance.randrange(len(data))


def flip(chance: random.Random, data: bytearray, ranges: Ranges) -> None:
    """A few bits."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data[place(chance, data, ranges)] ^= 1 << chance.randrange(8)


def overwrite(chance: random.Random, data: bytearray, ranges: Ranges) -> None:
    """A number with one that is at a limit of something."""
    width = chance.choice((1, 2, 4, 8))
    number = chance.choice((*INTERESTING, len(data), len(data) - 1, chance.getrandbits(64)))
    start = place(chance, data, ranges)
    data[start : start + width] = (number % 2 ** (8 * width)).to_bytes(width, chance.choice(("little", "big")))


def swap_addresses(chance: random.Random, data: bytearray, ranges: Ranges) -> None:
    """An address of one structure becomes that of another one, so that things are not what they seem, or go round."""
    starts = {start for start, _ in ranges}
    if len(starts) < 2:
        return
    wanted = chance.choice(sorted(starts))
    found = data.find(wanted.to_bytes(8, "little"), chance.randrange(len(data)))
    if found >= 0:
        data[found : found + 8] = chance.choice(sorted(starts)).to_bytes(8, "little")


def splice(chance: random.Random, data: bytearray, ranges: Ranges) -> None:
    """One structure is written over another one."""
    if not ranges:
        return
    (source, length), (target, _) = chance.choice(ranges), chance.choice(ranges)
    piece = data[source : source + chance.choice((4, 8, 40, length))]
    data[target : target + len(piece)] = piece


def cut(chance: random.Random, data: bytearray, ranges: Ranges) -> None:
    """The file ends early, most of all at the end of a structure."""
    if ranges and chance.random() < 0.75:
        start, length = chance.choice(ranges)
        del data[start + chance.choice((0, length // 2, length)) + chance.choice((-1, 0, 1)) :]
    else:
        del data[chance.randrange(len(data)) :]


def move(chance: random.Random, data: bytearray, ranges: Ranges) -> None:
    """Bytes are put in, or are missing."""
    start = place(chance, data, ranges)
    if chance.random() < 0.5:
        data[start:start] = bytes(chance.choice((1, 8, 512)))
    else:
        del data[start : start + chance.choice((1, 8, 512))]


MUTATIONS: Mapping[str, Callable[[random.Random, bytearray, Ranges], None]] = {
    "flip": flip,
    "overwrite": overwrite,
    "swap addresses": swap_addresses,
    "splice": splice,
    "cut": cut,
    "move": move,
}

WEIGHTS = (30, 30, 15, 10, 10, 5)


def mutate(seed: int, data: bytes, ranges: Ranges) -> bytes:
    """One damaged file; the same seed damages the same file in the same way."""
    chance = random.Random(seed)
    damaged = bytearray(data)
    for kind in chance.choices(list(MUTATIONS), WEIGHTS, k=chance.choice((1, 1, 2, 3))):
        if damaged:
            MUTATIONS[kind](chance, damaged, [r for r in ranges if r[0] < len(damaged)])
    return bytes(damaged)
