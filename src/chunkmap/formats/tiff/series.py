"""From pages to images: which pages are overviews and masks of which, and which stand in one array together.

A page that says it is a smaller version of another belongs to the page before it, or to the one of which it is a
SubIFD. OME, ImageJ and tifffile say in a text how their planes are stacked; else pages of one layout are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from chunkmap.errors import Unsupported
from chunkmap.formats.tiff import tags
from chunkmap.formats.tiff.arrays import Axes
from chunkmap.formats.tiff.ground import GEO
from chunkmap.formats.tiff.ifd import Directory
from chunkmap.formats.tiff.metadata import OmeImage, read_imagej, read_ome, read_shaped
from chunkmap.formats.tiff.pages import Page, Places, read_page, stored_sizes

__all__ = ["Files", "Finding", "Image", "OtherFile", "Stack", "find_images", "ome_of"]

_PAGES: Final = "page"
_MOST_BLANK: Final = 64
"""Planes of OME-XML to a page: there may be fewer pages, as a series that was broken off has."""


class Stack(NamedTuple):
    """Pages of one layout that are one array."""

    pages: tuple[Page, ...]
    """The pages, C order of the axes."""
    axes: Axes
    """Along which they are stacked."""


@dataclass(slots=True)
class Image:
    """One image, with its smaller versions and its masks."""

    levels: list[Stack]
    """The image, then its overviews."""
    masks: list[Stack] = field(default_factory=list)
    """Its masks, each of the size of one level."""
    name: str | None = None
    """What the file calls it."""
    attrs: dict[str, Any] = field(default_factory=dict)
    """What is said of it."""


class Finding(NamedTuple):
    """Something that cannot be represented: its feature, what to say of it, and the page that is left out by it."""

    feature: str
    message: str
    page: str = ""


@dataclass(slots=True)
class _Family:
    """One page, and the pages that belong to it."""

    page: Page
    overviews: list[Page] = field(default_factory=list)
    masks: list[Page] = field(default_factory=list)

    @property
    def key(self) -> tuple[Any, ...]:
        """What families that stand in one array have in common."""
        geo = tuple(bytes(e.data) if (e := self.page.directory.entries.get(tag)) else b"" for tag in GEO)
        members = (self.page, *self.overviews), self.masks
        return (*(tuple(page.layout for page in group) for group in members), geo)

    @property
    def elements(self) -> int:
        """Numbers in the page."""
        return math.prod(self.page.layout.shape) * self.page.layout.samples


class OtherFile(NamedTuple):
    """Another file that has planes of an image."""

    directories: list[Directory]
    size: int


Files = Mapping[str, OtherFile | str]
"""Name of another file -> what is in it, or why that is not known."""


def ome_of(directories: Sequence[Directory]) -> list[OmeImage] | None:
    """What a file says of itself as an OME-TIFF; None for any other."""
    return read_ome(directories[0].text(tags.IMAGE_DESCRIPTION))


def find_images(
    directories: Sequence[Directory], places: Places, ome: Sequence[OmeImage] | None, files: Files
) -> tuple[list[Image], list[Finding]]:
    """The images of a file, and what of it cannot be represented."""
    findings: list[Finding] = []
    placed, size = _families(directories, places, findings), places.size
    families = list({id(f): f for f in placed if f is not None}.values())
    if not families:
        return [], findings
    if ome is not None:
        images = _from_ome(ome, placed, files, findings)
        if images:
            return images, findings
    imagej = read_imagej(directories[0].text(tags.IMAGE_DESCRIPTION))
    if imagej:
        image = _from_imagej(imagej, families, size)
        if image is not None:
            return [image], findings
    return _in_order(families, size), findings


# ---------------------------------------------------------------------- families


def _families(directories: Sequence[Directory], places: Places, findings: list[Finding]) -> list[_Family | None]:
    """The family of each directory of the main chain, None for one that is refused; then those of other SubIFDs."""
    placed: list[_Family | None] = []
    others: list[_Family] = []
    last: _Family | None = None
    for number, directory in enumerate(directories):
        page = _page(directory, places, f"page {number}", findings)
        if page is not None and not (last is not None and _belongs(page, last)):
            last = _Family(page)
            others += _from_children(last, places, findings)
            placed.append(last)
        else:
            placed.append(None if page is None else last)
    return [*placed, *others]


def _page(directory: Directory, places: Places, name: str, findings: list[Finding]) -> Page | None:
    try:
        return read_page(directory, places)
    except Unsupported as refusal:
        findings.append(Finding(refusal.feature, f"left out: {refusal.message}", name))
        return None


def _belongs(page: Page, family: _Family) -> bool:
    """Whether a page is an overview or a mask of a family; then it is put there."""
    if page.is_mask:
        family.masks.append(page)
    elif page.is_overview and _is_smaller(page, family.page):
        family.overviews.append(page)
    else:
        return False
    return True


def _from_children(family: _Family, places: Places, findings: list[Finding]) -> list[_Family]:
    """Put the SubIFDs of a page where they belong; those that are images of their own are given back."""
    others = []
    for number, directory in enumerate(family.page.directory.children):
        page = _page(directory, places, f"SubIFD {number} of a page", findings)
        if page is None or _belongs(page, family):
            continue
        if _is_smaller(page, family.page) and _is_alike(page, family.page):
            family.overviews.append(page)
        else:
            others.append(_Family(page))
    return others


def _is_smaller(page: Page, other: Page) -> bool:
    mine, theirs = page.layout.shape, other.layout.shape
    return mine != theirs and all(a <= b for a, b in zip(mine, theirs, strict=True))


def _is_alike(page: Page, other: Page) -> bool:
    mine, theirs = page.layout, other.layout
    return (mine.samples, mine.bits, mine.sample_format) == (theirs.samples, theirs.bits, theirs.sample_format)


# ---------------------------------------------------------------------- stacks


def _image(families: Sequence[_Family], axes: Axes) -> Image:
    """Families of one key as an image: each level is the stack of the pages of that level."""
    levels = zip(*((f.page, *f.overviews) for f in families), strict=True)
    masks = zip(*(f.masks for f in families), strict=True)
    return Image([Stack(pages, axes) for pages in levels], [Stack(pages, axes) for pages in masks])


def _axes(names: Sequence[str], lengths: Sequence[int]) -> Axes:
    """Axes without those of length 1, as tifffile shows them."""
    kept = [(name, n) for name, n in zip(names, lengths, strict=True) if n > 1]
    return Axes(tuple(name for name, _ in kept), tuple(n for _, n in kept))


def _in_order(families: Sequence[_Family], size: int) -> list[Image]:
    """Families of one key together, where no text says otherwise."""
    found: list[Image | list[_Family]] = []
    groups: dict[tuple[Any, ...], list[_Family]] = {}
    place = 0
    while place < len(families):
        shaped = _shaped(families, place, size)
        if shaped is not None:
            found.append(shaped[0])
            place += shaped[1]
            continue
        key = families[place].key
        if key not in groups:
            groups[key] = []
            found.append(groups[key])
        groups[key].append(families[place])
        place += 1
    return [one if isinstance(one, Image) else _image(one, _axes((_PAGES,), (len(one),))) for one in found]


def _shaped(families: Sequence[_Family], place: int, size: int) -> tuple[Image, int] | None:
    """The image that begins at a page where tifffile says its shape, and of how many pages it is."""
    first = families[place]
    found = read_shaped(first.page.directory.text(tags.IMAGE_DESCRIPTION))
    if found is None:
        return None
    shape, letters = found
    count, rest = divmod(math.prod(shape), first.elements)
    lead = next((n for n in range(len(shape) + 1) if math.prod(shape[:n]) == count), None)
    if rest or not count or lead is None:
        return None
    named = len(letters) == len(shape)
    names = [letters[n].lower() if named and letters[n] not in "QSYX" else f"axis_{n}" for n in range(lead)]
    axes = _axes(names, shape[:lead])
    members = families[place : place + count]
    if len(members) == count and all(member.key == first.key for member in members):
        return _image(members, axes), count
    repeated = _repeated(first.page, count, size)
    return None if repeated is None else (Image([Stack((repeated,), axes)]), 1)


def _from_imagej(said: dict[str, Any], families: Sequence[_Family], size: int) -> Image | None:
    """A hyperstack: frames of slices of channels."""
    lengths = [said.get(name, 1) for name in ("frames", "slices", "channels")]
    count = said.get("images", 1)
    if not all(isinstance(n, int) and n > 0 for n in (*lengths, count)):
        return None
    names: Sequence[str] = ("t", "z", "c")
    if math.prod(lengths) != count:
        names, lengths = (_PAGES,), [count]
    axes = _axes(names, lengths)
    if len(families) == count and all(family.key == families[0].key for family in families):
        return _image(families, axes)
    repeated = _repeated(families[0].page, count, size) if len(families) == 1 else None
    return None if repeated is None else Image([Stack((repeated,), axes)])


def _repeated(page: Page, count: int, size: int) -> Page | None:
    """As many pages as stand behind the first one without a directory of their own; None where they cannot."""
    layout, nbytes = page.layout, int(stored_sizes(page.layout).sum())
    behind = page.offsets[:1] + np.cumsum(page.lengths) - page.lengths
    if layout.compression != "none" or layout.tiled or not np.array_equal(page.offsets, behind):
        return None
    if int(page.lengths.sum()) < nbytes or nbytes * count > size - int(page.offsets[0]):
        return None
    planes = layout.grid[0] * layout.grid[1]
    whole = layout._replace(chunk=(1, *layout.shape[1:]))
    piece = np.uint64(nbytes // planes)
    offsets = page.offsets[0] + np.arange(count * planes, dtype=np.uint64) * piece
    return page._replace(layout=whole, offsets=offsets, lengths=np.full(len(offsets), piece, np.uint64))


# ---------------------------------------------------------------------- OME


def _from_ome(
    found: Sequence[OmeImage], placed: Sequence[_Family | None], files: Files, findings: list[Finding]
) -> list[Image]:
    """The images of an OME-TIFF; none where its pages are not as it says."""
    images = []
    pages = {"": placed}
    for name, file in files.items():
        if isinstance(file, str):
            findings.append(Finding("OME-TIFF of several files", f"given page by page: {file}"))
            return []
        pages[name] = _families(file.directories, Places(file.directories, file.size), findings)
    placed = [family for some in pages.values() for family in some]
    if sum(len(ome.directories) for ome in found) > _MOST_BLANK * (len(placed) + 1):
        findings.append(Finding("OME-TIFF", f"it tells of many more planes than its {len(placed)} pages"))
        return []
    for number, ome in enumerate(found):
        of_files = [pages[name] for name in ("", *ome.names)]
        planes = zip(ome.files.tolist(), ome.directories.tolist(), strict=True)
        families = [of_files[n][at] if 0 <= at < len(of_files[n]) else None for n, at in planes]
        present = [family for family in families if family is not None]
        name = ome.name or f"image {number}"
        if not present or any(family.key != present[0].key for family in present):
            findings.append(Finding("OME-TIFF", f"the pages of {name!r} are not of one layout: given page by page"))
            return []
        blank = _blank(present[0])
        image = _image([blank if family is None else family for family in families], _axes(ome.axes.lower(), ome.shape))
        image.name = ome.name
        image.attrs.update(ome.attrs)
        images.append(image)
    return images


def _blank(family: _Family) -> _Family:
    """A family of the same layout of which nothing is stored."""

    def blank(page: Page) -> Page:
        nothing = np.zeros(len(page.offsets), np.uint64)
        return page._replace(offsets=nothing, lengths=nothing)

    return _Family(blank(family.page), [*map(blank, family.overviews)], [*map(blank, family.masks)])
