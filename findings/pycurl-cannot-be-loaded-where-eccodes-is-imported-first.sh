#!/usr/bin/env bash
# pycurl, whose wheel brings a libcurl of its own: where eccodes is imported first, `import pycurl` fails.
#
# The wheel of eckitlib, which eccodes loads, brings libcurl 7.61.1 and makes its functions known to the whole process.
# pycurl's extension finds those before the ones of its own wheel, compares versions, and refuses with an ImportError that
# says "link-time version". In the other order both work, and the message names neither eccodes nor eckitlib. No network is
# needed: GRIB is decoded from memory, and curl only tells its version.
#
# Versions: Python 3.11, eccodes 2.50.0, eckitlib 2.5.0.33, pycurl 7.49.0; wheels for Linux on x86-64.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" \
    "eccodes==2.50.0" "eckitlib==2.5.0.33" "pycurl==7.49.0" >/dev/null 2>&1
PYTHONPATH="$folder/packages" python3 - <<'PY'
import subprocess
import sys

code = """
import sys
for package in sys.argv[1:]:
    try:
        __import__(package)
    except ImportError as error:
        print(error)
        break
else:
    import eccodes, pycurl
    message = eccodes.codes_grib_new_from_samples("GRIB2")
    print(eccodes.codes_get(message, "edition"), pycurl.version_info()[1])
"""
EXPECTED = {
    ("pycurl", "eccodes"): "2 8.23.0",
    ("eccodes", "pycurl"): "pycurl: libcurl link-time version (7.61.1) is older than compile-time version (8.23.0)",
}
for order, expected in EXPECTED.items():
    done = subprocess.run([sys.executable, "-c", code, *order], capture_output=True, text=True, check=True)
    found = done.stdout.strip()
    print(f"import {', '.join(order)}: {found}")
    assert found == expected, found
PY
