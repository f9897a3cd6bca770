"""A real GRIB field, and a forecast of its kind, opened as they lie; then every value is checked by eccodes.

    python examples/forecast.py [DIRECTORY]

The field is an analysis on a polar stereographic grid, from the wheel `iris-sample-data`. The forecast repeats it for
six steps on three levels, each a message of its own in one file, in no order, as models write them.

Exits with status 1 when anything differs from what eccodes decodes. Needs the extra `grib`.
"""

import sys
from importlib.resources import files
from pathlib import Path

import pyproj  # noqa: F401 - its library of projections must be loaded before that of eccodes

# isort: split
import eccodes
import numpy as np
import xarray as xr

import chunkmap

GROUP = "t/instant/isobaricInhPa"
STEPS, LEVELS = (0, 6, 12, 18, 24, 30), (1000, 850, 500)


def write_forecast(field: Path, out: Path) -> None:
    """Messages of all steps and levels, shuffled."""
    with field.open("rb") as file:
        handle = eccodes.codes_grib_new_from_file(file)
    cells = [(step, level) for step in STEPS for level in LEVELS]
    with out.open("wb") as file:
        for number in np.random.default_rng(0).permutation(len(cells)):
            step, level = cells[number]
            eccodes.codes_set(handle, "step", step)
            eccodes.codes_set(handle, "level", level)
            file.write(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)


def differences(path: Path, dataset: xr.Dataset) -> int:
    """How many messages hold other values than the dataset has at their step and level."""
    wrong = 0
    with path.open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            values = eccodes.codes_get_values(handle)
            at = {"step": np.timedelta64(eccodes.codes_get(handle, "step"), "h")}
            at |= {"isobaricInhPa": eccodes.codes_get(handle, "level")}
            where = {dim: value for dim, value in at.items() if dim in dataset["t"].dims}
            ours = dataset["t"].sel(where).to_numpy().ravel()
            wrong += not np.array_equal(ours, values.astype(ours.dtype))
            eccodes.codes_release(handle)
    return wrong


def show(path: Path) -> int:
    """Scan a file, open it, and compare; gives how many messages differ."""
    refs = chunkmap.scan(path)
    with chunkmap.open_dataset(refs, group=GROUP) as dataset:
        print(
            f"\n{path.name}: {refs.arrays[GROUP + '/t'].manifest().size} messages, t{tuple(dataset['t'].sizes.items())}"
        )
        wrong = differences(path, dataset)
    print(f"   {'every value is what eccodes decodes' if not wrong else f'{wrong} messages differ from eccodes'}")
    return wrong


def main(folder: Path) -> int:
    """Do all of it; the exit status."""
    folder.mkdir(parents=True, exist_ok=True)
    field = Path(str(files("iris_sample_data"))) / "sample_data" / "polar_stereo.grib2"
    forecast = folder / "forecast.grib2"
    write_forecast(field, forecast)
    return int(any([show(field), show(forecast)]))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".demo")))
