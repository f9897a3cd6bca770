"""TIFF, BigTIFF, GeoTIFF, cloud-optimised GeoTIFF, OME-TIFF and ImageJ's -> arrays, from their directories alone.

Specifications are named where they are read: `ifd` directories, `pages` what they say of an image, `codecs` how strips
and tiles decode, `series` which pages belong together, `geo`, `geokeys` and `crs` where they are on the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats.format import Scanned
from chunkmap.formats.tiff.ifd import read_directories
from chunkmap.formats.tiff.scanner import assemble
from chunkmap.formats.tiff.series import find_images
from chunkmap.io.requests import Parser
from chunkmap.io.rounds import run
from chunkmap.io.source import Range, Source
from chunkmap.model import ChunkManifest, Problem, ReferenceSet
from chunkmap.model.edits import inline

__all__ = ["Options", "parse", "scan"]


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
    images, findings = find_images(directories, source.size())
    if options.image is not None:
        images = [images[options.image]] if 0 <= options.image < len(images) else _none("image", len(images), source)
    if options.level is not None:
        depth = min((len(image.levels) for image in images), default=0)
        if not 0 <= options.level < depth:
            _none("level", depth, source)
    found = assemble(source.url, images, rgb=options.ycbcr == "rgb", level=options.level)
    problems = tuple(Problem("image", feature, message, source.url) for feature, message in findings)
    return found._replace(problems=(*problems, *found.problems))


def _none(what: str, count: int, source: Source) -> list[object]:
    raise Unsupported(
        f"it has {count} {what}s, counted from 0, none of the number asked for", feature=what, url=source.url
    )


def scan(
    source: Source,
    *,
    inline_threshold: int = 500,
    image: int | None = None,
    level: int | None = None,
    ycbcr: Literal["rgb", "stored"] = "rgb",
) -> ReferenceSet:
    """References to the images of a file. Chunks of fewer stored bytes than `inline_threshold` are held inline."""
    found = run(source, parse(source, Options(image=image, level=level, ycbcr=ycbcr)))
    refs = ReferenceSet(
        found.arrays, found.groups, found.problems, {source.url: source.target(), **found.files}, source.url
    )

    def fetch(chunks: ChunkManifest, rows: NDArray[Any]) -> list[memoryview]:
        places = zip(chunks.offset[rows].tolist(), chunks.length[rows].tolist(), strict=True)
        return source.read_many([Range(*place) for place in places])

    return inline(refs, fetch, threshold=inline_threshold)
