"""Images compressed tile by tile, beside astropy."""

import gzip
import itertools
import warnings

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits

import chunkmap
from chunkmap.access.store import ReferenceStore
from chunkmap.codecs.fits.decoders import decode_tile
from chunkmap.codecs.fits.dither import real_numbers
from chunkmap.codecs.fits.image import FitsImage
from chunkmap.codecs.fits.tiles import FitsTiles

INTEGERS = ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS"]
RNG = np.random.default_rng(0)


def write(path, data, algorithm, tile=None, **options):
    """A compressed image; `header` are keywords of it."""
    header = fits.Header(list(options.pop("header", {}).items()))
    hdu = fits.CompImageHDU(data, header, name="C", compression_type=algorithm, tile_shape=tile, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def possible(algorithm, dtype, tile):
    """HCOMPRESS_1 wants tiles of at least 4 by 4, PLIO_1 numbers that are not stored as negative ones."""
    return not (algorithm == "HCOMPRESS_1" and tile[0] < 4) and not (algorithm == "PLIO_1" and dtype in {">u2", ">u4"})


CASES = [
    case
    for case in itertools.product(INTEGERS, ["u1", ">i2", ">u2", ">i4", ">u4"], [(1, 20), (6, 8), (16, 20)])
    if possible(*case)
]


@pytest.mark.parametrize(("algorithm", "dtype", "tile"), CASES)
def test_integers(tmp_path, reading, algorithm, dtype, tile):
    """Every algorithm, type and shape of tiles, also those that hang over the edge, is as astropy reads it."""
    path = write(tmp_path / "a.fits", RNG.integers(0, 200, (16, 20)).astype(dtype), algorithm, tile)
    for nbytes in (None, 1):
        refs = reading.check(path, chunk_nbytes=nbytes)
        assert not refs.problems
        assert refs.arrays["C"].meta.dtype == np.dtype(dtype)
    assert refs.arrays["C"].meta.chunk_shape == tile


@pytest.mark.parametrize("algorithm", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
@pytest.mark.parametrize("dtype", [">f4", ">f8"])
@pytest.mark.parametrize("method", [-1, 1, 2])
def test_quantized_real_numbers(tmp_path, reading, algorithm, dtype, method):
    """All methods of dithering, bit for bit, with NaN and zeros, whatever tile a chunk begins with."""
    data = RNG.normal(size=(40, 130)).astype(dtype)
    data[3, 4:9], data[20:25] = np.nan, 0.0
    options = {"quantize_level": 16, "quantize_method": method, "dither_seed": 9990}
    path = write(tmp_path / "a.fits", data, algorithm, (8, 50), **options)
    expected = fits.getdata(path, 1)
    for nbytes in (None, 1, 30_000):
        refs = reading.scan(path, chunk_nbytes=nbytes)
        assert not refs.problems
        found = reading.values(refs, "C")
        assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("algorithm", ["GZIP_1", "GZIP_2", "NOCOMPRESS"])
@pytest.mark.parametrize("dtype", [">f4", ">f8"])
def test_real_numbers_as_they_are(tmp_path, reading, algorithm, dtype):
    """Real numbers that were not quantized come back with every bit."""
    data = RNG.normal(size=(15, 20)).astype(dtype)
    path = write(tmp_path / "a.fits", data, algorithm, (4, 20), quantize_level=0)
    np.testing.assert_array_equal(reading.values(reading.check(path), "C"), data)


def test_tiles_that_could_not_be_quantized(tmp_path, reading):
    """Tiles of one value are stored by gzip, in a column of their own, among others that are quantized."""
    data = RNG.normal(size=(8, 300)).astype(">f4")
    data[2], data[5] = 7.25, np.nan
    path = write(tmp_path / "a.fits", data, "RICE_1", (1, 300), quantize_level=4)
    with fits.open(path, disable_image_compression=True) as file:
        assert len(file[1].data.field("GZIP_COMPRESSED_DATA")[2])
    for nbytes in (None, 1):
        np.testing.assert_array_equal(
            reading.values(reading.scan(path, chunk_nbytes=nbytes), "C"), fits.getdata(path, 1)
        )


def by_hand(path, compressed, others, **keywords):
    """A compressed image of 3 tiles of 4 numbers, written as a table."""
    rows = [np.frombuffer(row, "u1") for row in compressed]
    columns = [fits.Column("COMPRESSED_DATA", "PB()", array=np.array([*rows, None], object)[:-1])]
    columns += others
    hdu = fits.BinTableHDU.from_columns(columns, name="C")
    keywords = {
        "ZIMAGE": True,
        "ZCMPTYPE": "GZIP_1",
        "ZBITPIX": -32,
        "ZNAXIS": 2,
        "ZNAXIS1": 4,
        "ZNAXIS2": 3,
        **keywords,
    }
    for key, value in keywords.items():
        hdu.header[key] = value
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def test_checksums_are_those_of_the_image(tmp_path):
    """CHECKSUM and DATASUM are those of the image before it was compressed, as in astropy; the table has its own."""
    header = fits.Header({"CHECKSUM": "of the image", "DATASUM": "42"})
    hdu = fits.CompImageHDU(np.arange(64, dtype="i4").reshape(8, 8), header, name="C")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits", checksum=True)
    attrs = chunkmap.scan(tmp_path / "a.fits").arrays["C"].meta.attrs
    with fits.open(tmp_path / "a.fits") as file:
        theirs = {name: file["C"].header.get(name) for name in ("CHECKSUM", "DATASUM")}
    with fits.open(tmp_path / "a.fits", disable_image_compression=True) as file:
        stored = file["C"].header
        assert stored["ZHECKSUM"] != stored["CHECKSUM"]
    assert {name: attrs.get(name) for name in ("CHECKSUM", "DATASUM", "ZHECKSUM")} == {**theirs, "ZHECKSUM": None}


def test_tiles_that_are_not_compressed(tmp_path, reading):
    """A tile without compressed bytes stands in the column of plain numbers, if there is one, else it is missing."""
    data = np.arange(12, dtype=">f4").reshape(3, 4)
    packed = [gzip.compress(data[0].tobytes()), b"", gzip.compress(data[2].tobytes())]
    rows = np.array([np.empty(0, ">f4"), data[1], np.empty(0, ">f4"), None], object)[:-1]
    path = by_hand(tmp_path / "a.fits", packed, [fits.Column("UNCOMPRESSED_DATA", "PE()", array=rows)])
    np.testing.assert_array_equal(reading.values(reading.scan(path), "C"), data)
    path = by_hand(tmp_path / "b.fits", packed, [])
    refs = reading.scan(path)
    assert not refs.arrays
    assert [(p.path, p.feature) for p in refs.problems] == [("C", "damaged HDU")]
    assert "tile 1" in refs.problems[0].message


def test_undefined_numbers_of_integers(tmp_path, reading):
    """BLANK of a compressed image masks as in a plain one, and scaling is left to CF as there."""
    data = np.arange(12, dtype=">i2").reshape(3, 4)
    path = write(tmp_path / "a.fits", data, "RICE_1", (1, 4), header={"BLANK": 5})
    refs = reading.scan(path)
    np.testing.assert_array_equal(reading.physical(refs, "C"), np.where(data == 5, np.nan, data))
    opened = xr.open_zarr(ReferenceStore(refs), consolidated=False, zarr_format=2)
    np.testing.assert_array_equal(opened["C"], np.where(data == 5, np.nan, data))


@pytest.mark.parametrize(
    ("algorithm", "dtype"), [("RICE_1", ">i2"), ("HCOMPRESS_1", ">u2"), ("RICE_1", ">f4"), ("GZIP_2", ">f8")]
)
def test_images_as_a_whole_combine(tmp_path, reading, algorithm, dtype):
    """As one chunk with its header, an image has nothing in its metadata that those of other files do not have."""
    images = []
    for n in range(3):
        data = (RNG.normal(size=(16, 20)) * 50 + 200).astype(dtype)
        path = write(tmp_path / f"{n}.fits", data, algorithm, (8, 10), dither_seed=n + 1)
        refs = reading.check(path, whole=True)
        assert not refs.problems
        images.append(fits.getdata(path, 1))
    sets = [chunkmap.scan(str(tmp_path / f"{n}.fits"), whole=True) for n in range(3)]
    cube = chunkmap.combine(sets, concat_dims=["time"], coo_map={"time": [0, 1, 2]})
    np.testing.assert_array_equal(reading.values(cube, "C"), images)
    codec = FitsImage((16, 21), 16)
    chunk = refs.arrays["C"].chunks[0]
    raw = path.read_bytes()[chunk.offset : chunk.offset + chunk.length]
    for wrong in (raw, raw[:4000], b"junk"):
        with pytest.raises(ValueError, match="compressed image"):
            codec.decode(wrong)


def test_cubes_of_tiles(tmp_path, reading):
    """Tiles of three axes, cut at every edge; chunks are whole tiles, neighbours in the file, each of own length."""
    data = RNG.integers(0, 99, (5, 7, 11)).astype(">i4")
    path = write(tmp_path / "a.fits", data, "RICE_1", (2, 3, 4))
    for nbytes in (1, 300, 1000, 10**6):
        refs = reading.check(path, chunk_nbytes=nbytes)
        chunks = refs.arrays["C"].chunks
        assert len(set(chunks.length.tolist())) == len(chunks)
        assert all(n % t == 0 for n, t in zip(refs.arrays["C"].meta.chunk_shape, (2, 3, 4), strict=True))


def test_the_attributes_are_those_of_the_image(tmp_path, reading):
    """Cards of the table are gone, those of the image have their own names."""
    path = write(tmp_path / "a.fits", np.zeros((3, 4), ">i2"), "RICE_1", header={"EXPTIME": 2.5, "BUNIT": "adu"})
    attrs = reading.scan(path).arrays["C"].meta.attrs
    assert (attrs["NAXIS"], attrs["NAXIS1"], attrs["NAXIS2"], attrs["BITPIX"]) == (2, 4, 3, 16)
    assert (attrs["EXPTIME"], attrs["units"]) == (2.5, "adu")
    assert not [key for key in attrs if key.startswith(("Z", "TTYPE", "TFORM", "TFIELDS"))]


@pytest.mark.parametrize(
    ("keywords", "feature"),
    [
        ({"ZCMPTYPE": "LZW_1"}, "tile compression"),
        ({"ZQUANTIZ": "BEST"}, "tile compression"),
        ({"ZCMPTYPE": "PLIO_1", "ZBITPIX": 16, "BZERO": 32768}, "tile compression"),
        ({"ZBITPIX": 7}, "damaged HDU"),
        ({"ZNAXIS2": 4}, "damaged HDU"),
        ({"ZTILE1": -1}, "damaged HDU"),
        ({"ZNAXIS": 0}, "damaged HDU"),
    ],
)
def test_what_is_refused(tmp_path, reading, keywords, feature):
    """Unknown algorithms, what libraries read differently, and headers that disagree with themselves are problems."""
    path = by_hand(tmp_path / "a.fits", [gzip.compress(bytes(16))] * 3, [], **keywords)
    refs = reading.scan(path)
    assert not refs.arrays
    assert [(p.path, p.feature) for p in refs.problems] == [("C", feature)]


def test_masks_of_pixels_are_refused(tmp_path, reading):
    """A mask of undefined pixels beside the tiles is refused by name."""
    mask = fits.Column("NULL_PIXEL_MASK", "PB()", array=np.array([np.zeros(1, "u1")] * 3 + [None], object)[:-1])
    path = by_hand(tmp_path / "a.fits", [gzip.compress(bytes(16))] * 3, [mask])
    assert [p.feature for p in reading.scan(path).problems] == ["ZMASKCMP"]


@pytest.mark.parametrize("algorithm", INTEGERS)
def test_damaged_tiles_raise_valueerror(tmp_path, reading, algorithm):
    """Bytes that no algorithm wrote are an error of values, and no crash."""
    path = write(tmp_path / "a.fits", RNG.integers(0, 200, (16, 16)).astype(">i2"), algorithm, (16, 16))
    refs = reading.scan(path)
    (config,) = refs.arrays["C"].meta.codecs
    chunk, codec = refs.arrays["C"].chunks[0], FitsTiles(**{k: v for k, v in config.items() if k != "id"})
    raw = path.read_bytes()[chunk.offset : chunk.offset + chunk.length]
    with pytest.raises(ValueError, match="chunk"):
        codec.decode(raw + b"x")
    for at in range(0, len(raw), max(len(raw) // 50, 1)):
        damaged = bytearray(raw)
        damaged[at] ^= 0x5A
        try:
            codec.decode(bytes(damaged))
        except ValueError:
            continue
    for shape in ((4, 3), (1, 2)):
        with pytest.raises(ValueError, match=r"tile|integers|list|gzip"):
            decode_tile(b"\0\1\2", algorithm, {}, shape, is_real=False)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_streams_that_are_cut_short(size):
    """A stream of RICE_1 that ends too early is an error, wherever it ends."""
    from astropy.io.fits.hdu.compressed import _compression

    values = RNG.integers(0, 120, 256).astype(f"i{size}" if size > 1 else "u1")
    raw = _compression.compress_rice_1_c(values.tobytes(), 32, size)
    told = {"BLOCKSIZE": 32, "BYTEPIX": size}
    assert np.array_equal(decode_tile(raw, "RICE_1", told, (16, 16), is_real=False), values)
    for length in range(1, len(raw) - 8):
        with pytest.raises(ValueError, match="RICE_1"):
            decode_tile(raw[:length], "RICE_1", told, (16, 16), is_real=False)


def test_images_of_many_files_are_one_array_of_variants(tmp_path):
    """Tiles that have a scale and a zero each, and dither of their own, are joined with variants, bit for bit."""
    for number in range(3):
        values = np.random.default_rng(number).normal(100 * number, 1 + number, (40, 60)).astype("f4")
        options = {"quantize_level": 16, "quantize_method": 1, "dither_seed": number + 1}
        write(tmp_path / f"{number}.fits", values, "RICE_1", (10, 60), **options)
    paths = sorted(map(str, tmp_path.glob("*.fits")))
    theirs = np.stack([fits.getdata(path, 1) for path in paths])
    how = {"concat_dims": "file", "coo_map": {"file": "INDEX"}}
    with pytest.raises(chunkmap.CombineError, match="variants=True"):
        chunkmap.combine(chunkmap.scan_many(paths), **how)
    for out in ("set.json", "set.parq"):
        chunkmap.build(paths, tmp_path / out, variants=True, **how)
        ours = chunkmap.open_dataset(str(tmp_path / out)).C.values
        np.testing.assert_array_equal(ours.view("u4"), theirs.astype("=f4").view("u4"))


def test_dither_against_the_standard():
    """The 10,000th random number is the one that the standard gives to check with: 1043618065 / (2^31 - 1)."""
    from chunkmap.codecs.fits.dither import _sequence

    assert _sequence()[-1] == np.float32(1043618065 / 2147483647)
    assert real_numbers(np.array([-2147483646], "i4"), 2.0, 1.0, "SUBTRACTIVE_DITHER_2", 5).tolist() == [0.0]
