"""The cases of combining many sets: a moderate array of each, one large array, or many small ones.

The sets are what a scan gives: reference sets for chunkmap, dictionaries for the names of kerchunk, and datasets of
manifests for VirtualiZarr. Two of them are combined before the clock starts, so that nothing is imported after it.
"""

import base64
import json

import numpy as np
from outcomes import of_dictionary, of_set

SETS = 1000
CHUNKS = 1000
FIELDS = 10
COMPRESSOR = {"id": "zlib", "level": 4}


def url(number):
    """74 letters, as object stores have them."""
    return f"s3://noaa-nwm-retrospective-3-0-pds/CONUS/netcdf/CHRTOUT/1979/{number:012}"


def ranges(number, count):
    """Offsets and lengths as compressed chunks have them."""
    lengths = np.random.default_rng(number).integers(5_000, 90_000, count).astype(np.uint64)
    return np.cumsum(lengths) - lengths + np.uint64(30_000), lengths


def arrays(number, fields, chunks):
    """Name, shape, shape of a chunk, offsets and lengths of each field of one file: a step of many chunks or of one."""
    offsets, lengths = ranges(number, fields * chunks)
    for field in range(fields):
        rows = slice(field * chunks, (field + 1) * chunks)
        yield f"field{field:02}", (1, 1000 * chunks), (1, 1000), offsets[rows], lengths[rows]


def as_set(number, fields, chunks):
    """One file as a reference set."""
    from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet

    time = np.array([number], "<i8")
    meta = ArrayMeta(shape=(1,), chunk_shape=(1,), dtype=time.dtype, dims=("time",))
    found = {"time": ManifestArray(meta, ChunkManifest.single(time.tobytes(), 0, time.nbytes, 1))}
    for name, shape, chunk_shape, offsets, lengths in arrays(number, fields, chunks):
        meta = ArrayMeta(
            shape=shape, chunk_shape=chunk_shape, dtype=np.dtype("<f4"), compressor=COMPRESSOR, dims=("time", "x")
        )
        source = np.ones(chunks, np.uint32)
        found[name] = ManifestArray(meta, ChunkManifest((1, chunks), (None, url(number)), source, offsets, lengths))
    return ReferenceSet(found, name=url(number))


def zarray(shape, chunks, dtype, compressor=None):
    """The document of an array."""
    rest = {"filters": None, "fill_value": None, "order": "C", "zarr_format": 2}
    return json.dumps({"shape": list(shape), "chunks": list(chunks), "dtype": dtype, "compressor": compressor, **rest})


def as_dictionary(number, fields, chunks):
    """One file as a dictionary of version 1."""
    time = base64.b64encode(np.array([number], "<i8").tobytes()).decode()
    refs = {
        ".zgroup": '{"zarr_format":2}',
        "time/.zarray": zarray((1,), (1,), "<i8"),
        "time/.zattrs": '{"_ARRAY_DIMENSIONS":["time"]}',
        "time/0": f"base64:{time}",
    }
    for name, shape, chunk_shape, offsets, lengths in arrays(number, fields, chunks):
        refs[f"{name}/.zarray"] = zarray(shape, chunk_shape, "<f4", COMPRESSOR)
        refs[f"{name}/.zattrs"] = '{"_ARRAY_DIMENSIONS":["time","x"]}'
        rows = enumerate(zip(offsets.tolist(), lengths.tolist(), strict=True))
        refs.update({f"{name}/0.{n}": [url(number), offset, length] for n, (offset, length) in rows})
    return {"version": 1, "refs": refs}


def as_dataset(number, fields, chunks):
    """One file as VirtualiZarr's parsers give it."""
    import xarray as xr
    from virtualizarr.manifests import ChunkManifest, ManifestArray
    from virtualizarr.manifests.utils import create_v3_array_metadata
    from zarr.codecs.numcodecs import Zlib

    variables = {}
    for name, shape, chunk_shape, offsets, lengths in arrays(number, fields, chunks):
        codecs = [{"name": "bytes", "configuration": {"endian": "little"}}, Zlib(level=4).to_dict()]
        meta = create_v3_array_metadata(
            shape=shape, data_type=np.dtype("f4"), chunk_shape=chunk_shape, codecs=codecs, fill_value=0
        )
        columns = {"offsets": offsets.reshape(1, -1), "lengths": lengths.reshape(1, -1)}
        paths = np.full((1, chunks), url(number), np.dtypes.StringDType())
        manifest = ChunkManifest.from_arrays(paths=paths, **columns)
        variables[name] = (("time", "x"), ManifestArray(metadata=meta, chunkmanifest=manifest))
    return xr.Dataset(variables, coords={"time": [number]})


def core(fields, chunks):
    """Sets to a set."""

    def prepare_run(_folder):
        import chunkmap

        sets = [as_set(number, fields, chunks) for number in range(SETS)]
        chunkmap.combine(sets[:2], concat_dims=["time"])
        return lambda: chunkmap.combine(sets, concat_dims=["time"]), lambda refs: {"result": of_set(refs)}

    return prepare_run


def door(fields, chunks):
    """Dictionaries to a dictionary."""

    def prepare_run(_folder):
        from kerchunk.combine import MultiZarrToZarr

        def combine(sets):
            return MultiZarrToZarr(sets, concat_dims=["time"], remote_protocol="file").translate()

        sets = [as_dictionary(number, fields, chunks) for number in range(SETS)]
        combine(sets[:2])
        return lambda: combine(sets), lambda refs: {"result": of_dictionary(refs)}

    return prepare_run


def virtualizarr(fields, chunks):
    """Datasets to a dataset."""

    def prepare_run(_folder):
        import xarray as xr

        def combine(sets):
            return xr.concat(sets, dim="time", coords="minimal", compat="override", join="override")

        sets = [as_dataset(number, fields, chunks) for number in range(SETS)]
        combine(sets[:2])
        return lambda: combine(sets), lambda dataset: {"result": of_dataset(dataset)}

    return prepare_run


def of_dataset(dataset):
    """Number of ranges in files, and the sums of their offsets and lengths."""
    columns = [variable.data.manifest for variable in dataset.data_vars.values()]
    offsets = [manifest._offsets for manifest in columns]  # noqa: SLF001 - no public name gives them as columns
    lengths = [manifest._lengths for manifest in columns]  # noqa: SLF001
    return [
        sum(column.size for column in offsets),
        *(sum(int(column.sum()) for column in some) for some in (offsets, lengths)),
    ]


def part(number):
    """What a scan of one file of 5,000 chunks gives, as a dictionary: 50 steps of 100 tiles, and their time."""
    url = f"file:///archive/reanalysis/2024/pressure-levels/temperature/part-{number:05}.nc"
    lengths = np.random.default_rng(number).integers(20_000, 60_000, 5000).tolist()
    offsets = (np.cumsum([4096, *lengths[:-1]])).tolist()
    hours = np.arange(50 * number, 50 * number + 50, dtype="<i4")
    refs = {
        ".zgroup": '{"zarr_format": 2}',
        ".zattrs": "{}",
        "time/.zarray": zarray((50,), (50,), "<i4"),
        "time/.zattrs": '{"_ARRAY_DIMENSIONS": ["time"], "units": "hours since 2024-01-01"}',
        "time/0": "base64:" + base64.b64encode(hours.tobytes()).decode(),
        "t/.zarray": zarray((50, 1000, 1000), (1, 100, 100), "<f4", COMPRESSOR),
        "t/.zattrs": '{"_ARRAY_DIMENSIONS": ["time", "lat", "lon"], "units": "K"}',
    }
    keys = (f"t/{i}.{j}.{k}" for i in range(50) for j in range(10) for k in range(10))
    refs.update(zip(keys, map(list, zip([url] * 5000, offsets, lengths, strict=True)), strict=True))
    return {"version": 1, "refs": refs}


def combine_core(_folder):
    """Combine 100 reference sets of 5,000 chunks."""
    import chunkmap

    sets, combine = [chunkmap.ReferenceSet.from_dict(part(number)) for number in range(100)], chunkmap.combine
    return lambda: combine(sets, concat_dims=["time"]), lambda refs: {"result": of_set(refs)}


def combine_door(_folder):
    """Combine 100 dictionaries of 5,000 chunks."""
    from kerchunk.combine import MultiZarrToZarr

    sets = [part(number) for number in range(100)]
    return lambda: MultiZarrToZarr(sets, concat_dims=["time"], remote_protocol="file").translate(), lambda refs: {
        "result": of_dictionary(refs)
    }


CASES = {
    "combine": (combine_core, combine_door, None),
    "place": (core(1, CHUNKS), door(1, CHUNKS), virtualizarr(1, CHUNKS)),
    "many-small": (core(FIELDS, 1), door(FIELDS, 1), virtualizarr(FIELDS, 1)),
}
TITLES = {
    "combine": "combine 100 sets x 5,000 chunks",
    "place": "combine 1,000 sets x 1 variable x 1,000 chunks",
    "many-small": "combine 1,000 sets x 10 variables x 1 chunk",
}
