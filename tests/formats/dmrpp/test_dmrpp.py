"""DMR++: what is read through the document is what h5py reads from the granule."""

import base64
import re
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import ChunkmapError, FormatError
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource

TYPES = {"i1": "Int8", "u1": "Byte", "i2": "Int16", "u4": "UInt32", "i8": "Int64", "f4": "Float32", "f8": "Float64"}
FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32"}
HEAD = (
    '<?xml version="1.0"?>\n<Dataset xmlns="http://xml.opendap.org/ns/DAP/4.0#"'
    ' xmlns:dmrpp="http://xml.opendap.org/dap/dmrpp/1.0.0#" dapVersion="4.0" name="a.h5"'
)


def document(body, href="OPeNDAP_DMRpp_DATA_ACCESS_URL"):
    return f'{HEAD} dmrpp:href="{href}">\n{body}\n</Dataset>\n'


def described(dataset):
    """The element of a dataset, as a server writes it from what libhdf5 says."""
    dtype, plist = dataset.dtype, dataset.id.get_create_plist()
    order = "BE" if dtype.byteorder == ">" else "LE"
    filters = " ".join(FILTERS[plist.get_filter(n)[0]] for n in range(plist.get_nfilters()))
    dims = "".join(f'<Dim size="{n}"/>' for n in dataset.shape)
    fill = f' fillValue="{dataset.fillvalue}"'
    if dataset.chunks is None:
        chunks = f'<dmrpp:chunk offset="{dataset.id.get_offset()}" nBytes="{dataset.id.get_storage_size()}"/>'
        chunks = chunks if dataset.id.get_offset() is not None else ""
    else:
        found = [dataset.id.get_chunk_info(n) for n in range(dataset.id.get_num_chunks())]
        chunks = f"<dmrpp:chunkDimensionSizes>{' '.join(map(str, dataset.chunks))}</dmrpp:chunkDimensionSizes>"
        chunks += "".join(
            f'<dmrpp:chunk offset="{c.byte_offset}" nBytes="{c.size}"'
            f' chunkPositionInArray="[{",".join(map(str, c.chunk_offset))}]"/>'
            for c in found
        )
    kind = f' compressionType="{filters}"' if filters else ""
    name, tag = dataset.name.rpartition("/")[2], TYPES[dtype.str[1:]]
    return f'<{tag} name="{name}">{dims}<dmrpp:chunks byteOrder="{order}"{kind}{fill}>{chunks}</dmrpp:chunks></{tag}>'


def beside(path, body, **more):
    """The document of a granule, beside it."""
    written = path.with_name(path.name + ".dmrpp")
    written.write_text(document(body, **more))
    return written


def scanned(body, **options):
    return scan_source(BytesSource(document(body).encode(), "a.h5.dmrpp"), **options)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_dataset_is_what_h5py_reads(tmp_path_factory, data):
    """Type, byte order, chunks, filters, fill value, and chunks that were never written: as h5py reads them."""
    path = tmp_path_factory.mktemp("dmrpp") / "a.h5"
    order, kind = data.draw(st.sampled_from("<>")), data.draw(st.sampled_from(sorted(TYPES)))
    shape = tuple(data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    chunks = data.draw(st.one_of(st.none(), st.tuples(*(st.integers(1, n) for n in shape))))
    how = (
        {}
        if chunks is None
        else {
            "compression": data.draw(st.sampled_from([None, "gzip"])),
            "shuffle": data.draw(st.booleans()),
            "fletcher32": data.draw(st.booleans()),
        }
    )
    with h5py.File(path, "w") as file:
        fill = data.draw(st.sampled_from([0, 7]))
        made = file.create_dataset("v", shape, order + kind, chunks=chunks, fillvalue=fill, **how)
        if data.draw(st.booleans()):
            part = tuple(slice(0, data.draw(st.integers(1, n))) for n in shape)
            made[part] = np.arange(made[part].size).reshape(made[part].shape) % 100
    with h5py.File(path) as file:
        expected, body = file["v"][...], described(file["v"])
    refs = chunkmap.scan(beside(path, body), inline_threshold=0)
    assert not refs.problems
    found = read_array(refs.arrays["v"], Fetcher())
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_the_grid_comes_from_the_dimensions():
    """Chunks that are not listed read as `fillValue` says, wherever the listed ones are; `_FillValue` masks. A variable
    of which none is listed is all of that.
    """
    sizes = "<dmrpp:chunkDimensionSizes>2</dmrpp:chunkDimensionSizes>"
    one = '<dmrpp:chunk offset="9" nBytes="4" chunkPositionInArray="[2]"/>'
    masked = '<Attribute name="_FillValue" type="Int16"><Value>-1</Value></Attribute>'
    refs = scanned(
        f"""<Int16 name="part"><Dim size="7"/><dmrpp:chunks fillValue="5">{sizes}{one}</dmrpp:chunks></Int16>
        <Int16 name="none"><Dim size="7"/><dmrpp:chunks fillValue="5">{sizes}</dmrpp:chunks></Int16>
        <Int16 name="both"><Dim size="7"/>{masked}<dmrpp:chunks fillValue="5">{sizes}</dmrpp:chunks></Int16>""",
        inline_threshold=0,
    )
    assert not refs.problems
    part = refs.arrays["part"]
    assert (part.meta.shape, part.chunks.grid_shape) == ((7,), (4,))
    assert part.chunks[1] == ("a.h5", 9, 4)
    assert part.chunks.is_inline.tolist() == [True, False, True, True]
    assert read_array(refs.arrays["none"], Fetcher()).tolist() == [5] * 7
    assert read_array(refs.arrays["both"], Fetcher()).tolist() == [5] * 7
    assert refs.arrays["both"].meta.fill_value == -1


def test_groups_dimensions_and_attributes():
    """Dimensions have their declared names, of groups above too; attributes have their types; containers are flat."""
    refs = scanned(
        """<Dimension name="y" size="2"/><Attribute name="HDF5_GLOBAL" type="Container">
        <Attribute name="title" type="String"><Value>t</Value></Attribute></Attribute>
        <Group name="g"><Dimension name="x" size="3"/><Attribute name="n" type="Int16"><Value>5</Value></Attribute>
        <Float32 name="v"><Dim name="/y"/><Dim name="/g/x"/>
        <Attribute name="range" type="Float32"><Value>0.1</Value><Value>2</Value></Attribute>
        <Attribute name="c" type="Container"><Attribute name="d" type="Int32"><Value>1</Value></Attribute></Attribute>
        <dmrpp:chunks><dmrpp:chunk offset="100" nBytes="24"/></dmrpp:chunks></Float32></Group>""",
        granule="s3://b/a.h5",
    )
    array = refs.arrays["g/v"]
    assert refs.attrs == {"title": "t"}
    assert refs.groups["g"] == {"n": 5}
    assert (array.meta.dims, array.meta.shape) == (("y", "x"), (2, 3))
    assert array.meta.attrs == {"range": [float(np.float32(0.1)), 2.0], "c.d": 1}
    assert array.chunks[0] == ("s3://b/a.h5", 100, 24)


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("OPeNDAP_DMRpp_DATA_ACCESS_URL", "a.h5"),
        ("data/dmrpp/a.h5", "a.h5"),
        ("https://host/x/a.h5", "https://host/x/a.h5"),
    ],
)
def test_the_granule_is_the_url_or_the_file_beside(href, expected):
    """A URL is taken as it stands; a path on a server, and a placeholder, mean the file beside the document."""
    body = '<Byte name="v"><dmrpp:chunks><dmrpp:chunk offset="9" nBytes="1"/></dmrpp:chunks></Byte>'
    source = BytesSource(document(body, href).encode(), "a.h5.dmrpp")
    assert scan_source(source).arrays["v"].chunks[0].source == expected
    with pytest.raises(FormatError, match="option granule"):
        scan_source(BytesSource(document(body).encode(), "a.xml"))


def test_values_in_the_document():
    """Compact and computed values, texts of any length, said once where they repeat, are held inline."""
    numbers = np.arange(3, dtype="<f8").tobytes()
    plain, packed = (base64.b64encode(data).decode() for data in (numbers, zlib.compress(numbers)))
    long = base64.b64encode(zlib.compress(b"x" * 1000)).decode()
    refs = scanned(
        f"""<Float64 name="a"><Dim size="3"/><dmrpp:compact>{plain}</dmrpp:compact></Float64>
        <Float64 name="b"><Dim size="3"/><dmrpp:missingdata>{packed}</dmrpp:missingdata></Float64>
        <String name="s"><Dim size="4"/><dmrpp:vlsa><v>k</v><v c="2">ä</v><v s="1000">{long}</v></dmrpp:vlsa></String>
        <String name="old"><Dim size="2"/><dmrpp:vlsa>YQ==;;</dmrpp:vlsa></String>
        <String name="one"><dmrpp:compact>{base64.b64encode(b"hello").decode()}</dmrpp:compact></String>
        <Byte name="crs"><Attribute name="k" type="Int32"><Value>1</Value></Attribute><dmrpp:missingdata/></Byte>"""
    )
    values = {path: read_array(array, Fetcher()) for path, array in refs.arrays.items()}
    assert values["a"].tolist() == values["b"].tolist() == [0, 1, 2]
    assert values["s"].tolist() == ["k", "ä", "ä", "x" * 1000]
    assert values["old"].tolist() == ["a", ""]
    assert values["one"].item() == "hello"
    assert refs.arrays["crs"].meta.attrs == {"k": 1}
    assert refs.problems == ()


@pytest.mark.parametrize("sizes", [(0,), (0, 3), (3, 0), (2, 0, 1)])
def test_arrays_without_elements(sizes):
    """An axis of length 0 makes any variable empty, texts of any length too, and no other one is lost."""
    dims = "".join(f'<Dim size="{n}"/>' for n in sizes)
    chunked = f"<dmrpp:chunkDimensionSizes>{' '.join('2' * len(sizes))}</dmrpp:chunkDimensionSizes>"
    refs = scanned(
        f"""<String name="text">{dims}<dmrpp:vlsa/></String>
        <Int16 name="number">{dims}<dmrpp:chunks fillValue="3">{chunked}</dmrpp:chunks></Int16>
        <Float32 name="whole">{dims}<dmrpp:chunks/></Float32>"""
    )
    assert not refs.problems
    for name, dtype in (("text", "O"), ("number", "<i2"), ("whole", "<f4")):
        found = read_array(refs.arrays[name], Fetcher())
        assert (found.shape, found.dtype) == (sizes, np.dtype(dtype))


def test_one_piece_directly_in_the_variable():
    """Values in one piece may be said without `chunks` around them."""
    refs = scanned('<Int16 name="a"><Dim size="2"/><Dim size="2"/><dmrpp:chunk nBytes="8" offset="2220"/></Int16>')
    (chunk,) = refs.arrays["a"].chunks
    assert (chunk.offset, chunk.length, refs.arrays["a"].meta.chunk_shape) == (2220, 8, (2, 2))


def test_structures_and_enumerations():
    """Members lie flat with what pads them; an enumeration keeps its meanings as CF flags."""
    refs = scanned(
        """<Enumeration name="E" basetype="UInt8"><EnumConst name="A" value="1"/><EnumConst name="B c" value="2"/>
        </Enumeration><Enum name="e" enum="/E"><dmrpp:chunks><dmrpp:chunk offset="5" nBytes="1"/></dmrpp:chunks></Enum>
        <Structure name="r"><Float64 name="a"/><Int16 name="b"/><Int16 name="c"><Dim size="4"/></Int16><Dim size="2"/>
        <dmrpp:chunks byteOrder="LE" structOffset="8 10 24"><dmrpp:chunk offset="2048" nBytes="48"/></dmrpp:chunks>
        </Structure>"""
    )
    assert refs.arrays["e"].meta.attrs == {"flag_values": [1, 2], "flag_meanings": "A B_c"}
    dtype = refs.arrays["r"].meta.dtype
    assert dtype.itemsize == 24
    assert [dtype.fields[name][1] for name in ("a", "b", "c[0]", "c[3]")] == [0, 8, 10, 16]


def test_linked_blocks_are_chunks_of_rows():
    """Pieces that begin with a row are chunks of so many rows; others are left out with their name."""
    body = '<dmrpp:block offset="100" nBytes="16"/><dmrpp:block offset="500" nBytes="{}"/>'
    dims = '<Dim size="{}"/><Dim size="2"/>'
    refs = scanned(
        f'<Int32 name="v">{dims.format(6)}<dmrpp:chunks>{body.format(32)}</dmrpp:chunks></Int32>'
        f'<Int32 name="w">{dims.format(3)}<dmrpp:chunks>{body.format(12)}</dmrpp:chunks></Int32>',
        inline_threshold=0,
    )
    chunks = refs.arrays["v"].chunks
    assert (chunks.offset.tolist(), chunks.length.tolist()) == ([100, 500, 516], [16, 16, 16])
    assert [(p.path, p.feature) for p in refs.problems] == [("w", "linked blocks")]


DIM = '<Dim size="4"/>'
SIZES = "<dmrpp:chunkDimensionSizes>2</dmrpp:chunkDimensionSizes>"


EMPTY = '<dmrpp:chunk offset="1" nBytes="0" chunkPositionInArray="[2]"/>'


@pytest.mark.parametrize(
    ("inner", "feature"),
    [
        ("", "no chunks"),
        ('<dmrpp:chunks compressionType="lz4"/>', "lz4"),
        (
            f'<dmrpp:chunks>{SIZES}<dmrpp:chunk offset="1" nBytes="2" chunkPositionInArray="[1]"/></dmrpp:chunks>',
            "positions",
        ),
        (
            f'<dmrpp:chunks>{SIZES}<dmrpp:chunk offset="1" nBytes="2" chunkPositionInArray="[4]"/></dmrpp:chunks>',
            "positions",
        ),
        (
            f'<dmrpp:chunks>{SIZES}<dmrpp:chunk offset="1" nBytes="3" chunkPositionInArray="[2]"/></dmrpp:chunks>',
            "length",
        ),
        (
            f'<dmrpp:chunks>{SIZES}<dmrpp:chunk offset="x" nBytes="2" chunkPositionInArray="[2]"/></dmrpp:chunks>',
            "number",
        ),
        ('<dmrpp:chunks><dmrpp:chunk offset="1" nBytes="4" filterMask="1"/></dmrpp:chunks>', "filter mask"),
        (
            f'<dmrpp:chunks compressionType="deflate">{SIZES}{EMPTY}</dmrpp:chunks>',
            "length",
        ),
        ('<dmrpp:chunks byteOrder="MIXED"><dmrpp:chunk offset="1" nBytes="4"/></dmrpp:chunks>', "byte order"),
        ("<dmrpp:compact>AAAA</dmrpp:compact>", "values"),
        ("<dmrpp:compact>*</dmrpp:compact>", "values"),
    ],
)
def test_what_cannot_be_said_is_left_out_by_name(inner, feature):
    """A variable whose data no reference describes is a problem with its name; the others are there."""
    refs = scanned(f'<Byte name="v">{DIM}{inner}</Byte><Byte name="w"><dmrpp:compact>AA==</dmrpp:compact></Byte>')
    assert list(refs.arrays) == ["w"]
    (problem,) = refs.problems
    assert problem.path == "v"
    assert feature in problem.feature


def test_a_dimension_of_two_lengths_is_an_error():
    """A dimension may be declared again, with the length that it has."""
    twice = '<Dimension name="y" size="1"/><Dimension name="y" size="{}"/><Byte name="v"><Dim name="/y"/></Byte>'
    assert scanned(twice.format(1)).problems[0].feature == "no chunks"
    with pytest.raises(FormatError, match="declared twice"):
        scanned(twice.format(2))


def test_declarations_are_refused_before_they_are_read():
    """A document that declares a type, where entities would be, is refused; one that is no XML says so."""
    text = document("").replace("<Dataset", '<!DOCTYPE Dataset [<!ENTITY a "b">]>\n<Dataset')
    with pytest.raises(FormatError, match="document type"):
        scan_source(BytesSource(text.encode(), "a.dmrpp"))
    whole = document('<Byte name="v"><dmrpp:compact>AA==</dmrpp:compact></Byte>').encode()
    for stop in range(1, len(whole) - 2):
        with pytest.raises(ChunkmapError):
            scan_source(BytesSource(whole[:stop], "a.dmrpp"))


def test_chunks_are_the_same_one_by_one_and_in_runs(tmp_path):
    """Chunks that are listed in a row are read by columns, and are those that are read as elements."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (40, 30), "u4", chunks=(5, 7), compression="gzip")[:] = np.arange(1200).reshape(40, 30)
        file.create_dataset("y", (90,), ">i2", chunks=(4,))[4:] = 7
        body = "".join(map(described, file.values()))
    plain = scan_source(BytesSource(document(body).encode(), "a.h5.dmrpp"))
    loose = body.replace('nBytes="', 'filterMask="0" nBytes="', 3).replace("/><dmrpp:chunk ", "/>\n  <dmrpp:chunk ")
    for other in (body + "<!-- a comment -->", loose):
        again = scan_source(BytesSource(document(other).encode(), "a.h5.dmrpp"))
        assert again == plain
    (tmp_path / "a.h5.dmrpp").write_text(document(loose))
    refs = chunkmap.scan(tmp_path / "a.h5.dmrpp")
    with h5py.File(tmp_path / "a.h5") as file:
        for name in "xy":
            np.testing.assert_array_equal(read_array(refs.arrays[name], Fetcher()), file[name][:])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('chunkPositionInArray="[4]"', 'chunkPositionInArray="[8]"', "two chunks stand at one place"),
        ('chunkPositionInArray="[4]"', 'chunkPositionInArray="[5]"', "between the cells"),
        ('chunkPositionInArray="[4]"', 'chunkPositionInArray="[400]"', "outside the array"),
        ('chunkPositionInArray="[4]"', 'chunkPositionInArray="[4,0]"', "other than 1 axes"),
        ('nBytes="8"', 'nBytes="8 9"', "number|does not say"),
        ("<dmrpp:chunkDim", "<dmrpp:run_of_chunks>0</dmrpp:run_of_chunks><dmrpp:chunkDim", "may not have"),
    ],
)
def test_wrong_places_are_problems(tmp_path, old, new, words):
    """A chunk that stands nowhere, or twice, leaves its variable out, in a run or alone."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("y", (40,), "i2", chunks=(4,))[:] = 7
        text = described(file["y"])
    assert old in text
    (problem,) = scan_source(BytesSource(document(text.replace(old, new, 1)).encode(), "a.h5.dmrpp")).problems
    assert re.search(words, problem.message)
