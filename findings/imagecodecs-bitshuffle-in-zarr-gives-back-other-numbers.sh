#!/usr/bin/env bash
# The codec `imagecodecs_bitshuffle` as the compressor of a Zarr array of 16-bit numbers: what is written is not what is
# read again, without a warning, although the codec loses nothing and its configuration says `itemsize: 2`.
#
# imagecodecs' function takes the size of an element from its argument `itemsize` where it is given bytes, and from the
# buffer where it is given an array. zarr-python hands stored chunks on as arrays of uint8, so they are decoded as if
# elements were of one byte. The same chunks are decoded rightly by numcodecs from bytes, and by zarr-python where the
# codec is a filter before a compressor that returns bytes. (The codec of the same name for Zarr v3, in imagecodecs-zarr
# 2026.10.10 for Python 3.12 and newer, has no `itemsize`, and gives back other numbers in the same way.)
#
# Versions: Python >= 3.11, imagecodecs 2026.3.6, numcodecs 0.16.5, zarr 3.1.5, numpy 2.3.5.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" "imagecodecs==2026.3.6" "numcodecs==0.16.5" "zarr==3.1.5" "numpy==2.3.5" >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 - <<'PY'
import imagecodecs
import imagecodecs.numcodecs
import numcodecs
import numpy as np
import zarr

imagecodecs.numcodecs.register_codecs(verbose=False)
values = np.arange(64, dtype="<u2")
stored = imagecodecs.bitshuffle_encode(values, itemsize=2).tobytes()
from_bytes = np.frombuffer(bytes(imagecodecs.bitshuffle_decode(stored, itemsize=2)), "<u2")
from_array = np.asarray(imagecodecs.bitshuffle_decode(np.frombuffer(stored, np.uint8), itemsize=2)).view("<u2")
print("written:                   ", values[:6])
print("decoded from bytes:        ", from_bytes[:6])
print("decoded from a uint8 array:", from_array[:6])

codec = numcodecs.get_codec({"id": "imagecodecs_bitshuffle", "itemsize": 2})
how = {"shape": 64, "dtype": "<u2", "chunks": (32,), "zarr_format": 2}
alone = zarr.create_array(zarr.storage.MemoryStore(), compressors=codec, **how)
before_zlib = zarr.create_array(zarr.storage.MemoryStore(), filters=[codec], compressors=numcodecs.Zlib(), **how)
for array in (alone, before_zlib):
    array[...] = values
print("zarr, as the compressor:   ", alone[:6])
print("zarr, as a filter:         ", before_zlib[:6])

assert np.array_equal(from_bytes, values)
assert np.array_equal(before_zlib[...], values)
assert not np.array_equal(from_array, values), "the size of an element is heeded now"
assert not np.array_equal(alone[...], values), "zarr reads what was written now"
PY
