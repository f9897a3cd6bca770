"""Index reuse under kerchunk's names: one scan, and the inventories of other runs, give the archive."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path

import eccodes
import numpy as np
import pandas as pd
import pytest

import chunkmap
from kerchunk import _grib_idx
from kerchunk.grib2 import (
    AggregationType,
    build_idx_grib_mapping,
    correct_hrrr_subhf_step,
    extract_datatree_chunk_index,
    grib_tree,
    map_from_index,
    parse_grib_idx,
    read_store,
    reinflate_grib_store,
    scan_grib,
    strip_datavar_chunks,
    write_store,
)

FIELDS = [("t", 500), ("u", 500), ("t", 850), ("u", 850), ("sp", None)]
RUNS, STEPS = (1, 2), (6, 12)


def message(sample, values, keys):
    handle = eccodes.codes_grib_new_from_samples(sample)
    for key, value in {"Ni": 20, "Nj": 10, **keys}.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, values)
    try:
        return eccodes.codes_get_message(handle)
    finally:
        eccodes.codes_release(handle)


def value_of(run, step, name, level):
    return 1000 * run + 100 * step + 10 * "tusp".index(name) + (level or 0) / 1000


def write(folder, run, step):
    """A file of five fields and its inventory, as wgrib2 prints it."""
    data, lines = b"", []
    for number, (name, level) in enumerate(FIELDS, 1):
        where = f"{level} mb" if level else "surface"
        lines.append(f"{number}:{len(data)}:d=202401{run:02}00:{name.upper()}:{where}:{step} hour fcst:")
        keys = {"shortName": name, "step": step, "dataDate": 20240100 + run, "dataTime": 0, "bitsPerValue": 24}
        sample = "regular_ll_pl_grib2" if level else "regular_ll_sfc_grib2"
        values = value_of(run, step, name, level) + np.arange(200) / 1024
        data += message(sample, values, {**keys, **({"level": level} if level else {})})
    path = folder / f"run{run}.f{step:03}.grib2"
    path.write_bytes(data)
    path.with_name(f"{path.name}.idx").write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    return {(run, step): write(folder, run, step) for run in RUNS for step in STEPS}


@pytest.fixture(scope="module")
def chunk_index(files):
    """The chunks of all files, of which one a horizon was scanned."""
    mappings = {step: build_idx_grib_mapping(files[1, step]) for step in STEPS}
    parts = [
        map_from_index(pd.Timestamp(f"2024-01-{run:02}"), mappings[step], parse_grib_idx(files[run, step]))
        for run in RUNS
        for step in STEPS
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def store(files):
    """The tree of one file, without chunks."""
    tree = grib_tree(scan_grib(files[1, 6]))
    strip_datavar_chunks(tree)
    return tree


def test_an_inventory_is_a_frame(files):
    """Offset, date, attributes and length of each line under its number; the last field ends with the file."""
    frame = parse_grib_idx(files[1, 6])
    assert list(frame.columns) == ["offset", "date", "attrs", "length", "idx_uri", "grib_uri"]
    assert frame.index.tolist() == [1, 2, 3, 4, 5]
    assert frame["attrs"].iloc[0] == "T:500 mb:6 hour fcst:"
    assert frame["date"].iloc[0] == "d=2024010100"
    assert (frame["offset"] + frame["length"]).tolist()[:-1] == frame["offset"].tolist()[1:]
    assert set(frame["idx_uri"]) == {files[1, 6] + ".idx"}


def test_fields_of_one_message_share_its_range(tmp_path):
    """Lines `2.1` and `2.2` are fields 2 and 3, both with the whole message; no other row is moved."""
    (tmp_path / "a").write_bytes(bytes(100))
    (tmp_path / "a.idx").write_text("1:0:d=1:A:\n2.1:30:d=1:U:\n2.2:30:d=1:V:\n3:70:d=1:B:\n")
    frame = parse_grib_idx(str(tmp_path / "a"))
    assert frame.index.tolist() == [1, 2, 3, 4]
    assert frame["length"].tolist() == [30, 40, 40, 30]


def test_lines_that_say_the_same_are_refused_when_asked(tmp_path):
    """`validate` refuses an inventory that cannot be joined with another; what is none is always refused."""
    (tmp_path / "a").write_bytes(bytes(100))
    (tmp_path / "a.idx").write_text("1:0:d=1:A:\n2:30:d=1:A:\n")
    assert len(parse_grib_idx(str(tmp_path / "a"))) == 2
    with pytest.raises(ValueError, match="is not unique"):
        parse_grib_idx(str(tmp_path / "a"), validate=True)
    (tmp_path / "a.idx").write_text("no inventory")
    with pytest.raises(ValueError, match=r"a\.idx: expected lines"):
        parse_grib_idx(str(tmp_path / "a"))


def test_a_mapping_has_the_inventory_beside_the_scan(files):
    """Columns of both, under the suffixes of kerchunk; a mapper may change each message first."""
    mapping = build_idx_grib_mapping(files[1, 6], mapper=correct_hrrr_subhf_step)
    assert mapping.columns.tolist() == [
        *("offset_idx", "date", "attrs", "length_idx", "idx_uri", "grib_uri", "varname", "typeOfLevel", "stepType"),
        *("name", "time", "step", "level", "valid_time", "uri", "offset_grib", "length_grib", "inline_value"),
    ]
    assert mapping["varname"].tolist() == ["t", "u", "t", "u", "sp"]
    assert mapping["level"].tolist() == [500, 500, 850, 850, 0]
    assert (mapping["step"] == pd.Timedelta("6h")).all()


def test_an_inventory_of_another_file_is_refused(files, tmp_path):
    """Offsets of the inventory are compared with those of the scan."""
    path = tmp_path / "a.grib2"
    path.write_bytes(Path(files[1, 6]).read_bytes())
    text = Path(files[1, 6] + ".idx").read_text()
    path.with_name("a.grib2.idx").write_text(text.replace("2:", "2:1", 1))
    with pytest.raises(ValueError, match="does not fit"):
        build_idx_grib_mapping(str(path))
    path.with_name("a.grib2.idx").write_text(text.replace("U:500", "T:500"))
    with pytest.warns(UserWarning, match="say the same"):
        build_idx_grib_mapping(str(path))


def test_another_run_is_joined_by_what_its_lines_say(files):
    """Lines in another order, and lines that the mapping does not know: each row is its own, or is left out."""
    mapping, other = build_idx_grib_mapping(files[1, 6]), parse_grib_idx(files[2, 6])
    straight = map_from_index(pd.Timestamp("2024-01-02"), mapping, other)
    assert straight.columns.tolist() == [
        *("varname", "typeOfLevel", "stepType", "name", "step", "level", "time", "valid_time"),
        *("uri", "offset", "length", "inline_value"),
    ]
    assert straight["offset"].tolist() == other["offset"].tolist()
    assert set(straight["time"]) == {pd.Timestamp("2024-01-02")}
    assert set(straight["valid_time"]) == {pd.Timestamp("2024-01-02 06:00")}
    turned = map_from_index(pd.Timestamp("2024-01-02"), mapping.iloc[[3, 0]], other.iloc[::-1])
    pd.testing.assert_frame_equal(turned, straight.iloc[[3, 0]].reset_index(drop=True))
    raw = map_from_index(pd.Timestamp("2024-01-02"), mapping.iloc[[0]], other, raw_merged=True)
    assert len(raw) == 5
    assert raw.index.name == "attrs"
    assert {"idx", "idx_mapping", "offset", "offset_idx", "offset_grib"} <= set(raw.columns)
    assert not len(map_from_index(pd.Timestamp("2024-01-02"), mapping.iloc[:0], other))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_columns_keep_the_types_of_the_mapping(files, unit):
    """Times have the unit that the mapping has, whatever the run's; columns are plain ones, and those of the frame."""
    mapping, other = build_idx_grib_mapping(files[1, 6]), parse_grib_idx(files[2, 6])
    times = {name: mapping[name].astype(f"M8[{unit}]") for name in ("time", "valid_time")}
    mapping = mapping.assign(**times, varname=mapping["varname"].astype(object), level=mapping["level"].astype("f4"))
    for lines in (other, other.iloc[::-1]):
        frame = map_from_index(pd.Timestamp("2024-01-02"), mapping, lines)
        types = {name: mapping[name].dtype for name in ("varname", "name", "step", "level", "time", "valid_time")}
        assert frame.dtypes[[*types]].to_dict() == types
        assert all(type(frame[name].dtype) is type(kind) for name, kind in types.items())
        assert frame["valid_time"].tolist() == [pd.Timestamp("2024-01-02 06:00")] * 5
        before = (mapping.copy(), lines.copy())
        frame.loc[:, "level"], frame.loc[:, "offset"], frame.loc[0, "name"] = 1.0, 0, "another"
        assert frame["name"].tolist()[:1] == ["another"]
        pd.testing.assert_frame_equal(mapping, before[0])
        pd.testing.assert_frame_equal(lines, before[1])


def test_another_pandas_gives_the_same_frame(files, monkeypatch):
    """Where pandas cannot be handed finished columns, or shows none, it makes the frame and gives them itself."""
    args = pd.Timestamp("2024-01-02"), build_idx_grib_mapping(files[1, 6]), parse_grib_idx(files[2, 6])
    expected = map_from_index(*args)
    monkeypatch.setitem(sys.modules, "pandas.api.internals", None)
    older = map_from_index(*args)
    with monkeypatch.context() as patch:
        patch.delattr(pd.DataFrame, "_get_column_array")
        without = map_from_index(*args)
    for frame in (older, without):
        pd.testing.assert_frame_equal(frame, expected)


def test_lines_may_be_held_in_any_way(files):
    """Lines as Python's objects, as categories or as text of Arrow join as those do that pandas infers."""
    run, mapping, other = pd.Timestamp("2024-01-02"), build_idx_grib_mapping(files[1, 6]), parse_grib_idx(files[2, 6])
    expected = map_from_index(run, mapping, other)["offset"].tolist()
    for kind in (object, "string[python]", "string", "category"):
        for left, right in ((mapping.astype({"attrs": kind}), other), (mapping, other.astype({"attrs": kind}))):
            assert map_from_index(run, left, right)["offset"].tolist() == expected


def test_lines_must_be_unique_to_be_joined(files):
    """Two lines that say the same, on either side, are refused."""
    mapping, other = build_idx_grib_mapping(files[1, 6]), parse_grib_idx(files[2, 6])
    for left, right in ((pd.concat([mapping] * 2), other), (mapping, pd.concat([other] * 2))):
        with pytest.raises(ValueError, match="unique attrs"):
            map_from_index(pd.Timestamp("2024-01-02"), left, right)


def test_the_chunks_of_a_tree_are_an_index(files):
    """A row for each chunk of a tree over several files, with its coordinates and its place."""
    tree = grib_tree([group for step in STEPS for group in scan_grib(files[1, step])])
    dtree = opened_tree(tree)
    for grib in (False, True):
        frame = extract_datatree_chunk_index(dtree, tree, grib=grib)
        assert len(frame) == 10
        assert ("level" in frame) == grib
        assert ("isobaricInhPa" in frame) == (not grib)
    row = frame[(frame.varname == "t") & (frame.level == 850) & (frame.step == pd.Timedelta("12h"))].iloc[0]
    expected = parse_grib_idx(files[1, 12]).loc[3]
    assert (row.uri, row.offset, row.length) == (files[1, 12], expected.offset, expected.length)
    assert (row.typeOfLevel, row.stepType, row["name"]) == ("isobaricInhPa", "instant", "Temperature")


def opened_tree(tree):
    import xarray as xr

    return xr.open_datatree(tree, engine="chunkmap")


def test_a_chunk_of_several_steps_is_no_row(files):
    """What is neither one step nor all of them is refused by name."""
    tree = grib_tree([group for step in STEPS for group in scan_grib(files[1, step])])
    dtree = opened_tree(tree)
    node = dtree["t/instant/isobaricInhPa"]
    node["t"].encoding["chunks"] = (1, 2, 1, 10, 10)
    node["t"].encoding.pop("preferred_chunks", None)
    with pytest.raises(ValueError, match="t/instant/isobaricInhPa/t: a chunk is neither"):
        extract_datatree_chunk_index(dtree, tree)


def test_only_what_is_to_be_kept_is_left_in_a_store(files):
    """Chunks of all arrays but latitude and longitude go; documents stay."""
    tree = grib_tree(scan_grib(files[1, 6]))
    before = set(tree["refs"])
    strip_datavar_chunks(tree)
    gone = before - set(tree["refs"])
    assert "t/instant/isobaricInhPa/t/0.0.0.0.0" in gone
    assert not [key for key in gone if "latitude" in key or ".z" in key]
    assert "t/instant/isobaricInhPa/latitude/0" in tree["refs"]


DAYS = pd.date_range("2024-01-01T06", "2024-01-02T12", freq="6h", name="valid_time")
HORIZONS = pd.timedelta_range("6h", "12h", freq="6h", name="step")
AXES = {
    "HORIZON": [pd.Index([pd.TimedeltaIndex(["6h"]), pd.TimedeltaIndex(["12h"])], name="step"), DAYS],
    "VALID_TIME": [HORIZONS, DAYS],
    "RUN_TIME": [HORIZONS, pd.date_range("2024-01-01", "2024-01-02", freq="D", name="time")],
    "BEST_AVAILABLE": [DAYS, pd.Index([pd.Timestamp("2024-01-02")], name="time")],
}
DIMS = {
    "HORIZON": ("model_horizons", "valid_times"),
    "VALID_TIME": ("valid_times", "model_horizons"),
    "RUN_TIME": ("run_times", "model_horizons"),
    "BEST_AVAILABLE": ("valid_times",),
}


@pytest.mark.parametrize("kind", list(AXES))
def test_an_archive_is_laid_out_in_four_ways(store, chunk_index, kind):
    """Each cell has the field of its run and step, or is missing; time, step and valid time say which it is."""
    before = copy.deepcopy(store)
    refs = reinflate_grib_store(AXES[kind], AggregationType[kind], chunk_index, store)
    assert store == before
    dataset = chunkmap.open_dataset(refs, group="t/instant/isobaricInhPa")
    assert dataset.t.dims == (*DIMS[kind], "isobaricInhPa", "latitude", "longitude")
    stacked = dataset.assign_coords(valid_time=dataset.valid_time).stack(cell=DIMS[kind], create_index=False)
    filled = 0
    for number in range(stacked.sizes["cell"]):
        cell = stacked.isel(cell=number)
        time, step = pd.Timestamp(cell.time.values), pd.Timedelta(cell.step.values)
        assert pd.Timestamp(cell.valid_time.values) == time + step
        run, hours = time.day, step / pd.Timedelta("1h")
        there = run in RUNS and hours in STEPS and time.hour == 0 and time.month == 1
        filled += there
        for level in (500, 850):
            found = cell.t.sel(isobaricInhPa=level).values
            expected = value_of(run, int(hours), "t", level) + np.arange(200) / 1024 if there else np.nan
            np.testing.assert_allclose(np.ravel(found), expected, atol=1e-3)
    assert filled == (2 if kind == "BEST_AVAILABLE" else 4)
    surface = chunkmap.open_dataset(refs, group="sp/instant/surface")
    assert surface.sp.dims == (*DIMS[kind], "latitude", "longitude")
    assert surface.surface == 0


def test_axes_of_another_kind_are_refused(store, chunk_index):
    """An axis that is not there is named."""
    with pytest.raises(ValueError, match="expected an axis 'time'"):
        reinflate_grib_store(AXES["HORIZON"], AggregationType.RUN_TIME, chunk_index, store)
    with pytest.raises(ValueError, match="that of the last run"):
        reinflate_grib_store([DAYS, DAYS.rename("time")], AggregationType.BEST_AVAILABLE, chunk_index, store)


def test_steps_are_repeated():
    """Steps of a horizon follow one another until there are enough."""
    steps = pd.timedelta_range("0h", "2h", freq="1h")
    repeated = _grib_idx.repeat_steps(steps, 5)
    np.testing.assert_array_equal(repeated, np.asarray(steps).astype(np.int64)[[0, 1, 2, 0, 1]])
    created = _grib_idx.create_steps(pd.Index([steps, pd.TimedeltaIndex(["6h"])]), 4)
    assert created.shape == (2, 4)
    assert created.astype("m8[h]").astype(int).tolist() == [[0, 1, 2, 0], [6, 6, 6, 6]]


def test_paths_and_names():
    """Parts that are None are left out; every level is `level`."""
    assert _grib_idx.build_path(["a", None, "b"], "c") == "a/b/c"
    assert [_grib_idx.grib_coord(name) for name in ("surface", "time")] == ["level", "time"]


def test_a_store_is_kept_and_read(tmp_path, store):
    """What was written is what is read, once for all."""
    write_store(str(tmp_path), store)
    assert read_store(str(tmp_path)) == store
    assert read_store(str(tmp_path)) is read_store(str(tmp_path))
    write_store(str(tmp_path), {"refs": {".zgroup": b"{}"}, "version": 1})
    assert json.dumps(read_store.__wrapped__(str(tmp_path))) == '{"refs": {".zgroup": "{}"}, "version": 1}'
