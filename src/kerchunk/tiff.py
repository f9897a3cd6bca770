"""kerchunk's door to the scanner of TIFF: the first image of a file, as the root array or as a pyramid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, Final

import fsspec
import numpy as np
import orjson
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats import refusing_compressed
from chunkmap.formats.tiff import tags
from chunkmap.formats.tiff.arrays import array_of
from chunkmap.formats.tiff.geokeys import read_geokeys
from chunkmap.formats.tiff.ifd import Directory, read_directories
from chunkmap.formats.tiff.metadata import read_gdal, read_imagej
from chunkmap.formats.tiff.pages import Places
from chunkmap.formats.tiff.series import find_images, ome_of
from chunkmap.io import open_source
from chunkmap.io.rounds import run
from chunkmap.model import ChunkManifest, ManifestArray, ReferenceSet
from chunkmap.model.dictionary import chunk_values, encode_inline
from kerchunk.utils import class_factory, do_inline

__all__ = ["TiffToZarr", "generate_coords", "tiff_to_zarr", "units"]

units: Final = {9001: "metre", 9002: "foot", 9003: "US survey foot", 9015: "mile international nautical"}
"""Number of a linear unit of GeoTIFF -> its name."""

_AXES: Final = {"y": "Y", "x": "X", "z": "Z", "t": "T", "c": "C", "band": "S", "page": "I"}
_TRANSFORMS: Final = {
    tags.MODEL_PIXEL_SCALE: "ModelPixelScale",
    tags.MODEL_TIEPOINT: "ModelTiepoint",
    tags.MODEL_TRANSFORMATION: "ModelTransformation",
}
_POINT: Final = 2


def tiff_to_zarr(
    urlpath: str,
    remote_options: Mapping[str, Any] | None = None,
    target: str | None = None,
    target_options: Mapping[str, Any] | None = None,
    inline_threshold: int = 0,
    storage_options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """References to the first image of a file, without a version: its keys stand at the root.

    With overviews the root is a group of levels `0`, `1`...; attributes of the root hold GeoTIFF's keys, and what GDAL
    or ImageJ say. `target` is where the same is written as JSON. Raises Unsupported, by name, for what has no codec.
    """
    options = remote_options or storage_options
    with closing(open_source(urlpath, storage_options=options)) as source:
        with refusing_compressed(source):
            directories = run(source, read_directories(source))
        ome = ome_of(directories)
        files = {name: "planes are in other files" for image in ome or () for name in image.names}
        images, findings = find_images(directories, Places(directories, source.size()), ome, files)
    if not images:
        raise Unsupported(findings[0].message, feature=findings[0].feature, url=urlpath)
    levels = [array_of(stack.pages, stack.axes) for stack in images[0].levels]
    refs = _root(levels[0]) if len(levels) == 1 else _pyramid(levels)
    refs = _with_attrs(refs, _attrs(images[0].levels[0].pages[0].directory))
    if inline_threshold:
        refs = do_inline(refs, inline_threshold, remote_options=dict(options or {}))
    if target is not None:
        with fsspec.open(target, mode="wb", **(target_options or {})) as file:
            file.write(orjson.dumps(refs, default=_as_text))
    return refs


TiffToZarr = class_factory(tiff_to_zarr)


def generate_coords(attrs: Mapping[str, Any], shape: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """Coordinates of the middles of pixels, from the attributes that `tiff_to_zarr` gives the root.

    `x` and `y`, and `z` for three axes. Raises KeyError where the attributes hold no transform.
    """
    scale, tie = attrs["ModelPixelScale"], attrs["ModelTiepoint"]
    lengths = list(shape)
    if list(attrs.get("_ARRAY_DIMENSIONS", ()))[-1:] == ["S"] and len(lengths) > 2:
        lengths.pop()
    middle = 0.0 if attrs.get("GTRasterTypeGeoKey") == _POINT else 0.5
    signs = {"x": (0, 1), "y": (1, -1), "z": (2, 1)}
    return {
        name: tie[3 + axis] + sign * (np.arange(length) + middle - tie[axis]) * scale[axis]
        for (name, (axis, sign)), length in zip(signs.items(), reversed(lengths), strict=False)
    }


def _root(array: ManifestArray) -> dict[str, Any]:
    """The references of an array, without its name."""
    named = _named(array)
    empty = ManifestArray(named.meta, ChunkManifest.empty(named.meta.grid_shape))
    documents = ReferenceSet({"image": empty}).to_dict()["refs"]
    refs = {name: documents[f"image/{name}"] for name in (".zattrs", ".zarray")}
    refs.update(zip(named.manifest().keys(), chunk_values(named.manifest()), strict=True))
    return refs


def _pyramid(levels: Sequence[ManifestArray]) -> dict[str, Any]:
    """A group of levels, the finest first."""
    arrays = {str(number): _named(array, str(number or "")) for number, array in enumerate(levels)}
    datasets = [{"path": path} for path in arrays]
    scales = [{"datasets": datasets, "metadata": {}, "name": "", "version": "0.1"}]
    refs: dict[str, Any] = ReferenceSet(arrays, {"": {"multiscales": scales}}).to_dict()["refs"]
    return refs


def _named(array: ManifestArray, suffix: str = "") -> ManifestArray:
    """The array with tifffile's names of axes."""
    dims = [_AXES.get(dim, dim.upper()) for dim in array.meta.dims or ()]
    own = tuple(dim + suffix if dim in ("Y", "X") else dim for dim in dims)
    return array.with_meta(dims=own, attrs={})


def _with_attrs(refs: dict[str, Any], attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of the root with more of them, none of which takes the place of what is there."""
    own = orjson.loads(refs.get(".zattrs", "{}"))
    return {**refs, ".zattrs": orjson.dumps({**own, **attrs, **own}).decode()}


def _attrs(directory: Directory) -> dict[str, Any]:
    """What the first directory says, under the names that kerchunk gives it."""
    gdal = read_gdal(directory.text(tags.GDAL_METADATA))
    attrs: dict[str, Any] = {}
    for items in (*gdal.domains.values(), *gdal.bands.values()):
        attrs.update(items)
    for roles in gdal.roles.values():
        attrs.update({name.upper(): value for name, value in roles.items()})
    attrs.update(read_imagej(directory.text(tags.IMAGE_DESCRIPTION)))
    keys = directory.numbers(tags.GEO_KEY_DIRECTORY).tolist()
    if len(keys) > 2:
        attrs.update(KeyDirectoryVersion=keys[0], KeyRevision=keys[1], KeyRevisionMinor=keys[2])
    attrs.update(read_geokeys(directory))
    for tag, name in _TRANSFORMS.items():
        values = directory.numbers(tag)
        if len(values):
            attrs[name] = (
                values.reshape(4, 4) if name == "ModelTransformation" and len(values) == 16 else values
            ).tolist()
    return attrs


def _as_text(value: object) -> str:
    """Bytes held inline as JSON has them."""
    if isinstance(value, bytes):
        return encode_inline(value)
    raise TypeError(f"{type(value)} has no JSON")
