"""The codec `record_slice`."""

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.codecs.record_slice import RecordSlice


@given(st.data())
def test_every_slice_of_records(data):
    """Bytes of a column are those that numpy takes, wherever the records begin and end."""
    record = data.draw(st.integers(1, 20))
    offset = data.draw(st.integers(0, record - 1))
    nbytes = data.draw(st.integers(1, record - offset))
    count = data.draw(st.integers(0, 6))
    table = np.arange(count * record, dtype="u1").reshape(count, record)
    wanted = table[:, offset : offset + nbytes].tobytes()
    codec = RecordSlice(record=record, nbytes=nbytes, offset=offset)
    assert codec.decode(table.tobytes()) == wanted
    if count:
        cut = (count - 1) * record + nbytes
        assert RecordSlice(record=record, nbytes=nbytes).decode(table.tobytes()[offset:][:cut]) == wanted
    filled = RecordSlice(record=record, nbytes=nbytes, offset=offset, records=7).decode(table.tobytes())
    assert filled == wanted.ljust(7 * nbytes, b"\0")


def test_records_that_are_cut_short_or_too_many():
    """A last record that is cut inside the slice is an error, and so are more records than there may be."""
    with pytest.raises(ValueError, match="last record"):
        RecordSlice(record=4, nbytes=2).decode(b"abcde")
    with pytest.raises(ValueError, match="at most 1"):
        RecordSlice(record=4, nbytes=2, records=1).decode(b"abcdef")
    for wrong in ({"record": 0, "nbytes": 0}, {"record": 2, "nbytes": 3}, {"record": 2, "nbytes": 1, "offset": -1}):
        with pytest.raises(ValueError, match="there are no"):
            RecordSlice(**wrong)
    with pytest.raises(NotImplementedError):
        RecordSlice(record=4, nbytes=2).encode(b"")


def test_it_is_made_from_its_configuration():
    """numcodecs makes it from the configuration that it gives."""
    codec = RecordSlice(record=4, nbytes=2, records=3)
    assert numcodecs.get_codec(codec.get_config()).decode(b"abcdef") == codec.decode(b"abcdef")
