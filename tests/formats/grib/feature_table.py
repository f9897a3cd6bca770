"""The table of docs/grib.md: each feature is written by eccodes, scanned, read through the references and compared.

python tests/formats/test_feature_tables.py grib      writes the table anew
"""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from functools import partial
from pathlib import Path

import pyproj  # noqa: F401 - before eccodes, or the process dies when it ends

# isort: split
import eccodes
import numpy as np

import chunkmap

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "grib.md"


def load(name):
    """A module that lies beside this one."""
    spec = importlib.util.spec_from_file_location(f"grib_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


making = load("making")
EDITIONS = ("regular_ll_sfc_grib1", "regular_ll_sfc_grib2")
VALUES = 280 + np.arange(200) % 17 / 2


def packed(packing, edition=2, bitmaps=(False, True)):
    """A field of 20 x 10 points in a packing, without a bitmap and with one."""
    return [partial(repacked, packing, edition, bitmap) for bitmap in bitmaps]


def repacked(packing, edition, bitmap):
    values = np.where(np.arange(200) % 7, VALUES, 9999) if bitmap else VALUES
    keys = {**making.lattice(20, 10), "bitsPerValue": 16, "bitmapPresent": int(bitmap), "missingValue": 9999}
    return changed(making.message(EDITIONS[edition - 1], values, **keys), packingType=packing)


def changed(data, **keys):
    """A message with keys changed after its values; its packing must then be the one asked for."""
    handle = eccodes.codes_new_from_message(data)
    try:
        for key, value in keys.items():
            eccodes.codes_set(handle, key, value)
            assert not isinstance(value, str) or eccodes.codes_get(handle, key).startswith(value), value
        return eccodes.codes_get_message(handle)
    finally:
        eccodes.codes_release(handle)


def spectral(packing):
    return [lambda: changed(making.message("sh_ml_grib2"), packingType=packing)]


def samples(*names):
    return [partial(making.message, name) for name in names]


def grid(kind, *editions, **keys):
    """Four columns and three rows on a grid of some kind."""
    size = {"Nx": 4, "Ny": 3, "DxInMetres": 5000, "DyInMetres": 5000, "jScansPositively": 1, **keys}
    return [partial(placed, kind, EDITIONS[edition - 1], size) for edition in editions or (1, 2)]


def placed(kind, sample, keys):
    return making.message(sample, np.arange(12.0), gridType=kind, **keys)


def ways(*modes, sample="regular_ll_sfc_grib2"):
    return [partial(making.message, sample, np.arange(12.0), **making.lattice(mode=mode)) for mode in modes]


CONE = {"LaDInDegrees": 45, "LoVInDegrees": 10}
SATELLITE = {"Nx": 4, "Ny": 3, "dx": 4, "dy": 3, "Xp": 2000, "Yp": 1000, "Nr": 6610700}
LAMBERT = {"Latin1InDegrees": 45, "Latin2InDegrees": 45, "latitudeOfFirstGridPointInDegrees": 40}

FEATURES = {
    "Packings of edition 2": {
        "simple": packed("grid_simple"),
        "complex": packed("grid_complex"),
        "complex with spatial differencing": packed("grid_complex_spatial_differencing"),
        "IEEE": packed("grid_ieee"),
        "JPEG 2000": packed("grid_jpeg"),
        "PNG": packed("grid_png"),
        "CCSDS": packed("grid_ccsds"),
        "logarithmic": packed("grid_simple_log_preprocessing"),
        "spectral, simple": spectral("spectral_simple"),
        "spectral, complex": spectral("spectral_complex"),
    },
    "Packings of edition 1": {
        "simple": packed("grid_simple", 1),
        "second order": packed("grid_second_order", 1),
        "IEEE": packed("grid_ieee", 1, [False]),
        "spectral": samples("sh_ml_grib1", "sh_pl_grib1"),
    },
    "Grids": {
        "regular in latitude and longitude": samples(*EDITIONS),
        "Gaussian": samples("regular_gg_sfc_grib2", "regular_gg_pl_grib1"),
        "rotated": samples("rotated_ll_sfc_grib1", "rotated_ll_sfc_grib2", "rotated_gg_sfc_grib2"),
        "reduced": samples("reduced_gg_pl_32_grib1", "reduced_gg_pl_32_grib2", "reduced_ll_sfc_grib1"),
        "reduced and rotated": samples("reduced_rotated_gg_pl_32_grib1", "reduced_rotated_gg_pl_512_grib2"),
        "Lambert": grid("lambert", 2, **CONE, **LAMBERT),
        "Lambert, rows to the south": grid("lambert", 2, **CONE, **LAMBERT, jScansPositively=0),
        "polar stereographic": grid("polar_stereographic", 1, 2),
        "Mercator": grid("mercator", 2, LaDInDegrees=20),
        "Lambert azimuthal": grid("lambert_azimuthal_equal_area", 2),
        "space view": [partial(placed, "space_view", EDITIONS[1], SATELLITE)],
        "Albers": grid("albers", 2),
        "unstructured (ICON)": [lambda: making.message(EDITIONS[1], np.arange(12.0), **ICON)],
        "spectral": samples("sh_ml_grib1", "sh_ml_grib2"),
    },
    "Ways of scanning": {
        "rows, whichever way they go": [*ways(0, 64, 128, 192), *ways(0, 64, 128, 192, sample=EDITIONS[0])],
        "columns": [*ways(32, 96, 160, 224), *ways(32, 96, 160, 224, sample=EDITIONS[0])],
        "every other row or column backwards": ways(16, 48, 80, 112, 144, 176, 208, 240),
    },
}
ICON = {"gridType": "unstructured_grid", "numberOfDataPoints": 12}


def each(sample="regular_ll_sfc_grib2", *several, **keys):
    """Fields of which each says something else of itself."""
    return [making.field(number, sample, **{**keys, **one}) for number, one in enumerate(several)]


def pdt(number, *several, sample="regular_ll_sfc_grib2", **keys):
    return each(sample, *several, productDefinitionTemplateNumber=number, **keys)


def surface(top, bottom, kind=106):
    first, second = ("FirstFixedSurface", top), ("SecondFixedSurface", bottom)
    return {
        f"{key}{name}": value
        for name, at in (first, second)
        for key, value in (("typeOf", kind), ("scaleFactorOf", 1), ("scaledValueOf", at))
    }


def limits(lower):
    return {"probabilityType": 3, "scaleFactorOfLowerLimit": 1, "scaledValueOfLowerLimit": lower}


def frequency(number):
    return {"waveFrequencyNumber": number, "waveDirectionNumber": 1}


PRODUCTS = {
    "steps": lambda: each("regular_ll_sfc_grib2", {"step": 6}, {"step": 12}),
    "levels": lambda: each("regular_ll_pl_grib2", {"level": 850}, {"level": 500}),
    "members": lambda: pdt(1, {"perturbationNumber": 1}, {"perturbationNumber": 2}),
    "percentiles": lambda: pdt(6, {"percentileValue": 10}, {"percentileValue": 90}),
    "limits of probabilities": lambda: pdt(5, limits(5), limits(15)),
    "accumulations of other lengths": lambda: pdt(
        8, *({"stepRange": text} for text in ("0-11", "0-12", "11-12")), typeOfStatisticalProcessing=1
    ),
    "layers with other bottoms": lambda: each("regular_ll_sfc_grib2", surface(0, 1), surface(0, 10)),
    "levels of a tenth of a metre": lambda: each("regular_ll_sfc_grib2", surface(0, 1), surface(1, 5)),
    "substances": lambda: pdt(40, {"constituentType": 0}, {"constituentType": 4}),
    "parameters that eccodes does not know": lambda: each(
        "regular_ll_sfc_grib2", {"parameterNumber": 200}, {"parameterNumber": 201}
    ),
    "the same twice, with other values": lambda: each("regular_ll_sfc_grib2", {}, {}),
}


def scanned(data):
    """The set of a file, and its variables by path, read."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "f.grib"
        path.write_bytes(data)
        refs = chunkmap.scan(str(path), dtype="float64", doubles="refuse")
        names = [name for name, array in refs.arrays.items() if "GRIB_gridType" in array.meta.attrs]
        split = [name.rpartition("/") for name in names]
        found = {f"{g}/{n}": chunkmap.open_dataset(refs, group=g)[n].load() for g, _, n in split}
    return refs, found


def of_eccodes(data):
    """Values and points as eccodes gives them, and how they are scanned."""
    handle = eccodes.codes_new_from_message(data)
    try:
        mode = eccodes.codes_get(handle, "scanningMode") if eccodes.codes_is_defined(handle, "scanningMode") else 0
        values = making.decoded(handle)
        try:
            points = [eccodes.codes_get_double_array(handle, key) for key in ("latitudes", "longitudes")]
        except eccodes.CodesInternalError:
            points = None
        return values, points, mode
    finally:
        eccodes.codes_release(handle)


def outcome(data):
    """What becomes of one message. Raises AssertionError where it is read wrongly."""
    refs, found = scanned(data)
    if not found:
        return f"refused: {refs.problems[0].feature}"
    (array,) = found.values()
    values, points, mode = of_eccodes(data)
    turn = (lambda held: making.in_rows(held, 4, 3, mode).reshape(-1)) if mode & 48 else (lambda held: held)
    np.testing.assert_array_equal(array.values.reshape(-1), turn(values))
    if "latitude" not in array.coords:
        return f"values exact; refused: {refs.problems[0].feature}" if refs.problems else "values exact, no coordinates"
    if mode & 48:  # eccodes places these wrongly: tests/formats/grib/test_values.py has the flag table
        return "exact"
    both = np.broadcast_arrays(array.latitude, array.longitude) if array.latitude.ndim > 1 else None
    if both is None and array.dims[-1] != "values":
        both = np.meshgrid(array.latitude, array.longitude, indexing="ij")
    for held, truth in zip(both or (array.latitude, array.longitude), points, strict=True):
        np.testing.assert_allclose((np.ravel(held) - truth + 180) % 360, 180, atol=1e-5)
    return "exact"


def outcome_of_product(messages):
    """How fields that differ in little are told apart. Raises AssertionError where one is lost."""
    refs, found = scanned(b"".join(messages))
    if not found:
        return f"refused: {refs.problems[0].feature}"
    firsts = np.concatenate([array.values.reshape(-1, 12)[:, 0] for array in found.values()])
    assert sorted(firsts) == [100 * number for number in range(len(messages))], firsts
    (dims, *_) = {array.dims[:-2] for array in found.values() if array.ndim > 2} or {()}
    apart = f"dimension {', '.join(f'`{dim}`' for dim in dims)}" if dims else ""
    names = ", ".join(f"`{path}`" for path in found) if len(found) > 1 else ""
    return "exact: " + "; ".join(filter(None, (names, apart)))


def printed():
    """The lines between the marks."""
    lines = []
    for area, features in FEATURES.items():
        lines += [f"| {area} | |", "|---|---|"]
        for name, makers in features.items():
            outcomes = dict.fromkeys(outcome(make()) for make in makers)
            lines.append(f"| {name} | {', '.join(outcomes)} |")
        lines.append("")
    lines += ["| Fields that differ in | |", "|---|---|"]
    lines += [f"| {name} | {outcome_of_product(make())} |" for name, make in PRODUCTS.items()]
    return "\n".join(lines)
