"""Filter pipelines and filter masks: decoded exactly, or refused by name."""

import sys
from functools import partial

import h5py
import hdf5plugin
import netCDF4
import numpy as np
import pytest
import zarr
from numcodecs import Shuffle, Zlib, get_codec

import chunkmap
from chunkmap.codecs.hdf5.blosc2 import Hdf5Blosc2
from chunkmap.errors import Unsupported
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource, LocalSource
from chunkmap.model.variants import variants_of

scan = partial(scan_source, format="hdf5")

DATA = (np.arange(1000, dtype="<i4") // 7).reshape(50, 20)

DECODED = {
    "deflate": ({"compression": "gzip", "compression_opts": 9}, ["zlib"]),
    "shuffle": ({"shuffle": True}, ["shuffle"]),
    "shuffle and deflate": ({"shuffle": True, "compression": 4}, ["shuffle", "zlib"]),
    "fletcher32": ({"fletcher32": True}, ["fletcher32"]),
    "all three": ({"fletcher32": True, "shuffle": True, "compression": 1}, None),
    "zstd": (dict(hdf5plugin.Zstd(clevel=5)), ["zstd"]),
    "bzip2": (dict(hdf5plugin.BZip2(blocksize=3)), ["bz2"]),
    **{
        f"blosc {name}": (dict(hdf5plugin.Blosc(cname=name, clevel=5, shuffle=shuffle)), ["blosc"])
        for name, shuffle in (("blosclz", 1), ("lz4", 2), ("lz4hc", 0), ("zlib", 1), ("zstd", 2))
    },
}
REFUSED = {
    "sz": dict(hdf5plugin.SZ(absolute=0.1)),
    "sz3": dict(hdf5plugin.SZ3(absolute=0.1)),
    "sperr": dict(hdf5plugin.Sperr(rate=8)),
}
OWN = {
    "lzf": {"compression": "lzf"},
    "lzf, shuffle and fletcher32": {"compression": "lzf", "shuffle": True, "fletcher32": True},
    "szip, entropy coding": {"compression": "szip", "compression_opts": ("ec", 8)},
    "szip, nearest neighbour": {"compression": "szip", "compression_opts": ("nn", 16)},
    "lz4": dict(hdf5plugin.LZ4()),
    "lz4 in small blocks": dict(hdf5plugin.LZ4(nbytes=64)),
    "bitshuffle": dict(hdf5plugin.Bitshuffle(cname="none")),
    "bitshuffle and lz4": dict(hdf5plugin.Bitshuffle(cname="lz4")),
    "bitshuffle and zstd": dict(hdf5plugin.Bitshuffle(cname="zstd")),
    "bitshuffle in small blocks": dict(hdf5plugin.Bitshuffle(nelems=16)),
    "blosc2": dict(hdf5plugin.Blosc2()),
    "blosc2 and zstd": dict(hdf5plugin.Blosc2(cname="zstd", clevel=9, filters=hdf5plugin.Blosc2.BITSHUFFLE)),
}
TYPES = ["|u1", "<i2", ">i4", "<u8", "<f4", ">f8"]


@pytest.mark.parametrize("name", OWN)
def test_filters_with_codecs_of_our_own(tmp_path, check_values, name):
    """Every type of number, several shapes, and chunks that hang over the edge, are read as HDF5 reads them."""
    path = tmp_path / "a.h5"
    walk = np.cumsum(np.random.default_rng(0).normal(size=(50, 20)), axis=0)
    with h5py.File(path, "w") as f:
        for dtype in TYPES:
            data = (DATA if "f" not in dtype else walk).astype(dtype)
            f.create_dataset(f"v{dtype}", data=data, chunks=(7, 9), **OWN[name])
            f.create_dataset(f"flat{dtype}", data=data.ravel(), chunks=(333,), **OWN[name])
        f.create_dataset("cube", data=DATA.reshape(10, 10, 10), chunks=(4, 3, 10), **OWN[name])
        f.create_dataset("zeros", data=np.zeros((20, 20)), chunks=(10, 20), **OWN[name])
        f.create_dataset(
            "noise", data=np.random.default_rng(0).integers(0, 256, 3000, "u1"), chunks=(999,), **OWN[name]
        )
    assert not check_values(path, inline_threshold=0).problems


@pytest.mark.parametrize("dtype", TYPES)
def test_scale_offset(tmp_path, check_values, dtype):
    """Integers with any number of bits, floats with decimals, with and without fill values."""
    path = tmp_path / "a.h5"
    is_float = np.dtype(dtype).kind == "f"
    walk = np.cumsum(np.random.default_rng(0).normal(size=(50, 20)), axis=0)
    data = (walk if is_float else DATA).astype(dtype)
    with h5py.File(path, "w") as f:
        for digits in (0, 2, 5) if is_float else (0, 5, 8 * np.dtype(dtype).itemsize):
            f.create_dataset(f"v{digits}", data=data, chunks=(7, 20), scaleoffset=digits)
            filled = np.where(data > 5, np.array(3, dtype), data).astype(dtype)
            f.create_dataset(f"f{digits}", data=filled, chunks=(7, 20), scaleoffset=digits, fillvalue=3)
        f.create_dataset("constant", data=data * 0 + 5, chunks=(7, 20), scaleoffset=2)
        d = f.create_dataset("sparse", (50, 20), dtype, chunks=(7, 20), scaleoffset=2, fillvalue=9)
        d[:7] = data[:7]
        if not is_float:
            extremes = data.copy()
            extremes[0, :2] = np.iinfo(dtype).min, np.iinfo(dtype).max
            f.create_dataset("extremes", data=extremes, chunks=(7, 20), scaleoffset=0)
    assert not check_values(path, inline_threshold=0).problems


@pytest.mark.parametrize("first", ["deflate", "scaleoffset", "fletcher32"])
@pytest.mark.parametrize("second", ["shuffle", "lzf"])
def test_filters_in_an_unusual_order(tmp_path, check_values, first, second):
    """A filter may find a chunk that another has made shorter or longer than its elements are."""
    path = tmp_path / "a.h5"
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((7, 9))
    options = {"deflate": (4,), "scaleoffset": (h5py.h5z.SO_INT, 0), "fletcher32": ()}[first]
    getattr(plist, f"set_{first}")(*options)
    plist.set_filter({"shuffle": 2, "lzf": 32000}[second], h5py.h5z.FLAG_MANDATORY)
    with h5py.File(path, "w") as f:
        for name in ("<i2", ">i4", "<u8"):
            f.create_dataset(name[1:], data=DATA.astype(name), dcpl=plist)
    assert not check_values(path, inline_threshold=0).problems


def test_lzf_that_was_not_told_the_size_of_its_chunks(tmp_path, check_values):
    """HDF5 does not tell filters about elements of variable length."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=["a", "bc", ""] * 50, dtype=h5py.string_dtype(), chunks=(40,), compression="lzf")
    assert not check_values(path).problems


ZFP = [{"rate": 8}, {"accuracy": 0.01}, {"precision": 10}, {"reversible": True}]
ZFP.append({"minbits": 1, "maxbits": 1000, "maxprec": 20, "minexp": -20})


@pytest.mark.parametrize("options", ZFP, ids=["_".join(o) for o in ZFP])
def test_zfp(tmp_path, check_values, options):
    """Each mode of ZFP gives the numbers that HDF5 reads, to the bit."""
    path = tmp_path / "a.h5"
    walk = np.cumsum(np.random.default_rng(0).normal(size=(50, 20)), axis=0)
    with h5py.File(path, "w") as f:
        for dtype in ("<f4", "<f8"):
            f.create_dataset(f"v{dtype}", data=walk.astype(dtype), chunks=(8, 20), **hdf5plugin.Zfp(**options))
    assert not check_values(path, inline_threshold=0).problems


@pytest.mark.parametrize("options", [hdf5plugin.FciDecomp(), hdf5plugin.Htj2k()], ids=["jpegls", "htj2k"])
def test_pictures(tmp_path, check_values, options):
    """Lossless pictures are the numbers that were written."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        for dtype in ("u1", "<u2"):
            f.create_dataset(f"v{dtype}", data=DATA.astype(dtype), chunks=(10, 20), **options)
    assert not check_values(path, inline_threshold=0).problems


def test_chunks_never_written_where_the_codec_only_decodes(tmp_path, values):
    """Their fill value becomes that of Zarr, and it is said that it is masked."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        d = f.create_dataset("v", (20, 20), "i4", chunks=(10, 20), fillvalue=7, **hdf5plugin.Blosc2())
        d[:10] = 1
    refs = scan(LocalSource(path))
    assert [p.feature for p in refs.problems] == ["fill value"]
    np.testing.assert_array_equal(values(refs, "v"), np.repeat([1, 7], 10)[:, None] * np.ones((1, 20), int))


def test_a_pipeline_that_describes_nothing_is_refused(tmp_path):
    """Client data that no filter can have is a problem, not a failure while reading."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=DATA, chunks=(7, 20), **hdf5plugin.Bitshuffle())
    whole = path.read_bytes()
    pipeline = whole.index(b"bitshuffle")
    damaged = whole[: pipeline - 4] + b"\0\0\1\0" + whole[pipeline:]
    refs = scan(BytesSource(damaged, "f"))
    assert [p.feature.partition(";")[0] for p in refs.problems] == ["filter bitshuffle"]


def test_imagecodecs_missing(monkeypatch):
    """Where a codec's package is not installed, the error says what to install."""
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(Unsupported, match=r"pip install 'chunkmap\[hdf5\]'"):
        Hdf5Blosc2().decode(
            b"\x9e\xa8b2frame\0".ljust(11) + (62).to_bytes(4, "big") + bytes(33) + b"\0\0\0\1" + bytes(30)
        )


@pytest.mark.parametrize("name", DECODED)
def test_filters_that_numcodecs_decodes(tmp_path, check_values, name):
    """Chunks read through numcodecs are what HDF5 reads, also where the last chunk is partial."""
    options, codecs = DECODED[name]
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=DATA, chunks=(7, 20), **options)
        f.create_dataset("odd", data=np.arange(9, dtype="u1"), chunks=(3,), **options)
    refs = check_values(path)
    assert not refs.problems
    if codecs is not None:
        assert [c["id"] for c in refs.arrays["v"].meta.codecs] == codecs
    assert refs.arrays["v"].meta.compressor is None


@pytest.mark.parametrize("name", REFUSED)
def test_filters_without_a_codec_are_refused_by_name(tmp_path, check_values, name):
    """A dataset that no codec decodes is a problem that names the filter; the others are scanned."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=DATA.astype("f4"), chunks=(7, 20), **REFUSED[name])
        f["other"] = DATA
    refs = check_values(path)
    (problem,) = refs.problems
    assert (problem.path, problem.feature, problem.url) == ("v", f"filter {name}", str(path))
    assert list(refs.arrays) == ["other"]


def write_masked(path, masks, chunk=10):
    """Chunks written with these filter masks through a pipeline of shuffle and deflate."""
    size = chunk * len(masks)
    with h5py.File(path, "w") as f:
        d = f.create_dataset("v", (size,), "<i4", chunks=(chunk,), compression="gzip", shuffle=True)
        for n, mask in enumerate(masks):
            raw = np.arange(n * chunk, (n + 1) * chunk, dtype="<i4").tobytes()
            raw = raw if mask & 1 else bytes(Shuffle(4).encode(raw))
            raw = raw if mask & 2 else bytes(Zlib(4).encode(raw))
            d.id.write_direct_chunk((n * chunk,), raw, mask)


@pytest.mark.parametrize("mask", [0, 1, 2, 3])
def test_a_mask_that_all_chunks_share_drops_its_filters(tmp_path, check_values, mask):
    """The codecs of a dataset are those that all its chunks went through."""
    write_masked(tmp_path / "a.h5", [mask] * 3)
    refs = check_values(tmp_path / "a.h5")
    kept = [c for bit, c in ((1, "shuffle"), (2, "zlib")) if not mask & bit]
    assert [c["id"] for c in refs.arrays["v"].meta.codecs] == kept


def test_chunks_with_masks_of_their_own_are_held_inline(tmp_path, check_values):
    """A few chunks that skip a filter are encoded as the others are."""
    write_masked(tmp_path / "a.h5", [0, 1, 2, 3, 0, 0])
    refs = check_values(tmp_path / "a.h5", inline_threshold=0)
    assert refs.arrays["v"].chunks.is_inline.tolist() == [False, True, True, True, False, False]


def read_by_both(path):
    """The set of a file, whose array is what h5py reads, through the engine and through zarr's own reader."""
    refs = chunkmap.scan(path)
    with h5py.File(path) as f:
        theirs = f["v"][...]
    ours = chunkmap.open_dataset(refs, mask_and_scale=False).v.values
    for found in (ours, zarr.open_group(chunkmap.open_store(refs), mode="r")["v"][...]):
        np.testing.assert_array_equal(found, theirs)
    assert ours.dtype == theirs.dtype.newbyteorder("=")
    return refs


def test_many_chunks_with_masks_of_their_own_are_variants(tmp_path):
    """What would bring more than a megabyte into the references stays in the file, and each chunk has its codecs."""
    write_masked(tmp_path / "a.h5", [0, 0, 0, 3, 2, 1, 3], chunk=200_000)
    refs = read_by_both(tmp_path / "a.h5")
    chunks = refs.arrays["v"].chunks
    assert not chunks.is_inline.any()
    assert chunks.variant.tolist() == [0, 0, 0, 3, 2, 1, 3]
    own = [[codec["id"] for codec in variant.filters] for variant in variants_of(refs.arrays["v"].meta)]
    assert own == [["shuffle", "zlib"], ["zlib"], ["shuffle"], []]


def test_chunks_with_masks_of_their_own_are_refused_where_many_must_read_them(tmp_path):
    """Who asks for references that more readers take is told by name of an array that they could not read."""
    write_masked(tmp_path / "a.h5", [0, 0, 0, 3, 3], chunk=200_000)
    refs = scan(LocalSource(tmp_path / "a.h5"), portable=True)
    assert [p.feature for p in refs.problems] == ["filter mask"]
    assert not refs.arrays


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<i8"])
@pytest.mark.parametrize("fill", [None, 7])
def test_missing_chunks_of_variants_are_fill_values(tmp_path, dtype, fill):
    """Beside chunks that are decoded in several ways, those that were never written read as HDF5 has them."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        v = f.create_dataset("v", (1030, 1040), dtype, chunks=(400, 400), compression="gzip", fillvalue=fill)
        v.attrs["_FillValue"] = np.array(-1, dtype)
        for number, where in enumerate(np.ndindex(2, 3)):
            raw = np.arange(160_000).astype(dtype).tobytes()
            mask = int(where[1] == 2 or number == 0)
            v.id.write_direct_chunk(tuple(400 * n for n in where), raw if mask else bytes(Zlib(1).encode(raw)), mask)
    refs = read_by_both(path)
    assert len(variants_of(refs.arrays["v"].meta)) == 2


def test_a_chunk_without_filters_is_as_long_as_it_must_be(tmp_path):
    """One that skips all filters and has other than its own bytes is damaged, and said to be."""
    path = tmp_path / "a.h5"
    write_masked(path, [0, 0, 0, 3, 3], chunk=200_000)
    with h5py.File(path, "r+") as f:
        f["v"].id.write_direct_chunk((600_000,), b"short" * 10, 3)
    refs = scan(LocalSource(path))
    assert [p.path for p in refs.problems] == ["v"]
    assert "expected chunks of 800000 bytes" in refs.problems[0].message


def test_a_chunk_that_does_not_decode_is_reported(tmp_path):
    """Where a chunk must be decoded to be represented and cannot be, its dataset is left out, and said so."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        d = f.create_dataset("v", (30,), "<i4", chunks=(10,), compression="gzip", shuffle=True)
        for start, mask in ((0, 0), (10, 3), (20, 3)):
            d.id.write_direct_chunk((start,), b"x" * 40, mask)
    refs = scan(LocalSource(path))
    assert [p.feature for p in refs.problems] == ["damaged chunk"]


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8", "f4", "f8"])
def test_a_checksum_before_a_shuffle(tmp_path, check_values, dtype):
    """netCDF-C shuffles a chunk and its checksum together: elements of 8 bytes leave 4 bytes over."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as nc:
        nc.createDimension("x", 50)
        nc.createVariable("x", "i4", ("x",))[:] = np.arange(50)
        options = {"zlib": True, "shuffle": True, "fletcher32": True, "chunksizes": (20,)}
        nc.createVariable("v", dtype, ("x",), **options)[:] = np.arange(50).astype(dtype)
    assert not check_values(path, inline_threshold=0).problems


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8"])
def test_zfp_of_a_big_endian_machine(tmp_path, values, dtype):
    """The words of its header stand the other way round: elements come in its order then, as HDF5 gives them."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=np.arange(64, dtype=dtype), chunks=(64,), **hdf5plugin.Zfp(reversible=True))
        header = np.array(f["v"]._filters["32013"][1:], "<u4")
    path.write_bytes(path.read_bytes().replace(header.tobytes(), header.byteswap().tobytes()))
    with h5py.File(path) as f:
        expected = f["v"][()]
    assert expected[1] != 1
    np.testing.assert_array_equal(values(scan(LocalSource(path)), "v"), expected)


@pytest.mark.parametrize("identifier", [32022, 32023])
def test_quantizers_change_nothing_when_they_are_read(tmp_path, values, identifier):
    """BitGroom and Granular BitRound zero bits when they write, so the numbers are those that are stored."""
    path, data = tmp_path / "a.h5", np.arange(8, dtype="<f4")
    with h5py.File(path, "w") as f:
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create.set_chunk((8,))
        create.set_filter(identifier, h5py.h5z.FLAG_OPTIONAL, (3, 4, 0, 0, 0))
        create.set_shuffle()
        dataset = h5py.h5d.create(f.id, b"v", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((8,)), create)
        dataset.write_direct_chunk((0,), Shuffle(4).encode(data).tobytes(), 0)
    refs = scan(LocalSource(path))
    assert [codec["id"] for codec in refs.arrays["v"].meta.codecs] == ["shuffle"]
    np.testing.assert_array_equal(values(refs, "v"), data)


@pytest.mark.parametrize(
    ("identifier", "client", "codec"),
    [
        (305, (1, 23, 0), {"id": "hdf5_lzo"}),
        (32020, (0, 2, 1, 1), {"id": "hdf5_vbz", "version": 0, "size": 2, "zigzag": True, "zstd": True}),
        (32020, (1, 1, 0, 0), {"id": "hdf5_vbz", "version": 1, "size": 1, "zigzag": False, "zstd": False}),
    ],
)
def test_filters_that_h5py_reads_with_other_packages(tmp_path, values, identifier, client, codec):
    """Tables compressed by LZO and signals of nanopores are read, and damaged ones are an error."""
    path, data = tmp_path / "a.h5", np.array([500, -3, 7, 7, 7, 32767, -32768, 0], "<i2")
    with h5py.File(path, "w") as f:
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create.set_chunk((8,))
        create.set_filter(identifier, h5py.h5z.FLAG_OPTIONAL, client)
        for name, stored in (("v", get_codec(dict(codec)).encode(data)), ("damaged", b"\x09\x00\x00")):
            space = h5py.h5s.create_simple((8,))
            dataset = h5py.h5d.create(f.id, name.encode(), h5py.h5t.STD_I16LE, space, create)
            dataset.write_direct_chunk((0,), bytes(stored), 0)
    refs = scan(LocalSource(path))
    assert refs.problems == ()
    assert refs.arrays["v"].meta.codecs == (codec,)
    np.testing.assert_array_equal(values(refs, "v"), data)
    with pytest.raises((ValueError, RuntimeError)):
        values(refs, "damaged")


@pytest.mark.parametrize(("identifier", "client"), [(32020, (0, 8, 1, 1)), (32020, (7, 2, 1, 1))])
def test_filters_of_unknown_versions(tmp_path, identifier, client):
    """VBZ of another version, or of integers of another size, is refused."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create.set_chunk((8,))
        create.set_filter(identifier, h5py.h5z.FLAG_OPTIONAL, client)
        dataset = h5py.h5d.create(f.id, b"v", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((8,)), create)
        dataset.write_direct_chunk((0,), bytes(32), 0)
    (problem,) = scan(LocalSource(path)).problems
    assert "VBZ" in problem.message
