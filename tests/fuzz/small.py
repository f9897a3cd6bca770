"""Small formats to damage, written by their own libraries, and how each is scanned."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel
import numpy as np
import rasterio
from rasterio.transform import from_origin

from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource
from chunkmap.io.archive import open_member

HEAD = (
    '<?xml version="1.0"?>\n<Dataset xmlns="http://xml.opendap.org/ns/DAP/4.0#"'
    ' xmlns:dmrpp="http://xml.opendap.org/dap/dmrpp/1.0.0#" dmrpp:href="OPeNDAP_DMRpp_DATA_ACCESS_URL">\n'
)


def packed(files: dict[str, bytes]) -> bytes:
    """Files that belong together, as the members of an archive."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return held.getvalue()


def nifti(folder: Path) -> dict[str, bytes]:
    """One file of each version, with an extension, and pairs of each, header first."""
    data = np.arange(24, dtype="i2").reshape(4, 3, 2)
    found: dict[str, bytes] = {}
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        made = kind(data, np.eye(4))
        made.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"words"))
        found[f"{kind.__name__}.nii"] = made.to_bytes()
    for kind in (nibabel.Nifti1Pair, nibabel.Nifti2Pair, nibabel.Spm2AnalyzeImage):
        kind(data, np.eye(4)).to_filename(folder / "a.hdr")
        files = {name: (folder / name).read_bytes() for name in ("a.hdr", "a.img")}
        found[f"{kind.__name__}.zip"] = packed(files)
    return found


def npy(folder: Path) -> dict[str, bytes]:
    """Arrays of several types and orders, and archives of them."""
    given = {"x": np.arange(6.0).reshape(2, 3), "records": np.zeros(3, [("a", "<i2"), ("b", "S4")])}
    found: dict[str, bytes] = {}
    for name, array in {**given, "f": np.asfortranarray(given["x"])}.items():
        np.save(folder / f"{name}.npy", array)
        found[f"{name}.npy"] = (folder / f"{name}.npy").read_bytes()
    np.savez(folder / "a.npz", **given, **{"g/h": np.array(5)})
    return found | {"a.npz": (folder / "a.npz").read_bytes()}


def envi(folder: Path) -> dict[str, bytes]:
    """Headers of GDAL's making, with their pixels."""
    found: dict[str, bytes] = {}
    how = {"width": 5, "height": 4, "count": 3, "dtype": "int16", "nodata": -1, "transform": from_origin(1, 2, 3, 4)}
    for driver, suffix, more in (("ENVI", ".img", {"interleave": "bil"}), ("EHdr", ".bil", {})):
        with rasterio.open(folder / f"a{suffix}", "w", driver=driver, crs="EPSG:4326", **how, **more) as file:
            file.write(np.arange(60, dtype="i2").reshape(3, 4, 5))
        text = (folder / "a.hdr").read_bytes()
        if driver == "ENVI":
            text += b"wavelength = {1,\n 2, 3}\ndata gain values = {2, 2, 2}\nreflectance scale factor = 10\n"
        found[f"{driver}.zip"] = packed({"a.hdr": text, f"a{suffix}": (folder / f"a{suffix}").read_bytes()})
    return found


def dmrpp(folder: Path) -> dict[str, bytes]:
    """Documents with all that they may hold."""
    with h5py.File(folder / "a.h5", "w") as file:
        data = file.create_dataset("x", (40, 30), "f4", chunks=(10, 10), compression="gzip", shuffle=True)
        data[:] = 1
        chunks = "".join(
            f'<dmrpp:chunk offset="{c.byte_offset}" nBytes="{c.size}" chunkPositionInArray="{list(c.chunk_offset)}"/>'
            for c in map(data.id.get_chunk_info, range(data.id.get_num_chunks()))
        )
    own = '<dmrpp:chunks compressionType="shuffle deflate" deflateLevel="4" byteOrder="LE" fillValue="7">'
    own += f"<dmrpp:chunkDimensionSizes>10 10</dmrpp:chunkDimensionSizes>{chunks}</dmrpp:chunks>"
    body = '<Dimension name="t" size="40"/><Attribute name="a" type="Float32"><Value>1.5</Value></Attribute>'
    body += f'<Float32 name="x"><Dim name="/t"/><Dim size="30"/>{own}</Float32>'
    body += '<Group name="g"><Enumeration name="e" basetype="Byte"><EnumConst name="no" value="0"/></Enumeration>'
    body += '<Int16 name="c"><Dim size="2"/><dmrpp:compact>AQACAA==</dmrpp:compact></Int16>'
    body += '<Int32 name="b"><Dim name="/t"/><dmrpp:chunks byteOrder="BE"><dmrpp:block offset="0" nBytes="80"/>'
    body += '<dmrpp:block offset="90" nBytes="80"/></dmrpp:chunks></Int32>'
    body += '<String name="s"><Dim size="3"/><dmrpp:vlsa><v c="2">ab</v><v>c</v></dmrpp:vlsa></String></Group>'
    return {"a.h5.dmrpp": f"{HEAD}{body}</Dataset>".encode()}


def scan_plain(name: str) -> Callable[[bytes, int], None]:
    """A file by itself, or the header that is a member of an archive, beside what it describes."""

    def scan(data: bytes, number: int) -> None:
        source = BytesSource(data, "a.h5.dmrpp")
        if name in ("nifti", "envi") and data[:2] == b"PK":
            source = open_member("zip", "a.hdr", source, "zip://a.hdr::a")  # type: ignore[assignment]
        kind = "npz" if name == "npy" and data[:2] == b"PK" else name
        options = {"chunk_nbytes": 20} if number % 2 and name != "dmrpp" else {}
        scan_source(source, format=kind, inline_threshold=number % 3 * 10, **options).to_dict()

    return scan
