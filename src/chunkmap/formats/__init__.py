"""The formats that can be scanned: one row each.

A format is told from the bytes of a file, never from its name. Its module is imported when a file needs it. Other
packages add rows by entry points of the group `chunkmap.formats`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from chunkmap.formats.format import Format, Magic, Scanned
from chunkmap.formats.recognising import recognise, refuse_compressed, refusing_compressed
from chunkmap.io import Source

__all__ = [
    "FORMATS",
    "Format",
    "Magic",
    "Scanned",
    "find_format",
    "holds",
    "refuse_compressed",
    "refusing_compressed",
    "sniff",
]

_OWN: Final[Sequence[Format]] = (
    Format(
        name="hdf5",
        module="chunkmap.formats.hdf5",
        # HDF5 File Format Specification, II.A: "at byte offset 0, byte offset 512, and at successive locations ...
        # each a multiple of two of the previous location"
        begins=(Magic(b"\x89HDF\r\n\x1a\n", at=(0, *(512 << n for n in range(40)))),),
    ),
    Format(
        name="netcdf3",
        module="chunkmap.formats.netcdf3",
        begins=(Magic(b"CDF\x01"), Magic(b"CDF\x02"), Magic(b"CDF\x05")),
    ),
    Format(name="hdf4", module="chunkmap.formats.hdf4", begins=(Magic(b"\x0e\x03\x13\x01"),)),
    Format(name="fits", module="chunkmap.formats.fits", begins=(Magic(b"SIMPLE  ="),)),
    Format(
        name="tiff",
        module="chunkmap.formats.tiff",
        begins=(Magic(b"II*\0"), Magic(b"MM\0*"), Magic(b"II+\0"), Magic(b"MM\0+")),
    ),
    Format(
        name="nifti",
        module="chunkmap.formats.nifti",
        begins=(
            *(Magic(text, at=(344,)) for text in (b"n+1\0", b"ni1\0")),
            *(Magic(text, at=(4,)) for text in (b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n")),
            # Analyze 7.5, which NIfTI-1 grew out of, says the size of its header and nothing else
            *(Magic(size) for size in (b"\x5c\x01\0\0", b"\0\0\x01\x5c")),
        ),
    ),
    Format(
        name="dmrpp",
        module="chunkmap.formats.dmrpp",
        begins=(Magic(b"http://xml.opendap.org/dap/dmrpp/1.0.0#", within=4096),),
    ),
    Format(name="npy", module="chunkmap.formats.npy", begins=(Magic(b"\x93NUMPY"),)),
    Format(
        name="envi",
        module="chunkmap.formats.envi",
        # headers of ESRI have no mark of their own, and their keywords may be written small
        begins=(Magic(b"ENVI"), *(Magic(word, within=4096) for word in (b"NROWS", b"nrows", b"Nrows", b"NRows"))),
    ),
    Format(name="npz", module="chunkmap.formats.npy.npz", members=".npy"),
    Format(name="zarr", module="chunkmap.formats.zarr", holds=("zarr.json", ".zmetadata", ".zgroup", ".zarray")),
    # nothing tells it: it must be named
    Format(name="raw", module="chunkmap.formats.raw"),
    # behind headers of bulletins, or padding
    Format(name="grib", module="chunkmap.formats.grib", begins=(Magic(b"GRIB", within=4096),), extra="grib"),
)


class _Formats(Sequence[Format]):
    """Rows of this package, and behind them those of others, which are looked for when somebody gets that far: all that
    is installed is searched for them, which takes longer than to scan a small file.
    """

    def __iter__(self) -> Iterator[Format]:
        yield from _OWN
        yield from _others()

    def __len__(self) -> int:
        return len(_OWN) + len(_others())

    def __getitem__(self, number: Any) -> Any:
        return (*_OWN, *_others())[number]


@cache
def _others() -> tuple[Format, ...]:
    from chunkmap.formats.installed import installed  # noqa: PLC0415 - see above

    return tuple(installed({row.name for row in _OWN}))


FORMATS: Final[Sequence[Format]] = _Formats()
"""Every format, in the order in which they are tried; those of other packages come last."""


def find_format(name: str) -> Format:
    """The format of this name. Raises ValueError naming those there are."""
    for row in FORMATS:
        if row.name == name:
            return row
    raise ValueError(f"format is {name!r}, expected one of {', '.join(row.name for row in FORMATS)}")


def holds() -> tuple[str, ...]:
    """Files by which folders are told: each format has some."""
    return tuple(name for row in FORMATS for name in row.holds)


def sniff(source: Source) -> Format:
    """The format of a file. See `chunkmap.formats.recognising` for what is raised where there is none."""
    return recognise(source, FORMATS)
