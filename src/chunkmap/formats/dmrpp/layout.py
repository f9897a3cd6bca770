"""Where the data of a variable is: chunks of the granule, or values that the document itself holds."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import Unsupported
from chunkmap.formats.dmrpp.document import DAP, DMRPP, texts_of
from chunkmap.formats.dmrpp.runs import RUN, Run
from chunkmap.model import ChunkManifest, CodecConfig
from chunkmap.model.grid import linear
from chunkmap.model.meta import grid_shape_of

__all__ = ["Layout", "find_layout", "strings"]

_LONGEST_VALUES: Final = 256 << 20
"""Most bytes of values that a document may hold in a compressed form."""


class Layout(NamedTuple):
    """Chunk shape, codecs in the order of encoding, and chunks."""

    chunk_shape: tuple[int, ...]
    codecs: tuple[CodecConfig, ...]
    chunks: ChunkManifest


def find_layout(
    element: ET.Element, shape: tuple[int, ...], dtype: np.dtype[Any], granule: str, runs: Sequence[Run]
) -> Layout:
    """Where the data is; chunks that were cut out of the document are in `runs`.

    Raises Unsupported where no reference can say so.

    The grid comes from the shape and the sizes of chunks, never from the chunks that are listed: what is not listed was
    never written.
    """
    whole = tuple(max(n, 1) for n in shape)
    held = _held(element, math.prod(shape) * dtype.itemsize)
    if held == b"":  # a variable that has attributes only, such as a grid mapping
        return Layout(whole, (), ChunkManifest.empty(grid_shape_of(shape, whole)))
    if held is not None:
        return Layout(whole, (), ChunkManifest.single(held, 0, len(held), len(shape)))
    described = element.find(f"{DMRPP}chunks")
    if described is None and element.find(f"{DMRPP}chunk") is not None:  # values in one piece, as Hyrax writes them too
        described = element
    if described is None:
        raise Unsupported("the document does not say where its data is", feature="no chunks")
    chunk_shape = _chunk_shape(described, shape) or whole
    codecs = _codecs(described, dtype.itemsize)
    grid = grid_shape_of(shape, chunk_shape)
    blocks = described.findall(f"{DMRPP}block")
    if blocks:
        return _in_blocks(blocks, shape, dtype, granule, codecs)
    has_chunks = any(described.find(f"{DMRPP}{tag}") is not None for tag in ("chunk", RUN))
    if not has_chunks or not math.prod(shape):
        return Layout(chunk_shape, codecs, ChunkManifest.empty(grid))
    chunks = _chunks(described, grid, chunk_shape, granule, runs)
    if not codecs:
        _check_lengths(chunks.length, math.prod(chunk_shape) * dtype.itemsize)
    elif not chunks.length.all():
        raise Unsupported("a compressed chunk is said to have no bytes", feature="chunk length")
    return Layout(chunk_shape, codecs, chunks)


def _held(element: ET.Element, nbytes: int) -> bytes | None:
    """Values that stand in the document: as they are (compact), or deflated (computed by the server)."""
    compact, missing = element.find(f"{DMRPP}compact"), element.find(f"{DMRPP}missingdata")
    found = missing if compact is None else compact
    if found is None:
        return None
    if not (found.text or "").strip():
        return b""
    if nbytes > _LONGEST_VALUES:
        raise Unsupported(f"its {nbytes} bytes of values are too many for a document", feature="values in the document")
    try:
        data = base64.b64decode("".join((found.text or "").split()), validate=True)
        if compact is None:
            data = zlib.decompressobj().decompress(data, nbytes + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise Unsupported(f"its values are damaged: {error}", feature="values in the document") from error
    if len(data) != nbytes:
        raise Unsupported(f"expected {nbytes} bytes of values, found {len(data)}", feature="values in the document")
    return data


def strings(element: ET.Element, count: int) -> list[str] | None:
    """So many texts of any length that stand in the document; None where none do."""
    array = element.find(f"{DMRPP}vlsa")
    if array is not None:
        return _strings_of_array(array, count)
    compact = element.find(f"{DMRPP}compact")
    if compact is None or element.find(f"{DMRPP}FixedLengthStringArray") is not None:
        return None
    try:
        data = base64.b64decode("".join((compact.text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unsupported(f"its values are damaged: {error}", feature="values in the document") from error
    return [data.rstrip(b"\0").decode("utf-8", "surrogateescape")]


def _strings_of_array(array: ET.Element, count: int) -> list[str]:
    """Texts one by one, those that follow one another and are alike said once (`c`); older servers join all by `;`."""
    found: list[str] = []
    for value in array.iterfind(f"{DAP}v"):
        times = value.get("c", "1")
        if not times.isdecimal() or len(found) + int(times) > count:
            raise Unsupported(f"expected {count} texts, found more", feature="values in the document")
        found += [_string(value)] * int(times)
    joined = (array.text or "").strip()
    if found or not joined:
        return found
    try:
        return [
            base64.b64decode(text, validate=True).decode("utf-8", "surrogateescape") for text in joined.split(";")[:-1]
        ]
    except (binascii.Error, ValueError) as error:
        raise Unsupported(f"its values are damaged: {error}", feature="values in the document") from error


def _string(element: ET.Element) -> str:
    """A text, deflated where it says how long it is (`s`)."""
    text, size = element.text or "", element.get("s")
    if size is None:
        return text
    if not size.isdecimal() or int(size) > _LONGEST_VALUES:
        raise Unsupported(f"a text of {size!r} bytes", feature="values in the document")
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), int(size) + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise Unsupported(f"a text is damaged: {error}", feature="values in the document") from error
    if len(data) != int(size):
        raise Unsupported(f"expected a text of {size} bytes, found {len(data)}", feature="values in the document")
    return data.decode("utf-8", "surrogateescape")


def _chunk_shape(described: ET.Element, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    found = described.find(f"{DMRPP}chunkDimensionSizes")
    if found is None:
        return None
    sizes = tuple(_integers(texts_of([found])).tolist())
    if len(sizes) != len(shape) or any(n < 1 for n in sizes):
        raise Unsupported(f"chunks of {sizes}, but its shape is {shape}", feature="chunk sizes")
    return sizes


# Filters are listed in the order in which they were applied.
def _codecs(described: ET.Element, itemsize: int) -> tuple[CodecConfig, ...]:
    names = described.get("compressionType", "").split()
    levels = (described.get("deflateLevel") or described.get("deflate_level") or "").split()
    codecs: list[CodecConfig] = []
    for name in names:
        if name == "deflate":
            level = levels.pop(0) if levels and levels[0].isdecimal() else "4"
            codecs.append({"id": "zlib", "level": min(int(level), 9)})
        elif name == "shuffle":
            codecs.append({"id": "shuffle" if not codecs else "hdf5_shuffle", "elementsize": itemsize})
        elif name == "fletcher32":
            codecs.append({"id": "fletcher32"})
        else:
            raise Unsupported(f"its chunks are compressed by {name!r}, which no codec is known for", feature=name)
    return tuple(codecs)


def _chunks(
    described: ET.Element, grid: tuple[int, ...], chunk: tuple[int, ...], granule: str, runs: Sequence[Run]
) -> ChunkManifest:
    """The chunks that are listed, each at its cell."""
    found = described.findall(f"{DMRPP}chunk")
    listed = [runs[_number(element, len(runs))] for element in described.iterfind(f"{DMRPP}{RUN}")]
    if any(element.get("filterMask", "0") not in ("0", "") for element in found):
        raise Unsupported("some of its chunks skip filters (filterMask)", feature="filter mask")
    own = described.get("href") or granule
    urls = [element.get("href") or own for element in found]
    if found:
        listed.append(Run(*_extents(found), _places(found, len(chunk), alone=len(found) == 1 and not listed)))
    if any(run.places.shape[1] != len(chunk) for run in listed):
        raise Unsupported(f"chunks stand at places of other than {len(chunk)} axes", feature="chunk positions")
    offsets, lengths, places = (np.concatenate(column) for column in zip(*listed, strict=True))
    index = _index(places, grid, chunk)
    sources: tuple[str | None, ...] = (None, own)
    numbers = np.ones(len(index), np.uint32)
    if any(url != own for url in urls):
        names, which = np.unique(np.array([own, *urls]), return_inverse=True)
        sources = (None, *names.tolist())
        numbers[:] = which[0] + 1
        numbers[len(index) - len(urls) :] = which[1:] + 1
    return ChunkManifest.from_columns(grid, index, sources, (numbers, offsets, lengths))


def _number(element: ET.Element, count: int) -> int:
    text = element.text or ""
    if not text.isdecimal() or int(text) >= count:
        raise Unsupported(f"an element {RUN}, which a document may not have", feature="chunks")
    return int(text)


def _places(found: Sequence[ET.Element], ndim: int, *, alone: bool) -> NDArray[np.int64]:
    """The first element of each chunk, `[0,50]`; one that is alone need not say it."""
    places = [element.get("chunkPositionInArray") for element in found]
    if all(place is None for place in places):
        if not alone:
            raise Unsupported(f"{len(found)} chunks do not say where they stand", feature="chunk positions")
        return np.zeros((1, ndim), np.int64)
    texts = [(place or "").strip().removeprefix("[").removesuffix("]") for place in places]
    first = _integers(",".join(texts).split(",")).astype(np.int64)
    if len(first) != len(places) * ndim or any(text.count(",") != ndim - 1 for text in texts):
        raise Unsupported(f"chunks stand at places of other than {ndim} axes", feature="chunk positions")
    return first.reshape(len(places), ndim)


def _index(places: NDArray[np.int64], grid: tuple[int, ...], chunk: tuple[int, ...]) -> NDArray[np.int64]:
    """Positions in the grid, each of which is taken once."""
    sizes = np.array(chunk, np.int64)
    coords = places // sizes
    if bool((coords * sizes != places).any()):
        raise Unsupported("a chunk stands between the cells of the grid", feature="chunk positions")
    if bool((coords < 0).any()) or bool((coords >= np.array(grid, np.int64)).any()):
        raise Unsupported("a chunk stands outside the array", feature="chunk positions")
    index = linear(coords, grid)
    if len(index) > 1 and not bool((index[1:] > index[:-1]).all()) and len(np.unique(index)) != len(index):
        raise Unsupported("two chunks stand at one place", feature="chunk positions")
    return index


def _extents(elements: Sequence[ET.Element]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """First byte and length of each chunk or block."""
    offsets = _integers([element.get("offset", "") for element in elements])
    lengths = _integers([element.get("nBytes", "") for element in elements])
    if not len(offsets) == len(lengths) == len(elements):
        raise Unsupported("a chunk does not say its first byte and its length", feature="number")
    return offsets, lengths


def _integers(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Numbers that stand in texts, parted by spaces."""
    joined = " ".join(texts)
    found = joined.split()
    if not joined.replace(" ", "0").isdecimal() or not joined.isascii() or max(map(len, found), default=0) > 18:
        raise Unsupported(f"expected numbers, found {joined[:40]!r}", feature="number")
    return np.array(list(map(int, found)), np.uint64)


def _check_lengths(lengths: NDArray[Any], expected: int) -> None:
    if bool((lengths != expected).any()):
        wrong = int(lengths[lengths != expected][0])
        raise Unsupported(f"expected chunks of {expected} bytes, found one of {wrong}", feature="chunk length")


def _in_blocks(
    blocks: Sequence[ET.Element], shape: tuple[int, ...], dtype: np.dtype[Any], granule: str, codecs: Sequence[Any]
) -> Layout:
    """Data in several pieces that follow one another, as HDF4 links them: chunks of so many rows that each is whole."""
    offsets, lengths = _extents(blocks)
    size, row = math.prod(shape) * dtype.itemsize, math.prod(shape[1:]) * dtype.itemsize
    if codecs or not shape or not size or int(lengths.sum()) != size or bool((lengths % np.uint64(row)).any()):
        raise Unsupported("its data is in linked blocks that do not begin with a row", feature="linked blocks")
    rows = math.gcd(*(lengths // np.uint64(row)).tolist())
    step = rows * row
    counts = (lengths // np.uint64(step)).astype(np.int64)
    inner = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.repeat(offsets, counts) + inner.astype(np.uint64) * np.uint64(step)
    chunk_shape = (rows, *shape[1:])
    columns = (np.ones(len(starts), np.uint32), starts, np.full(len(starts), step, np.uint64))
    grid = grid_shape_of(shape, chunk_shape)
    return Layout(chunk_shape, (), ChunkManifest.from_columns(grid, np.arange(len(starts)), (None, granule), columns))


def attributes_of(described: ET.Element | None) -> Mapping[str, str]:
    """The attributes of the element that describes chunks; none where there is no such element."""
    return {} if described is None else described.attrib
