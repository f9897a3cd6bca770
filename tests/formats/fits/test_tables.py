"""Tables beside astropy, and by formula where astropy is no oracle."""

import warnings

import numpy as np
import pytest
import xarray as xr
import zarr
from astropy.io import fits
from astropy.table import Table

from chunkmap.access.store import ReferenceStore

ROWS = 7
RNG = np.random.default_rng(0)


def write(path, *columns, table=fits.BinTableHDU, **keywords):
    """A file of one table."""
    hdu = table.from_columns(list(columns), name="T")
    for key, value in keywords.items():
        hdu.header[key] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def data_start(path):
    """Where the data of the table begin."""
    with fits.open(path) as file:
        return file[1].fileinfo()["datLoc"]


def column(name, form, array, **more):
    return fits.Column(name, form, array=array, **more)


def every_type():
    """One column of each type, and shapes of several."""
    return [
        column("L", "L", RNG.integers(0, 2, ROWS).astype(bool)),
        column("L3", "3L", RNG.integers(0, 2, (ROWS, 3)).astype(bool)),
        column("X", "11X", RNG.integers(0, 2, (ROWS, 11)).astype(bool)),
        column("X1", "1X", RNG.integers(0, 2, (ROWS, 1)).astype(bool)),
        column("B", "B", RNG.integers(0, 255, ROWS).astype("u1")),
        column("I", "I", RNG.integers(-9, 9, ROWS).astype("i2")),
        column("J", "J", RNG.integers(-9, 9, ROWS).astype("i4")),
        column("K", "K", RNG.integers(-9, 9, ROWS).astype("i8")),
        column("U", "I", RNG.integers(0, 65535, ROWS).astype("u2"), bzero=2**15),
        column("V", "J", RNG.integers(0, 2**32, ROWS).astype("u4"), bzero=2**31),
        column("W", "K", RNG.integers(0, 2**63, ROWS).astype("u8") * 2, bzero=2**63),
        column("E", "E", RNG.normal(size=ROWS).astype("f4")),
        column("D", "D", RNG.normal(size=ROWS)),
        column("C", "C", (RNG.normal(size=ROWS) + 1j).astype("c8")),
        column("M", "M", RNG.normal(size=ROWS) + 2j),
        column("A", "5A", [b"a", b"bb ", b" c", b"", b"ddddd", b"e f", b"x"]),
        column("E23", "6E", RNG.normal(size=(ROWS, 3, 2)).astype("f4"), dim="(2,3)"),
        column("A2", "6A", np.array([[b"ab", b"c"]] * ROWS, "S3"), dim="(3,2)"),
        column("E0", "0E", np.zeros((ROWS, 0), "f4")),
    ]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_every_type_of_column(tmp_path, reading, zarr_format):
    """Each type has its own array, of astropy's values, type and shape, in Zarr 2 and 3."""
    path = write(tmp_path / "a.fits", *every_type())
    refs = reading.check(path)
    assert not refs.problems
    assert len(refs.arrays) == len(every_type())
    assert {array.meta.dims[0] for array in refs.arrays.values()} == {"row"}
    assert refs.arrays["T/E23"].meta.dims == ("row", "E23_axis1", "E23_axis2")
    store = ReferenceStore(refs, zarr_format=zarr_format)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", zarr.errors.ZarrUserWarning)
        warnings.simplefilter("ignore", zarr.errors.UnstableSpecificationWarning)
        for name in refs.arrays:
            found = zarr.open_array(store, path=name, mode="r", zarr_format=zarr_format)[...]
            np.testing.assert_array_equal(found, reading.values(refs, name), name)


@pytest.mark.parametrize("nbytes", [1, 300, 10**6])
def test_rows_are_cut_into_chunks(tmp_path, reading, nbytes):
    """Chunks hold rows of at most `chunk_nbytes`; the last one may hold fewer."""
    path = write(tmp_path / "a.fits", *every_type())
    refs = reading.check(path, chunk_nbytes=nbytes)
    row = fits.getheader(path, 1)["NAXIS1"]
    assert refs.arrays["T/E"].meta.chunk_shape[0] == max(min(nbytes // row, ROWS), 1)


def test_a_column_is_not_more_than_its_own_range(tmp_path, reading):
    """A reference begins with the first byte of a column and ends with its last."""
    path = write(tmp_path / "a.fits", column("A", "J", np.arange(3)), column("B", "I", np.arange(3)))
    refs = reading.scan(path)
    data = data_start(path)
    chunks = [refs.arrays[f"T/{name}"].chunks[0] for name in "AB"]
    assert [(c.offset - data, c.length) for c in chunks] == [(0, 16), (4, 14)]
    assert dict(refs.arrays["T/B"].meta.codecs[0]) == {"id": "record_slice", "record": 6, "nbytes": 2}


def test_scaled_columns_by_formula(tmp_path, reading):
    """Values are TSCAL x number + TZERO in double precision, undefined where the *stored* number is TNULL."""
    stored = {"B": np.arange(7, dtype="u1"), "I": np.arange(7, dtype=">i2"), "J": np.arange(7, dtype=">i4")}
    hdu = fits.BinTableHDU.from_columns([column(n, n, a) for n, a in stored.items()], name="T")
    for n in (1, 2, 3):
        hdu.header[f"TSCAL{n}"], hdu.header[f"TZERO{n}"], hdu.header[f"TNULL{n}"] = 0.1, -3.0, 4
    hdu.header["TUNIT1"] = "mag"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits")
    refs = reading.scan(tmp_path / "a.fits")
    opened = xr.open_zarr(ReferenceStore(refs), group="T", consolidated=False, zarr_format=2)
    for name, numbers in stored.items():
        exact = np.where(numbers == 4, np.nan, numbers * 0.1 + -3.0)
        np.testing.assert_array_equal(reading.physical(refs, f"T/{name}"), exact)
        np.testing.assert_array_equal(opened[name], exact)
    assert refs.arrays["T/B"].meta.attrs["units"] == "mag"


@pytest.mark.parametrize(
    ("code", "zero", "dtype"), [("B", -128, "i1"), ("I", 2**15, "u2"), ("J", 2**31, "u4"), ("K", 2**63, "u8")]
)
def test_undefined_numbers_whose_sign_is_turned(tmp_path, reading, code, zero, dtype):
    """TNULL is a stored number: turned round as all others, it is the fill value."""
    size = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8"}[code]
    hdu = fits.BinTableHDU.from_columns([column("A", code, np.arange(4, dtype=size))], name="T")
    hdu.header["TZERO1"], hdu.header["TNULL1"] = zero, 2
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits")
    refs = reading.scan(tmp_path / "a.fits")
    meta = refs.arrays["T/A"].meta
    assert meta.dtype.newbyteorder("=") == np.dtype(dtype)
    assert int(meta.fill_value) == 2 + zero
    assert reading.values(refs, "T/A").tolist() == [n + zero for n in range(4)]


def test_masked_tables_of_astropy(tmp_path, reading):
    """What `Table.write` masks by TNULL is undefined here, too."""
    table = Table({"A": np.ma.array([1, 2, 3], mask=[False, True, False])})
    table.write(tmp_path / "a.fits")
    refs = reading.check(tmp_path / "a.fits")
    np.testing.assert_array_equal(reading.physical(refs, "1/A"), [1, np.nan, 3])


def test_text_ends_with_the_first_nul(tmp_path, reading):
    """What stands behind a NUL is no text, and spaces at the end are none."""
    path = write(tmp_path / "a.fits", column("A", "5A", np.array([b"abcde"] * 2, "S5")))
    raw = path.read_bytes().replace(b"abcdeabcde", b"a\0cdeb c  ")
    assert reading.values(reading.scan(raw), "T/A").tolist() == [b"a", b"b c"]


def test_names_of_columns(tmp_path, reading):
    """Columns without a name have a number, those of one name are told apart, and a slash is none of a path."""
    path = write(tmp_path / "a.fits", *(column(f"C{n}", "J", np.full(2, n)) for n in range(5)))
    with fits.open(path, mode="update") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n, name in enumerate(["A", "A", "S/N", "row", ""], 1):
            file[1].header[f"TTYPE{n}"] = name
    refs = reading.scan(path)
    assert list(refs.arrays) == ["T/A", "T/A_2", "T/S_N", "T/row", "T/col5"]
    assert [int(reading.values(refs, name)[0]) for name in refs.arrays] == [0, 1, 2, 3, 4]
    assert refs.arrays["T/A"].meta.dims == ("row_2",)
    assert refs.arrays["T/S_N"].meta.attrs["TTYPE"] == "S/N"


@pytest.mark.parametrize(("tdim", "shape"), [("(3,2)", (2, 3)), ("(2,2)", (2, 2)), ("(4,4)", (6,)), ("nonsense", (6,))])
def test_tdim_that_does_not_fit(tmp_path, reading, tdim, shape):
    """A TDIM of more elements than there are is passed over; of one of fewer, the first elements are meant."""
    path = write(tmp_path / "a.fits", column("A", "6J", np.arange(12).reshape(2, 6)), TDIM1=tdim)
    refs = reading.scan(path)
    expected = np.arange(12).reshape(2, 6)[:, : int(np.prod(shape))].reshape(2, *shape)
    np.testing.assert_array_equal(reading.values(refs, "T/A"), expected)


def various(dtype, lengths=(2, 0, 3, 1)):
    """Rows of various lengths."""
    rows = np.empty(len(lengths), object)
    rows[:] = [RNG.integers(0, 2 if dtype is bool else 100, n).astype(dtype) for n in lengths]
    return rows


@pytest.mark.parametrize("code", "PQ")
@pytest.mark.parametrize("letter", "LBIJKEDCM")
def test_columns_of_various_lengths(tmp_path, reading, code, letter):
    """Each row is filled up to the longest, and how long it is stands beside it; descriptors are of 32 and 64 bits."""
    dtype = {"L": bool, "B": "u1", "I": "i2", "J": "i4", "K": "i8", "E": "f4", "D": "f8", "C": "c8", "M": "c16"}[letter]
    rows = various(dtype)
    path = write(tmp_path / "a.fits", column("N", "J", np.arange(4)), column("V", f"{code}{letter}()", rows))
    refs = reading.check(path)
    assert not refs.problems
    found = reading.values(refs, "T/V")
    assert found.shape == (4, 3)
    assert reading.values(refs, "T/V_length").tolist() == [2, 0, 3, 1]
    rest = found[1]
    assert np.isnan(rest).all() if letter in "EDCM" else not rest.any()


@pytest.mark.parametrize("form", ["PJ()", "QD()", "PA()", "PL()"])
def test_columns_of_various_lengths_without_a_row(tmp_path, reading, form):
    """A table without a row has its columns of various lengths, and how long they are, as it has all others."""
    path = write(tmp_path / "a.fits", column("N", "J", np.arange(0)), column("V", form, np.array([], object)))
    refs = reading.check(path)
    assert not refs.problems
    assert list(refs.arrays) == ["T/N", "T/V", "T/V_length"]
    assert {len(reading.values(refs, array)) for array in refs.arrays} == {0}


def test_text_and_bits_of_various_lengths(tmp_path, reading):
    """Text of various lengths is text; bits are bits."""
    texts = np.array(["a", "", "long text", "b "], object)
    path = write(tmp_path / "a.fits", column("T", "PA()", texts))
    refs = reading.check(path)
    assert reading.values(refs, "T/T").tolist() == [b"a", b"", b"long text", b"b"]
    path = write(
        tmp_path / "b.fits",
        column("X", "PB()", np.array([np.array([0xA0, 0x80], "u1"), np.array([0x40], "u1")], object)),
    )
    raw = path.read_bytes().replace(b"PB(2)", b"PX(9)")
    start = data_start(path)
    bits = bytearray(raw)
    bits[start + 3], bits[start + 11] = 9, 3
    refs = reading.scan(bytes(bits))
    assert reading.values(refs, "T/X").astype(int).tolist() == [
        [1, 0, 1, 0, 0, 0, 0, 0, 1],
        [0, 1, 0, 0, 0, 0, 0, 0, 0],
    ]
    assert reading.values(refs, "T/X_length").tolist() == [9, 3]


def test_various_lengths_with_a_scale(tmp_path, reading):
    """All rows are scaled by the formula, of which astropy has the first row alone; undefined ones fill rows up."""
    path = write(tmp_path / "a.fits", column("V", "PI()", various("i2")), TSCAL1=0.5, TZERO1=10.0, TNULL1=-1)
    heap = np.frombuffer(path.read_bytes(), ">i2", 6, data_start(path) + 4 * 8)
    found = reading.physical(reading.scan(path), "T/V")
    rows = np.split(heap, [2, 2, 5])
    for row, numbers in zip(found, rows, strict=True):
        np.testing.assert_array_equal(row[: len(numbers)], numbers * 0.5 + 10)
        assert np.isnan(row[len(numbers) :]).all()


def test_a_row_that_would_fill_memory(reading, tmp_path):
    """One very long row among many short ones would make all as long: a problem, not an array of terabytes."""
    rows = various("u1", [1] * 3000 + [100_000])
    path = write(tmp_path / "a.fits", column("N", "J", np.arange(3001)), column("V", "PB()", rows))
    refs = reading.scan(path)
    assert list(refs.arrays) == ["T/N"]
    assert [(p.path, p.feature) for p in refs.problems] == [("T/V", "variable-length column")]


def test_a_gap_before_the_heap(tmp_path, reading):
    """THEAP says where the heap begins."""
    path = write(tmp_path / "a.fits", column("V", "PI()", various("i2")))
    start, header = data_start(path), fits.getheader(path, 1)
    raw = path.read_bytes()
    moved = raw[: start + 32] + bytes(64) + raw[start + 32 :][:-64]
    pcount = f"PCOUNT  = {header['PCOUNT']:20d}".encode()
    assert pcount in raw
    moved = moved.replace(pcount, f"PCOUNT  = {header['PCOUNT'] + 64:20d}".encode())
    card = f"THEAP   = {32 + 64:20d}".ljust(80).encode()
    end = moved.index(b"END" + b" " * 77, 2880)
    moved = moved[:end] + card + b"END".ljust(80) + moved[end + 160 :]
    np.testing.assert_array_equal(reading.values(reading.scan(moved), "T/V"), reading.values(reading.scan(path), "T/V"))


def test_ascii_tables(tmp_path, reading):
    """Text becomes numbers: integers by their width, real numbers in double precision, spaces at the end of text go."""
    path = write(
        tmp_path / "a.fits",
        column("S", "A5", ["ab", "c d", ""]),
        column("I4", "I4", [1, -2, 3]),
        column("I9", "I9", [123456789, 0, -1]),
        column("I18", "I18", [10**15, 0, -1]),
        column("F", "F8.3", [1.25, -2.5, 0]),
        column("E", "E12.4", [1e10, -2.5e-5, 0]),
        column("D", "D20.10", [1e100, -2.5e-200, 0]),
        table=fits.TableHDU,
    )
    refs = reading.check(path)
    assert not refs.problems
    kinds = [array.meta.dtype.str for array in refs.arrays.values()]
    assert kinds == ["|S5", "<i2", "<i4", "<i8", "<f8", "<f8", "<f8"]


@pytest.mark.parametrize("null", ["-99", "---", " "])
def test_undefined_numbers_of_ascii_tables(tmp_path, reading, null):
    """TNULL is a text, which need be no number: integers have a fill value for it, real numbers are NaN."""
    path = write(
        tmp_path / "a.fits",
        column("I", "I6", [1, 2, 3], null=null),
        column("F", "F6.2", [1.5, 2.5, 3.5], null=null),
        table=fits.TableHDU,
    )
    raw, start = path.read_bytes(), data_start(path)
    data = raw[start:].replace(b"     2", null.rjust(6).encode()).replace(b"  2.50", null.rjust(6).encode())
    raw = raw[:start] + data
    refs = reading.scan(raw)
    np.testing.assert_array_equal(reading.physical(refs, "T/I"), [1, np.nan, 3])
    np.testing.assert_array_equal(reading.physical(refs, "T/F"), [1.5, np.nan, 3.5])


def test_portable_tables(tmp_path, reading):
    """As one structured array a table needs no codec at all: the stored numbers, several of them as members each."""
    path = write(tmp_path / "a.fits", *every_type())
    refs = reading.scan(path, portable=True)
    (array,) = refs.arrays.values()
    assert not array.meta.codecs
    found, stored = reading.values(refs, "T"), fits.getdata(path, 1).view(np.ndarray)
    assert found.shape == (ROWS,)
    assert found["E23[2,1]"].tolist() == stored["E23"].reshape(ROWS, 3, 2)[:, 2, 1].tolist()
    for name in ("B", "I", "J", "K", "E", "D", "C", "M"):
        np.testing.assert_array_equal(found[name], stored[name])
    opened = zarr.open_array(ReferenceStore(refs), path="T", mode="r", zarr_format=2)[...]
    np.testing.assert_array_equal(opened["J"], stored["J"])


def test_portable_tables_say_which_numbers_are_no_values(tmp_path, reading):
    """Columns that astropy scales or masks are named: as they are stored they are other numbers."""
    plain = [column("I", "I", np.arange(3)), column("E", "E", np.arange(3)), column("A", "2A", ["a", "b", "c"])]
    others = [
        fits.Column("U", "J", bzero=2**31, array=np.arange(3, dtype="u4")),
        fits.Column("N", "I", null=2, array=np.arange(3)),
        column("L", "L", [True, False, True]),
        column("X", "3X", np.ones((3, 3), bool)),
        column("P", "PJ()", np.array([np.arange(n) for n in range(3)], object)),
    ]
    path = write(tmp_path / "a.fits", *plain, *others)
    (problem,) = reading.scan(path, portable=True).problems
    assert (problem.path, problem.feature) == ("T", "stored values")
    assert problem.message.endswith("of U, N, L, X, P")
    assert not reading.scan(write(tmp_path / "b.fits", *plain), portable=True).problems


def test_what_is_refused_by_name(tmp_path, reading):
    """A compressed table, columns that do not fit their rows and a type that is none are problems of their table."""
    path = write(tmp_path / "a.fits", column("A", "J", np.arange(3)), ZTABLE=True)
    assert [p.feature for p in reading.scan(path).problems] == ["ZTABLE"]
    raw = write(tmp_path / "b.fits", column("A", "J", np.arange(3))).read_bytes()
    for form in (b"'9D      '", b"'Z       '"):
        refs = reading.scan(raw.replace(b"'J       '", form))
        assert not refs.arrays
        assert [(p.path, p.feature) for p in refs.problems] == [("T", "damaged HDU")]
