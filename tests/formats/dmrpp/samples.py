"""Documents of DMR++ and their granules, which h5py makes, for the battery."""

import io

import h5py
import numpy as np
from sample import Sample

HEAD = (
    '<?xml version="1.0"?>\n<Dataset xmlns="http://xml.opendap.org/ns/DAP/4.0#"'
    ' xmlns:dmrpp="http://xml.opendap.org/dap/dmrpp/1.0.0#" dapVersion="4.0" name="a.h5"'
    ' dmrpp:href="OPeNDAP_DMRpp_DATA_ACCESS_URL">\n'
)


def described(dataset, tag, filters):
    """The element of a chunked dataset."""
    chunks = "".join(
        f'<dmrpp:chunk offset="{c.byte_offset}" nBytes="{c.size}"'
        f' chunkPositionInArray="[{",".join(map(str, c.chunk_offset))}]"/>'
        for c in map(dataset.id.get_chunk_info, range(dataset.id.get_num_chunks()))
    )
    dims = "".join(f'<Dim size="{n}"/>' for n in dataset.shape)
    sizes = " ".join(map(str, dataset.chunks))
    return (
        f'<{tag} name="{dataset.name[1:]}">{dims}<dmrpp:chunks compressionType="{filters}" fillValue="0"'
        f' byteOrder="LE"><dmrpp:chunkDimensionSizes>{sizes}</dmrpp:chunkDimensionSizes>{chunks}'
        f"</dmrpp:chunks></{tag}>\n"
    )


def samples():
    """A granule of two compressed datasets, one of which has chunks that were never written."""
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        values = np.arange(120, dtype="<i4").reshape(12, 10)
        full = file.create_dataset("full", data=values, chunks=(5, 4), shuffle=True, compression="gzip")
        sparse = file.create_dataset("sparse", (40,), "<f8", chunks=(10,), compression="gzip")
        sparse[12:18] = 1.5
        elements = described(full, "Int32", "shuffle deflate") + described(sparse, "Float64", "deflate")
        arrays = {"full": full[...], "sparse": sparse[...]}
    files = {"a.h5": held.getvalue(), "a.h5.dmrpp": f"{HEAD}{elements}</Dataset>\n".encode()}
    return [Sample(name="beside its granule", files=files, main="a.h5.dmrpp", arrays=arrays)]
