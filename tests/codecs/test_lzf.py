"""LZF is decoded alike with and without imagecodecs."""

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.codecs.hdf5 import lzf


@given(st.binary(min_size=1, max_size=200), st.integers(1, 300))
def test_both_decoders_give_the_same(word, times):
    """What imagecodecs compressed comes back by its decoder and by ours."""
    data = word * times
    stored = imagecodecs.lzf_encode(data)
    codec = lzf.Hdf5Lzf(len(data))
    assert codec.decode(stored) == data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lzf, "_NATIVE", None)
        assert codec.decode(stored) == data


@pytest.mark.parametrize("is_native", [True, False])
def test_a_stream_of_another_length_is_refused(monkeypatch, is_native):
    """Too many bytes and too few are a ValueError, whoever decodes."""
    if not is_native:
        monkeypatch.setattr(lzf, "_NATIVE", None)
    stored = imagecodecs.lzf_encode(bytes(50))
    for size in (49, 51):
        with pytest.raises(ValueError, match="LZF"):
            lzf.Hdf5Lzf(size).decode(stored)


def test_a_chunk_goes_into_an_array_that_is_given():
    """As numcodecs has it, `out` is filled."""
    out = np.empty(50, "u1")
    lzf.Hdf5Lzf(50).decode(imagecodecs.lzf_encode(bytes(range(50))), out)
    assert out.tolist() == list(range(50))
