"""What writers of TIFF say in texts: GDAL and OME in XML, ImageJ in lines, tifffile in JSON.

GDAL: https://gdal.org/drivers/raster/gtiff.html (tag 42112); OME-TIFF:
https://ome-model.readthedocs.io/en/stable/ome-tiff/specification.html; ImageJ:
https://imagej.net/ij/developer/source/ij/io/TiffEncoder.java.html.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

__all__ = ["GdalMetadata", "OmeImage", "read_gdal", "read_imagej", "read_ome", "read_shaped"]

_LONGEST_XML: Final = 64 << 20
_MOST_PLANES: Final = 1 << 20
_MOST_AXES: Final = 32
_LARGEST: Final = 2**63
_ROLES: Final = ("scale", "offset", "unittype", "description")


@dataclass(frozen=True, slots=True)
class GdalMetadata:
    """The items of GDAL's metadata."""

    domains: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Items of the whole image by domain; the domain that has no name is `""`."""
    bands: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """Items of single samples, by number from 0."""
    roles: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """What GDAL itself understands of samples: scale, offset, unittype, description."""


def _xml(text: str) -> ET.Element | None:
    """The root of a document; None where it is none. Documents that define entities are refused: they may be bombs."""
    if len(text) > _LONGEST_XML or "<!ENTITY" in text or "<!DOCTYPE" in text:
        return None
    try:
        return ET.fromstring(text.strip().encode("utf-8"))  # noqa: S314, entities are refused above
    except (ET.ParseError, ValueError, LookupError):
        return None


def read_gdal(text: str | None) -> GdalMetadata:
    """The tag GDAL_METADATA. What is no XML of it says nothing."""
    root = _xml(text) if text else None
    if root is None:
        return GdalMetadata()
    domains: dict[str, dict[str, str]] = {}
    bands: dict[int, dict[str, str]] = {}
    roles: dict[int, dict[str, str]] = {}
    for item in root.iter("Item"):
        name, value, sample, role = item.get("name"), item.text or "", item.get("sample"), item.get("role")
        if name is None:
            continue
        if sample is None or not sample.isdecimal():
            domains.setdefault(item.get("domain", ""), {})[name] = value
        elif role in _ROLES:
            roles.setdefault(int(sample), {})[role] = value
        else:
            bands.setdefault(int(sample), {})[name] = value
    return GdalMetadata(domains, bands, roles)


def read_shaped(text: str | None) -> tuple[tuple[int, ...], str] | None:
    """Shape and axes of an array that tifffile wrote; None where the text says nothing of the kind."""
    if not text or not text.startswith("{") or '"shape"' not in text:
        return None
    try:
        found = json.loads(text)
        shape = tuple(map(int, found["shape"]))
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    axes = found.get("axes")
    if not 0 < len(shape) <= _MOST_AXES or min(shape) < 1:
        return None
    return shape, axes if isinstance(axes, str) else ""


def read_imagej(text: str | None) -> dict[str, Any]:
    """What ImageJ says, numbers as numbers; nothing where the text is not its own."""
    if not text or not text.startswith("ImageJ="):
        return {}
    found: dict[str, Any] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name] = _plain(value.strip())
    return found


def _plain(text: str) -> Any:
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if abs(value) < _LARGEST else text
    return {"true": True, "false": False}.get(text.lower(), text)


class OmeImage(NamedTuple):
    """One image of an OME-TIFF."""

    name: str | None
    """Its name."""
    axes: str
    """The axes of its planes, slowest first: `TCZ` in any order."""
    shape: tuple[int, ...]
    """How many planes along each."""
    directories: NDArray[np.int64]
    """Plane, C order -> number of its directory; -1 where it has none."""
    attrs: Mapping[str, Any]
    """Its physical sizes, with their units."""
    files: NDArray[np.int64]
    """Plane -> number of its file: 0 this one, others from 1 on."""
    names: tuple[str, ...]
    """What the others are called; nothing for one that has no name."""


def read_ome(text: str | None) -> list[OmeImage] | None:
    """The images that a description in OME-XML tells of; None where it is none, or tells what cannot be."""
    if not text or "<OME" not in text[:4096]:
        return None
    root = _xml(text)
    if root is None:
        return None
    found = []
    own = (root.get("UUID") or "").lower()
    try:
        for image in _children(root, "Image"):
            found += [_ome_image(image, pixels, own) for pixels in _children(image, "Pixels")]
    except (ValueError, OverflowError, LookupError):
        return None
    return found or None


def _children(element: ET.Element, name: str) -> Iterator[ET.Element]:
    """Children of a name, whatever the version of their namespace."""
    return (child for child in element if isinstance(child.tag, str) and child.tag.rpartition("}")[2] == name)


def _ome_image(image: ET.Element, pixels: ET.Element, own: str) -> OmeImage:
    order = pixels.get("DimensionOrder", "XYCZT")
    if sorted(order) != sorted("XYZCT") or order[:2] != "XY":
        raise ValueError(order)
    sizes = {axis: int(pixels.get(f"Size{axis}", "1")) for axis in "ZCT"}
    samples = [int(channel.get("SamplesPerPixel", "1")) for channel in _children(pixels, "Channel")]
    if samples and min(samples) > 1 and len(set(samples)) == 1:
        sizes["C"] //= samples[0]
    axes = order[:1:-1]
    shape = tuple(sizes[axis] for axis in axes)
    if min(shape) < 1 or math.prod(shape) > _MOST_PLANES:
        raise ValueError(shape)
    planes, names = _planes(pixels, axes, shape, own)
    attrs = {
        name: _plain(value)
        for name, value in pixels.attrib.items()
        if name.startswith(("PhysicalSize", "TimeIncrement"))
    }
    return OmeImage(image.get("Name"), axes, shape, planes[0], attrs, planes[1], names)


def _planes(
    pixels: ET.Element, axes: str, shape: tuple[int, ...], own: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The directory and the file of each plane, as the elements TiffData give them; and the names of other files."""
    planes, files = np.full((2, math.prod(shape)), [[-1], [0]], np.int64)
    numbers: dict[str, int] = {}
    blocks = list(_children(pixels, "TiffData"))
    for block in blocks:
        uuid = next(_children(block, "UUID"), None)
        file = 0
        if uuid is not None and own and (uuid.text or "").strip().lower() != own:
            file = numbers.setdefault(uuid.get("FileName") or "", len(numbers) + 1)
        first = int(block.get("IFD", "0"))
        start = int(np.ravel_multi_index([int(block.get(f"First{axis}", "0")) for axis in axes], shape))
        whole = len(planes) - start if block.get("IFD") is None else 1
        count = min(int(block.get("PlaneCount", str(whole))), len(planes) - start)
        if first < 0 or count < 0:
            raise ValueError(first)
        planes[start : start + count], files[start : start + count] = first + np.arange(count), file
    if not blocks:
        planes[:] = np.arange(len(planes))
    return np.stack([planes, files]), tuple(numbers)
