"""What the engine gives is what xarray's own engine gives of the file: values, types, and the types of attributes."""

import pickle
import warnings

import h5py
import netCDF4
import numpy as np
import pytest
import scipy.io
import xarray as xr
from identical import assert_identical

import chunkmap
from chunkmap.formats.scanning import scan
from chunkmap.frontends.opening import open_store
from chunkmap.model.records import nested_in
from chunkmap.model.typed import as_numpy, code_of, typed

NUMBERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]


def write_netcdf(path, version="NETCDF4", types=NUMBERS):
    """Packed arrays, and every type of attribute that the format has: one number, several, odd ones, text."""
    with netCDF4.Dataset(path, "w", format=version) as file:
        file.createDimension("x", 4)
        file.title, file.empty = "märz", ""
        for place in (file, file.createGroup("inner/most") if version == "NETCDF4" else file):
            for code in types:
                place.setncattr(f"one_{code}", np.array(7, code)[()])
                place.setncattr(f"several_{code}", np.array([7, 8], code))
            for code in ("f4", "f8"):
                place.setncattr(f"odd_{code}", np.array([np.nan, np.inf, -np.inf, 0.1], code))
                place.setncattr(f"nan_{code}", np.array(np.nan, code)[()])
            if version == "NETCDF4":
                place.setncattr("texts", ["a", "b"])
        for code in types:
            array = file.createVariable(f"v_{code}", code, ("x",), fill_value=np.array(3, code)[()])
            array.set_auto_maskandscale(False)
            array.scale_factor = np.float32(0.1) if code != "u4" else np.float64(0.1)
            array.add_offset = np.float32(2) if code != "i4" else np.int16(2)
            array.valid_range = np.array([0, 4], code)
            array[:] = [0, 1, 2, 3]
        times = file.createVariable("x", "f4", ("x",))
        times.units = "days since 2001-01-01"
        times.missing_value = np.float32(np.nan)
        times[:] = [0.5, 1, 2, 3]


def write_with_h5py(path):
    """Scalars and arrays of one element, axes, big-endian, empty, half floats, complex numbers, truth."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("v", data=np.arange(4, dtype=">i2"))
        for code in [*NUMBERS, "f2", ">f4", ">i8"]:
            for name, shape in (("scalar", ()), ("one", (1,)), ("axes", (2, 3)), ("many", (100,)), ("none", (0,))):
                data.attrs.create(f"{name}_{code}", np.full(shape, 1.5).astype(code))
        file.attrs["complex"] = np.complex64(1 + 2j)
        file.attrs["complexes"] = np.array([1 + 2j, 3], np.complex128)
        file.attrs["no complexes"] = np.empty(0, np.complex64)
        data.attrs["half"] = np.array([np.nan, 0.1], np.float16)
        file.attrs["null"] = h5py.Empty("f4")
        file.attrs["truths"] = np.array([True, False])


def write_with_scipy(path):
    """A NetCDF3 file as scipy writes it."""
    with scipy.io.netcdf_file(path, "w", version=2) as file:
        file.createDimension("x", 2)
        file.number, file.numbers = np.float32(0.1), np.array([1, 2], ">i2")
        array = file.createVariable("v", ">i2", ("x",))
        array.scale_factor, array._FillValue = np.float32(0.1), np.int16(2)
        array[:] = [1, 2]


WRITERS = {
    "netcdf4": (write_netcdf, "h5netcdf"),
    "netcdf4 by C": (write_netcdf, "netcdf4"),
    "cdf-5": (lambda path: write_netcdf(path, "NETCDF3_64BIT_DATA"), "netcdf4"),
    "classic": (lambda path: write_netcdf(path, "NETCDF3_CLASSIC", ["i1", "i2", "i4", "f4", "f8"]), "netcdf4"),
    "h5py": (write_with_h5py, "h5netcdf"),
    "scipy": (write_with_scipy, "netcdf4"),
}


def roads(refs, directory, *, only_first):
    """The set as every way of keeping or sending it gives it back, as what the engine opens."""
    yield refs
    if only_first:
        return
    yield pickle.loads(pickle.dumps(refs))
    yield refs.to_dict()
    yield refs.to_dict(zarr_format=3)
    yield open_store(refs)
    for name in ("a.json", "a.json.gz", "a.parq"):
        chunkmap.write(refs, directory / name)
        yield directory / name
    chunkmap.write(refs, directory / "v3.json", zarr_format=3)
    yield directory / "v3.json"


@pytest.mark.parametrize("decode_cf", [True, False])
@pytest.mark.parametrize("written", WRITERS)
def test_a_file_opens_as_by_its_own_engine(tmp_path, written, decode_cf):
    """Values, types, attributes and their types are those of the native engine, whatever way the set took."""
    write, engine = WRITERS[written]
    path = str(tmp_path / "a.nc")
    write(path)
    options = {"phony_dims": "sort"} if engine == "h5netcdf" else {}
    groups = [None, "inner/most"] if write is write_netcdf else [None]
    refs = scan(path)
    for group in groups:
        with xr.open_dataset(path, engine=engine, group=group, decode_cf=decode_cf, **options) as expected:
            for road in roads(refs, tmp_path, only_first=decode_cf or group is not None):
                with xr.open_dataset(road, engine="chunkmap", group=group, decode_cf=decode_cf) as found:
                    assert_identical(found, expected)


def test_what_is_combined_keeps_its_types(tmp_path):
    """Types go through a cache of scans, `build` to every form, and `append`; the first file's are those of all."""
    paths = []
    for number in range(3):
        paths.append(str(tmp_path / f"{number}.nc"))
        with netCDF4.Dataset(paths[-1], "w") as file:
            file.level = np.uint8(3)
            file.createDimension("time", 1)
            file.createVariable("time", "i4", ("time",))[:] = number
            array = file.createVariable("v", "i2", ("time",))
            array.set_auto_maskandscale(False)
            array.scale_factor, array.range = np.float32(0.1), np.array([1, np.inf], "f4")
            array[:] = number
    with xr.open_mfdataset(paths, engine="h5netcdf", combine="nested", concat_dim="time") as whole:
        expected = whole.load()
    for name in ("a.json", "a.parq"):
        for _ in range(2):
            chunkmap.build(paths[:2], tmp_path / name, concat_dims=["time"], cache=tmp_path / "cache")
        chunkmap.append(tmp_path / name, paths[2:], concat_dims=["time"], cache=tmp_path / "cache")
        with xr.open_dataset(tmp_path / name, engine="chunkmap") as found:
            assert_identical(found, expected)


def test_icechunk_keeps_types(tmp_path):
    """A repository gives back types, of groups too, and numbers that Icechunk does not take; others see plain Zarr."""
    pytest.importorskip("icechunk")
    write_netcdf(str(tmp_path / "a.nc"))
    with h5py.File(tmp_path / "a.nc", "r+") as file:
        for place in (file, file["inner/most"]):
            place.attrs.update({name: value for name, value in OF_RECORDS.items() if value.size})
        file["v_f4"].attrs["_FillValue"] = np.int32(3)
        file["v_i2"].attrs["record"] = OF_RECORDS["several"]
    refs = scan(str(tmp_path / "a.nc"), inline_threshold=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chunkmap.write(refs, tmp_path / "a.icechunk")
    for group in (None, "inner/most"):
        with (
            xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf", group=group) as expected,
            xr.open_dataset(tmp_path / "a.icechunk", engine="chunkmap", group=group) as found,
        ):
            assert_identical(found, expected)
    import icechunk

    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(tmp_path / "a.icechunk")))
    with xr.open_zarr(repository.readonly_session("main").store, consolidated=False) as plain:
        assert plain.attrs["one_i2"] == 7
        assert plain.v_i2.values.tolist() == pytest.approx([2.0, 2.1, 2.2, np.nan], nan_ok=True)


@pytest.mark.parametrize("own", [None, "text of its own"])
def test_icechunk_keeps_types_where_there_is_no_array(tmp_path, own):
    """Attributes of a file without arrays, records among them, come back as they are; an own one called so stays."""
    pytest.importorskip("icechunk")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for place in (file, file.create_group("inner/most")):
            place.attrs.update({name: value for name, value in OF_RECORDS.items() if value.size})
            place.attrs.update(one=np.float32(0.1), none=np.float32(np.nan))
        if own is not None:
            file["inner"].attrs["chunkmap"] = own
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chunkmap.write(scan(str(tmp_path / "a.h5")), tmp_path / "a.icechunk")
    for group in (None, "inner", "inner/most"):
        with (
            xr.open_dataset(tmp_path / "a.h5", engine="h5netcdf", group=group) as expected,
            xr.open_dataset(tmp_path / "a.icechunk", engine="chunkmap", group=group) as found,
        ):
            assert_identical(found, expected)


def test_other_readers_see_plain_zarr(tmp_path):
    """What says the types stands beside the references: fsspec and zarr read the set as ever."""
    write_netcdf(str(tmp_path / "a.nc"))
    refs = scan(str(tmp_path / "a.nc"))
    chunkmap.write(refs, tmp_path / "a.json")
    with xr.open_dataset(tmp_path / "a.json", engine="kerchunk", backend_kwargs={}) as plain:
        assert plain.attrs["several_i2"] == [7, 8]
        assert plain.v_i2.encoding["scale_factor"] == float(np.float32(0.1))
    assert not any("chunkmap" in key for key in refs.to_dict()["refs"])


def test_a_joined_array_unpacks_to_the_widest_type(tmp_path):
    """Where one file packs by a float and one by a double of the same value, the result is double, as xarray's is."""
    paths = []
    for number, code in enumerate(("f4", "f8")):
        paths.append(str(tmp_path / f"{number}.nc"))
        with netCDF4.Dataset(paths[-1], "w") as file:
            file.createDimension("time", 1)
            file.createVariable("time", "i4", ("time",))[:] = number
            array = file.createVariable("v", "i2", ("time",))
            array.set_auto_maskandscale(False)
            array.scale_factor = np.array(0.5, code)[()]
            array[:] = number
    for order in (paths, paths[::-1]):
        joined = chunkmap.combine([scan(path) for path in order], concat_dims=["time"])
        with xr.open_dataset(joined, engine="chunkmap") as found:
            assert found.v.dtype == np.float64


@pytest.mark.parametrize(
    ("value", "code"),
    [
        *((1, "u1"), (300, "u1"), (-1, "u8"), ("text", "f4"), ([1, "a"], "f4"), ([[1], [1, 2]], "i2"), (1.5, "i4")),
        *((None, "i2"), (1, "q9"), ([1, 2], "S3"), ({"a": 1}, "f4"), (True, "i1"), ([1.5], "i2"), ([1, 2], "c8")),
        ("1" * 400, "f8"),
        *(([1], code) for code in ("[", "[5]", '[1,["a",0,"|O"]]', '[1,["a",0,"|u1"]]', '[9,["a",0,"<f4"]]')),
        *(([1, 2], code) for code in ('[1,["a",0,"|u1"]]', '[[1,["a",0,"|u1"]],2]', '[99999999999,["a",0,"|u1"]]')),
    ],
)
def test_types_that_do_not_fit_say_nothing(value, code):
    """A set whose types were damaged, or whose attributes another tool changed, opens with the attribute as it is."""
    document = {"version": 1, "refs": {".zgroup": {"zarr_format": 2}, ".zattrs": {"a": value}}}
    document["chunkmap"] = {"attribute_types": [[{code: ["a", "b", 3], "i1": "a", "i2": None}, ["", 3, "x"]]]}
    refs = chunkmap.load(document)
    assert refs.attrs == {"a": value}
    as_numpy(refs.attrs["a"])
    for said in (
        3,
        {"attribute_types": {"a": 1}},
        *({"attribute_types": [odd]} for odd in (3, [3, [""]], [{}, 3])),
        None,
    ):
        assert chunkmap.load({**document, "chunkmap": said}).attrs == {"a": value}


def test_one_element_is_told_from_a_scalar(tmp_path):
    """The set knows which numbers are arrays of one element, which engines show as the element."""
    write_with_h5py(tmp_path / "a.h5")
    attrs = scan(str(tmp_path / "a.h5")).arrays["v"].meta.attrs
    assert (code_of(attrs["one_f4"]), code_of(attrs["scalar_f4"])) == ("f4[1]", "f4")
    assert typed(1, "i2") == 1


@pytest.mark.parametrize("version", ["NETCDF4", "NETCDF3_CLASSIC"])
def test_unsigned_numbers_are_masked_in_any_byte_order(tmp_path, version):
    """Fill values of numbers that are unsigned by convention are missing, as netCDF4 has it."""
    path = str(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "w", format=version) as file:
        file.createDimension("x", 3)
        order = {"endian": "big"} if version == "NETCDF4" else {}
        code = ">i2" if order else "i2"
        array = file.createVariable("v", code, ("x",), fill_value=np.array(7, code)[()], **order)
        array.set_auto_maskandscale(False)
        array.setncattr("_Unsigned", "true")
        array[:] = [1, 7, -2]
    with netCDF4.Dataset(path) as file:
        expected = file["v"][:].astype("f4").filled(np.nan)
    with xr.open_dataset(scan(path), engine="chunkmap") as found:
        np.testing.assert_array_equal(found.v, expected)


def test_text_is_as_long_as_the_longest(tmp_path):
    """Text of variable length that the set holds has the type that the engines of files give it, unwritten too."""
    path = str(tmp_path / "a.h5")
    with h5py.File(path, "w") as file:
        file["texts"] = np.array(["märz", "a"], object)
        file["scalar"] = "one"
        file.create_dataset("unwritten", (3,), h5py.string_dtype())
        file.create_dataset("none", (0,), h5py.string_dtype())
    for decode_cf in (True, False):
        with (
            xr.open_dataset(path, engine="h5netcdf", phony_dims="sort", decode_cf=decode_cf) as expected,
            xr.open_dataset(scan(path), engine="chunkmap", decode_cf=decode_cf) as found,
        ):
            assert_identical(found, expected)


def write_enumeration(path):
    """An enumeration with a fill value, and attributes of the same names beside one."""
    with netCDF4.Dataset(path, "w") as file:
        kind = file.createEnumType("u1", "cloud", {"clear": 0, "cumulus": 1, "missing": 255})
        file.createDimension("x", 3)
        for name in ("v", "own"):
            array = file.createVariable(name, kind, ("x",), fill_value=255)
            array[:2] = [0, 1]
        array.flag_meanings, array.flag_values = "sun rain", np.array([0, 1], "u1")


@pytest.mark.parametrize("decode_cf", [True, False])
def test_an_enumeration_is_a_type_and_no_attribute(tmp_path, decode_cf):
    """By every road it is as xarray's own engine gives it, with its names in the type; zarr sees the CF attributes."""
    path = tmp_path / "a.nc"
    write_enumeration(path)
    refs = scan(str(path))
    assert set(refs.arrays["v"].meta.attrs) >= {"flag_values", "flag_meanings"}
    with xr.open_dataset(path, engine="h5netcdf", decode_cf=decode_cf) as expected:
        for road in roads(refs, tmp_path, only_first=False):
            found = xr.open_dataset(road, engine="chunkmap", decode_cf=decode_cf)
            assert_identical(found, expected)
            names = [one["v"].encoding["dtype"].metadata["enum"] for one in (found, expected)]
            assert names[0] == names[1]


def test_an_enumeration_is_written_again(tmp_path):
    """What was opened through references has the names of an enumeration when it is written as netCDF."""
    write_enumeration(tmp_path / "a.nc")
    chunkmap.open_dataset(str(tmp_path / "a.nc")).to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with netCDF4.Dataset(tmp_path / "b.nc") as file:
        assert file["v"].datatype.enum_dict == {"clear": 0, "cumulus": 1, "missing": 255}
        file.set_auto_mask(False)
        assert file["v"][:].tolist() == [0, 1, 255]


NESTED = np.dtype([("x", "i1"), ("y", [("p", "<i8"), ("q", "<f4", (2,))])], align=True)
OF_RECORDS = {
    "one": np.array((1, 2.5, b"ab"), [("a", "<i2"), ("b", ">f4"), ("s", "S4")]),
    "one in an axis": np.array([(1, 2.5, "m\u00e4".encode())], [("a", "<i2"), ("b", ">f4"), ("s", "S4")]),
    "several": np.array([[(1, np.nan), (2, -np.inf)]] * 3, [("a", "u1"), ("b", "<f8")]),
    "nested": np.array((1, (2, [3, np.inf])), NESTED),
    "none": np.zeros((0, 3), [("a", "u1"), ("b", "<f8")]),
    "complex and true": np.array((1j, True, 7), [("c", "c8"), ("t", "?"), ("n", "u8")]),
    "named as what it is not": np.array([(b"NaN",), (b"[1]",)], [("s", "S4")]),
}


def write_records_of_attributes(path):
    """Attributes of a group and of a dataset that are records."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("v", data=np.arange(3))
        for name, value in OF_RECORDS.items():
            data.attrs[name] = file.attrs[name] = value
        sequence = np.empty((), object)
        sequence[()] = np.array([(1, 2), (3, 4)], [("a", "u1"), ("b", "<f8")])
        data.attrs.create("sequence", sequence, (), h5py.vlen_dtype(sequence[()].dtype))


@pytest.mark.parametrize("decode_cf", [True, False])
def test_records_among_attributes_keep_their_types(tmp_path, decode_cf):
    """By every road an attribute of records is what the native engine gives; other readers see lists."""
    path = tmp_path / "a.h5"
    write_records_of_attributes(path)
    refs = scan(str(path))
    assert refs.attrs["one"] == [1, 2.5, "ab"]
    assert not refs.problems
    with xr.open_dataset(path, engine="h5netcdf", phony_dims="sort", decode_cf=decode_cf) as expected:
        for road in roads(refs, tmp_path, only_first=False):
            with xr.open_dataset(road, engine="chunkmap", decode_cf=decode_cf) as found:
                assert_identical(found, expected)


FILLS = {
    "other float": ("f4", np.int32(2)),
    "other integer": ("i4", np.int16(2)),
    "number of an integer": ("i2", np.float64(2)),
    "no integer": ("i2", np.float64("nan")),
    "out of range": ("u1", np.int32(-1)),
    "rounded": ("f8", np.float32(0.1)),
    "several": ("i2", np.array([1, 2], "i2")),
    "one in an axis": ("i2", np.array([2], "i2")),
    "none": ("i2", h5py.Empty("i2")),
    "text": ("i2", "2"),
    "letter": ("S1", np.bytes_(b"a")),
    "letter of any length": ("S1", "a"),
    "longer than a letter": ("S1", "abc"),
    "letters": ("S2", np.bytes_(b"aa")),
    "letter of letters": ("S2", np.bytes_(b"a")),
}


def write_fills(path, *, partly=False):
    """Variables whose `_FillValue` is of another type, or more than one value; or all of whose chunks are not there."""
    with h5py.File(path, "w") as file:
        for number, (code, fill) in enumerate(FILLS.values()):
            data = np.array([1, 2, 3] if code[0] != "S" else [b"a", b"b", b"aa"]).astype(code)
            if (
                partly
                and np.dtype(code).kind in "if"
                and np.shape(fill) == ()
                and not isinstance(fill, (str, h5py.Empty))
            ):
                array = file.create_dataset(f"v{number}", (6,), code, chunks=(3,), fillvalue=3)
                array[:3] = data
            else:
                array = file.create_dataset(f"v{number}", data=data)
            array.attrs["_FillValue"] = fill


@pytest.mark.filterwarnings("ignore::xarray.SerializationWarning")
@pytest.mark.parametrize("partly", [False, True])
@pytest.mark.parametrize("decode_cf", [True, False])
def test_fill_values_of_another_type_keep_it(tmp_path, decode_cf, partly):
    """By every road `_FillValue` is what the file says, and what it masks is what the native engine masks."""
    path = tmp_path / "a.h5"
    write_fills(path, partly=partly)
    refs = scan(str(path))
    with xr.open_dataset(path, engine="h5netcdf", phony_dims="sort", decode_cf=decode_cf) as expected:
        for road in roads(refs, tmp_path, only_first=False):
            with xr.open_dataset(road, engine="chunkmap", decode_cf=decode_cf) as found:
                assert_identical(found, expected)


def test_a_fill_value_of_another_type_is_the_same_fill_value(tmp_path):
    """Files that say it once in the variable's type and once in another one are combined."""
    for number, fill in enumerate((np.float32(2), np.int32(2))):
        with netCDF4.Dataset(tmp_path / f"{number}.nc", "w") as file:
            file.createDimension("time", 1)
            file.createVariable("time", "i4", ("time",))[:] = number
            file.createVariable("v", "f4", ("time",))[:] = number + 1
        with h5py.File(tmp_path / f"{number}.nc", "r+") as file:
            file["v"].attrs["_FillValue"] = fill
    joined = chunkmap.combine([scan(str(tmp_path / f"{number}.nc")) for number in (0, 1)], concat_dims=["time"])
    with xr.open_dataset(joined, engine="chunkmap") as found:
        np.testing.assert_array_equal(found.v, [1, np.nan])


@pytest.mark.parametrize("decode_cf", [True, False])
def test_records_of_another_byte_order_are_read(tmp_path, decode_cf):
    """Records that xarray's own engine cannot bring into the order of the machine are in that order, and unmasked."""
    path = tmp_path / "a.h5"
    big = np.array([(1, 2.5, (3,)), (4, 5.5, (6,))], [("a", ">i2"), ("b", "<f8"), ("c", [("d", ">i4")])])
    with h5py.File(path, "w") as file:
        file["v"] = big
        file["v"].attrs["_FillValue"] = big[0]
    for road in roads(scan(str(path)), tmp_path, only_first=False):
        with xr.open_dataset(road, engine="chunkmap", decode_cf=decode_cf) as found:
            assert found["v"].values.dtype == big.dtype.newbyteorder("=")
            assert found["v"].values.tolist() == big.tolist()
            kept = found["v"].encoding if decode_cf else found["v"].attrs
            assert kept["_FillValue"] == big[0]


INNER = np.dtype([("i", "<i2"), ("j", "<i4")], align=True)
RECORDS = {
    "gaps": np.dtype([("day", "i1"), ("elev", "<i2"), ("time", "<f8")], align=True),
    "nested": np.dtype([("xx", INNER), ("yy", [("x", "<f4"), ("y", "<f8", (3, 2))]), ("i", INNER, (2,))], align=True),
    "a gap at the end": np.dtype({"names": ["a"], "formats": ["<i4"], "offsets": [0], "itemsize": 8}),
    "names that look nested": np.dtype([("a.b", "<i2"), ("a.c", "<i2"), ("d[0]", "<i2")]),
}


@pytest.mark.parametrize("decode_cf", [True, False])
def test_records_are_as_the_file_has_them(tmp_path, decode_cf):
    """By every road records have the gaps, records and arrays of their file; the Zarr arrays have them laid flat."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name, dtype in RECORDS.items():
            data = np.frombuffer((np.arange(6 * dtype.itemsize) % 61).astype("u1").tobytes(), dtype)
            file.create_dataset(name, data=data.reshape(2, 3), chunks=(1, 3), compression="gzip")
            file.create_dataset(f"one of {name}", data=data[0])
    refs = scan(str(path))
    assert refs.arrays["nested"].meta.dtype.names[:4] == ("xx.i", "_padding_2", "xx.j", "yy.x")
    assert refs.arrays["names that look nested"].meta.nested is None
    with xr.open_dataset(path, engine="h5netcdf", phony_dims="sort", decode_cf=decode_cf) as expected:
        for road in roads(refs, tmp_path, only_first=False):
            found = xr.open_dataset(road, engine="chunkmap", decode_cf=decode_cf)
            assert_identical(found, expected)
            assert found["nested"].values["xx"]["j"].tolist() == expected["nested"].values["xx"]["j"].tolist()


@pytest.mark.parametrize(
    "said", ["", "[", "5", "[]", "[5]", '[8,["a",0,"|O"]]', '[9,["a",0,"<i8"]]', "[" * 5000, '[8,["a",0,["<i8",-1]]]']
)
def test_what_a_set_says_of_records_is_not_trusted(said):
    """A text that is no record of the very bytes of the array says nothing."""
    assert nested_in({said: "nested"}, np.dtype([("a", "<i4"), ("_padding_4", "V4")])) is None
