"""NIfTI-1 and NIfTI-2: what is read through references is what nibabel reads."""

import gzip
import struct
import zipfile

import nibabel
import numpy as np
import pytest
import xarray as xr

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import ChunkmapError, FormatError, NoSuchFile, TruncatedFile, Unsupported
from chunkmap.formats.scanning import scan_source
from chunkmap.io import BytesSource

KINDS = [nibabel.Nifti1Image, nibabel.Nifti2Image]
RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
DTYPES = [*(np.dtype(t) for t in ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16")), RGB]


def image(kind, dtype, shape, order="<"):
    count = int(np.prod(shape))
    raw = np.arange(count * dtype.itemsize, dtype="u1") % 120
    data = np.frombuffer(raw.tobytes(), dtype).reshape(shape)
    header = kind.header_class(endianness=order)
    header.set_data_dtype(dtype)
    affine = nibabel.affines.from_matvec(np.diag([2.0, -3.0, 4.0]), [1, 2, 3])
    made = kind(data, affine, header, dtype=dtype)
    if hasattr(made.header, "set_xyzt_units"):
        made.header.set_xyzt_units("mm", "sec")
    return made


def written(tmp_path, made, **header):
    """The file of an image, fields of whose header are set as they are."""
    data = bytearray(made.to_bytes())
    places = {"scl_slope": (112, "f"), "scl_inter": (116, "f"), "vox_offset": (108, "f"), "datatype": (70, "h")}
    for name, value in header.items():
        offset, code = places[name]
        struct.pack_into(f"<{code}", data, offset, value)
    path = tmp_path / "a.nii"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_voxels_are_those_of_nibabel(tmp_path, kind, order, dtype):
    """Every type, byte order and version gives nibabel's array: shape, dtype and values."""
    for shape in ((4,), (3, 2), (4, 3, 2), (4, 3, 2, 5), (2, 1, 2, 3, 2)):
        image(kind, dtype, shape, order).to_filename(tmp_path / "a.nii")
        array = chunkmap.scan(tmp_path / "a.nii").arrays["image"]
        expected = np.asanyarray(nibabel.load(tmp_path / "a.nii").dataobj.get_unscaled())
        found = read_array(array, Fetcher())
        assert found.dtype == expected.dtype
        assert found.tobytes() == expected.tobytes()
        assert array.meta.chunk_shape == (*shape[:3], *(1 for _ in shape[3:]))


@pytest.mark.parametrize(("slope", "inter"), [(2.5, -3.0), (0, 7), (np.nan, 7), (np.inf, np.nan), (1, 0), (-1, 0.5)])
def test_scales_are_those_of_nibabel(tmp_path, slope, inter):
    """A slope is a scale unless it is 0, NaN or infinite, which mean none; its intercept then means nothing either."""
    made = image(nibabel.Nifti1Image, np.dtype("i2"), (4, 3, 2))
    path = written(tmp_path, made, scl_slope=slope, scl_inter=inter)
    expected = nibabel.load(path).get_fdata()
    with xr.open_dataset(path, engine="chunkmap") as dataset:
        np.testing.assert_allclose(dataset.image.values, expected, rtol=1e-6)
        assert dataset.image.dims == ("x", "y", "z")


def test_an_intercept_that_is_no_number_is_an_error(tmp_path):
    """A good slope beside an intercept that is NaN is refused, as nibabel refuses it."""
    path = written(tmp_path, image(nibabel.Nifti1Image, np.dtype("i2"), (2, 2)), scl_slope=2, scl_inter=np.nan)
    with pytest.raises(FormatError, match="scl_inter is nan"):
        chunkmap.scan(path)


def test_scale_of_complex_numbers_is_a_problem(tmp_path):
    """Readers of CF do not scale complex numbers: the set says so."""
    path = written(tmp_path, image(nibabel.Nifti1Image, np.dtype("c8"), (2, 2)), scl_slope=2, scl_inter=0)
    (problem,) = chunkmap.scan(path).problems
    assert "complex" in problem.feature


@pytest.mark.parametrize("kind", KINDS)
def test_matrices_units_and_extensions_are_attributes(tmp_path, kind):
    """Both matrices, units and extensions of the header are attributes of the root."""
    made = image(kind, np.dtype("f4"), (4, 3, 2, 2))
    made.set_qform(np.diag([-2.0, 2, 2, 1]), code=1)
    made.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"made of nothing"))
    made.to_filename(tmp_path / "a.nii")
    attrs = chunkmap.scan(tmp_path / "a.nii").attrs
    again = nibabel.load(tmp_path / "a.nii")
    np.testing.assert_allclose(attrs["qform"], again.get_qform(), atol=1e-6)
    np.testing.assert_allclose(attrs["sform"], again.get_sform(), atol=1e-6)
    assert (attrs["space_units"], attrs["time_units"]) == ("mm", "s")
    assert attrs["extensions"][0]["text"] == "made of nothing"
    assert attrs["pixdim"][1:] == again.header["pixdim"][1:5].tolist()


PAIRS = [nibabel.Nifti1Pair, nibabel.Nifti2Pair, nibabel.Spm2AnalyzeImage, nibabel.AnalyzeImage]


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.dtype("i2"), np.dtype("c8"), RGB], ids=str)
def test_images_beside_their_headers(tmp_path, kind, order, dtype):
    """From the header of a pair, references lead into the image: values, type and shape are those of nibabel."""
    image(kind, dtype, (4, 3, 2, 5), order).to_filename(tmp_path / "a.hdr")
    refs = chunkmap.scan(tmp_path / "a.hdr", inline_threshold=0)
    expected = np.asanyarray(nibabel.load(tmp_path / "a.hdr").dataobj.get_unscaled())
    found = read_array(refs.arrays["image"], Fetcher())
    assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    assert refs.arrays["image"].chunks.urls == (str(tmp_path / "a.img"),)
    assert refs.targets.keys() == {str(tmp_path / "a.hdr"), str(tmp_path / "a.img")}


@pytest.mark.parametrize(
    "fields",
    [
        {"scl_slope": 2.5, "scl_inter": -3},
        {"scl_slope": 2.5, "scl_inter": np.nan},
        {"scl_slope": 0, "glmin": 10, "glmax": 110, "cal_min": 0.2, "cal_max": 0.8},
        {"scl_slope": np.nan, "glmax": 5},
    ],
)
def test_scales_of_analyze_are_those_of_nibabel(tmp_path, fields):
    """Analyze has the slope that SPM writes into it, or else what the ranges of values say."""
    made = image(nibabel.Spm2AnalyzeImage, np.dtype("i2"), (4, 3, 2))
    made.to_filename(tmp_path / "a.hdr")
    header = nibabel.Spm2AnalyzeImage.header_class((tmp_path / "a.hdr").read_bytes(), check=False)
    for name, value in fields.items():
        header[name] = value
    (tmp_path / "a.hdr").write_bytes(header.binaryblock)
    expected = nibabel.load(tmp_path / "a.hdr").get_fdata()
    with xr.open_dataset(tmp_path / "a.hdr", engine="chunkmap") as dataset:
        np.testing.assert_allclose(dataset.image.values, expected, rtol=1e-6)


def test_the_image_of_a_pair_alone_is_refused(tmp_path):
    """Who scans the image is told which header to scan."""
    image(nibabel.Nifti1Pair, np.dtype("i2"), (4, 3)).to_filename(tmp_path / "a.hdr")
    with pytest.raises(FormatError, match=r"scan that: 'a\.hdr'"):
        chunkmap.scan(tmp_path / "a.img")


def test_pairs_lie_in_archives_too(tmp_path):
    """Members of an archive are a pair as files are; references are ranges of the archive."""
    image(nibabel.Nifti1Pair, np.dtype("i2"), (4, 3)).to_filename(tmp_path / "A.HDR")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("A.HDR", "A.IMG"):
            archive.write(tmp_path / name, f"x/{name}")
    refs = chunkmap.scan(f"zip://x/A.HDR::{tmp_path / 'a.zip'}", inline_threshold=0)
    assert refs.arrays["image"].chunks.urls == (str(tmp_path / "a.zip"),)
    expected = np.asanyarray(nibabel.load(tmp_path / "A.HDR").dataobj.get_unscaled())
    assert read_array(refs.arrays["image"], Fetcher()).tobytes() == expected.tobytes()


def test_a_pair_without_its_image(tmp_path):
    """A missing image is named, one that is compressed refused, one that is cut short an error."""
    made = image(nibabel.Nifti2Pair, np.dtype("i2"), (4, 3))
    made.to_filename(tmp_path / "a.hdr")
    data = (tmp_path / "a.img").read_bytes()
    (tmp_path / "a.img").write_bytes(data[:-1])
    with pytest.raises(TruncatedFile, match=r"a\.img"):
        chunkmap.scan(tmp_path / "a.hdr")
    (tmp_path / "a.img").unlink()
    with pytest.raises(NoSuchFile, match=r"whose image 'a\.img' is not beside it"):
        chunkmap.scan(tmp_path / "a.hdr")
    (tmp_path / "a.img.gz").write_bytes(gzip.compress(data))
    with pytest.raises(Unsupported, match="compressed"):
        chunkmap.scan(tmp_path / "a.hdr")
    with pytest.raises(Unsupported, match="cannot be looked for beside"):
        scan_source(BytesSource((tmp_path / "a.hdr").read_bytes(), "a.hdr"))


def test_what_numpy_does_not_have_is_refused(tmp_path):
    """Single bits and floats of 128 bits are refused by name, and so is a number that is no type."""
    made = image(nibabel.Nifti1Image, np.dtype("u1"), (8, 2))
    for number, words in ((1, "single bits"), (1536, "128 bits"), (999, "number 999")):
        with pytest.raises(Unsupported, match=words):
            chunkmap.scan(written(tmp_path, made, datatype=number))


def test_voxels_inside_the_header_are_an_error(tmp_path):
    """An offset of 0 means the first place there is; any other inside the header is refused."""
    made = image(nibabel.Nifti1Image, np.dtype("u1"), (8, 2))
    assert (
        chunkmap.scan(written(tmp_path, made, vox_offset=0), inline_threshold=0).arrays["image"].chunks[0].offset == 352
    )
    for wrong in (100, np.nan, 352.5):
        with pytest.raises(FormatError, match="vox_offset"):
            chunkmap.scan(written(tmp_path, made, vox_offset=wrong))


@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_is_an_error(kind):
    """A file that ends anywhere before its last voxel is refused."""
    data = image(kind, np.dtype("i2"), (3, 2)).to_bytes()
    for stop in range(1, len(data)):
        with pytest.raises(ChunkmapError):
            scan_source(BytesSource(data[:stop], "a.nii"), format="nifti")
