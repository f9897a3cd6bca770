"""Files of nibabel for the battery."""

import io

import nibabel
import numpy as np
from sample import Sample


def image(kind, dtype, order):
    data = np.arange(240).reshape(6, 5, 4, 2).astype(dtype)
    header = kind.header_class(endianness=order)
    header.set_data_dtype(np.dtype(dtype).newbyteorder(order))
    made = kind(data, np.diag([2.0, 3.0, 4.0, 1.0]), header)
    made.header.set_slope_inter(1, 0)
    return made


def samples():
    """The two versions, in either order of bytes; a header beside its voxels."""
    found = []
    for name, kind, dtype, order in (
        ("first", nibabel.Nifti1Image, "i2", "<"),
        ("second, big-endian", nibabel.Nifti2Image, "f4", ">"),
    ):
        made = image(kind, dtype, order)
        data = made.to_bytes()
        arrays = {"image": np.asanyarray(kind.from_bytes(data).dataobj.get_unscaled())}
        found.append(Sample(name=name, files={"a.nii": data}, main="a.nii", arrays=arrays))
    pair = nibabel.Nifti1Pair(np.arange(240).reshape(6, 5, 8).astype("u2"), np.eye(4))
    kinds = {"header": "a.hdr", "image": "a.img"}
    pair.file_map = {kind: nibabel.FileHolder(fileobj=io.BytesIO()) for kind in kinds}
    pair.to_file_map()
    files = {name: pair.file_map[kind].fileobj.getvalue() for kind, name in kinds.items()}
    arrays = {"image": np.asanyarray(pair.dataobj)}
    return [*found, Sample(name="pair", files=files, main="a.hdr", arrays=arrays)]
