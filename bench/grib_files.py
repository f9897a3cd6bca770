"""The cases of GRIB: files as models have them, scanned and read, and a year of inventories."""

import gc
import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from latency_server import serving

NAMES = "tuvrz"
READ = "t/instant/isobaricInhPa"
STEPS, LINES = 240, 700


class Kind(NamedTuple):
    """Messages that differ in parameter and level, of one grid and packing."""

    sample: str
    keys: Mapping[str, Any]
    points: int
    levels: int
    values: Mapping[str, Any] = {"bitsPerValue": 16}
    """How values are packed, said before they are."""


def regular(step):
    """The keys of a global grid of so many degrees."""
    return {
        "Ni": round(360 / step),
        "Nj": round(180 / step) + 1,
        "latitudeOfFirstGridPointInDegrees": 90,
        "latitudeOfLastGridPointInDegrees": -90,
        "longitudeOfFirstGridPointInDegrees": 0,
        "longitudeOfLastGridPointInDegrees": 360 - step,
        "iDirectionIncrementInDegrees": step,
        "jDirectionIncrementInDegrees": step,
    }


LAMBERT = {
    "gridType": "lambert",
    "Nx": 1799,
    "Ny": 1059,
    "DxInMetres": 3000,
    "DyInMetres": 3000,
    "latitudeOfFirstGridPointInDegrees": 21.138,
    "longitudeOfFirstGridPointInDegrees": 237.28,
    "LoVInDegrees": 262.5,
    "LaDInDegrees": 38.5,
    "Latin1InDegrees": 38.5,
    "Latin2InDegrees": 38.5,
}
KINDS = {
    "degree": Kind("regular_ll_pl_grib2", regular(1), 360 * 181, 100),
    "degree1": Kind("regular_ll_pl_grib1", regular(1), 360 * 181, 100),
    "quarter": Kind(
        "regular_ll_pl_grib2", regular(0.25), 1440 * 721, 20, {"packingType": "grid_ccsds", "bitsPerValue": 12}
    ),
    "lambert": Kind("regular_ll_pl_grib2", LAMBERT, 1799 * 1059, 34, {"bitsPerValue": 4}),
    "small": Kind("regular_ll_pl_grib2", regular(10), 36 * 19, 2000),
    "fewer": Kind("regular_ll_pl_grib2", regular(10), 36 * 19, 200),
}
"""500 messages as a forecast model has them, 100 as ECMWF gives them, 170 as HRRR does, 10,000 in one file."""


def ready(folder, name="degree", levels=None):
    """The path of a file of 5 parameters on so many levels."""
    kind = KINDS[name]
    levels = levels or kind.levels
    path = Path(folder) / f"{name}_{levels}.grib"
    if path.exists():
        return str(path)
    import eccodes

    handle = eccodes.codes_grib_new_from_samples(kind.sample)
    for key, value in {**kind.keys, **kind.values}.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, np.random.default_rng(0).normal(280, 10, kind.points))
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        for level in range(1, levels + 1):
            for short in NAMES:
                eccodes.codes_set(handle, "level", level)
                eccodes.codes_set(handle, "shortName", short)
                file.write(eccodes.codes_get_message(handle))
    part.rename(path)
    return str(path)


def scan_core(name="degree", *, warm):
    """The library's own verb, on a file whose like was scanned before, or in a process that has seen no GRIB."""

    def case(folder):
        import chunkmap
        import chunkmap.codecs.grib.eccodes
        import chunkmap.formats.grib

        path = ready(folder, name)
        if warm:
            chunkmap.scan(ready(folder, name, 1))
        return lambda: chunkmap.scan(path), lambda refs: {"references": refs.nchunks}

    return case


def scan_door(name="degree", *, warm):
    """kerchunk's `scan_grib`, likewise."""

    def case(folder):
        from kerchunk.grib2 import scan_grib

        gc.disable()
        path = ready(folder, name)
        if warm:
            scan_grib(ready(folder, name, 1))
        return lambda: scan_grib(path), lambda groups: {"messages": len(groups)}

    return case


def scan_far(folder):
    """A scan of 500 messages on a server that answers 50 ms late, beside their inventory; of another file before."""
    import chunkmap
    import chunkmap.formats.grib

    folder = Path(folder) / "far_grib"
    folder.mkdir(exist_ok=True)
    names = [Path(ready(folder, "degree", levels)).name for levels in (1, KINDS["degree"].levels)]
    for name in names:
        (folder / f"{name}.idx").write_text(inventory(folder / name))
    server = serving(folder)
    base = server.__enter__()
    chunkmap.scan(f"{base}/{names[0]}")
    asked(base)

    def describe(refs):
        found = asked(base)
        server.__exit__(None, None, None)
        return {"bytes": found["bytes"], "requests": found["requests"], "references": refs.nchunks}

    return lambda: chunkmap.scan(f"{base}/{names[1]}"), describe


def asked(base):
    """What was asked of a server since the last time."""
    with urllib.request.urlopen(f"{base}/stats") as answer:
        return json.load(answer)


def inventory(path):
    """The lines that wgrib2 prints of a file, as far as anyone reads them."""
    lines, data, place = [], path.read_bytes(), 0
    while place < len(data):
        lines.append(f"{len(lines) + 1}:{place}:d=2024010100:TMP:500 mb:6 hour fcst:\n")
        place += int.from_bytes(data[place + 8 : place + 16], "big")
    return "".join(lines)


def index_cfgrib(name="degree", *, warm):
    """What cfgrib does before it opens anything: an index of all messages, kept in memory."""

    def case(folder):
        from cfgrib import messages
        from cfgrib.dataset import INDEX_KEYS

        def index(path):
            stream = messages.FileStream(path)
            return messages.FileIndex.from_fieldset(stream, INDEX_KEYS)

        path = ready(folder, name)
        if warm:
            index(ready(folder, name, 1))
        return lambda: index(path), lambda found: {"references": len(list(found.iter_index()))}

    return case


def read_core(folder):
    """One variable of all levels, through our engine."""
    import xarray

    import chunkmap
    import chunkmap.formats.grib

    path = ready(folder, "quarter")
    with chunkmap.open_dataset(chunkmap.scan(path), group=READ, chunks=None) as dataset:
        return lambda: xarray.Variable.to_numpy(dataset["t"].variable), lambda values: {"result": list(values.shape)}


def read_cfgrib(folder):
    """The same through cfgrib."""
    import xarray

    dataset = xarray.open_dataset(
        ready(folder, "quarter"), engine="cfgrib", indexpath="", filter_by_keys={"shortName": "t"}
    )
    return dataset["t"].to_numpy, lambda values: {"result": list(values.shape)}


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
    urls = [f"gs://a/{number}.grib2" for number in range(STEPS)]
    return mapping, [(run, index.assign(grib_uri=url, attrs=[*attrs])) for run, url in zip(runs, urls, strict=True)]


def map_door(_folder):
    """`map_from_index` of many inventories, each a frame of its own, as it was read."""
    from kerchunk._grib_idx import map_from_index

    mapping, runs = frames()
    map_from_index(runs[0][0], mapping, runs[0][1])
    return (
        lambda: [map_from_index(run, mapping, index) for run, index in runs],
        lambda found: {"result": [sum(map(len, found)), sum(int(frame["length"].sum()) for frame in found)]},
    )


def scans(name, *, warm):
    """The roads of scanning one kind of file."""
    return (scan_core(name, warm=warm), scan_door(name, warm=warm), *(None,) * 4, index_cfgrib(name, warm=warm))


CASES = {
    "grib-first": scans("degree", warm=False),
    "grib-warm": scans("degree", warm=True),
    "grib-edition1": scans("degree1", warm=True),
    "grib-quarter": scans("quarter", warm=True),
    "grib-lambert": scans("lambert", warm=True),
    "grib-fewer": (scan_core("fewer", warm=True), None),
    "grib-many": (scan_core("small", warm=True), None),
    "grib-far": (scan_far, None),
    "grib-read": (read_core, *(None,) * 5, read_cfgrib),
    "grib-index": (None, map_door, None),
}
TITLES = {
    "grib-first": "scan one GRIB2 file, 500 messages of 1 degree, in a fresh process",
    "grib-warm": "the same in a process that has scanned GRIB before",
    "grib-edition1": "the same in GRIB1",
    "grib-quarter": "scan 100 messages of 0.25 degrees, CCSDS",
    "grib-lambert": "scan 170 messages of 1,799 x 1,059 points, Lambert",
    "grib-fewer": "scan 1,000 small messages",
    "grib-many": "scan 10,000 small messages",
    "grib-far": "scan 500 messages of 1 degree with an index, 50 ms away",
    "grib-read": "read a variable of 20 levels of 0.25 degrees, CCSDS (other side: cfgrib)",
    "grib-index": f"map_from_index of {STEPS} inventories of {LINES} lines",
}
