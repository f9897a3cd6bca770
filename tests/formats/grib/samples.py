"""Messages of eccodes for the battery."""

import eccodes
import numpy as np
import pyproj  # noqa: F401 - before eccodes
from sample import Sample

COMPUTED = ("number", "time", "step", "valid_time", "surface", "latitude", "longitude", "heightAboveGround")


def message(sample, step, **keys):
    """A field of 4 x 3 points whose values say which one it is."""
    handle = eccodes.codes_grib_new_from_samples(sample)
    grid = {"Ni": 4, "Nj": 3, "latitudeOfFirstGridPointInDegrees": 50, "latitudeOfLastGridPointInDegrees": 48}
    grid |= {"longitudeOfFirstGridPointInDegrees": 10, "longitudeOfLastGridPointInDegrees": 13}
    grid |= {"iDirectionIncrementInDegrees": 1, "jDirectionIncrementInDegrees": 1}
    for key, value in {**grid, "step": step, **keys}.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, np.arange(12.0) + 100 * step)
    found = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    return found


def values(data):
    """What eccodes decodes, in rows."""
    handle = eccodes.codes_new_from_message(data)
    found = eccodes.codes_get_double_array(handle, "values").reshape(3, 4)
    eccodes.codes_release(handle)
    return found


def samples():
    """Two steps of a field, of either edition. Nothing but the data of messages is damaged: eccodes reads all else."""
    found = []
    for edition in (1, 2):
        parts = [message(f"regular_ll_sfc_grib{edition}", step) for step in (0, 6)]
        expected = np.stack([values(part) for part in parts]).astype("f4")
        soft = [(number * len(parts[0]) + len(parts[0]) - 8, 4) for number in range(2)]
        path = "t2m/instant/surface/t2m" if edition == 1 else "t/instant/surface/t"
        found.append(
            Sample(
                name=f"edition {edition}",
                files={"a.grib": b"".join(parts)},
                main="a.grib",
                arrays={path: expected},
                computed=COMPUTED,
                soft=soft,
            )
        )
    return found
