"""A million references into Icechunk, by chunkmap and by VirtualiZarr: columns at hand, and nothing committed."""

from dataclasses import replace

import numpy as np

BUCKET = "s3://noaa-nwm-retrospective-3-0-pds/"


def new_store():
    """The store of a new repository in memory, which has a container for the files."""
    import icechunk

    icechunk.set_logs_filter("error")
    config = icechunk.RepositoryConfig.default()
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(BUCKET, icechunk.s3_store(region="us-east-1")))
    return icechunk.Repository.create(icechunk.in_memory_storage(), config=config).writable_session("main").store


def export_core(refs):
    """A reference set whose files have an etag each."""
    import chunkmap
    from chunkmap.model import Target

    urls = refs.arrays["flow"].chunks.urls
    known = {url: Target(size=10**9, etag=f'"{number:032x}"') for number, url in enumerate(urls)}
    chunkmap.to_icechunk(replace(refs, arrays={}), new_store())
    store = new_store()
    return lambda: chunkmap.to_icechunk(replace(refs, targets=known), store), lambda _: {}


def export_virtualizarr(urls, offsets, lengths):
    """A dataset of VirtualiZarr's manifests, which has one time for all files."""
    import xarray as xr
    from virtualizarr.manifests import ChunkManifest, ManifestArray
    from virtualizarr.manifests.utils import create_v3_array_metadata

    def dataset(count):
        paths = np.repeat(np.array(urls[:count], np.dtypes.StringDType()), 1000).reshape(count, 1000)
        chunks = ChunkManifest.from_arrays(
            paths=paths, offsets=offsets[:count].astype(np.uint64), lengths=lengths[:count].astype(np.uint64)
        )
        meta = create_v3_array_metadata(
            shape=(count, 1_000_000),
            data_type=np.dtype("<f4"),
            chunk_shape=(1, 1000),
            codecs=[{"name": "numcodecs.zlib", "configuration": {"level": 4}}],
            dimension_names=("time", "feature_id"),
        )
        return xr.Dataset({"flow": (("time", "feature_id"), ManifestArray(metadata=meta, chunkmanifest=chunks))})

    dataset(1).vz.to_icechunk(new_store())
    whole, store = dataset(len(urls)), new_store()
    return lambda: whole.vz.to_icechunk(store), lambda _: {}
