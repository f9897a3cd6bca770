"""Small real files, written by the native libraries: what the fuzzer damages."""

from __future__ import annotations

import ctypes
import io
import json
import runpy
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import astropy.io.fits
import h5py
import netCDF4
import numpy as np
import rasterio
import scipy.io
import tifffile
import zarr

DOCUMENTS = (".zarray", ".zattrs", ".zgroup", "zarr.json")


def zarr_stores(folder: Path) -> dict[str, bytes]:
    """Stores of both versions in ZIP archives, documents first, as that is where damage is done most."""
    for version in (2, 3):
        group = zarr.open_group(folder / f"v{version}", mode="w", zarr_format=version, attributes={"a": 1})
        array = group.create_array("g/x", shape=(7, 5), chunks=(3, 2), dtype="f4", fill_value=1.5)
        array[:] = np.arange(35).reshape(7, 5)
        group.create_array("point", shape=(), dtype="M8[s]")[...] = 5
        group.create_array("text", shape=(4,), chunks=(2,), dtype="U3")[:] = "abc"
    shards = group.create_array("shards", shape=(20, 6), shards=(8, 6), chunks=(4, 2), dtype="i2", compressors=None)
    shards[:15] = 7
    nested = json.loads((folder / "v3/shards/zarr.json").read_text())
    (folder / "v3/turned").mkdir()
    own = nested["codecs"][0]["configuration"]
    own["codecs"] = [{"name": "sharding_indexed", "configuration": {**own, "chunk_shape": [2, 2]}}]
    (folder / "v3/turned/zarr.json").write_text(json.dumps(nested))
    zarr.open_group(folder / "v3", mode="r+")["turned"][:] = 3
    return {f"v{version}.zip": zipped(folder / f"v{version}") for version in (2, 3)}


def zipped(root: Path) -> bytes:
    """A store as an archive whose members are as they are."""
    files = [file for file in root.rglob("*") if file.is_file()]
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for file in sorted(files, key=lambda file: (file.name not in DOCUMENTS, file)):
            archive.write(file, file.relative_to(root).as_posix())
    return held.getvalue()


def hdf5(folder: Path) -> dict[str, bytes]:
    """Files of HDF5 that between them have every structure that is parsed."""
    versions = {"early": ("earliest", "v108"), "v110": ("v110", "v110"), "latest": ("latest", "latest")}
    for name, libver in versions.items():
        with h5py.File(folder / f"{name}_chunks.h5", "w", libver=libver) as file:
            chunk_indexes(file)
        with h5py.File(folder / f"{name}_types.h5", "w", libver=libver, track_order=True) as file:
            types(file)
        with h5py.File(folder / f"{name}_groups.h5", "w", libver=libver) as file:
            groups(file)
    with h5py.File(folder / "user_block.h5", "w", userblock_size=512) as file:
        chunk_indexes(file)
    with h5py.File(folder / "paged.h5", "w", fs_strategy="page", fs_page_size=4096) as file:
        groups(file)
    with netCDF4.Dataset(folder / "netcdf.nc", "w") as dataset:
        netcdf(dataset)
    newest(folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def chunk_indexes(file: h5py.File) -> None:
    """One dataset for each kind of layout and chunk index."""
    values = np.arange(600, dtype="i4")
    file["compact_or_contiguous"] = values[:20]
    file.create_dataset("one_chunk", data=values, chunks=(600,), compression="gzip")
    file.create_dataset("fixed", data=values, chunks=(7,), shuffle=True, compression="gzip")
    file.create_dataset("paged_fixed", (3000,), "i1", chunks=(1,), maxshape=(3000,))[::500] = 1
    file.create_dataset("extensible", data=values, chunks=(3,), maxshape=(None,), fletcher32=True)
    file.create_dataset("second_axis", data=values.reshape(20, 30), chunks=(7, 4), maxshape=(20, None))
    file.create_dataset("tree", data=values.reshape(20, 30), chunks=(2, 2), maxshape=(None, None), fillvalue=9)
    file.create_dataset("long", (5000,), "i1", chunks=(2,), maxshape=(None,))[:] = 1
    file.create_dataset("never_written", (10, 10), "f8", chunks=(3, 3), fillvalue=1.5)


def newest(folder: Path) -> None:
    """What few files have: short addresses, cache images, filtered groups, references of HDF5 1.12, nested mappings."""
    library = ctypes.CDLL(h5py.h5p.__file__)
    for offsets, lengths, parts in ((4, 4, (indexes, types, groups)), (2, 8, (indexes, groups))):
        kind, plain = h5py.h5p.create(h5py.h5p.FILE_CREATE), access()
        kind.set_sizes(offsets, lengths)
        with created(folder / f"sizes_{offsets}_{lengths}.h5", kind, plain) as file:
            for part in parts:
                part(file)
    image = access()
    library.H5Pset_mdc_image_config.argtypes = (ctypes.c_int64, ctypes.c_char_p)
    # version, generate an image (2 flags, 2 bytes of padding), entries do not age
    assert library.H5Pset_mdc_image_config(image.id, struct.pack("<iBBxxi", 1, 1, 0, -1)) >= 0
    with created(folder / "cache_image.h5", None, image) as file:
        indexes(file)
        groups(file)
    with h5py.File(folder / "newest.h5", "w", libver="latest") as file:
        filtered_group(file, library)
        references(file, library)
        nested(file)
        other_floats(file)


def access() -> h5py.h5p.PropFAID:
    """How to open a file of the newest format."""
    found = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    found.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    found.set_libver_bounds(h5py.h5f.LIBVER_LATEST, h5py.h5f.LIBVER_LATEST)
    return found


def created(path: Path, kind: Any, how: Any) -> h5py.File:
    """A new file with these properties."""
    return h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, kind, how))


def indexes(file: h5py.File) -> None:
    """The newer chunk indexes, small: paged and filtered ones, trees of several levels."""
    values = np.arange(600, dtype="i2")
    for name, filters in (("plain", {}), ("filtered", {"compression": "gzip"})):
        file.create_dataset(f"fixed_{name}", (1100,), "i1", chunks=(1,), **filters)[::400] = 1
        file.create_dataset(f"extensible_{name}", data=values, chunks=(3,), maxshape=(None,), **filters)
        file.create_dataset(
            f"tree_{name}", data=values[:200].reshape(10, 20), chunks=(1, 1), maxshape=(None, None), **filters
        )


def filtered_group(file: h5py.File, library: ctypes.CDLL) -> None:
    """Links in compressed blocks, one of them too long for a block."""
    create = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    library.H5Pset_filter.argtypes = (ctypes.c_int64, ctypes.c_int, ctypes.c_uint, ctypes.c_size_t, ctypes.c_void_p)
    assert library.H5Pset_filter(create.id, 1, 1, 1, ctypes.byref(ctypes.c_uint(6))) >= 0
    group = h5py.Group(h5py.h5g.create(file.id, b"filtered", None, create))
    for name in (*(f"{number} " * 20 for number in range(60)), "x" * 5000):
        group[name] = h5py.SoftLink("/own")


def references(file: h5py.File, library: ctypes.CDLL) -> None:
    """References of every kind, as datasets and as attributes."""
    own = file.create_dataset("own", data=np.arange(200).reshape(20, 10), chunks=(5, 5))
    file.create_dataset("regions", (3,), h5py.regionref_dtype)[0] = own.regionref[2:9:3, 1:4]
    own.attrs["region"] = own.regionref[1:3]
    own.attrs["reference"] = own.ref
    kind = ctypes.c_int64.in_dll(library, "H5T_STD_REF_g").value
    number, text, memory = ctypes.c_int64, ctypes.c_char_p, (ctypes.c_uint8 * (2 * 64))()
    library.H5Rcreate_object.argtypes = (number, text, number, ctypes.c_void_p)
    library.H5Rcreate_region.argtypes = (number, text, number, number, ctypes.c_void_p)
    library.H5Acreate2.argtypes, library.H5Acreate2.restype = (number, text, *[number] * 4), number
    library.H5Awrite.argtypes = (number, number, ctypes.c_void_p)
    assert library.H5Rcreate_object(file.id.id, b"/own", 0, memory) >= 0
    region = h5py.h5s.create_simple((20, 10))
    region.select_hyperslab((1, 2), (3, 1), (4, 1), (1, 3))
    assert library.H5Rcreate_region(file.id.id, b"/own", region.id, 0, ctypes.addressof(memory) + 64) >= 0
    pair = h5py.h5s.create_simple((2,))
    attribute = library.H5Acreate2(file.id.id, b"revised", kind, pair.id, 0, 0)
    assert library.H5Awrite(attribute, kind, memory) >= 0
    library.H5Aclose.argtypes = (number,)
    assert library.H5Aclose(attribute) >= 0


def nested(file: h5py.File) -> None:
    """A virtual dataset of virtual datasets of this file."""
    for name, source in (("inner", "own"), ("outer", "inner")):
        layout = h5py.VirtualLayout((20, 10), "i8")
        layout[:10] = h5py.VirtualSource(".", source, (20, 10))[:10]
        layout[10:] = h5py.VirtualSource(".", source, (20, 10))[10:]
        file.create_virtual_dataset(name, layout)


def other_floats(file: h5py.File) -> None:
    """Numbers of 16 and of 8 bits, as a dataset and as an attribute."""
    for name, sign, exponent, mantissa in ((b"brain", 15, (7, 8), (0, 7)), (b"quarter", 7, (3, 4), (0, 3))):
        kind = h5py.h5t.IEEE_F32LE.copy()
        kind.set_fields(sign, *exponent, *mantissa)
        kind.set_precision(sign + 1)
        kind.set_size((sign + 1) // 8)
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(file.id, name, kind, space).write(h5py.h5s.ALL, h5py.h5s.ALL, np.ones(4))
        h5py.h5a.create(file.id, name, kind, space).write(np.ones(4))


def types(file: h5py.File) -> None:
    """Datatypes, as datasets and as attributes, also shared ones, and attributes too many for the header."""
    record = np.dtype([("a", "i4"), ("b", "f8", (2,)), ("c", "S3"), ("d", [("e", "u1"), ("f", "c16")])])
    file["type"] = record
    samples = {
        "text": "text",
        "texts": ["a", "bc", ""],
        "fixed": np.array([b"ab", b"c"]),
        "numbers": np.arange(6, dtype=">i2").reshape(2, 3),
        "flags": np.array([True, False]),
        "record": np.zeros(3, record),
        "complex": np.array([1j, 2]),
        "nothing": h5py.Empty("f4"),
        "half": np.float16(0.5),
    }
    for name, value in samples.items():
        file[name] = value
        file.attrs[name] = value
    lists = file.create_dataset("lists", (3,), h5py.vlen_dtype("i4"))
    lists[0] = [1, 2, 3]
    file.create_dataset("enum", (3,), h5py.enum_dtype({"LOW": 0, "HIGH": 5}, "u1"))
    file.create_dataset("references", (2,), h5py.ref_dtype)[0] = file["text"].ref
    typed = file.create_dataset("typed", (2,), file["type"])
    typed.attrs.create("typed", np.zeros(1, record), dtype=file["type"])
    for number in range(20):
        file["numbers"].attrs[f"attribute{number:02}"] = "x" * number
    file["numbers"].attrs["large"] = np.arange(3000)


def groups(file: h5py.File) -> None:
    """Groups in groups, many members, and links of every kind."""
    for number in range(40):
        file[f"many/member{number:02}"] = number
    deep = file
    for number in range(6):
        deep = deep.create_group(f"level{number}")
        deep.attrs["level"] = number
    file["alias"] = file["many/member03"]
    file["circle"] = h5py.SoftLink("/circle")
    file["soft"] = h5py.SoftLink("/many/member05")
    file["elsewhere"] = h5py.ExternalLink("other.h5", "/x")
    deep["up"] = file["many"]


def netcdf(dataset: netCDF4.Dataset) -> None:
    """Dimensions, an unlimited one, groups, and attributes enough to be stored densely."""
    for name, size in (("time", None), ("lat", 4), ("bare", 3)):
        dataset.createDimension(name, size)
    for name, dims in (("time", ("time",)), ("lat", ("lat",)), ("t", ("time", "lat")), ("s", ("time", "bare"))):
        variable = dataset.createVariable(name, "f4", dims, zlib=len(dims) > 1, fill_value=-1.0)
        variable.setncatts({f"attribute{number}": number for number in range(12)})
        variable[:] = np.ones([5 if dim == "time" else len(dataset.dimensions[dim]) for dim in dims])
    dataset.createGroup("below").createVariable("u", str, ("lat",))[0] = "text"


def netcdf3(folder: Path) -> dict[str, bytes]:
    """Classic files of the three versions."""
    for version in (1, 2):
        with scipy.io.netcdf_file(folder / f"classic{version}.nc", "w", version=version) as file:
            file.title = "x"
            file.createDimension("time", None)
            file.createDimension("x", 5)
            for name, dims in (("time", ("time",)), ("x", ("x",)), ("v", ("time", "x"))):
                variable = file.createVariable(name, "f4", dims)
                variable.units = "m"
                variable[:] = np.ones([3 if dim == "time" else 5 for dim in dims])
    with netCDF4.Dataset(folder / "classic5.nc", "w", format="NETCDF3_64BIT_DATA") as dataset:
        dataset.createDimension("x", 4)
        dataset.createVariable("v", "u8", ("x",))[:] = [1, 2, 3, 4]
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def fits(folder: Path) -> dict[str, bytes]:
    """Images, tables and compressed images, with headers of every kind of card."""
    various = np.empty(3, object)
    various[:] = [np.arange(n, dtype="i2") for n in (2, 0, 3)]
    numbers = np.random.default_rng(0).normal(size=(12, 20)).astype("f4")
    columns = [
        ("A", "J", [1, 2, 3]),
        ("B", "3X", np.ones((3, 3), bool)),
        ("V", "PI()", various),
        ("S", "5A", ["a"] * 3),
    ]
    image = astropy.io.fits.ImageHDU(numbers.reshape(3, 4, 20), name="SCI")
    image.header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CTYPE3="FREQ", LONG="x" * 150)
    table = astropy.io.fits.BinTableHDU.from_columns([astropy.io.fits.Column(n, f, array=a) for n, f, a in columns])
    text = astropy.io.fits.TableHDU.from_columns([astropy.io.fits.Column("A", "I6", array=[1, 2])])
    tiles = astropy.io.fits.CompImageHDU(numbers, tile_shape=(5, 7), dither_seed=5)
    for name, hdus in {"image": [image], "tables": [table, text], "tiles": [tiles, image]}.items():
        astropy.io.fits.HDUList([astropy.io.fits.PrimaryHDU(), *hdus]).writeto(folder / f"{name}.fits")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def hdf4(_folder: Path) -> dict[str, bytes]:
    """Arrays under each special element, tables, images, a grid of HDF-EOS2, and a swath with coarse geolocation."""
    recipes = runpy.run_path(str(Path(__file__).parents[1] / "formats" / "hdf4" / "recipes.py"))["Recipe"]
    file, numbers = recipes(), np.arange(8, dtype=">i2").tobytes()
    packed = {(n, 0): zlib.compress(numbers[8 * n : 8 * n + 8]) for n in range(2)}
    data = {
        "plain": file.add(702, numbers),
        "linked": file.linked(702, [numbers[:8], numbers[8:]], 16),
        "torn": file.linked(702, [numbers[:6], numbers[6:12], numbers[12:] + bytes(2)], 16),
        "deflated": file.compressed(702, zlib.compress(numbers), 16),
        "bits": file.compressed(702, numbers, 16, (2, ">iHHii", 22, 1, 0, 7, 8)),
        "chunked": file.chunked((4, 2), (2, 2), 2, packed, fill=b"\0\1", coder=(4, ">H", 6)),
        "never": None,
    }
    variables = [
        file.sds(name, (4, 2), "i2", key, dims=("YDim:G", "XDim:G"), attributes=[file.attribute("units", "K")])
        for name, key in data.items()
    ]
    file.vgroup("G", "GRID", [file.vgroup("Data Fields", "GRID Vgroup", [ndg for _, ndg in variables])])
    metadata = 'GROUP=GridStructure\nGROUP=GRID_1\nGridName="G"\nXDim=2\nYDim=4\nUpperLeftPointMtrs=(0,4e6)\n'
    metadata += "LowerRightMtrs=(4e6,0)\nProjection=GCTP_SNSOID\nProjParams=(6371007,0,0)\nEND_GROUP=GRID_1\nEND\n"
    file.root([*(variable for variable, _ in variables), file.attribute("StructMetadata.0", metadata)])
    file.vdata("table", "", [("a", 22, 2, 1), ("b", 4, 3, 3)], 3, bytes(15))
    image = struct.pack(">iiHHhhHH", 3, 2, *file.nt("u1"), 1, 0, 0, 0)
    file.vgroup("picture", "RI0.0", [file.add(300, image), file.add(302, bytes(6))])
    return {"all.hdf": file.bytes(), "swath.hdf": _swath(recipes())}


def _swath(file: Any) -> bytes:
    """Geolocation of 2 x 2, deflated, in chunks and as a whole, of data of 4 x 4."""
    degrees, fields = np.array([[10, 11], [12, 13]], ">f4").tobytes(), []
    chunks = {(n, 0): zlib.compress(degrees[8 * n : 8 * n + 8]) for n in range(2)}
    data = {
        "Latitude": file.chunked((2, 2), (1, 2), 4, chunks, coder=(4, ">H", 6)),
        "Longitude": file.compressed(702, zlib.compress(degrees), 16),
    }
    for name, key in data.items():
        fields.append(file.sds(name, (2, 2), "f4", key, dims=("y:S", "x:S")))
    fields.append(file.sds("v", (4, 4), "u1", file.add(702, bytes(16)), dims=("y1:S", "x1:S")))
    file.vgroup("S", "SWATH", [file.vgroup("Data Fields", "SWATH Vgroup", [ndg for _, ndg in fields])])
    maps = "".join(
        f'OBJECT=DimensionMap_{n}\nGeoDimension="{axis}"\nDataDimension="{axis}1"\nOffset=0\nIncrement=2\n'
        f"END_OBJECT=DimensionMap_{n}\n"
        for n, axis in enumerate("yx")
    )
    metadata = f'GROUP=SwathStructure\nGROUP=SWATH_1\nSwathName="S"\nGROUP=DimensionMap\n{maps}'
    metadata += "END_GROUP=DimensionMap\nEND_GROUP=SWATH_1\nEND_GROUP=SwathStructure\nEND\n"
    file.root([*(variable for variable, _ in fields), file.attribute("StructMetadata.0", metadata)])
    return bytes(file.bytes())


def archives(_folder: Path) -> dict[str, bytes]:
    """A ZIP and a TAR archive with a member `a.bin`."""
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        for name in ("other.bin", "a.bin"):
            archive.writestr(name, b"0123456789" * 20)
    with tarfile.open(fileobj=tarred, mode="w") as archive:
        for name in ("other.bin", "a.bin"):
            member = tarfile.TarInfo(name)
            member.size = 200
            archive.addfile(member, io.BytesIO(b"0123456789" * 20))
    return {"a.zip": zipped.getvalue(), "a.tar": tarred.getvalue()}


def documents(_folder: Path) -> dict[str, bytes]:
    """Reference sets as JSON, plain, with templates, and of Zarr v3."""
    zarray = {
        "shape": [4, 3],
        "chunks": [2, 3],
        "dtype": "<f4",
        "compressor": {"id": "zlib", "level": 1},
        "filters": None,
        "fill_value": "NaN",
        "order": "C",
        "zarr_format": 2,
    }
    refs = {
        ".zgroup": '{"zarr_format": 2}',
        ".zattrs": '{"title": "x"}',
        "v/.zarray": json.dumps(zarray),
        "v/.zattrs": '{"_ARRAY_DIMENSIONS": ["y", "x"]}',
        "v/0.0": ["s3://bucket/a.nc", 100, 20],
        "v/1.0": "base64:AAECAwQ=",
    }
    templated = {
        "version": 1,
        "templates": {"u": "s3://bucket/a.nc"},
        "refs": {**refs, "v/0.0": ["{{u}}", 100, 20]},
    }
    in_v3 = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [4, 3],
        "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 3]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "NaN",
        "codecs": [
            {"name": "transpose", "configuration": {"order": [1, 0]}},
            {"name": "bytes", "configuration": {"endian": "big"}},
            {"name": "blosc", "configuration": {"typesize": 4, "cname": "lz4", "clevel": 5, "shuffle": "shuffle"}},
        ],
        "attributes": {"_FillValue": "AAAAAAAA+H8="},
        "dimension_names": ["y", "x"],
    }
    v3 = {"v/zarr.json": in_v3, "v/c/0/0": ["s3://bucket/a.nc", 100, 20], "v/c/1/0": "base64:AAECAwQ="}
    texts = {"flat.json": refs, "templated.json": templated, "v3.json": v3}
    return {name: json.dumps(text).encode() for name, text in texts.items()}


def tiff(folder: Path) -> dict[str, bytes]:
    """Files of TIFF that between them have every tag and every text that is parsed."""
    data = np.arange(2 * 3 * 40 * 50, dtype="u2").reshape(2, 3, 40, 50)
    plain = {"photometric": "minisblack"}
    tifffile.imwrite(folder / "ome.ome.tif", data, metadata={"axes": "TCYX"}, ome=True, **plain)
    tifffile.imwrite(folder / "imagej.tif", data, imagej=True, byteorder=">")
    tifffile.imwrite(folder / "shaped.tif", data, bigtiff=True, compression="zlib", predictor=True, **plain)
    tifffile.imwrite(folder / "jpeg.tif", data[0].astype("u1"), photometric="rgb", compression="jpeg", tile=(16, 16))
    with tifffile.TiffWriter(folder / "pyramid.tif") as writer:
        writer.write(data[0, 0], subifds=1, tile=(16, 16), metadata=None, **plain)
        writer.write(data[0, 0, ::2, ::2], subfiletype=1, tile=(16, 16), metadata=None, **plain)
    keys = {"width": 50, "height": 40, "count": 3, "dtype": "uint16", "nodata": 7, "driver": "GTiff"}
    places = {"own.tif": "+proj=laea +lat_0=52 +lon_0=10 +ellps=GRS80", "code.tif": "EPSG:32632"}
    for name, crs in places.items():
        transform = rasterio.Affine(10, 0, 5, 0, -10, 7)
        with rasterio.open(folder / name, "w", crs=crs, transform=transform, interleave="band", **keys) as file:
            file.write(data[0])
            file.scales, file.units = (0.1, 0.2, 0.3), ("m", "m", "K")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
