"""TIFF, BigTIFF, GeoTIFF, cloud-optimised GeoTIFF, OME-TIFF and ImageJ's -> arrays, from their directories alone.

Specifications are named where they are read: `ifd` directories, `pages` what they say of an image, `codecs` how strips
and tiles decode, `series` which pages belong together, `others` files that have pages of the same image, `geo`,
`geokeys` and `crs` where they are on the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from chunkmap.errors import Unsupported
from chunkmap.formats.format import Scanned
from chunkmap.formats.tiff.ifd import read_directories
from chunkmap.formats.tiff.others import read_files
from chunkmap.formats.tiff.pages import Places
from chunkmap.formats.tiff.plans import Plan, Plans, series_of
from chunkmap.formats.tiff.scanner import assemble
from chunkmap.formats.tiff.series import find_images, ome_of
from chunkmap.io.rounds import Parser
from chunkmap.io.source import Source
from chunkmap.model import Problem

__all__ = ["Options", "parse"]

_PLANS: Final = Plans(64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What one may choose."""

    image: int | None = None
    """Which image of the file, from 0; None for all."""
    level: int | None = None
    """Which level: 0 the image itself, 1 its first overview; None for all."""
    ycbcr: Literal["rgb", "stored"] = "rgb"
    """JPEG in YCbCr as red, green and blue, as libtiff and tifffile read it, or as it is stored."""


def parse(source: Source, options: Options) -> Parser[Scanned]:
    """The images of a file, and all that is said of them."""
    if options.ycbcr not in ("rgb", "stored"):
        raise ValueError(f"ycbcr is {options.ycbcr!r}, expected 'rgb' or 'stored'")
    directories = yield from read_directories(source)
    places = Places(directories, source.size())
    series = series_of(directories, places, options)
    plan = _PLANS.get(series)
    if plan is not None:
        return plan.filled(source.url, directories, places)
    ome = ome_of(directories)
    files, targets = yield from read_files(ome or ())
    images, findings = find_images(directories, places, ome, files)
    if options.image is not None:
        if not 0 <= options.image < len(images):
            _none("image", len(images), source)
        images = [images[options.image]]
    if options.level is not None:
        depth = min((len(image.levels) for image in images), default=0)
        if not 0 <= options.level < depth:
            _none("level", depth, source)
    found, stored = assemble(source.url, images, rgb=options.ycbcr == "rgb", level=options.level)
    problems = tuple(Problem(page, feature, message, source.url) for feature, message, page in findings)
    found = found._replace(problems=(*problems, *found.problems), files=targets)
    if series is not None and ome is None:
        _PLANS.keep(series, Plan.of(found, stored, directories, places))
    return found


def _none(what: str, count: int, source: Source) -> NoReturn:
    raise Unsupported(
        f"it has {count} {what}s, counted from 0, none of the number asked for", feature=what, url=source.url
    )
