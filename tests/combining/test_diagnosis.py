"""A diagnosis names what does not fit, once each, in the words of the refusal, and can be read as text and as data."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from bridge import month, read, to_refs
from click.testing import CliRunner

import chunkmap
from chunkmap.combining import Inputs, Recipe, make_plan
from chunkmap.combining.differences import WAIVABLE
from chunkmap.frontends.command_line.commands import chunkmap as command
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray


def step(n, *, value=None, name=None, **attrs):
    """One step of a field `d` with attributes of its own."""
    dataset = xr.Dataset(
        {"d": (("time", "x"), [[1.0 * n, 2.0]], attrs)}, {"time": [float(n if value is None else value)]}
    )
    return to_refs(dataset, name=name or f"{n}.nc")


def checks(report):
    """What was refused: checks and arrays."""
    return sorted({(finding.check, finding.path) for finding in report.findings if finding.refused})


def changed(refs, path, **meta):
    """The set with other metadata of one array."""
    return type(refs)({**refs.arrays, path: refs.arrays[path].with_meta(**meta)}, refs.groups, name=refs.name)


def without(refs, path):
    """The set without one array."""
    return type(refs)({k: v for k, v in refs.arrays.items() if k != path}, refs.groups, name=refs.name)


def test_what_fits():
    """Where all fits nothing is refused, and the plan says what becomes of it."""
    report = chunkmap.diagnose([step(n) for n in (1, 0)], concat_dims="time")

    assert report.fits
    assert report.findings == ()
    assert [report.plan.where(n)["time"].tolist() for n in range(2)] == [[1], [0]]
    assert all(
        words in str(report) for words in ("2 inputs fit together", "time: 2 values, 0.0 to 1.0", "1.nc: time 1")
    )
    assert "2 inputs to 1 array along time: 2" in repr(report.plan)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda refs: changed(refs, "d", dtype=np.dtype("f4")), ("dtype", "d")),
        (lambda refs: changed(refs, "d", dtype=np.dtype(">f8")), ("dtype", "d")),
        (lambda refs: changed(refs, "d", compressor=None), ("codecs", "d")),
        (lambda refs: changed(refs, "d", order="F"), ("order", "d")),
        (lambda refs: changed(refs, "d", fill_value=np.float64(7)), ("fill_value", "d")),
        (lambda refs: changed(refs, "d", attrs={"scale_factor": 2.0}), ("attrs", "d")),
        (lambda refs: changed(refs, "d", attrs={"units": "m"}), ("units", "d")),
        (lambda refs: changed(refs, "d", dims=("time", "y")), ("dims", "d")),
        (lambda refs: changed(refs, "time", attrs={"units": "m"}), ("units", "time")),
        (lambda refs: without(refs, "time"), ("coordinate", "time")),
        (lambda refs: step(5, value=1, name="2.nc"), ("overlap", "d")),
        (lambda refs: step(2, value=np.nan), ("missing values", "time")),
    ],
)
def test_each_difference_is_named_by_both(spoil, expected):
    """Diagnosing and combining find the same, and say it in the same words, with the input that is to blame."""
    sets = [step(n) for n in range(4)]
    sets[2] = spoil(sets[2])

    report = chunkmap.diagnose(sets, concat_dims="time")
    with pytest.raises(chunkmap.CombineError) as caught:
        chunkmap.combine(sets, concat_dims="time")

    assert [expected] == checks(report)
    (finding,) = (finding for finding in report.findings if finding.refused)
    assert finding.count == (2 if expected[0] == "overlap" else 1)
    assert str(finding) == str(caught.value)
    assert sets[2].name in finding.inputs
    assert str(finding) in str(report)


def test_all_kinds_are_said_at_once():
    """A refusal says every kind of finding, so that one does not learn of them one by one."""
    sets = [
        step(0),
        changed(step(1), "d", dtype=np.dtype("f4")),
        step(2, scale_factor=3.0),
        step(2, name="again.nc"),
        without(step(4), "time"),
    ]

    with pytest.raises(chunkmap.CombineError) as caught:
        chunkmap.combine(sets, concat_dims="time")

    found = checks(chunkmap.diagnose(sets, concat_dims="time"))
    assert [("attrs", "d"), ("coordinate", "time"), ("dtype", "d"), ("overlap", "d")] == found
    assert all(words in str(caught.value) for words in ("dtype is", "scale_factor is", "both hold", "no array 'time'"))


def test_findings_are_grouped_and_short():
    """A hundred files that differ in every variable make one entry, with counts and the first examples."""
    names = "abcdefgh"
    sets = []
    for n in range(100):
        dataset = xr.Dataset({name: ("time", [1.0]) for name in names}, {"time": [n]})
        refs = to_refs(dataset, name=f"{n}.nc")
        for name in names if n % 2 else ():
            refs = changed(refs, name, attrs={"add_offset": float(n % 4)})
        sets.append(refs)

    report = chunkmap.diagnose(sets, concat_dims="time")

    assert 8 == len([f for f in report.findings if f.refused])
    text = str(report)
    assert len(text) < 1500
    assert " and 5 more: add_offset is None in 0.nc but 1.0 in 1.nc" in text
    assert "None: 50 inputs" in text
    assert "1.0: 25 inputs, 1.nc, 5.nc, 9.nc, ..." in text
    with pytest.raises(chunkmap.CombineError) as caught:
        chunkmap.combine(sets, concat_dims="time")
    assert len(str(caught.value)) < 600


def test_a_refusal_is_bounded():
    """However many things do not fit, the message can be read."""
    dataset = {f"v{n}": ("time", [1.0], {"scale_factor": float(n)}) for n in range(50)}
    other = {f"v{n}": ("time", [1.0], {"scale_factor": n + 0.5}) for n in range(50)}
    sets = [to_refs(xr.Dataset(d, {"time": [n]})) for n, d in enumerate((dataset, other))]

    with pytest.raises(chunkmap.CombineError, match="42 more findings") as caught:
        chunkmap.combine(sets, concat_dims="time")

    assert len(str(caught.value)) < 9 * 1000


def test_what_is_worth_knowing():
    """Gaps, missing variables and other names of quantities are told and refuse nothing."""
    sets = [step(n, standard_name="air_temperature") for n in (0, 1, 2, 6, 7, 9)]
    sets.append(step(10, standard_name="soil_temperature"))
    sets[1] = without(sets[1], "d")

    report = chunkmap.diagnose(sets, concat_dims="time")

    assert report.fits
    notes = {finding.check: finding for finding in report.findings}
    assert {"gap", "missing", "meaning"} == set(notes)
    assert "jumps from 2.0 (2.nc) to 6.0 (6.nc), where the usual step is 1" in notes["gap"].message
    assert 2 == notes["gap"].count
    assert "1.nc does not have it" in notes["missing"].message
    assert ("0.nc", "10.nc") == notes["meaning"].inputs


def test_inputs_that_are_no_multiple_of_the_chunk():
    """Every input that ends within a chunk is counted, and the first is named."""
    sets = []
    for n, length in enumerate([4, 3, 4, 3, 4]):
        time = np.arange(length) + 4.0 * n
        data = xr.Dataset({"d": ("time", time)}, {"time": time})
        sets.append(to_refs(data, name=f"{n}.nc", d={"chunks": (2,)}, time={"chunks": (9,)}))

    report = chunkmap.diagnose(sets, concat_dims="time", load_below=0)

    (finding,) = (finding for finding in report.findings if finding.refused)
    assert ("alignment", 3) == (finding.check, finding.count)
    assert (
        "1.nc covers time 4 to 7 of 18, which does not fall on chunks of 2 and so do 2 more inputs" in finding.message
    )


@pytest.mark.parametrize(
    ("check", "other"),
    [
        ("attrs", lambda: step(1, scale_factor=2.0)),
        ("units", lambda: step(1, units="m")),
        ("fill_value", lambda: changed(step(1), "d", fill_value=np.float64(7))),
        ("overlap", lambda: step(1, value=0)),
    ],
)
def test_a_check_can_be_waived_by_its_name(check, other):
    """The message names what waives a check, and waiving it lets the inputs through."""
    sets = [step(0), other()]

    with pytest.raises(chunkmap.CombineError, match=f"waive '{check}'"):
        chunkmap.combine(sets, concat_dims="time")

    assert chunkmap.diagnose(sets, concat_dims="time", waive=[check]).fits
    assert "d" in chunkmap.combine(sets, concat_dims="time", waive=[check]).arrays
    assert check in WAIVABLE


def test_units_of_a_coordinate_can_be_waived():
    """Numbers of other units are compared as they are, when asked."""
    sets = [step(0), changed(step(1), "time", attrs={"units": "m"})]

    with pytest.raises(chunkmap.CombineError, match="'cf:time'"):
        chunkmap.combine(sets, concat_dims="time")

    assert (2, 2) == chunkmap.combine(sets, concat_dims="time", waive=["units"]).arrays["d"].meta.shape


def test_data_and_json():
    """A diagnosis is data: what `to_dict` gives can be written as JSON, and says what the text says."""
    sets = [step(0), step(1, scale_factor=2.0), step(2)]

    found = json.loads(json.dumps(chunkmap.diagnose(sets, concat_dims="time").to_dict()))

    assert (found["fits"], found["inputs"]) == (False, 3)
    (finding,) = found["findings"]
    assert ("attrs", "d", True, ["0.nc", "1.nc"], 1) == tuple(
        finding[key] for key in ("check", "path", "refused", "inputs", "count")
    )
    assert {"first": 0.0, "last": 2.0, "length": 3} == found["result"]["axes"]["time"]


def test_the_command(tmp_path):
    """The command tells by its exit status whether sets fit, as text or as JSON."""
    for n, refs in enumerate([step(0), step(1), step(2, scale_factor=2.0)]):
        chunkmap.write(refs, tmp_path / f"{n}.json")
    words = ["diagnose", *(str(tmp_path / f"{n}.json") for n in range(3)), "--concat", "time"]

    fits = CliRunner().invoke(command, [*words[:3], *words[4:]])
    refused = CliRunner().invoke(command, words)
    as_json = CliRunner().invoke(command, [*words, "--json"])
    waived = CliRunner().invoke(command, [*words, "--waive", "attrs"])

    assert [0, 1, 1, 0] == [result.exit_code for result in (fits, refused, as_json, waived)]
    assert fits.output.startswith("2 inputs fit together\n")
    assert "scale_factor is None" in refused.output
    assert json.loads(as_json.output)["fits"] is False


def test_a_plan_can_be_looked_at():
    """Shapes, coordinates, where inputs go and how each array comes about."""
    sets = [to_refs(month(n), name=f"{n}.nc", temp={"chunks": (2, 2, 3)}) for n in range(7)]

    plan = make_plan(Inputs(sets), Recipe(concat_dims=["time"], identical_dims=["area"]), read)

    text = plan.summary()
    assert "7 inputs become 5 arrays" in text
    assert "temp (time: 14, y: 2, x: 3) float32 in chunks of 2 x 2 x 3; chunks of 7 inputs" in text
    assert "area (y: 2, x: 3) float64 in chunks of 2 x 3; taken once, the same in 7 inputs" in text
    assert "1.nc: time 2 to 3" in text
    assert "... and 2 more" in text
    assert [14, 2, 3] == plan.to_dict()["arrays"]["temp"]["shape"]


def test_times_are_said_as_dates():
    """Axes, gaps and what inputs share are named by dates, however times are read; other numbers as they are."""
    sets = [step(0), step(1), step(7, value=1), step(5)]
    sets = [changed(refs, "time", attrs={"units": "days since 2000-01-01", "calendar": "noleap"}) for refs in sets]
    for how in ({}, {"coo_map": {"time": "cf:time"}}):
        text = str(chunkmap.diagnose(sets, concat_dims="time", **how))
        assert "time: 3 values, 2000-01-01 to 2000-01-06, days since 2000-01-01" in text
        assert "jumps from 2000-01-02" in text
        assert "both hold time = 2000-01-02" in text
    counted = str(chunkmap.diagnose(sets, concat_dims="time", coo_map={"time": "INDEX"}))
    assert "time: 4 values, 0 to 3\n" in counted


def test_ten_thousand_inputs_are_reported_on_a_page():
    """What differs between ten thousand inputs of ten variables is grouped."""
    first = to_refs(xr.Dataset({f"v{n}": ("time", [1.0]) for n in range(10)}, {"time": [0.0]}))
    meta = ArrayMeta(shape=(1,), chunk_shape=(1,), dtype=np.dtype("f8"), dims=("time",))
    sets = []
    for n in range(10_000):
        arrays = {**first.arrays, "time": ManifestArray(meta, ChunkManifest.single(np.float64(n).tobytes(), 0, 8, 1))}
        if n % 3 == 2:
            arrays["v3"] = arrays["v3"].with_meta(attrs={"units": "m"})
        sets.append(type(first)(arrays, first.groups, name=f"{n}.nc"))
    report = chunkmap.diagnose(sets, concat_dims="time")
    assert [("units", "v3")] == checks(report)
    assert len(str(report)) < 3000
