"""Read arrays with the GDAL of rasterio's wheel, and print what came of each.

python read_gdal.py set.json NAME...
"""

from __future__ import annotations

import json
import sys
import warnings

warnings.simplefilter("ignore")


def main() -> None:
    import rasterio

    path, *names = sys.argv[1:]
    found = {}
    for name in names:
        try:
            with rasterio.open(f'ZARR:"{path}":/{name}') as dataset:
                values = dataset.read(1)
            values = values.view("f4") if values.dtype.kind == "c" else values
            found[name] = [None if v != v else v for v in values.ravel().tolist()]
        except Exception as error:  # noqa: BLE001 - what came of it is what is printed
            found[name] = f"{type(error).__name__}: {error}"[:200]
    print(json.dumps(found))


main()
