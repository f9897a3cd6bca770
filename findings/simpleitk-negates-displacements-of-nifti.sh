#!/usr/bin/env bash
# A NIfTI field of displacement vectors: SimpleITK negates x and y of every vector, for one of two intents.
#
# With intent code 1006 (displacement vectors) ITK turns the vectors from NIfTI's axes (right, anterior, superior) into
# its own (left, posterior, superior): the values themselves change, not only origin and direction of the image. With
# intent code 1007 (vectors), and the same bytes, it gives them as they are stored. nibabel gives them as stored for
# both. No value of the two libraries' arrays can be compared without the intent code.
#
# Versions: Python >= 3.11, SimpleITK 2.5.7, nibabel 5.4.2, numpy 2.4.6.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" "SimpleITK==2.5.7" "nibabel==5.4.2" "numpy==2.4.6" >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 - "$folder/field.nii" <<'PY'
import sys

import nibabel
import numpy as np
import SimpleITK

path = sys.argv[1]
field = np.arange(1, 25, dtype="f4").reshape(2, 2, 2, 1, 3)
found = {}
for code in (1006, 1007):
    image = nibabel.Nifti1Image(field, np.eye(4))
    image.header["intent_code"] = code
    nibabel.save(image, path)
    assert np.array_equal(np.asarray(nibabel.load(path).dataobj), field)
    found[code] = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path)).transpose(2, 1, 0, 3)
    print(code, "stored:", field[0, 0, 0, 0].tolist(), "SimpleITK:", found[code][0, 0, 0].tolist())
assert np.array_equal(found[1006], field[:, :, :, 0] * np.array([-1, -1, 1])), "SimpleITK negates them no more"
assert np.array_equal(found[1007], field[:, :, :, 0]), "SimpleITK turns plain vectors too now"
PY
