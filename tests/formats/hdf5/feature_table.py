"""The table of docs/hdf5.md: each feature is written by HDF5, scanned, read through the references and compared.

python tests/formats/test_feature_tables.py hdf5      writes the table anew
"""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import Unsupported
from chunkmap.formats.scanning import scan_source
from chunkmap.io import LocalSource

scan = partial(scan_source, format="hdf5")

PAGE = Path(__file__).parents[3] / "docs" / "hdf5.md"

DATA = (np.arange(2000, dtype="<i4") // 7).reshape(100, 20)
FLOATS = np.cumsum(np.random.default_rng(0).normal(size=(100, 20)), axis=0)
RECORD = np.dtype([("n", "<i4"), ("s", h5py.string_dtype())])


def chunked(data=DATA, **options):
    return lambda f: f.create_dataset("v", data=data, chunks=(25, 20), **options)


def low_level(kind, data, **options):
    """A dataset of a type that h5py does not make by itself."""

    def write(f):
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if "layout" in options:
            create.set_layout(options["layout"])
        if "filter" in options:
            create.set_chunk(data.shape)
            create.set_filter(options["filter"], 0, ())
        d = h5py.h5d.create(f.id, b"v", kind, h5py.h5s.create_simple(data.shape), create)
        d.write(h5py.h5s.ALL, h5py.h5s.ALL, data, options.get("memory"))

    return write


def unwritten(kind):
    return lambda f: h5py.h5d.create(f.id, b"v", kind, h5py.h5s.create_simple((2,)))


def bits():
    kind = h5py.h5t.STD_I16LE.copy()
    kind.set_precision(12)
    return kind


def bfloat16():
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_precision(16)
    kind.set_size(2)
    return kind


def text(padding):
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(6)
    kind.set_strpad(padding)
    return kind


def indexed(maxshape):
    return lambda f: f.create_dataset("v", data=DATA, chunks=(25, 10), maxshape=maxshape)


def virtual(start):
    def write(f):
        with h5py.File("source.h5", "w") as s:
            s.create_dataset("v", data=DATA, chunks=(25, 20), compression="gzip")
        layout = h5py.VirtualLayout((100, 20), "<i4")
        layout[start:] = h5py.VirtualSource("source.h5", "v", (100, 20))[: 100 - start]
        f.create_virtual_dataset("v", layout)

    return write


def nested(f):
    virtual(0)(f)
    f.move("v", "inner")
    layout = h5py.VirtualLayout((100, 20), "<i4")
    layout[:] = h5py.VirtualSource(".", "inner", (100, 20))
    f.create_virtual_dataset("v", layout)


def external(f):
    Path("raw.bin").write_bytes(DATA.tobytes())
    f.create_dataset("v", DATA.shape, "<i4", external=[("raw.bin", 0, DATA.nbytes)])


def sequences(f):
    d = f.create_dataset("v", (3,), h5py.vlen_dtype("i4"))
    d[0], d[1] = [1, 2], [3]


def object_references(f):
    f["x"] = 1
    f.create_dataset("v", (2,), h5py.ref_dtype)[0] = f["x"].ref


def region_references(f):
    f["x"] = np.arange(9)
    f.create_dataset("v", (2,), h5py.regionref_dtype)[0] = f["x"].regionref[1:3]


def masked(f):
    d = f.create_dataset("v", (30,), "<i4", chunks=(10,), compression="gzip")
    d[...] = 5
    d.id.write_direct_chunk((10,), np.arange(10, dtype="<i4").tobytes(), 1)


SPACES = np.array([b"ab    ", b"a c   "], "V6")

FEATURES = {
    "Layouts": {
        "contiguous": ("earliest", lambda f: f.create_dataset("v", data=DATA)),
        "compact": ("earliest", low_level(h5py.h5t.STD_I32LE, DATA[:9], layout=h5py.h5d.COMPACT)),
        "chunked, B-tree of version 1": ("earliest", chunked()),
        "chunked, single chunk": ("latest", lambda f: f.create_dataset("v", data=DATA, chunks=DATA.shape)),
        "chunked, fixed array": ("latest", indexed((100, 20))),
        "chunked, extensible array": ("latest", indexed((None, 20))),
        "chunked, extensible array, second axis unlimited": ("latest", indexed((100, None))),
        "chunked, B-tree of version 2": ("latest", indexed((None, None))),
        "virtual, whole chunks": ("latest", virtual(0)),
        "virtual, parts of chunks": ("latest", virtual(3)),
        "virtual, of virtual datasets": ("latest", nested),
        "external files": ("earliest", external),
        "null dataspace": ("earliest", lambda f: f.create_dataset("v", data=h5py.Empty("f4"))),
    },
    "Filters": {
        "deflate": ("earliest", chunked(compression="gzip")),
        "shuffle": ("earliest", chunked(shuffle=True, compression="gzip")),
        "fletcher32": ("earliest", chunked(fletcher32=True)),
        "szip *": ("earliest", chunked(compression="szip")),
        "nbit": ("earliest", low_level(bits(), DATA.astype("<i2"), filter=5)),
        "scale-offset": ("earliest", chunked(scaleoffset=0)),
        "lzf": ("earliest", chunked(compression="lzf")),
        "bzip2": ("earliest", chunked(**hdf5plugin.BZip2())),
        "Blosc": ("earliest", chunked(**hdf5plugin.Blosc())),
        "Blosc2 *": ("earliest", chunked(**hdf5plugin.Blosc2())),
        "LZ4": ("earliest", chunked(**hdf5plugin.LZ4())),
        "bitshuffle": ("earliest", chunked(**hdf5plugin.Bitshuffle(cname="none"))),
        "bitshuffle and LZ4": ("earliest", chunked(**hdf5plugin.Bitshuffle(cname="lz4"))),
        "bitshuffle and Zstd": ("earliest", chunked(**hdf5plugin.Bitshuffle(cname="zstd"))),
        "Zstd": ("earliest", chunked(**hdf5plugin.Zstd())),
        "ZFP *": ("earliest", chunked(FLOATS, **hdf5plugin.Zfp(accuracy=0.01))),
        "JPEG-LS (FCIDECOMP) *": ("earliest", chunked(DATA.astype("u1"), **hdf5plugin.FciDecomp())),
        "HTJ2K *": ("earliest", chunked(DATA.astype("u1"), **hdf5plugin.Htj2k())),
        "SZ": ("earliest", chunked(FLOATS, **hdf5plugin.SZ(absolute=0.1))),
        "SZ3": ("earliest", chunked(FLOATS, **hdf5plugin.SZ3(absolute=0.1))),
        "SPERR": ("earliest", chunked(FLOATS, **hdf5plugin.Sperr(rate=8))),
        "skipped for single chunks (filter mask)": ("earliest", masked),
    },
    "Types": {
        "integers, floats": ("earliest", lambda f: f.create_dataset("v", data=FLOATS.astype(">f2"))),
        "integers that do not fill their bytes": ("earliest", low_level(bits(), DATA.astype("<i2"))),
        "floats of other layouts (bfloat16)": ("earliest", low_level(bfloat16(), FLOATS.astype("f4"))),
        "times": ("earliest", unwritten(h5py.h5t.UNIX_D32LE)),
        "long double": ("earliest", lambda f: f.create_dataset("v", data=np.ones(3, np.longdouble))),
        "text of fixed length": ("earliest", lambda f: f.create_dataset("v", data=np.array([b"ab", b"c"] * 400))),
        "text padded with spaces": ("earliest", low_level(text(2), np.tile(SPACES, 100), memory=text(2))),
        "text of variable length": ("earliest", lambda f: f.create_dataset("v", data=["a", "bc"])),
        "sequences of variable length": ("earliest", sequences),
        "compound": ("earliest", lambda f: f.create_dataset("v", data=np.zeros(99, [("a", "<i4"), ("b", "<f8")]))),
        "compound with text of variable length": (
            "earliest",
            lambda f: f.create_dataset("v", data=np.array([(1, "one"), (2, "two")], RECORD)),
        ),
        "enumerations": ("earliest", chunked(DATA.astype("u1"), dtype=h5py.enum_dtype({"a": 0, "b": 1}, "u1"))),
        "booleans": ("earliest", chunked(DATA > 9)),
        "complex numbers (compound)": ("earliest", chunked(FLOATS + 1j)),
        "object references": ("earliest", object_references),
        "region references": ("earliest", region_references),
    },
}


def outcome(library, write):
    """What becomes of a feature: exact, inlined or refused. Raises AssertionError where values differ from h5py's."""
    with h5py.File("feature.h5", "w", libver=(library, "latest")) as f:
        write(f)
    try:
        refs = scan(LocalSource("feature.h5"), inline_threshold=0)
    except Unsupported as refusal:
        return f"refused: {refusal.feature}"
    if "v" not in refs.arrays:
        (problem,) = refs.problems
        return f"refused: {problem.feature}"
    assert not refs.problems
    array = refs.arrays["v"]
    with h5py.File("feature.h5") as f:
        check_equal(read_array(array, Fetcher()), f["v"][()], f)
    return "inlined" if array.chunks.is_inline.all() else "exact"


def check_equal(found, wanted, file):
    """Raise AssertionError unless both are the same: text is text, references are the paths they lead to."""
    if wanted.dtype.names:
        assert found.dtype.names == wanted.dtype.names
        for name in found.dtype.names:
            assert found[name].tolist() == wanted[name].tolist()
    elif wanted.dtype.kind == "O":
        for one, other in zip(found.ravel(), wanted.ravel(), strict=True):
            if isinstance(other, h5py.RegionReference):
                assert one == (f"{file[other].name}[1:3]" if other else "")
            elif isinstance(other, h5py.Reference):
                assert one == (file[other].name if other else "")
            else:
                np.testing.assert_array_equal(one, other.decode() if isinstance(other, bytes) else other)
    else:
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def printed():
    """The lines between the marks."""
    lines = []
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for area, features in FEATURES.items():
                lines += [f"| {area} | |", "|---|---|"]
                lines += [f"| {name} | {outcome(*feature)} |" for name, feature in features.items()]
                lines.append("")
        finally:
            os.chdir(before)
    return "\n".join(lines).rstrip()
