"""Every chunk index, compared with what h5py reads, never with what it lists."""

from functools import partial

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chunkmap.formats.scanning import scan_source
from chunkmap.io import LocalSource

scan = partial(scan_source, format="hdf5")

SHAPES = {
    "single": ((10, 10), None, (10, 10)),
    "fixed": ((40, 50), None, (7, 9)),
    "fixed_to_grow": ((20, 30), (40, 50), (7, 9)),
    "fixed_1024": ((1024,), None, (1,)),
    "fixed_1025": ((1025,), None, (1,)),
    "fixed_paged": ((100, 100), None, (2, 2)),
    "extensible": ((40, 50), (None, 50), (7, 9)),
    "extensible_last_axis": ((40, 50), (40, None), (7, 9)),
    "extensible_middle_axis": ((10, 30, 12), (10, None, 12), (3, 2, 5)),
    "extensible_to_grow": ((20, 30), (None, 50), (7, 9)),
    "extensible_last_to_grow": ((20, 30), (44, None), (7, 9)),
    "btree": ((40, 50), (None, None), (7, 9)),
    "btree_deep": ((80, 80), (None, None), (1, 1)),  # fewer have trees of two levels
    "btree_two_of_three": ((40, 50, 3), (None, 60, None), (7, 9, 2)),
    "larger_than_data": ((5, 6), (None, 100), (8, 9)),
}
VERSIONS = [("earliest", "v108"), ("earliest", "v110"), ("v110", "v110"), ("latest", "latest")]
FILTERS = {"plain": {}, "filtered": {"compression": "gzip", "shuffle": True}}


def write(path, version, user_block):
    """Every kind of index, plain and filtered, full, sparse, empty, and shrunk and grown again."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w", libver=version, userblock_size=user_block) as f:
        for kind, filters in FILTERS.items():
            for name, (shape, maximum, chunks) in SHAPES.items():
                data = rng.integers(1, 100, shape).astype("<i4")
                f.create_dataset(f"{name}_{kind}", data=data, maxshape=maximum, chunks=chunks, **filters)
            for name, maximum in (("fixed", None), ("extensible", (None,))):
                options = {"maxshape": maximum, "chunks": (1,), "dtype": "<i2", **filters}
                sparse = f.create_dataset(f"sparse_{name}_{kind}", shape=(30_000,), **options)
                sparse[15_000:15_010] = 1
                sparse[29_999] = 3
                f.create_dataset(f"never_written_{name}_{kind}", shape=(1000,), **options)
            for name, maximum in (("extensible", (None, 40)), ("fixed", (50, 50)), ("btree", (None, None))):
                d = f.create_dataset(f"shrunk_{name}_{kind}", data=np.ones((40, 40)), maxshape=maximum, chunks=(3, 3))
                d.resize((10, 40))
                d.resize((30, 40))
                d[20:] = 4
            zero = {"maxshape": (None,), "chunks": (1,), "dtype": "<i2", **filters}
            f.create_dataset(f"zero_{kind}", shape=(0,), **zero)
        early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        early.set_chunk((3, 4))
        early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        for name, maximum in ((b"implicit", (10, 10)), (b"implicit_to_grow", (20, 30))):
            space = h5py.h5s.create_simple((10, 10), maximum)
            d = h5py.Dataset(h5py.h5d.create(f.id, name, h5py.h5t.STD_I32LE, space, early))
            d[...] = rng.integers(1, 100, (10, 10))


@pytest.mark.parametrize("version", VERSIONS, ids="-".join)
@pytest.mark.parametrize("user_block", [0, 512])
def test_every_chunk_is_where_the_index_says(tmp_path, check_values, version, user_block):
    """The bytes named for each chunk decode to what h5py reads, whatever the index and the user block."""
    path = tmp_path / "zoo.h5"
    write(path, version, user_block)
    refs = check_values(path, inline_threshold=0)
    assert not refs.problems
    assert len(refs.arrays) == 2 * (len(SHAPES) + 8) + 2
    assert len(refs.arrays["sparse_fixed_filtered"].chunks) < 2000


def test_an_unlimited_axis_that_is_not_the_first(tmp_path, values):
    """An extensible array numbers its chunks with the unlimited axis slowest: HDF5's own listing forgets it."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="v110") as f:
        f.create_dataset("v", data=np.arange(2000).reshape(40, 50), maxshape=(40, None), chunks=(7, 9))
    refs = scan(LocalSource(path), inline_threshold=0)
    np.testing.assert_array_equal(values(refs, "v"), np.arange(2000).reshape(40, 50))
    with h5py.File(path) as f:
        listed = {f["v"].id.get_chunk_info(n).byte_offset for n in range(36)}
    assert {int(o) for o in refs.arrays["v"].chunks.offset} == listed


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_shape_and_maximum(tmp_path, check_values, data):
    """Random shapes, maxima, chunks, versions and filters, partly written."""
    shape = tuple(data.draw(st.lists(st.integers(1, 24), min_size=1, max_size=3)))
    chunks = tuple(data.draw(st.integers(1, n)) for n in shape)
    maximum = tuple(data.draw(st.sampled_from([n, n + 5, None])) for n in shape)
    version = data.draw(st.sampled_from(VERSIONS))
    filters = data.draw(st.sampled_from([{}, {"compression": 1}, {"shuffle": True, "fletcher32": True}]))
    part = tuple(slice(*sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n))))) for n in shape)
    path = tmp_path / "random.h5"
    with h5py.File(path, "w", libver=version) as f:
        fill = data.draw(st.sampled_from([0, -1]))
        d = f.create_dataset("v", shape, ">i2", chunks=chunks, maxshape=maximum, fillvalue=fill, **filters)
        d[part] = 7
    check_values(path, inline_threshold=data.draw(st.sampled_from([0, 500])))


@pytest.mark.parametrize("version", [("earliest", "v108"), ("v108", "v108")], ids="-".join)
@pytest.mark.parametrize("k", [48, 64])
def test_nodes_of_another_size(tmp_path, check_values, libhdf5, k, version):
    """The superblock, or its extension, says how many entries the nodes of B-trees have."""
    create = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    assert libhdf5.H5Pset_istore_k(create.id, k) >= 0
    assert libhdf5.H5Pset_sym_k(create.id, k, k) >= 0
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_libver_bounds(*({"earliest": 0, "v108": 1}[v] for v in version))
    path = tmp_path / "k.h5"
    with h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, create, access)) as f:
        f.create_dataset("v", data=np.arange(500), chunks=(1,))
        for n in range(100):
            f.create_group(f"group_{n}")
    refs = check_values(path)
    assert len(refs.groups) == 101


def test_edge_chunks_that_are_not_filtered(tmp_path, check_values, libhdf5):
    """Partial chunks of a dataset that does not filter them are decoded as they are stored."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((4, 4))
    plist.set_shuffle()
    plist.set_deflate(4)
    assert libhdf5.H5Pset_chunk_opts(plist.id, 2) >= 0
    path = tmp_path / "edge.h5"
    with h5py.File(path, "w", libver="latest") as f:
        space = h5py.h5s.create_simple((10, 10))
        d = h5py.Dataset(h5py.h5d.create(f.id, b"v", h5py.h5t.STD_I32LE, space, plist))
        d[...] = np.arange(100).reshape(10, 10)
    check_values(path)
