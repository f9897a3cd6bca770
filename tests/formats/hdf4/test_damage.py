"""Files that are damaged or hostile: only errors of chunkmap come out, and nothing hangs."""

import random
import struct
import zlib

import numpy as np
import pytest

from chunkmap.errors import ChunkmapError, FormatError, TruncatedFile
from chunkmap.formats.hdf4 import Options, parse
from chunkmap.io import BytesSource
from chunkmap.io.rounds import run


def scan(data):
    source = BytesSource(data, "a.hdf")
    return run(source, parse(source, Options()))


def test_a_chain_that_comes_back_to_itself():
    """A block of descriptors that names itself as the next is refused."""
    with pytest.raises(FormatError, match="comes back"):
        scan(b"\x0e\x03\x13\x01" + struct.pack(">Hi", 1, 4) + struct.pack(">HHii", 1, 0, -1, -1))


def test_a_chain_that_leaves_the_file():
    """A block of descriptors outside the file says that the file is cut short."""
    with pytest.raises(TruncatedFile):
        scan(b"\x0e\x03\x13\x01" + struct.pack(">Hi", 1, 4000) + struct.pack(">HHii", 1, 0, -1, -1))


def test_vgroups_that_hold_one_another(recipe):
    """Vgroups may stand in one another; each is looked at once."""
    recipe.vgroup("a", "GRID", [(1965, 3)])
    recipe.vgroup("Data Fields", "x", [(1965, 2), (1965, 3)])
    recipe.root([recipe.attribute("StructMetadata.0", "GROUP=GridStructure\nEND_GROUP=GridStructure\nEND\n")])
    assert "a" in scan(recipe.bytes()).groups


def test_tables_of_linked_blocks_that_name_themselves(recipe):
    """A table of linked blocks that goes on with itself is a problem of its array."""
    _, block = recipe.add(20, bytes(4))
    recipe.add(20, struct.pack(">HH", 77, block), 77)
    data = recipe.add(702 | 0x4000, struct.pack(">HiiiH", 1, 4000, 4, 1, 77))
    variable, _ = recipe.sds("x", (1000,), "i4", data)
    recipe.root([variable])
    (problem,) = scan(recipe.bytes()).problems
    assert problem.feature == "damaged data"


@pytest.mark.parametrize(
    ("tag", "data", "message"),
    [
        (702, bytes(3), "expected 8 bytes"),
        (702 | 0x4000, struct.pack(">HiBiiiiHHHHi", 5, 0, 0, 0, 8, 4, 4, 1962, 9, 0, 0, 99), "99 axes"),
        (702 | 0x4000, struct.pack(">HiiiH", 1, -1, -1, 1, 5), "linked element"),
        (702 | 0x4000, struct.pack(">Hiii", 2, 8, -3, 1), "external element"),
        (702 | 0x4000, struct.pack(">HH", 3, 0), "cut short"),
        (702 | 0x4000, struct.pack(">H", 6), "code 6"),
    ],
)
def test_elements_that_are_wrong(recipe, tag, data, message):
    """A wrong element is a problem of its array alone; others are read."""
    good, _ = recipe.sds("good", (2,), "i4", recipe.add(702, bytes(8)))
    bad, _ = recipe.sds("bad", (2,), "i4", recipe.add(tag, data))
    recipe.root([bad, good])
    found = scan(recipe.bytes())
    assert list(found.arrays) == ["good"]
    assert message in found.problems[0].message


def test_every_beginning_of_a_file(recipe):
    """A file that ends early gives an error of chunkmap, or what is there."""
    variable, _ = recipe.sds("x", (4, 4), "i2", recipe.add(702, bytes(32)))
    recipe.root([variable, recipe.attribute("title", "text")])
    data = recipe.bytes()
    refused = 0
    for length in range(0, len(data), 7):
        try:
            scan(data[:length])
        except ChunkmapError:
            refused += 1
    assert refused > len(data) // 7 // 2


@pytest.mark.parametrize("seed", range(4))
def test_bytes_that_are_changed(recipe, seed):
    """Whatever byte is changed, only errors of chunkmap come out."""
    rng = random.Random(seed)
    chunks = {(0, 0): bytes(8), (1, 0): bytes(8)}
    variable, _ = recipe.sds("x", (4, 2), "i2", recipe.chunked((4, 2), (2, 2), 2, chunks))
    grown, _ = recipe.sds("y", (3, 2), "i2", recipe.linked(702, [bytes(4), bytes(4), bytes(4)], 12), unlimited=True)
    recipe.vdata("t", "", [("a", 22, 2, 1)], 3, bytes(6))
    recipe.root([variable, grown, recipe.attribute("StructMetadata.0", "GROUP=GridStructure\nEND\n")])
    data = recipe.bytes()
    for _ in range(400):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 2, 5))):
            changed[rng.randrange(len(changed))] = rng.choice((0, 1, 127, 128, 255))
        try:
            found = scan(bytes(changed))
        except ChunkmapError:
            continue
        assert all(np.prod(array.meta.chunk_shape) >= 0 for array in found.arrays.values())


@pytest.mark.parametrize("stream", [b"no zlib stream", zlib.compress(bytes(100))[:5], b""])
def test_metadata_whose_stream_is_damaged(recipe, stream):
    """Compressed metadata that cannot be inflated, or end too early, are an error of chunkmap."""
    _, ref = recipe.vdata("title", "Attr0.0", [("VALUES", 21, 100, 100)], 1, None)
    recipe.objects.append((40, 900, stream or None))
    recipe.add(1963 | 0x4000, struct.pack(">HHiHHHH", 3, 0, 100, 900, 0, 4, 6), ref)
    recipe.root([(1962, ref)])
    with pytest.raises(FormatError):
        scan(recipe.bytes())


def test_metadata_that_would_inflate_without_end(recipe):
    """Of compressed metadata no more is inflated than they are said to have."""
    _, ref = recipe.vdata("title", "Attr0.0", [("VALUES", 4, 4, 4)], 1, None)
    recipe.objects.append((40, 900, zlib.compress(b"abcd" * 1_000_000)))
    recipe.add(1963 | 0x4000, struct.pack(">HHiHHHH", 3, 0, 4, 900, 0, 4, 6), ref)
    recipe.root([(1962, ref)])
    assert scan(recipe.bytes()).groups[""] == {"title": "abcd"}
