"""From the images of a file to arrays and groups: names, coordinates, and attributes that xarray understands.

The first image stands in the root group as `image`, with its coordinates, its `mask` and its `colormap`; each overview
in a group of its own, `1`, `2`..., which is a whole dataset as the root is; further images in `image_1`, `image_2`...
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.errors import Unsupported
from chunkmap.formats.format import Scanned
from chunkmap.formats.tiff import tags
from chunkmap.formats.tiff.arrays import array_of
from chunkmap.formats.tiff.geo import Affine
from chunkmap.formats.tiff.ground import array_of_values, coordinates, ground_of
from chunkmap.formats.tiff.metadata import GdalMetadata, read_gdal, read_imagej
from chunkmap.formats.tiff.pages import Page
from chunkmap.formats.tiff.series import Image, Stack
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, Problem

__all__ = ["assemble"]

_MOST_MIDDLES: Final = 1 << 23
"""Numbers that the coordinates of one file may take: 64 MB. A rotated image has two for every pixel."""


class _Shared(NamedTuple):
    """What all levels of an image share."""

    page: Page
    """The first page of the image itself."""
    transform: Affine | None
    """Where it is on the ground."""
    spatial_ref: ManifestArray | None
    """The reference system, where anything is known of it."""
    gdal: GdalMetadata
    """What GDAL says of its bands."""


class _Set:
    """Arrays, groups and problems under way."""

    def __init__(self, url: str, *, rgb: bool) -> None:
        self.url, self.rgb = url, rgb
        self.arrays: dict[str, ManifestArray] = {}
        self.stored: dict[str, Sequence[Page]] = {}
        self.groups: dict[str, dict[str, Any]] = {"": {}}
        self.problems: list[Problem] = []
        self.middles = 0

    def report(self, path: str, feature: str, message: str) -> None:
        """Something that cannot be represented."""
        self.problems.append(Problem(path, feature, message, self.url))


def assemble(
    url: str, images: Sequence[Image], *, rgb: bool, level: int | None
) -> tuple[Scanned, Mapping[str, Sequence[Page]]]:
    """The set of a file, and the pages of which its arrays are stored, by path.

    With `level`, only that level of each image, in the place of the image itself.
    """
    found = _Set(url, rgb=rgb)
    for number, image in enumerate(images):
        _image(found, f"image_{number}" if number else "", image, level)
    return Scanned(found.arrays, found.groups, tuple(found.problems)), found.stored


def _image(found: _Set, group: str, image: Image, only: int | None) -> None:
    """One image with all its levels."""
    shared = _shared(found, group, image.levels[0].pages[0])
    levels = list(enumerate(image.levels)) if only is None else [(only, image.levels[only])]
    paths = []
    for number, stack in levels:
        path = _below(group, str(number)) if number and only is None else group
        found.groups.setdefault(path, {})
        if _level(found, path, stack, image.masks, shared):
            paths.append((path, stack))
    found.groups[group].update(_file_attrs(shared, image))
    if len(paths) > 1:
        found.groups[group]["multiscales"] = _multiscales(group, paths, shared.page)


def _below(group: str, name: str) -> str:
    return f"{group}/{name}" if group else name


def _level(found: _Set, group: str, stack: Stack, masks: Sequence[Stack], shared: _Shared) -> bool:
    """One level: the image, and what lies beside it. Gives whether there is a codec for it."""
    path = _below(group, "image")
    page = stack.pages[0]
    try:
        array = array_of(stack.pages, stack.axes, rgb=found.rgb, mapped=shared.spatial_ref is not None)
    except Unsupported as refusal:
        found.report(path, refusal.feature, f"left out: {refusal.message}")
        return False
    more = _gdal_attrs(found, path, shared.gdal, page.layout.samples)
    found.arrays[path] = array.with_meta(attrs={**array.meta.attrs, **more}) if more else array
    found.stored[path] = stack.pages
    if "nodata" in array.meta.attrs and len(array.chunks) < array.chunks.size:
        nodata = array.meta.attrs["nodata"]
        found.report(path, "nodata", f"missing tiles read as 0: its nodata, {nodata}, is no {array.meta.dtype}")
    _beside(found, group, array.meta, page, shared)
    for mask in masks:
        if mask.pages[0].layout.shape == page.layout.shape:
            _mask(found, _below(group, "mask"), mask)
    return True


def _mask(found: _Set, path: str, stack: Stack) -> None:
    """A mask, where there is a codec for it: the image is there without."""
    try:
        found.arrays[path] = array_of(stack.pages, stack.axes).with_meta(attrs={"long_name": "mask of image"})
        found.stored[path] = stack.pages
    except Unsupported as refusal:
        found.report(path, refusal.feature, f"left out: {refusal.message}")


def _beside(found: _Set, group: str, meta: ArrayMeta, page: Page, shared: _Shared) -> None:
    """Coordinates, the reference system, and the table of colours."""
    assert meta.dims is not None
    if "band" in meta.dims:
        count = meta.shape[meta.dims.index("band")]
        found.arrays[_below(group, "band")] = array_of_values(("band",), np.arange(1, count + 1), {})
    _, length, width = page.layout.shape
    if shared.transform is not None:
        _, whole_length, whole_width = shared.page.layout.shape
        _coordinates(found, group, shared.transform.scaled(whole_width / width, whole_length / length), (length, width))
    if shared.spatial_ref is not None:
        found.arrays[_below(group, "spatial_ref")] = shared.spatial_ref
    colours = page.directory.entries.get(tags.COLOR_MAP)
    if page.layout.photometric == 3 and colours is not None and colours.dtype.itemsize == 2 and colours.offset:
        count = len(colours.data) // 6
        table = ChunkManifest.single(page.directory.url, colours.offset, count * 6, 2)
        described = ArrayMeta(
            shape=(3, count), chunk_shape=(3, count), dtype=colours.dtype, dims=("rgb", "index"), attrs={}
        )
        found.arrays[_below(group, "colormap")] = ManifestArray(described, table)


def _coordinates(found: _Set, group: str, transform: Affine, shape: tuple[int, int]) -> None:
    length, width = shape
    found.middles += length + width if transform.is_straight else 2 * length * width
    if found.middles > _MOST_MIDDLES:
        found.report(
            _below(group, "x"), "coordinates", f"left out: the middles of {length} x {width} pixels are too many"
        )
        return
    for name, array in coordinates(transform, length, width).items():
        found.arrays[_below(group, name)] = array


def _shared(found: _Set, group: str, page: Page) -> _Shared:
    ground = ground_of(page.directory)
    if ground.problem is not None:
        found.report(_below(group, "spatial_ref"), "coordinate reference system", ground.problem)
    gdal = read_gdal(page.directory.text(tags.GDAL_METADATA))
    return _Shared(page, ground.transform, ground.spatial_ref, gdal)


# ---------------------------------------------------------------------- attributes


def _file_attrs(shared: _Shared, image: Image) -> dict[str, Any]:
    """What the file says of itself, under GDAL's names."""
    directory = shared.page.directory
    attrs: dict[str, Any] = dict(image.attrs)
    for tag, name in tags.TEXTS.items():
        text = directory.text(tag)
        if text:
            attrs[name] = text
    imagej = read_imagej(directory.text(tags.IMAGE_DESCRIPTION))
    if imagej:
        attrs["imagej"] = imagej
    if image.name:
        attrs["name"] = image.name
    for domain, items in shared.gdal.domains.items():
        if domain:
            attrs[domain] = dict(items)
        else:
            attrs.update(items)
    return attrs


def _gdal_attrs(found: _Set, path: str, gdal: GdalMetadata, count: int) -> dict[str, Any]:
    """Scale, offset, units and descriptions of bands, as CF has them where all bands share them."""
    if not gdal.roles and not gdal.bands:
        return {}
    role = {name: [gdal.roles.get(n, {}).get(name) for n in range(count)] for name in ("scale", "offset")}
    scales = [_number(text, 1.0) for text in role["scale"]]
    offsets = [_number(text, 0.0) for text in role["offset"]]
    attrs: dict[str, Any] = {}
    if len(set(scales)) == len(set(offsets)) == 1:
        if (scales[0], offsets[0]) != (1.0, 0.0):
            attrs.update(scale_factor=scales[0], add_offset=offsets[0])
    else:
        attrs.update(scales=scales, offsets=offsets)
        found.report(
            path, "scale per band", "bands have scales and offsets of their own (attributes scales, offsets): as stored"
        )
    for name, own in (("unittype", "units"), ("description", "long_name")):
        texts = [gdal.roles.get(n, {}).get(name, "") for n in range(count)]
        if any(texts):
            attrs[own] = texts[0] if len(set(texts)) == 1 else texts
    if gdal.bands:
        attrs["band_metadata"] = {str(number + 1): dict(items) for number, items in sorted(gdal.bands.items())}
    return attrs


def _number(text: str | None, default: float) -> float:
    try:
        value = float(text) if text is not None else default
    except ValueError:
        return default
    return value if math.isfinite(value) else default


def _multiscales(group: str, paths: Sequence[tuple[str, Stack]], first: Page) -> list[dict[str, Any]]:
    """The levels, finest first, with how many pixels of the image one of theirs is."""
    _, length, width = first.layout.shape
    skip = len(group) + 1 if group else 0
    datasets = [
        {"path": f"{path[skip:]}/image".lstrip("/"), "scale": [length / shape[1], width / shape[2]]}
        for path, stack in paths
        for shape in [stack.pages[0].layout.shape]
    ]
    return [{"version": "0.1", "axes": ["y", "x"], "datasets": datasets}]
