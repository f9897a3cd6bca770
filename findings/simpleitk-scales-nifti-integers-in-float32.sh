#!/usr/bin/env bash
# A NIfTI image of 32-bit or 64-bit integers with scl_slope or scl_inter: SimpleITK gives float32, and different
# integers become one number.
#
# Value = slope x stored + intercept. nibabel computes it in float64; ITK takes float32 for every integer type, though it
# has a float64 image type and uses it for float64 images. From 2^24 on, neighbours cannot be told apart any longer.
#
# Versions: Python >= 3.11, SimpleITK 2.5.7, nibabel 5.4.2, numpy 2.4.6.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" "SimpleITK==2.5.7" "nibabel==5.4.2" "numpy==2.4.6" >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 - "$folder/scaled.nii" <<'PY'
import struct
import sys
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK

path = Path(sys.argv[1])
for dtype, kind in (("i4", "32-bit float"), ("i8", "32-bit float"), ("f8", "64-bit float")):
    stored = (2**24 + np.arange(8)).astype(dtype).reshape(2, 2, 2)
    nibabel.save(nibabel.Nifti1Image(stored, np.eye(4), dtype=dtype), path)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<ff", raw, 112, 2.0, 0.0)  # scl_slope, scl_inter
    path.write_bytes(raw)
    wanted = nibabel.load(path).get_fdata()
    assert np.array_equal(wanted, 2.0 * stored)
    image = SimpleITK.ReadImage(str(path))
    found = SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0)
    print(dtype, image.GetPixelIDTypeAsString(), len(np.unique(wanted)), "values, SimpleITK:", len(np.unique(found)))
    assert image.GetPixelIDTypeAsString() == kind, "SimpleITK has another type for scaled integers now"
    assert np.array_equal(found, wanted) == (dtype == "f8"), found
PY
