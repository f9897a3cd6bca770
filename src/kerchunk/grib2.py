"""kerchunk's door to GRIB: one set for each message, and trees of them. The work is `chunkmap.formats.grib`."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any, Final

import numpy as np

from chunkmap.codecs.grib.codec import GribCodec as GRIBCodec
from chunkmap.formats import refuse_compressed
from chunkmap.formats.grib.fields_tree import tree_of_sets
from chunkmap.formats.grib.single import parse_fields
from chunkmap.io import open_source
from chunkmap.io.rounds import run
from chunkmap.model import ReferenceSet
from chunkmap.warning import warn_caller
from kerchunk._grib_idx import (
    AggregationType,
    build_idx_grib_mapping,
    extract_datatree_chunk_index,
    map_from_index,
    parse_grib_idx,
    read_store,
    reinflate_grib_store,
    strip_datavar_chunks,
    write_store,
)
from kerchunk._inputs import as_set
from kerchunk.combine import MultiZarrToZarr, drop
from kerchunk.utils import class_factory

__all__ = ["AggregationType", "GRIBCodec", "GribToZarr", "MultiZarrToZarr", "build_idx_grib_mapping",
           "contains_valid_level", "correct_hrrr_subhf_step", "drop", "example_combine", "extract_datatree_chunk_index",
           "grib_tree", "map_from_index", "parse_grib_idx", "read_store", "reinflate_grib_store", "scan_grib",
           "strip_datavar_chunks", "write_store"]  # fmt: skip

_HRRR: Final = "s3://noaa-hrrr-bdp-pds/hrrr.20220804/conus/hrrr.t{:02d}z.wrfsfcf01.grib2"


def scan_grib(
    url: str,
    common: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    inline_threshold: int = 100,
    skip: int = 0,
    filter: Mapping[str, Any] = {},
) -> list[dict[str, Any]]:
    """References to each message of a file, one set a message; of several fields in one message, one a field.

    `skip` stops after so many messages. `filter` keeps those whose keys have the values asked for, or one of several.
    """
    with closing(open_source(url, storage_options=storage_options)) as source:
        found = run(source, parse_fields(source, filter, skip or None))
        if not found:
            refuse_compressed(source)
    sets = [ReferenceSet(each.arrays, each.groups, each.problems, {}, source.url) for each in found]
    for problem in {str(problem) for each in sets for problem in each.problems}:
        warn_caller(problem)
    return [{"version": 1, "refs": _templated(each.to_dict()["refs"], url), "templates": {"u": url}} for each in sets]


def _templated(refs: Mapping[str, Any], url: str) -> dict[str, Any]:
    """References to the file under the template `u`, as kerchunk writes them."""
    return {k: ["{{u}}", *v[1:]] if isinstance(v, list) and v[0] == url else v for k, v in refs.items()}


GribToZarr = class_factory(scan_grib)


def grib_tree(
    message_groups: Iterable[dict[str, Any]], remote_options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A tree of the messages of one file or of several: name, step type, type of level, each over time, step and level.

    Messages of parameters without a name are left out, with a warning.
    """
    return tree_of_sets([as_set(group) for group in message_groups]).to_dict()


def correct_hrrr_subhf_step(group: dict[str, Any]) -> dict[str, Any]:
    """The same message with a step in hours that is the distance from the reference time to the valid time.

    For files of steps below an hour, whose messages do not agree on how to say it.
    """
    group = copy.deepcopy(group)
    refs = as_set(group)
    values = {
        name: np.frombuffer(refs.arrays[name].manifest().inline_bytes(0), refs.arrays[name].meta.dtype)[0]
        for name in ("time", "valid_time")
    }
    attrs = json.loads(group["refs"][".zattrs"])
    names = str(attrs.get("coordinates", "")).split()
    attrs["coordinates"] = " ".join([*names, *(["step"] if "step" not in names else [])])
    hours = np.array((float(values["valid_time"]) - float(values["time"])) / 3600)
    one = ReferenceSet({"step": _scalar(hours)}, {"": attrs}).to_dict()["refs"]
    group["refs"].update(one)
    return group


def _scalar(value: Any) -> Any:
    from chunkmap.formats.grib.coordinates import held  # noqa: PLC0415 - loads eccodes

    return held("step", value, ())


def contains_valid_level(message_keys: set[str]) -> bool:
    """Whether keys of a message say a level."""
    return "level" in message_keys or "topLevel" in message_keys


def example_combine(
    filter: Mapping[str, Any] = {"typeOfLevel": "heightAboveGround", "level": 2},
) -> dict[str, Any]:
    """Three hours of the HRRR model from its public bucket, combined along time. Needs the network, and s3fs."""
    options = {"anon": True}
    sets = [each for hour in range(3) for each in scan_grib(_HRRR.format(hour), storage_options=options, filter=filter)]
    combined: dict[str, Any] = MultiZarrToZarr(
        sets,
        remote_protocol="s3",
        remote_options=options,
        concat_dims=["time"],
        identical_dims=["latitude", "longitude", "heightAboveGround", "step"],
    ).translate()
    return combined
