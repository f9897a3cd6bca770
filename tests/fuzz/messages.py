"""GRIB messages to damage, and the walk through them. eccodes makes them, and sees no damaged byte: it may crash."""

from __future__ import annotations

import importlib
import runpy
from pathlib import Path

import numpy as np

from chunkmap.codecs.grib.headers import check_headers
from chunkmap.codecs.grib.packing import why_apart
from chunkmap.codecs.grib.sections import one_field, split
from chunkmap.errors import FormatError
from chunkmap.formats.grib.far import walk_far
from chunkmap.formats.grib.headers import flaw
from chunkmap.formats.grib.repeats import repeats
from chunkmap.formats.grib.sections import walk
from chunkmap.io import BytesSource
from chunkmap.io.rounds import run

PACKINGS = ("simple", "complex", "complex_spatial_differencing", "ieee", "jpeg", "png", "ccsds")
SPECTRA = ("sh_ml_grib1", "sh_ml_grib2", "reduced_ll_sfc_grib1")


def seeds(_folder: Path) -> dict[str, bytes]:
    """Every packing that is looked at, both editions, bitmaps, several fields in a message, and junk."""
    importlib.import_module("pyproj")  # before eccodes
    making = runpy.run_path(str(Path(__file__).parents[1] / "formats" / "grib" / "making.py"))
    message, keys = making["message"], making["lattice"](20, 10)
    values = 280 + np.arange(200) % 17 / 2
    found = {
        name: message("regular_ll_sfc_grib2", values, **keys, packingType=f"grid_{name}", bitsPerValue=16)
        for name in PACKINGS
    }
    sparse = {**making["lattice"](), "bitmapPresent": 1, "missingValue": 9999}
    for edition in (1, 2):
        marked = np.where(np.arange(12) % 3, np.arange(12.0), 9999)
        found[f"bitmap{edition}"] = message(f"regular_ll_sfc_grib{edition}", marked, **sparse)
    found |= {sample: message(sample) for sample in SPECTRA}
    one, other = making["field"](1), making["field"](2, "regular_ll_sfc_grib1")
    found["several"] = b"junk GRIB" + making["multi"](one, making["field"](3, shortName="r")) + other + bytes(9) + one
    return found


def read(data: bytes, number: int) -> None:
    """Walk near or far; of each field all that is made sure of before eccodes may see it."""
    source = BytesSource(data, "near")
    found = run(source, walk_far(source) if number % 2 else walk(source))
    fields = found.fields
    offset, stop = fields.spans.T
    said = np.array([hash((field.product, field.packed)) for field in fields], np.int64).astype(np.uint64)
    assert len(run(source, repeats(said.copy, offset, stop - offset))) <= len(fields)
    for field in fields:
        flaw(field)
        message = split(one_field(data[field.offset : field.stop]))
        check_headers(message)
        why_apart(message)
    if not fields:
        raise FormatError("expected GRIB messages, found none")
