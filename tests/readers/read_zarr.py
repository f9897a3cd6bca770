"""Read arrays with the zarr-python and the fsspec of whatever environment this runs in, and print what came of each.

python read_zarr.py set.json NAME...         of references
python read_zarr.py --zarrs FOLDER NAME...   of a Zarr store, by zarrs
"""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np


def said(values: object) -> object:
    """Values as JSON, the same for every reader."""
    values = np.asarray(values)
    if values.dtype.kind in "mMc":
        values = values.view(f"i{values.dtype.itemsize}" if values.dtype.kind != "c" else "f4")
    if values.dtype.kind == "S":
        values = values.astype("U")
    flat = [list(map(float, v)) for v in values.ravel().tolist()] if values.dtype.names else values.ravel().tolist()
    return [None if v != v else v for v in flat]


def main() -> None:
    import zarr

    warnings.simplefilter("ignore")
    words = sys.argv[1:]
    if words[0] == "--zarrs":
        import zarrs  # noqa: F401

        zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
        group, names = zarr.open_group(words[1], mode="r"), words[2:]
    else:
        import fsspec

        names = words[1:]
        fs = fsspec.filesystem("reference", fo=words[0], remote_protocol="file", asynchronous=zarr.__version__ >= "3")
        store = zarr.storage.FsspecStore(fs, read_only=True) if zarr.__version__ >= "3" else fs.get_mapper("")
        group = zarr.open_group(store, mode="r")
    found = {}
    for name in names:
        try:
            found[name] = said(group[name][...])
        except Exception as error:  # noqa: BLE001 - what came of it is what is printed
            found[name] = f"{type(error).__name__}: {error}"[:200]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
