"""Messages that a file keeps once for many objects."""

from functools import partial

import h5py
import numpy as np
import pytest

from chunkmap.errors import Unsupported
from chunkmap.formats.scanning import scan_source
from chunkmap.io import LocalSource

scan = partial(scan_source, format="hdf5")


@pytest.mark.parametrize("library", ["earliest", "latest"])
@pytest.mark.parametrize("attributes", [2, 20])
def test_shared_messages(tmp_path, libhdf5, check_values, library, attributes):
    """Dataspaces, datatypes, fill values, pipelines and attributes are found in the heap that all objects share."""
    create = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    assert libhdf5.H5Pset_shared_mesg_nindexes(create.id, 2) >= 0
    assert libhdf5.H5Pset_shared_mesg_index(create.id, 0, 0x0F, 1) >= 0
    assert libhdf5.H5Pset_shared_mesg_index(create.id, 1, 0x10, 1) >= 0
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    bound = h5py.h5f.LIBVER_EARLIEST if library == "earliest" else h5py.h5f.LIBVER_LATEST
    access.set_libver_bounds(bound, h5py.h5f.LIBVER_LATEST)
    path = tmp_path / "a.h5"
    with h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, create, access)) as f:
        for n in range(5):
            d = f.create_dataset(f"v{n}", data=np.arange(10.0), chunks=(5,), compression="gzip", fillvalue=3)
            for a in range(attributes):
                d.attrs[f"attribute number {a}"] = f"a value that is long enough to share {a}"
    refs = check_values(path)
    assert not refs.problems
    for array in refs.arrays.values():
        assert len(array.meta.attrs) == attributes
        assert array.meta.attrs["attribute number 1"] == "a value that is long enough to share 1"


def test_a_part_of_a_family_is_refused_by_name(tmp_path):
    """One of several files says which driver wrote it: alone it is not the whole."""
    with h5py.File(tmp_path / "f%d.h5", "w", driver="family", memb_size=4096) as f:
        f["v"] = np.arange(2000.0)
    with pytest.raises(Unsupported, match="NCSAfami"):
        scan(LocalSource(tmp_path / "f0.h5"))
