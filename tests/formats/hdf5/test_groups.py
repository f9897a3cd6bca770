"""Groups, links and names."""

from functools import partial

import h5py
import numpy as np
import pytest

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
    assert set(linked.arrays) == {"a/hard", "b", "a/soft", "a/relative", "a/chain", "to_group/hard"}
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
