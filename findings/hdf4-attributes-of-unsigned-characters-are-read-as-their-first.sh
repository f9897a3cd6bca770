#!/usr/bin/env bash
# HDF4: an attribute of several unsigned characters (DFNT_UCHAR8, pyhdf's SDC.UCHAR) is written whole and read as one.
#
# All four numbers are in the file. Opened again, SDattrinfo says that there is one, and that is what pyhdf gives. The same
# numbers as DFNT_UINT8, or as DFNT_CHAR8, survive. As long as the file that wrote the attribute is open all four are still
# seen, so that a check before closing finds nothing.
#
# Versions: Python >= 3.11, pyhdf 0.11.7 (it brings HDF 4.2.14 along), numpy 2.4.6.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" "pyhdf==0.11.7" "numpy==2.4.6" >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 -W ignore - "$folder/attributes.hdf" <<'PY'
import sys
from pathlib import Path

from pyhdf.SD import SD, SDC

path = sys.argv[1]
numbers = [77, 79, 68, 73]
file = SD(path, SDC.WRITE | SDC.CREATE)
file.attr("unsigned_characters").set(SDC.UCHAR, numbers)
file.attr("unsigned_integers").set(SDC.UINT8, numbers)
file.attr("characters").set(SDC.CHAR, "MODI")
before = file.attributes(full=1)
file.end()
after = SD(path).attributes(full=1)
for name in after:
    print(f"{name}: before closing {before[name][0]}, length {before[name][3]};", end=" ")
    print(f"opened again {after[name][0]}, length {after[name][3]}")
print("times that the four bytes are in the file:", Path(path).read_bytes().count(bytes(numbers)))
assert Path(path).read_bytes().count(bytes(numbers)) == 3
assert before["unsigned_characters"][0] == numbers
assert after["unsigned_integers"][0] == numbers and after["characters"][0] == "MODI"
assert after["unsigned_characters"][0] == numbers[0] and after["unsigned_characters"][3] == 1, "it is whole now"
PY
