"""Other files that have planes of an image: OME-TIFF names them by their UUID and their name.

https://ome-model.readthedocs.io/en/stable/ome-tiff/specification.html#multi-file-ome-tiff-filesets
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chunkmap.errors import ChunkmapError
from chunkmap.formats.tiff.ifd import read_directories
from chunkmap.formats.tiff.metadata import OmeImage
from chunkmap.formats.tiff.series import Files, OtherFile
from chunkmap.io.rounds import Found, Other, Parser, Together
from chunkmap.io.source import Source
from chunkmap.model import Target

__all__ = ["read_files"]

_MOST: Final = 4096
"""Files of which an image is put together."""


def read_files(images: Sequence[OmeImage]) -> Parser[tuple[Files, Mapping[str, Target]]]:
    """The files that images name, all read in the same rounds, or why they cannot be; and what is known of them."""
    names = list(dict.fromkeys(name for image in images for name in image.names))
    if "" in names or len(names) > _MOST:
        why = "planes are in files without a name" if "" in names else f"planes are in {len(names)} files"
        return dict.fromkeys(names, why), {}
    found: list[tuple[OtherFile | str, Found | None]] = yield Together([_read(name) for name in names])
    files = {name: file for name, (file, _) in zip(names, found, strict=True)}
    return files, {other.url: other.target for _, other in found if other is not None}


def _read(name: str) -> Parser[tuple[OtherFile | str, Found | None]]:
    try:
        found: Found | None = yield Other(name, _directories)
    except ChunkmapError as error:
        return str(error), None
    return (f"there is no file {name!r}", None) if found is None else (found.result, found)


def _directories(source: Source) -> Parser[OtherFile]:
    directories = yield from read_directories(source)
    return OtherFile(directories, source.size())
