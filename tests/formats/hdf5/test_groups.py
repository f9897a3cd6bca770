"""Groups, links and names."""

from functools import partial

import h5py
import numpy as np
import pytest

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.formats.scanning import scan_source
from chunkmap.io import LocalSource

scan = partial(scan_source, format="hdf5")

VERSIONS = ["earliest", "latest"]


@pytest.mark.parametrize("track_order", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_large_and_deep_groups(tmp_path, version, track_order):
    """Symbol tables of several levels, dense links of several blocks, and groups in groups."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=version, track_order=track_order) as f:
        many = f.create_group("many", track_order=track_order)
        names = [f"sub_{n:04d}_{'x' * (n % 40)}" for n in range(500, 0, -1)]
        for name in names:
            many.create_group(name)
        deep = "/".join(f"level{n}" for n in range(200))
        f.create_dataset(f"{deep}/v", data=1)
        f["é/ü"] = 2
    refs = scan(LocalSource(path))
    inside = [g.removeprefix("many/") for g in refs.groups if g.startswith("many/")]
    assert inside == (names if track_order else sorted(names))
    assert set(refs.arrays) == {f"{deep}/v", "é/ü"}
    assert f"{deep}" in refs.groups


@pytest.mark.parametrize("version", VERSIONS)
def test_links(tmp_path, version):
    """An object with many names has the first; soft and external links, cycles and dead ends are no arrays."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=version) as f:
        f["b"] = [1, 2]
        f["a/hard"] = f["b"]
        f["a/soft"] = h5py.SoftLink("/b")
        f["a/relative"] = h5py.SoftLink("hard")
        f["a/chain"] = h5py.SoftLink("soft")
        f["a/dead"] = h5py.SoftLink("/nowhere")
        f["a/circle"] = h5py.SoftLink("circle")
        f["a/outside"] = h5py.ExternalLink("other.h5", "/x")
        f["a/loop"] = f["a"]
        f["to_group"] = h5py.SoftLink("/a")
    refs = scan(LocalSource(path))
    assert set(refs.arrays) == {"a/hard"}
    assert set(refs.groups) == {"", "a"}
    linked = scan(LocalSource(path), linked_datasets=True)
    names = {"hard", "soft", "relative", "chain"}
    assert set(linked.arrays) == {"b", *(f"{group}/{name}" for group in ("a", "to_group") for name in names)}
    assert all(array == linked.arrays["a/hard"] for array in linked.arrays.values())


def test_one_group_as_the_root(tmp_path):
    """`group` makes a group the root, with its attributes; one that is not there is an error."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f["g/h/v"] = 1
        f["other"] = 2
        f["g"].attrs["a"] = "b"
    refs = scan(LocalSource(path), group="/g")
    assert set(refs.arrays) == {"h/v"}
    assert refs.groups == {"": {"a": "b"}, "h": {}}
    with pytest.raises(ValueError, match="'g', 'g/h'"):
        scan(LocalSource(path), group="nope")


def test_groups_of_several_links(tmp_path):
    """What is below them is given under each name that is asked for, but not within itself; else a problem says so."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f["g/x"], f["g/h/y"] = np.arange(3), np.arange(2)
        f["hard"], f["soft"], f["g/loop"] = f["g"], h5py.SoftLink("/g/h"), f["g"]
        f["g/root"] = f["/"]
    refs = scan(LocalSource(path))
    assert set(refs.arrays) == {"g/h/y", "g/x"}
    assert {(p.path, p.feature) for p in refs.problems} == {(n, "link") for n in ("hard", "soft", "g/loop", "g/root")}
    refs = scan(LocalSource(path), linked_datasets=True)
    assert set(refs.arrays) == {"g/h/y", "g/x", "hard/h/y", "hard/x", "soft/y"}
    assert refs.arrays["hard/h/y"] == refs.arrays["g/h/y"]


def names_of(path):
    """Every name of every dataset, as h5py walks from the root; no group is entered within itself."""
    found = {}

    def walk(group, at, inside):
        for name in group:
            try:
                lies = group.get(name)
            except RuntimeError:  # a circle of links
                continue
            if isinstance(lies, h5py.Dataset):
                found[f"{at}{name}"] = lies[()]
            elif isinstance(lies, h5py.Group) and lies.id not in inside:
                walk(lies, f"{at}{name}/", [*inside, lies.id])

    with h5py.File(path) as file:
        walk(file, "", [file["/"].id])
    return found


def test_links_within_linked_groups(tmp_path):
    """Names that go through links, in a path of a link or below a linked group, are those of h5py."""
    path = tmp_path / "a.h5"
    with h5py.File(tmp_path / "other.h5", "w") as f:
        f["e/x"], f["e/back"] = np.arange(4), h5py.ExternalLink("a.h5", "/a")
        f["e"].attrs["name"] = "e"
    with h5py.File(path, "w") as f:
        f["a/x"], f["a/b/y"], f["a/b/z"] = np.arange(3), np.arange(5), 1.0
        f["soft"], f["hard"], f["c/through"] = h5py.SoftLink("/a"), f["a/b"], h5py.SoftLink("/soft/b/y")
        f["a/b/up"], f["a/b/loop"], f["c/first"] = h5py.SoftLink("/a/x"), f["a"], h5py.SoftLink("second/b/y")
        f["c/second"], f["circle"] = h5py.SoftLink("/soft"), h5py.SoftLink("/circle2/x")
        f["circle2"], f["nowhere"] = h5py.SoftLink("/circle"), h5py.SoftLink("/soft/no/y")
        f["d/out"], f["linked"], f["root"] = h5py.ExternalLink("other.h5", "/e"), h5py.SoftLink("/d"), f["/"]
        f["a"].attrs["name"], f["a/b"].attrs["name"], f["d"].attrs["name"] = "a", "b", "d"
    refs = chunkmap.scan(path, linked_datasets=True)
    expected = {name: values for name, values in names_of(path).items() if "/back/" not in name}
    assert set(refs.arrays) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(read_array(refs.arrays[name], Fetcher()), values)
    with h5py.File(path) as f:
        named = {group: dict(f[group or "/"].attrs) for group in refs.groups}
    assert {group: dict(attributes) for group, attributes in refs.groups.items()} == named
    assert {"soft", "soft/b", "hard", "hard/loop", "c/second", "d/out", "linked", "linked/out"} <= refs.groups.keys()
    assert {(p.path, p.feature) for p in refs.problems} == {("d/out/back", "external link")}
    said = {p.path for p in chunkmap.scan(path).problems}
    assert {"soft", "hard", "c/through", "a/b/up", "a/b/loop", "c/first", "c/second", "d/out", "linked", "root"} == said


def test_many_links_in_a_row_and_links_that_make_any_number_of_names(tmp_path, monkeypatch):
    """A link leads over thousands of others; names beyond all bounds are left out by a problem."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f["x"] = 1
        for number in range(3000):
            f[f"l{number}"] = h5py.SoftLink(f"/l{number + 1}" if number < 2999 else "/x")
    assert len(chunkmap.scan(path, linked_datasets=True).arrays) == 3001
    monkeypatch.setattr("chunkmap.formats.hdf5.linked._MOST", 1000)
    with h5py.File(path, "w") as f:
        f["g0/x"] = 1
        for number in range(40):
            f[f"g{number + 1}/left"], f[f"g{number + 1}/right"] = f[f"g{number}"], f[f"g{number}"]
    refs = chunkmap.scan(path, linked_datasets=True)
    assert len(refs.arrays) < 2000
    assert "more names than are given" in {p.message for p in refs.problems}
