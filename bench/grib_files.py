"""The cases of GRIB: 500 messages of one degree, first and again, and a year of inventories, beside kerchunk."""

import gc
from pathlib import Path

import numpy as np

LEVELS, NAMES = 100, "tuvrz"
STEPS, LINES = 240, 700


def ready(folder, name="degree.grib2", levels=LEVELS):
    """The path of a file of 5 parameters on so many levels, 181 x 360 points in simple packing of 16 bits."""
    path = Path(folder) / name
    if path.exists():
        return str(path)
    import eccodes

    handle = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib2")
    keys = {"Ni": 360, "Nj": 181, "latitudeOfFirstGridPointInDegrees": 90, "latitudeOfLastGridPointInDegrees": -90}
    keys |= {"longitudeOfFirstGridPointInDegrees": 0, "longitudeOfLastGridPointInDegrees": 359}
    keys |= {"iDirectionIncrementInDegrees": 1, "jDirectionIncrementInDegrees": 1, "bitsPerValue": 16}
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, np.random.default_rng(0).normal(280, 10, 360 * 181))
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        for level in range(1, levels + 1):
            for short in NAMES:
                eccodes.codes_set(handle, "level", level * 10)
                eccodes.codes_set(handle, "shortName", short)
                file.write(eccodes.codes_get_message(handle))
    part.rename(path)
    return str(path)


def scan_core(*, warm):
    """The library's own verb, on a file whose like was scanned before, or in a process that has seen no GRIB."""

    def case(folder):
        import chunkmap
        import chunkmap.codecs.grib.eccodes
        import chunkmap.formats.grib

        path = ready(folder)
        if warm:
            chunkmap.scan(ready(folder, "one_level.grib2", 1))
        return lambda: chunkmap.scan(path), lambda refs: {"references": refs.nchunks}

    return case


def scan_door(*, warm):
    """kerchunk's `scan_grib`, likewise."""

    def case(folder):
        from kerchunk.grib2 import scan_grib

        gc.disable()
        path = ready(folder)
        if warm:
            scan_grib(ready(folder, "one_level.grib2", 1))
        return lambda: scan_grib(path), lambda groups: {"messages": len(groups)}

    return case


def frames():
    """A mapping of one horizon, and the inventories of all steps, as the names of kerchunk make them."""
    import pandas as pd

    number = np.arange(LINES)
    attrs = [f"V{n % 35}:{n // 35 * 50} mb:6 hour fcst:" for n in number]
    said = {"varname": [f"v{n % 35}" for n in number], "typeOfLevel": "isobaricInhPa", "stepType": "instant"}
    places = {"offset": number * 1000, "length": 1000}
    mapping = pd.DataFrame(
        {
            **{f"{key}_{side}": value for side in ("grib", "idx") for key, value in places.items()},
            **said,
            "name": said["varname"],
            "step": pd.Timedelta("6h"),
            "level": (number // 35 * 50).astype(float),
            "time": pd.Timestamp("2024-01-01"),
            "valid_time": pd.Timestamp("2024-01-01 06:00"),
            "uri": "gs://a/f.grib2",
            "inline_value": None,
            "attrs": attrs,
            "date": "d=2024010100",
            "idx_uri": "gs://a/f.grib2.idx",
            "grib_uri": "gs://a/f.grib2",
        },
        index=pd.Index(number + 1, name="idx"),
    )
    index = mapping[["date", "attrs", "idx_uri", "grib_uri"]].assign(**places)
    runs = pd.date_range("2024-01-02", periods=STEPS, freq="6h")
    return mapping, [(run, index.assign(grib_uri=f"gs://a/{n}.grib2")) for n, run in enumerate(runs)]


def map_door(_folder):
    """`map_from_index` of many inventories."""
    import pandas as pd

    from kerchunk._grib_idx import map_from_index

    mapping, runs = frames()
    map_from_index(runs[0][0], mapping, runs[0][1])
    return (
        lambda: pd.concat([map_from_index(run, mapping, index) for run, index in runs], ignore_index=True),
        lambda frame: {"result": [len(frame), int(frame["length"].sum())]},
    )


CASES = {
    "grib-first": (scan_core(warm=False), scan_door(warm=False), None),
    "grib-warm": (scan_core(warm=True), scan_door(warm=True), None),
    "grib-index": (None, map_door, None),
}
TITLES = {
    "grib-first": "scan one GRIB2 file, 500 messages of 1 degree, in a fresh process",
    "grib-warm": "the same in a process that has scanned GRIB before",
    "grib-index": f"map_from_index of {STEPS} inventories of {LINES} lines",
}
