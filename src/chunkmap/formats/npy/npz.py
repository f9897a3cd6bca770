"""NumPy's `.npz` archives: a ZIP whose members are `.npy` files, one for each array.

Specification: https://numpy.org/doc/stable/reference/generated/numpy.savez.html. Where members are stored as they are,
which is what `numpy.savez` does, every array is a range of the archive; what `numpy.savez_compressed` writes is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from chunkmap.errors import ChunkmapError, FormatError, Unsupported
from chunkmap.formats.blocks import block, cut
from chunkmap.formats.format import Scanned
from chunkmap.formats.npy.array import parse_header
from chunkmap.io import Folder, Listing, Range, Within
from chunkmap.io.rounds import Parser
from chunkmap.io.rounds.folders import Each
from chunkmap.model import ArrayMeta, ManifestArray, Problem

__all__ = ["MEMBERS", "Options", "parse"]

MEMBERS: Final = ".npy"
"""How all members are called in the end."""

_COMPRESSED: Final = (
    "left out: it is a compressed member, so no range of the archive holds its elements; save it with numpy.savez,"
    " store it uncompressed (zip -0), or scan it alone: {member!r}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be chosen."""

    chunk_nbytes: int | None = None
    """Cut every array along its slowest axes into equal chunks of at most so many bytes; None leaves them whole."""


def parse(folder: Folder, options: Options) -> Parser[Scanned]:
    """Every array, called as its member; dimensions are `<name>_dim_0` and so on, as no two arrays need share any.

    Members that are compressed, or hold Python objects, are problems; where all are, Unsupported is raised.
    """
    listing = folder.listing()
    if listing is None or listing.within is None:
        raise FormatError("expected an archive of .npy files, found a folder", url=folder.url)
    arrays: dict[str, ManifestArray] = {}
    stored, problems = _stored(listing, listing.within, folder.url.removeprefix("zip://::"))
    url = listing.within.url
    found: Sequence[Any] = yield Each([listing.names[row] for row in stored], parse_header)
    for row, header in zip(stored, found, strict=True):
        path = listing.names[row].removesuffix(MEMBERS)
        if isinstance(header, Unsupported):
            problems.append(Problem(path, header.feature, f"left out: {header.message}", url))
        elif isinstance(header, ChunkmapError):
            raise header
        else:
            span = Range(int(listing.within.starts[row]), int(listing.sizes[row]))
            array = _array(path, header, url, span)
            arrays[path] = array if options.chunk_nbytes is None else cut(array, options.chunk_nbytes)
    if problems and not arrays:
        first = problems[0]
        text = f"none of its arrays has a reference: {first.path!r} {first.message}"
        raise Unsupported(text, feature=first.feature, url=url)
    kept = _without_nested(arrays, problems, url)
    return Scanned(kept, _groups(kept), tuple(problems), {url: folder.target()})


def _stored(listing: Listing, within: Within, archive: str) -> tuple[list[int], list[Problem]]:
    """The rows of members that are ranges of the archive, and `.npy` files; what the others are."""
    rows, problems = [], []
    for row, (name, start) in enumerate(zip(listing.names, within.starts.tolist(), strict=True)):
        if not name.endswith(MEMBERS):
            problems.append(Problem(name, "member", "left out: it is no .npy file", within.url))
        elif start < 0:
            path = name.removesuffix(MEMBERS)
            alone = _COMPRESSED.format(member=f"zip://{name}::{archive}")
            problems.append(Problem(path, "compressed archive member", alone, within.url))
        else:
            rows.append(row)
    return rows, problems


def _array(path: str, header: tuple[ArrayMeta, int], url: str, member: Range) -> ManifestArray:
    """The array of a member, which is a range of the archive."""
    meta, first = header
    name = path.rpartition("/")[2]
    meta = replace(meta, dims=tuple(f"{name}_dim_{axis}" for axis in range(meta.ndim)))
    stop = member.offset + member.length
    return block(url, stop, member.offset + first, meta, what=f"the array {path!r}")


def _without_nested(arrays: Mapping[str, ManifestArray], problems: list[Problem], url: str) -> dict[str, ManifestArray]:
    """The arrays, without those that lie below another: Zarr's arrays hold none."""
    kept = {}
    for path, array in arrays.items():
        above = next((parent for parent in _parents(path) if parent in arrays), None)
        if above is None:
            kept[path] = array
        else:
            problems.append(Problem(path, "name", f"left out: it would lie below the array {above!r}", url))
    return kept


def _groups(arrays: Mapping[str, ManifestArray]) -> dict[str, Mapping[str, Any]]:
    """The root, and the groups that names with slashes make."""
    return {path: {} for path in ["", *(parent for array in arrays for parent in _parents(array))]}


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]
