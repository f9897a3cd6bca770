"""Where headers have their fields: NIfTI-1, NIfTI-2, and Analyze 7.5, from which they come.

Specification: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h,
https://nifti.nimh.nih.gov/pub/dist/doc/nifti2.h, and for Analyze
https://eeg.sourceforge.net/ANALYZE75.pdf, with the fields that SPM gave a meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["ANALYZE", "NIFTI1", "NIFTI2", "Layout"]


class Layout(NamedTuple):
    """Where a version of the header has its fields: name -> offset and type."""

    size: int
    """Of the header, which is its first field."""
    magics: tuple[bytes, ...]
    """Of an image with its header in one file, and of a header whose image is in another; none of Analyze."""
    magic_at: int
    fields: Mapping[str, tuple[int, str]]


# struct nifti_1_header
NIFTI1: Final = Layout(
    348,
    (b"n+1\0", b"ni1\0"),
    344,
    {
        "dim": (40, "8i2"),
        "intent_code": (68, "i2"),
        "datatype": (70, "i2"),
        "pixdim": (76, "8f4"),
        "vox_offset": (108, "f4"),
        "scl_slope": (112, "f4"),
        "scl_inter": (116, "f4"),
        "xyzt_units": (123, "u1"),
        "cal_max": (124, "f4"),
        "cal_min": (128, "f4"),
        "toffset": (136, "f4"),
        "descrip": (148, "S80"),
        "aux_file": (228, "S24"),
        "qform_code": (252, "i2"),
        "sform_code": (254, "i2"),
        "quatern": (256, "3f4"),
        "qoffset": (268, "3f4"),
        "srow": (280, "12f4"),
        "intent_name": (328, "S16"),
    },
)
# struct nifti_2_header
NIFTI2: Final = Layout(
    540,
    (b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n"),
    4,
    {
        "datatype": (12, "i2"),
        "dim": (16, "8i8"),
        "pixdim": (104, "8f8"),
        "vox_offset": (168, "i8"),
        "scl_slope": (176, "f8"),
        "scl_inter": (184, "f8"),
        "cal_max": (192, "f8"),
        "cal_min": (200, "f8"),
        "toffset": (216, "f8"),
        "descrip": (240, "S80"),
        "aux_file": (320, "S24"),
        "qform_code": (344, "i4"),
        "sform_code": (348, "i4"),
        "quatern": (352, "3f8"),
        "qoffset": (376, "3f8"),
        "srow": (400, "12f8"),
        "xyzt_units": (500, "i4"),
        "intent_code": (504, "i4"),
        "intent_name": (508, "S16"),
    },
)

# struct dsr; `scl_slope`, `scl_inter` and `origin` as SPM writes them
ANALYZE: Final = Layout(
    348,
    (),
    344,
    {
        "dim": (40, "8i2"),
        "vox_units": (56, "S4"),
        "cal_units": (60, "S8"),
        "datatype": (70, "i2"),
        "pixdim": (76, "8f4"),
        "vox_offset": (108, "f4"),
        "scl_slope": (112, "f4"),
        "scl_inter": (116, "f4"),
        "cal_max": (124, "f4"),
        "cal_min": (128, "f4"),
        "glmax": (140, "i4"),
        "glmin": (144, "i4"),
        "descrip": (148, "S80"),
        "aux_file": (228, "S24"),
        "orient": (252, "u1"),
        "origin": (253, "5i2"),
    },
)
