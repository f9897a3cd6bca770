"""GRIB messages made by eccodes, and what eccodes reads of them."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import eccodes
import numpy as np

NO_VALUE = 1.5e300


def message(sample="GRIB2", values=None, **keys):
    """A message of one of eccodes' samples with keys changed, in their order, and then its values."""
    handle = eccodes.codes_grib_new_from_samples(sample)
    try:
        for key, value in keys.items():
            eccodes.codes_set(handle, key, value)
        if values is not None:
            eccodes.codes_set_values(handle, values)
        return eccodes.codes_get_message(handle)
    finally:
        eccodes.codes_release(handle)


def lattice(across=4, down=3, mode=0):
    """Keys of a small grid on parallels and meridians, scanned in a way of flag table 3.4."""
    east = 1 if across <= 300 else 0.01
    first, last = (50, 50 - (down - 1)) if not mode & 64 else (50 - (down - 1), 50)
    start, stop = (10, 10 + (across - 1) * east) if not mode & 128 else (10 + (across - 1) * east, 10)
    return {
        "Ni": across,
        "Nj": down,
        "latitudeOfFirstGridPointInDegrees": first,
        "latitudeOfLastGridPointInDegrees": last,
        "longitudeOfFirstGridPointInDegrees": start,
        "longitudeOfLastGridPointInDegrees": stop,
        "iDirectionIncrementInDegrees": east,
        "jDirectionIncrementInDegrees": 1,
        "scanningMode": mode,
    }


def field(number=0, sample="regular_ll_sfc_grib2", **keys):
    """A message on a small grid whose values say which one it is."""
    return message(sample, **lattice(), **keys, values=np.arange(12.0) + 100 * number)


def sections(data):
    """The sections of a message of edition 2 but the first and the last, by number."""
    found, place = {}, 16
    while place < len(data) - 4:
        length, number = struct.unpack_from(">IB", data, place)
        found[number] = data[place : place + length]
        place += length
    return found


def multi(*messages, section=4):
    """One message of several fields: each shares the sections before `section` with the first."""
    first = messages[0]
    others = [part for each in messages[1:] for number, part in sections(each).items() if number >= section]
    body = first[16:-4] + b"".join(others) + b"7777"
    return first[:8] + struct.pack(">Q", 16 + len(body)) + body


def read(data, *keys):
    """What eccodes iterates in some bytes: the values of each field, and its keys."""
    found = []
    eccodes.codes_grib_multi_support_on()
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            path.write_bytes(data)
            with path.open("rb") as file:
                while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
                    found.append((decoded(handle), *(eccodes.codes_get(handle, key) for key in keys)))
                    eccodes.codes_release(handle)
    finally:
        eccodes.codes_grib_multi_support_off()
    return found


def decoded(handle):
    """Values in the order in which they are stored, NaN where there is none."""
    eccodes.codes_set(handle, "missingValue", NO_VALUE)
    values = eccodes.codes_get_double_array(handle, "values")
    managed = eccodes.codes_is_defined(handle, "missingValueManagementUsed")
    if eccodes.codes_get(handle, "bitmapPresent") or (
        managed and eccodes.codes_get(handle, "missingValueManagementUsed")
    ):
        values[values == NO_VALUE] = np.nan
    return values


def in_rows(values, across, down, mode):
    """Values in stored order, row by row, as flag table 3.4 says: bit 3 by columns, bit 4 every other one backwards."""
    lines = values.reshape((across, down) if mode & 32 else (down, across)).copy()
    for line in lines[1::2] if mode & 16 else ():
        line[:] = line[::-1].copy()
    return lines.T if mode & 32 else lines
