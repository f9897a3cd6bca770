"""NetCDF classic files read through references are what netCDF4, scipy and xarray read from them."""

import struct
from functools import partial

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import netcdf_file

import chunkmap
from chunkmap.errors import ChunkmapError, FormatError, TruncatedFile
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource, open_source
from chunkmap.io.source import SourceBase

scan = partial(scan_source, format="netcdf3")

FORMATS = ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]


def through(refs, **options):
    """The dataset as xarray reads it through the references."""
    return xr.open_dataset(
        "reference://",
        engine="zarr",
        backend_kwargs={"consolidated": False, "storage_options": {"fo": refs.to_dict(), "remote_protocol": "file"}},
        **options,
    )


def values(array, data):
    """The elements of an array, decoded here, chunk by chunk."""
    meta = array.meta
    out = np.full(meta.shape, 99, meta.dtype)
    cells = zip(*array.chunks.coords(), strict=True) if meta.ndim else [()]
    for cell, reference in zip(cells, array.chunks.rows(), strict=True):
        source, offset, length = reference
        content = source if isinstance(source, bytes) else data
        block = content[offset : offset + length]
        for codec in meta.codecs:
            starts = range(0, length, codec["record"])
            block = b"".join(block[start : start + codec["nbytes"]] for start in starts)
            block = block.ljust(meta.chunk_nbytes, b"!")
        block = np.frombuffer(block, meta.dtype).reshape(meta.chunk_shape)
        place = tuple(slice(c * n, (c + 1) * n) for c, n in zip(cell, meta.chunk_shape, strict=True))
        out[place] = block[tuple(slice(0, n) for n in out[place].shape)]
    return out


def write(path, kind="NETCDF3_CLASSIC", records=5):
    """A file with fixed and record variables of every type that its kind has."""
    rng = np.random.default_rng(0)
    types = ["i1", "S1", "i2", "i4", "f4", "f8"]
    types += ["u1", "u2", "u4", "i8", "u8"] if kind == "NETCDF3_64BIT_DATA" else []
    with netCDF4.Dataset(path, "w", format=kind) as nc:
        nc.createDimension("time", None)
        nc.createDimension("y", 3)
        nc.createDimension("x", 7)
        for dtype in types:
            for name, dims in (("scalar", ()), ("fixed", ("y", "x")), ("record", ("time", "x"))):
                variable = nc.createVariable(f"{name}_{dtype}", dtype, dims)
                shape = tuple({"time": records, "y": 3, "x": 7}[d] for d in dims)
                raw = rng.integers(1, 100, shape).astype("u1")
                variable[...] = raw.view("S1") if dtype == "S1" else raw.astype(dtype)
                if dtype != "S1":
                    variable.valid_range = np.array([1, 100], dtype)
                    variable.one = np.array(7, dtype)
                variable.note = "Größe"
        nc.title = "a file"
        nc.empty = ""
        nc.pi = 3.25


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("options", [{}, {"inline_threshold": 0}, {"inline_threshold": 10**6}, {"chunk_nbytes": 30}])
def test_every_type_reads_as_netcdf4_reads_it(tmp_path, kind, options):
    """Values, types, attributes and dimensions are netCDF4's, in every version of the format, however it is chunked."""
    path = tmp_path / "a.nc"
    write(path, kind)
    refs = scan(open_source(path), **options)
    data = path.read_bytes()
    with netCDF4.Dataset(path) as nc:
        nc.set_auto_maskandscale(False)
        nc.set_auto_chartostring(False)
        assert set(refs.arrays) == set(nc.variables)
        assert refs.attrs == {"title": "a file", "empty": "", "pi": 3.25}
        for name, variable in nc.variables.items():
            array = refs.arrays[name]
            np.testing.assert_array_equal(values(array, data), variable[...])
            assert array.meta.dtype.newbyteorder("=") == variable.dtype
            assert array.meta.dims == variable.dimensions
            assert array.meta.attrs["note"] == "Größe"
            if variable.dtype.kind != "S":
                assert array.meta.attrs["valid_range"] == [1, 100]
                assert array.meta.attrs["one"] == 7
    assert not refs.problems
    assert refs.targets[str(path)].size == len(data)


@pytest.mark.parametrize("inline_threshold", [0, 500])
def test_dataset_is_the_one_that_xarray_opens(tmp_path, inline_threshold):
    """xarray through the references gives the dataset that its scipy engine gives: times, masks, characters and all."""
    path = tmp_path / "a.nc"
    original = xr.Dataset(
        {
            "t2m": (("time", "x"), np.array([[1.5, np.nan, 3], [4, 5, 6]], "f4"), {"units": "K"}),
            "packed": (("time", "x"), np.array([[0.5, np.nan, 1], [2, 3, 4]])),
            "name": ("x", np.array([b"ab", b"cde", b"f"], "S3")),
            "mask": ("x", np.array([0, 1, 0], "i4")),
        },
        {"time": np.array(["2000-01-01", "2000-01-02"], "M8[ns]"), "x": [1.0, 2.0, 0.0]},
        {"history": "made", "level": 3},
    )
    encoding = {"packed": {"dtype": "i2", "scale_factor": 0.5, "add_offset": 1.0, "_FillValue": -99}}
    original.to_netcdf(path, engine="scipy", unlimited_dims=["time"], encoding=encoding)
    refs = scan(open_source(path), inline_threshold=inline_threshold)
    with xr.open_dataset(path, engine="scipy") as expected, through(refs) as found:
        xr.testing.assert_identical(found.load(), expected.load())
        for name in expected.variables:
            assert found[name].dtype == expected[name].dtype
    with xr.open_dataset(path, engine="scipy", decode_cf=False) as expected, through(refs, decode_cf=False) as found:
        assert not found["mask"].encoding.get("_FillValue")
        np.testing.assert_array_equal(found["packed"], expected["packed"])


@pytest.mark.parametrize("dtype", ["i1", "i2", "f8"])
@pytest.mark.parametrize("options", [{}, {"chunk_nbytes": 20}])
def test_lone_record_variable_has_no_padding(tmp_path, dtype, options):
    """Records of a lone record variable follow one another without padding."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as nc:
        nc.createDimension("t", None)
        nc.createDimension("x", 3)
        nc.createVariable("v", dtype, ("t", "x"))[:] = np.arange(18).reshape(6, 3)
    refs = scan(open_source(path), inline_threshold=0, **options)
    np.testing.assert_array_equal(values(refs.arrays["v"], path.read_bytes()), np.arange(18).reshape(6, 3))
    if options and dtype == "i2":
        assert refs.arrays["v"].meta.chunk_shape == (3, 3)


def test_chunks_are_cut_to_whole_divisors(tmp_path):
    """`chunk_nbytes` cuts the slowest axes by divisors, so that every chunk is whole; records are cut only inside."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as nc:
        nc.createDimension("t", None)
        nc.createDimension("y", 12)
        nc.createDimension("x", 10)
        nc.createVariable("fixed", "f8", ("y", "x"))[:] = np.arange(120).reshape(12, 10)
        nc.createVariable("a", "f4", ("t", "y", "x"))[:] = np.arange(240).reshape(2, 12, 10)
        nc.createVariable("b", "i2", ("t",))[:] = [1, 2]
    refs = scan(open_source(path), inline_threshold=0, chunk_nbytes=400)
    assert refs.arrays["fixed"].meta.chunk_shape == (4, 10)
    assert refs.arrays["a"].meta.chunk_shape == (1, 6, 10)
    assert refs.arrays["b"].meta.chunk_shape == (1,)
    data = path.read_bytes()
    np.testing.assert_array_equal(values(refs.arrays["a"], data), np.arange(240).reshape(2, 12, 10))
    np.testing.assert_array_equal(values(refs.arrays["fixed"], data), np.arange(120).reshape(12, 10))
    with pytest.raises(ValueError, match="chunk_nbytes"):
        scan(open_source(path), chunk_nbytes=0)


def test_inlined_record_variable_keeps_a_chunk_a_record(tmp_path):
    """Files of differing lengths have the same chunks, and what is inlined is told by the bytes of a chunk alone."""
    sets = []
    for records in (3, 300):
        path = tmp_path / f"{records}.nc"
        with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as nc:
            nc.createDimension("t", None)
            nc.createVariable("t", "f8", ("t",))[:] = np.arange(records)
        sets.append(scan(open_source(path)))
    assert [s.arrays["t"].meta.chunk_shape for s in sets] == [(1,), (1,)]
    assert [bool(s.arrays["t"].chunks.is_inline.all()) for s in sets] == [True, True]


def test_fill_value_moves_into_the_metadata(tmp_path):
    """A `_FillValue` of the variable's type is the fill value; without one there is none; `missing_value` stays."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as nc:
        nc.createDimension("x", 2)
        nc.createVariable("with", "f4", ("x",), fill_value=1e20)[:] = [1, 2]
        nc.createVariable("text", "S1", ("x",), fill_value="?")[:] = [b"a", b"b"]
        other = nc.createVariable("without", "i2", ("x",))
        other[:] = [0, 1]
        other.setncattr("xxxxxxx_value", np.nan)
    path.write_bytes(path.read_bytes().replace(b"xxxxxxx_value", b"missing_value"))
    refs = scan(open_source(path))
    assert refs.arrays["with"].meta.fill_value == np.float32(1e20)
    assert "_FillValue" not in refs.arrays["with"].meta.attrs
    assert refs.arrays["text"].meta.fill_value == b"?"
    assert refs.arrays["without"].meta.fill_value is None
    assert np.isnan(refs.arrays["without"].meta.attrs["missing_value"])


def test_no_records_and_no_variables(tmp_path):
    """A file without records has empty arrays; a file without variables has none."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as nc:
        nc.createDimension("t", None)
        nc.createDimension("x", 2)
        nc.createVariable("v", "f4", ("t", "x"))
    refs = scan(open_source(path))
    assert refs.arrays["v"].meta.shape == (0, 2)
    assert through(refs)["v"].shape == (0, 2)
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as nc:
        nc.title = "empty"
    assert scan(open_source(path)).arrays == {}


def test_numrecs_of_a_stream_comes_from_the_file_size(tmp_path):
    """A writer that streams leaves the number of records open; it is what the file holds whole."""
    path = tmp_path / "a.nc"
    write(path)
    data = bytearray(path.read_bytes())
    expected = scan(BytesSource(data))
    data[4:8] = b"\xff" * 4
    assert scan(BytesSource(data)) == expected
    shorter = scan(BytesSource(data[:-30]))
    assert shorter.arrays["record_i2"].meta.shape == (4, 7)
    write(path, "NETCDF3_64BIT_DATA")
    data = bytearray(path.read_bytes())
    data[4:12] = b"\xff" * 8
    assert scan(BytesSource(data)).arrays["record_u8"].meta.shape == (5, 7)


def test_last_record_cut_short_reads_as_the_library_reads_it(tmp_path):
    """Where a file ends inside its last record, the rest is zeros, as netCDF4 reads it, and a Problem says so."""
    path = tmp_path / "a.nc"
    write(path)
    path.write_bytes(path.read_bytes()[:-70])
    refs = scan(open_source(path), inline_threshold=0)
    assert {p.feature for p in refs.problems} == {"incomplete last record"}
    with netCDF4.Dataset(path) as nc:
        nc.set_auto_maskandscale(False)
        for problem in refs.problems:
            found = values(refs.arrays[problem.path], path.read_bytes())
            np.testing.assert_array_equal(found, nc[problem.path][...])


def test_file_cut_short_is_refused(tmp_path):
    """A file of which more is missing than the end of its last record is refused, with the variable's name."""
    path = tmp_path / "a.nc"
    write(path)
    data = path.read_bytes()
    whole = scan(BytesSource(data))
    recsize = int(np.diff(scan(BytesSource(data), inline_threshold=0).arrays["record_i2"].chunks.offset.astype(int))[0])
    with pytest.raises(TruncatedFile, match="record_"):
        scan(BytesSource(data[: -recsize - 1]))
    for stop in range(0, len(data) - recsize, 41):
        with pytest.raises(FormatError):
            scan(BytesSource(data[:stop]))
    assert whole.problems == ()


def test_scipy_file_with_latin1_text_and_nul_names(tmp_path):
    """Text that is no UTF-8 is read as Latin-1, and NULs at the end of names and text are no part of them."""
    path = tmp_path / "a.nc"
    with netcdf_file(path, "w") as nc:
        nc.place = b"K\xf6ln\0"
        nc.createDimension("xxxx", 2)
        variable = nc.createVariable("vvvv", "i4", ("xxxx",))
        variable[:] = [1, 2]
    data = path.read_bytes().replace(b"vvvv", b"vv\0\0")
    refs = scan(BytesSource(data))
    assert refs.attrs["place"] == "Köln"
    assert list(refs.arrays) == ["vv"]


def test_long_header_is_read_on_demand():
    """A header longer than the first read is read to its end, and no further than it must be."""
    reads = []

    class Counting(BytesSource):
        def read(self, offset, length):
            reads.append((offset, length))
            return super().read(offset, length)

    path_like = _many_variables(3000)
    refs = scan(Counting(path_like), inline_threshold=0)
    assert len(refs.arrays) == 3000
    assert len(reads) <= 4
    reads.clear()
    scan(Counting(_many_variables(3)), inline_threshold=0)
    assert len(reads) == 1


def _many_variables(count):
    """A file of scalars, written by hand from the grammar."""
    name = [b"v%07d" % n for n in range(count)]
    size = 4 + 4 + 8 + 8 + 8 + count * (4 + 8 + 4 + 8 + 4 + 4 + 4)
    items = [struct.pack(">I8sIIIIII", 8, label, 0, 0, 0, 4, 4, size + 4 * number) for number, label in enumerate(name)]
    head = b"CDF\x01" + bytes(4) + bytes(8) + bytes(8) + struct.pack(">II", 11, count)
    return head + b"".join(items) + np.arange(count, dtype=">i4").tobytes()


def test_names_that_are_no_paths_are_left_out():
    """A variable whose name cannot be the path of an array is left out, with a Problem; the others are there."""
    data = _many_variables(3).replace(b"v0000001", b"v/000001").replace(b"v0000002", b".zgroup\0")
    refs = scan(BytesSource(data))
    assert list(refs.arrays) == ["v0000000"]
    assert [p.path for p in refs.problems] == ["v/000001", ".zgroup"]


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (b"CDF\x01", b"CDF\x03", "classic"),
        (struct.pack(">II", 11, 3), struct.pack(">II", 12, 3), "list tag 11"),
        (struct.pack(">I8s", 8, b"v0000001"), struct.pack(">I8s", 0, b"v0000001"), "name of 1"),
        (b"v0000001", b"v0000000", "only 2 names"),
        (struct.pack(">III", 0, 4, 4), struct.pack(">III", 0, 9, 4), "number of a type"),
        (struct.pack(">8sI", b"v0000001", 0), struct.pack(">8sI", b"v0000001", 1), "dimension number"),
        (struct.pack(">8sI", b"v0000001", 0), struct.pack(">8sI", b"v0000001", 2**31), "goes on to byte"),
    ],
)
def test_broken_headers_are_refused(old, new, match):
    """A header that breaks the grammar is a FormatError that says what was expected."""
    data = _many_variables(3)
    assert old in data
    with pytest.raises(FormatError, match=match):
        scan(BytesSource(data.replace(old, new)))


@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_never_do_harm(tmp_path, data):
    """Whatever bytes of a header are changed, the scan ends, with references inside the file or an error of ours."""
    path = tmp_path / "a.nc"
    if not path.exists():
        write(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(3, 1500))] = data.draw(st.integers(0, 255))
    try:
        refs = scan(BytesSource(content), inline_threshold=0)
    except ChunkmapError:
        return
    for array in refs.arrays.values():
        outside = array.chunks.offset + array.chunks.length > np.uint64(len(content))
        assert not (outside & ~array.chunks.is_inline).any()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(FORMATS),
    records=st.integers(0, 4),
    variables=st.lists(
        st.tuples(
            st.sampled_from(["i1", "i2", "i4", "f4", "f8"]),
            st.lists(st.sampled_from("xyz"), unique=True),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    ),
    nbytes=st.none() | st.integers(1, 200),
)
def test_any_layout_reads_as_netcdf4_reads_it(tmp_path, kind, records, variables, nbytes):
    """Whatever mix of fixed and record variables a file has, and however it is cut, the values are netCDF4's."""
    path = tmp_path / "h.nc"
    sizes = {"t": records, "x": 2, "y": 3, "z": 5}
    with netCDF4.Dataset(path, "w", format=kind) as nc:
        for name, size in sizes.items():
            nc.createDimension(name, None if name == "t" else size)
        for number, (dtype, dims, is_record) in enumerate(variables):
            own = ("t", *dims) if is_record else tuple(dims)
            shape = tuple(sizes[d] for d in own)
            nc.createVariable(f"v{number}", dtype, own)[...] = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    refs = scan(open_source(path), inline_threshold=0, chunk_nbytes=nbytes)
    data = path.read_bytes()
    with netCDF4.Dataset(path) as nc:
        nc.set_auto_maskandscale(False)
        for name, variable in nc.variables.items():
            np.testing.assert_array_equal(values(refs.arrays[name], data), variable[...])


def test_record_dimension_elsewhere_than_first_is_refused(tmp_path):
    """Only the first dimension of a variable can be the record dimension."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as nc:
        nc.createDimension("t", None)
        nc.createDimension("x", 2)
        nc.createVariable("v", "f4", ("t", "x"))[:] = np.ones((2, 2))
    data = path.read_bytes()
    ids = struct.pack(">III", 2, 0, 1)
    assert data.count(ids) == 1
    with pytest.raises(FormatError, match="elsewhere than first"):
        scan(BytesSource(data.replace(ids, struct.pack(">III", 2, 1, 0))))


def test_header_without_end_is_refused():
    """A header that claims an attribute of more bytes than any header has is refused before they are read."""

    class Endless(SourceBase):
        url = "endless"

        def size(self):
            return 2**40

        def read(self, offset, length):
            assert offset + length < 2**28
            head = b"CDF\x02" + bytes(12) + struct.pack(">IIIIII", 12, 1, 4, 0x61616161, 1, 2**30)
            return memoryview((head + bytes(length))[:length])

        def fetch(self, ranges):
            return [self.read(*r) for r in ranges]

        def confirm(self):
            """It is the same for ever."""

    with pytest.raises(FormatError, match="header of at most"):
        scan(Endless())


def test_variables_that_lie_in_one_another_are_named(tmp_path):
    """scipy writes a scalar into the records where it comes after a record variable: netCDF-C refuses such a file."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("t", None)
        file.createDimension("x", 4)
        file.createVariable("scalar", "i4", ())[...] = 7
        file.createVariable("fixed", "i4", ("x",))[:] = range(4)
        file.createVariable("a", "i4", ("t", "x"))[:] = np.arange(8).reshape(2, 4)
        file.createVariable("b", "i4", ("t", "x"))[:] = np.arange(8).reshape(2, 4)
    raw = path.read_bytes()
    whole = scan(BytesSource(raw, "a.nc"), inline_threshold=0)
    assert whole.problems == ()
    begins = {name: array.chunks.row(0)[1] for name, array in whole.arrays.items()}
    for name, other in (("scalar", "a"), ("fixed", "scalar"), ("b", "a")):
        at = raw.index(begins[name].to_bytes(4, "big"), raw.index(name.encode().ljust(4, b"\0")))
        damaged = raw[:at] + begins[other].to_bytes(4, "big") + raw[at + 4 :]
        found = scan(BytesSource(damaged, "a.nc")).problems
        assert {problem.feature for problem in found} == {"overlapping variables"}, name
        assert {problem.path for problem in found} & {name, other}


def write_small_records(path, count=5000, *, others=(), start=0):
    """Many records of three small variables of several types and shapes, and of others; one fixed variable."""
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as nc:
        nc.createDimension("time", None)
        nc.createDimension("x", 3)
        nc.createVariable("x", "f4", ("x",))[:] = 1
        for name, dtype, dims in (("time", "f8", 1), ("a", "i2", 1), ("b", "f4", 2), *((o, "f4", 1) for o in others)):
            variable = nc.createVariable(name, dtype, ("time", "x")[:dims])
            variable[:] = np.arange(count * 3 ** (dims - 1)).reshape((count, 3)[:dims]) % 30_000
        nc["time"][:] = start + np.arange(count)


@pytest.mark.parametrize(
    ("count", "options", "chunk"),
    [
        (5000, {}, 5000),
        (4095, {}, 1),
        (100_003, {}, 43_690),
        (100_000, {}, 25_000),
        (5000, {"chunk_nbytes": 1000}, 40),
        (10, {"chunk_nbytes": 1 << 20}, 10),
        (5000, {"portable": True}, 1),
    ],
)
def test_small_records_are_read_many_at_a_time(tmp_path, count, options, chunk):
    """Thousands of small records are a few references, and read as netCDF4 reads them, whole and in part."""
    path = tmp_path / "a.nc"
    write_small_records(path, count)
    refs = scan(open_source(path), **options, inline_threshold=0)
    assert {name: array.meta.chunk_shape[0] for name, array in refs.arrays.items() if name != "x"} == dict.fromkeys(
        ("time", "a", "b"), chunk
    )
    assert [codec["id"] for codec in refs.arrays["a"].meta.codecs] == (["record_slice"] if chunk > 1 else [])
    with (
        xr.open_dataset(path, engine="netcdf4", decode_times=False) as expected,
        xr.open_dataset(refs, engine="chunkmap", decode_times=False) as found,
    ):
        assert found[{"time": slice(count // 2 - 3, count // 2 + 3)}].identical(
            expected[{"time": slice(count // 2 - 3, count // 2 + 3)}]
        )
        assert found.identical(expected)
    if chunk > 1:
        chunkmap.write(refs, tmp_path / "a.json")
        assert options or (tmp_path / "a.json").stat().st_size < path.stat().st_size / 8
        with through(refs, decode_times=False) as zarr:
            assert zarr.identical(expected)


@pytest.mark.parametrize(
    ("counts", "others", "rows"),
    [((6000, 5000), (), 1000), ((4500, 100, 5000), (), 1), ((5000, 5000), ("more",), 1)],
)
def test_files_of_small_records_are_combined(tmp_path, counts, others, rows):
    """Chunks of records are cut where files of other lengths, or with other variables, follow one another."""
    sets, paths = [], []
    for number, count in enumerate(counts):
        paths.append(str(tmp_path / f"{number}.nc"))
        write_small_records(paths[-1], count, others=others if number else (), start=sum(counts[:number]))
        sets.append(chunkmap.scan(paths[-1]))
    joined = chunkmap.combine(sets, concat_dims=["time"], load_below=1000, waive=["missing"])
    assert joined.arrays["b"].meta.chunk_shape == (rows, 3)
    parts = [xr.load_dataset(path, engine="netcdf4")[["a", "b"]] for path in paths]
    with xr.open_dataset(joined, engine="chunkmap") as found:
        assert found[["a", "b"]].drop_vars("x").identical(xr.concat(parts, "time").drop_vars("x"))
