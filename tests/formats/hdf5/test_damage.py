"""Untrusted bytes: only chunkmap's errors come out, with a URL and an offset, and nothing hangs."""

import random
import re
import subprocess
import sys
from functools import partial

import h5py
import netCDF4
import numpy as np
import pytest

from chunkmap.errors import ChunkmapError, FormatError, TruncatedFile, Unsupported
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource

SIGNATURES = [b"OHDR", b"OCHK", b"TREE", b"SNOD", b"HEAP", b"BTHD", b"BTLF", b"BTIN", b"FRHP", b"FHDB", b"FHIB"]
SIGNATURES += [b"FAHD", b"FADB", b"EAHD", b"EAIB", b"EASB", b"EADB", b"GCOL", b"\x89HDF"]


def write_hdf5(path, version):
    with h5py.File(path, "w", libver=version) as f:
        shapes = {"fixed": None, "extensible": (None, 50), "btree": (None, None), "last": (40, None)}
        for name, maximum in shapes.items():
            f.create_dataset(name, data=np.arange(2000).reshape(40, 50), maxshape=maximum, chunks=(7, 9), compression=1)
        f.create_dataset("paged", data=np.zeros(2000, "u1"), chunks=(1,))
        f["texts"], f["scalar"] = ["a", "bb"], 1.5
        for n in range(30):
            f.create_group(f"g/name{n}").attrs["x"] = n
            f["g"].attrs[f"a{n}"] = f"v{n}"
        f["members"] = np.zeros(3, [("a", "i4"), ("b", "f8")])
        f["x"] = np.arange(40.0)
        f["x"].make_scale("x")
        f["fixed"].dims[0].attach_scale(f["x"])


def write_netcdf4(path):
    with netCDF4.Dataset(path, "w") as f:
        f.createDimension("x", 5)
        v = f.createVariable("v", "f4", ("x",), zlib=True)
        v[:] = 1
        for n in range(12):
            v.setncattr(f"a{n}", f"value {n}")
        f.createVariable("s", str, ("x",))[:] = np.array(list("abcde"), object)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An old file, a new one and a netCDF-4 one, as bytes."""
    folder = tmp_path_factory.mktemp("files")
    write_hdf5(folder / "old.h5", ("earliest", "v108"))
    write_hdf5(folder / "new.h5", "latest")
    write_netcdf4(folder / "a.nc")
    return {name: (folder / name).read_bytes() for name in ("old.h5", "new.h5", "a.nc")}


scan = partial(scan_source, format="hdf5", strict=True)


def scan_bytes(data):
    return scan(BytesSource(bytes(data), "memory://f"))


@pytest.mark.parametrize("data", [b"", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + b"\0" * 30], ids=len)
def test_files_without_room_for_a_superblock(data):
    """Empty files and bare signatures are cut short."""
    with pytest.raises(TruncatedFile, match="memory://f at byte"):
        scan_bytes(data)


def test_a_file_of_another_kind():
    """Text is no HDF5, and says so at once."""
    with pytest.raises(FormatError, match="expected the signature of an HDF5 superblock"):
        scan_bytes(b"not an HDF5 file\n" * 1000)


@pytest.mark.parametrize("name", ["old.h5", "new.h5", "a.nc"])
def test_a_file_cut_anywhere(files, name):
    """Cut before, at and after every structure, a file is refused as truncated."""
    data = files[name]
    cuts = {len(data) - 1, len(data) // 2, 9, 48, 96, 200}
    for signature in SIGNATURES:
        found = data.find(signature, 8)
        while found >= 0:
            cuts |= {found - 1, found, found + 4, found + 40}
            found = data.find(signature, found + 1)
    for cut in sorted(c for c in cuts if c < len(data)):
        with pytest.raises(TruncatedFile) as caught:
            scan_bytes(data[:cut])
        assert caught.value.url == "memory://f"
        assert caught.value.offset is not None


@pytest.mark.parametrize("name", ["old.h5", "new.h5", "a.nc"])
def test_a_file_with_a_hole(files, name):
    """A signature that is overwritten stops the scan, unless nothing leads to it; then it changes nothing."""
    data = files[name]
    whole, broken = scan_bytes(data), 0
    for signature in SIGNATURES[:-1]:
        found = data.find(signature)
        if found >= 0:
            try:
                assert scan_bytes(data[:found] + b"XXXX" + data[found + 4 :]) == whole
            except FormatError as error:
                assert error.url == "memory://f"  # noqa: PT017
                broken += 1
    assert broken >= 3


@pytest.mark.parametrize("seed", range(4))
def test_mutated_files(files, seed):
    """Whatever bytes are changed, the scan ends, with a set or with one of chunkmap's errors."""
    rng = random.Random(seed)
    outcomes = set()
    for _ in range(60):
        data = bytearray(rng.choice(list(files.values())))
        for _ in range(rng.choice([1, 1, 2, 4, 16])):
            signature = rng.choice(SIGNATURES)
            places = [n for n in range(0, len(data) - 208, 8) if data[n : n + 4] == signature] or [rng.randrange(900)]
            place = rng.choice(places) + rng.randrange(200)
            value = rng.choice([b"\xff" * 8, bytes(8), rng.randbytes(1), (2**63).to_bytes(8, "little")])
            data[place : place + len(value)] = value
        try:
            scan_bytes(data)
            outcomes.add("scanned")
        except ChunkmapError as error:
            outcomes.add(type(error).__name__)
    assert {"scanned", "FormatError", "TruncatedFile"} <= outcomes


def test_a_tree_that_contains_itself(files):
    """A group B-tree whose child is itself is refused, not followed."""
    data = bytearray(files["old.h5"])
    root = data.find(b"TREE\x00")
    data[root + 5] = 1
    data[root + 32 : root + 40] = root.to_bytes(8, "little")
    with pytest.raises(FormatError, match="group B-tree"):
        scan_bytes(data)


def test_sizes_that_are_not_handled_are_named(files):
    """Files with offsets of sixteen bytes are legal, and refused by name."""
    data = bytearray(files["old.h5"])
    data[13] = 16
    with pytest.raises(Unsupported) as caught:
        scan_bytes(data)
    assert caught.value.feature == "size of offsets"
    data[13] = 5
    with pytest.raises(FormatError, match="sizes of offsets and lengths"):
        scan_bytes(data)


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_a_name_with_a_slash_is_refused(tmp_path, version, repair):
    """A link cannot have a path for its name: it would be a member of a group that is not there."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=version) as f:
        f["first_second"] = 1
    damaged = repair(path.read_bytes().replace(b"first_second", b"first/second"))
    with pytest.raises(FormatError, match="name of a link"):
        scan(BytesSource(damaged, "a.h5"))


CHECKED = [b"OHDR", b"OCHK", b"FRHP", b"FHDB", b"FHIB", b"BTHD", b"BTLF", b"BTIN"]
CHECKED += [b"FAHD", b"FADB", b"EAHD", b"EAIB", b"EASB", b"EADB", b"\x89HDF"]


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """A file with every structure that has a checksum."""
    path = tmp_path_factory.mktemp("checked") / "a.h5"
    with h5py.File(path, "w", libver="latest") as f:
        f.create_dataset("pages", data=np.zeros(2000, "u1"), chunks=(1,))
        f.create_dataset("long", data=np.zeros(9000, "u1"), chunks=(1,), maxshape=(None,))
        f.create_dataset("tree", data=np.zeros((60, 60), "u1"), chunks=(1, 1), maxshape=(None, None))
        for n in range(300):
            f.create_group(f"g/a group with a long name {n}")
        for n in range(30):
            f["long"].attrs[f"a{n}"] = f"v{n}"
        f.create_dataset("late", data=1).attrs["x"] = 1
        f["late"].attrs["long text"] = "x" * 1000
    return path


READ_ALL = """
import sys, h5py

scan = partial(scan_source, format="hdf5")
def read(name, item):
    dict(item.attrs), item[()] if isinstance(item, h5py.Dataset) else None
with h5py.File(sys.argv[1]) as f:
    f.visititems(read)
"""


@pytest.mark.parametrize("signature", CHECKED, ids=lambda s: s[-4:].decode("ascii", "replace"))
def test_a_wrong_checksum_is_refused_with_its_place(checked, tmp_path, signature):
    """A structure of which one bit is another than when its checksum was made is refused, as HDF5 refuses it."""
    whole = checked.read_bytes()
    places = [found.start() for found in re.finditer(re.escape(signature), whole)]
    for place in places[:: max(1, len(places) // 3)]:
        damaged = bytearray(whole)
        damaged[place + 10 if place else 20] ^= 0x10
        with pytest.raises(FormatError, match=r"expected the checksum 0x.* of a structure, found 0x") as caught:
            scan_bytes(damaged)
        assert (caught.value.url, caught.value.offset) == ("memory://f", place)
    (tmp_path / "damaged.h5").write_bytes(damaged)
    # a process of its own: HDF5 does not always survive what it finds
    words = [sys.executable, "-c", READ_ALL, tmp_path / "damaged.h5"]
    assert subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode != 0


def test_right_checksums_are_made_anew(checked, repair):
    """What the fuzzer makes right is refused no more, so that damage behind it is found."""
    damaged = bytearray(checked.read_bytes())
    damaged[damaged.find(b"FHDB") + 8] ^= 0x10
    damaged[damaged.find(b"EADB") + 8] ^= 0x10
    assert scan_bytes(repair(damaged)).arrays.keys() == scan_bytes(checked.read_bytes()).arrays.keys()
