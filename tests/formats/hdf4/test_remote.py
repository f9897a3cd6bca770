"""Over a network: one read of a small file, few rounds of a large one."""

import numpy as np
import pytest
from far import Far

from chunkmap.formats.hdf4 import Options, parse
from chunkmap.io import BytesSource
from chunkmap.io.rounds import Tally, run


def fill(recipe, count, nbytes):
    """So many arrays, whose data lie between what describes them."""
    variables = []
    for number in range(count):
        data = recipe.add(702, bytes(nbytes))
        name = recipe.attribute("long_name", f"variable {number}")
        variables.append(recipe.sds(f"v{number}", (nbytes // 2,), "i2", data, attributes=[name])[0])
    recipe.root(variables)
    return recipe.bytes()


def both(data):
    tally = Tally()
    far, near = Far(data, "a.hdf"), BytesSource(data, "a.hdf")
    found = run(far, parse(far, Options()), tally=tally)
    expected = run(near, parse(near, Options()))
    assert dict(found.arrays) == dict(expected.arrays)
    return tally


def test_a_small_file_is_one_request(recipe):
    """A file of a few megabytes is fetched whole, in one request."""
    tally = both(fill(recipe, 30, 100_000))
    assert (tally.rounds, tally.requests) == (1, 1)


def test_the_size_up_to_which_a_file_is_fetched_whole(recipe):
    """Of a file of 8 to 16 MiB its head tells what it is, and the rest is fetched in one more round."""
    data = fill(recipe, 30, 400_000)
    tally = both(data)
    assert (tally.rounds, tally.bytes) == (2, len(data))


@pytest.mark.parametrize("count", [20, 60])
def test_rounds_do_not_follow_the_number_of_objects(recipe, count):
    """Of a large file with one block of descriptors, the rounds are those of its depth; data are not fetched."""
    recipe.block = 2000
    data = fill(recipe, count, 20_000_000 // count)
    tally = both(data)
    assert tally.rounds <= 4
    assert tally.bytes < len(data) // 4


def test_a_long_chain_is_not_followed_link_by_link():
    """Many small blocks of descriptors, far apart, end in one whole read instead of a round each."""
    count, far = 200, 100_000
    blocks = bytearray(b"\x0e\x03\x13\x01") + bytes(count * far)
    row = np.array([1, 0, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF], ">u2").tobytes()
    for number in range(count):
        place = 4 if not number else number * far
        following = (number + 1) * far if number + 1 < count else 0
        blocks[place : place + 18] = (1).to_bytes(2, "big") + following.to_bytes(4, "big") + row
    tally = both(bytes(blocks))
    assert tally.rounds <= 10
