"""Damaged files of HDF5 with right checksums: else most damage is found before it is read."""

from __future__ import annotations

import re

from chunkmap.errors import ChunkmapError
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource

_REFUSED = re.compile("expected the checksum (0x[0-9a-f]{8}) of a structure, found (0x[0-9a-f]{8})")
_MOST = 5


def repair(data: bytes) -> bytes:
    """The same file, with the checksums that its structures ought to have, as far as a scan gets."""
    mended = bytearray(data)
    for _ in range(_MOST):
        try:
            scan_source(BytesSource(bytes(mended), "damaged"), format="hdf5", strict=True)
        except ChunkmapError as error:
            numbers = _REFUSED.search(str(error))
            if numbers is None:
                break
            expected, found = (int(number, 16).to_bytes(4, "little") for number in numbers.groups())
            place = mended.find(found, getattr(error, "offset", 0))
            mended[place : place + 4] = expected
        else:
            break
    return bytes(mended)
