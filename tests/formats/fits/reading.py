"""What is read through references beside what astropy reads, as physical values."""

from __future__ import annotations

import warnings
import zlib
from typing import Any, NamedTuple

import fsspec
import numpy as np
from astropy.io import fits

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.formats.fits import Options, parse
from chunkmap.formats.fits.hdus import walk
from chunkmap.formats.fits.names import distinct, name_of, unit_names
from chunkmap.io import BytesSource, LocalSource
from chunkmap.io.rounds import run
from chunkmap.model import ReferenceSet


def scan(path, **options):
    """The references of a file, or of bytes, which are kept where they can be read."""
    source = _kept(path) if isinstance(path, bytes) else LocalSource(str(path))
    found = run(source, parse(source, Options(**options)))
    targets = {source.url: source.target()}
    return ReferenceSet(dict(found.arrays), dict(found.groups), found.problems, targets, source.url)


def _kept(data):
    name = f"chunkmap-fits/{zlib.crc32(data)}.fits"
    fsspec.filesystem("memory").pipe(name, data)
    return BytesSource(data, f"memory://{name}")


def values(refs, name):
    """The values of an array as they are decoded."""
    return read_array(refs.arrays[name], Fetcher())


def physical(refs, name):
    """The values as CF has them: NaN where undefined, scaled in double precision; the type of others is kept."""
    meta, found = refs.arrays[name].meta, values(refs, name)
    undefined = None if meta.fill_value is None or meta.dtype.kind not in "iu" else found == meta.fill_value
    if "scale_factor" in meta.attrs:
        found = found.astype("c16" if found.dtype.kind == "c" else "f8")
        found = found * meta.attrs["scale_factor"] + meta.attrs["add_offset"]
    if undefined is not None and undefined.any():
        found = np.where(undefined, np.nan, found)
    return found


class Wanted(NamedTuple):
    """What astropy says of an array."""

    values: Any
    """An array, or a list of the rows of a column of various lengths."""
    is_single: bool = False
    """Whether astropy has rounded it to single precision."""


def wanted(path) -> dict[str, Wanted]:
    """What astropy reads, by the paths that our sets have for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = LocalSource(str(path))
        names = unit_names(run(source, walk(source)).units)
        found = {}
        with fits.open(path, memmap=False) as file:
            for name, hdu in zip(names, file, strict=False):
                found |= _wanted_of(name, hdu)
        return found


def _wanted_of(name, hdu):
    if isinstance(hdu, fits.GroupsHDU):
        return _groups(name, hdu)
    if isinstance(hdu, (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)):
        return {} if hdu.data is None else {name: _image(hdu)}
    if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU)):
        return _table(name, hdu)
    return {}


def _image(hdu):
    data = hdu.data
    return Wanted(data, data.dtype.kind == "f" and data.dtype.itemsize == 4)


def _groups(name, hdu):
    found = {f"{name}/data": Wanted(hdu.data.data, hdu.data.data.dtype.itemsize == 4)}
    parameters = distinct([*(name_of(p) or f"parameter{n}" for n, p in enumerate(hdu.parnames, 1)), "data"])[:-1]
    for number, own in enumerate(parameters):
        found[f"{name}/{own}"] = Wanted(hdu.data.par(number), is_single=True)
    return found


def _table(name, hdu):
    found = {}
    columns = hdu.columns
    names = distinct([name_of(column.name) or f"col{n}" for n, column in enumerate(columns, 1)])
    for number, (own, column) in enumerate(zip(names, columns, strict=True)):
        data = hdu.data.field(number) if hdu.data is not None else np.empty(0)
        form = column.format.strip().lstrip("0123456789")
        if form[0] in "PQ" and isinstance(hdu, fits.BinTableHDU):
            found[f"{name}/{own}"] = Wanted(list(data))
            continue
        null = column.null
        data = np.asarray(data)
        if isinstance(hdu, fits.TableHDU) and form[0] == "I" and null is not None:
            text = np.char.strip(np.asarray(hdu.data.view(np.ndarray)[hdu.data.dtype.names[number]]))
            undefined = text == str(null).strip().encode()
            data = np.where(undefined, np.nan, data) if undefined.any() else data
        if data.dtype.kind in "iuf" and null is not None and isinstance(hdu, fits.BinTableHDU):
            stored = np.asarray(hdu.data.view(np.ndarray)[hdu.data.dtype.names[number]]).reshape(data.shape)
            if stored.dtype.kind in "iu":
                data = np.where(stored == null, np.nan, data) if (stored == null).any() else data
        found[f"{name}/{own}"] = Wanted(data)
    return found


def check(path, **options):
    """Every array that astropy reads is there and the same, or a problem names it. Gives the set."""
    refs, expected = scan(path, **options), wanted(path)
    refused = {problem.path for problem in refs.problems}
    for name, one in expected.items():
        if name in refused or name.split("/")[0] in refused:
            continue
        equal(refs, name, one)
    return refs


def equal(refs, name, one):
    """Raise AssertionError unless an array has the values that astropy has."""
    found = physical(refs, name)
    if isinstance(one.values, list):
        _equal_rows(refs, name, found, one.values)
        return
    data = np.asarray(one.values)
    if data.dtype.kind in "SU":
        data = np.char.rstrip(np.char.encode(data, "latin-1") if data.dtype.kind == "U" else data)
        assert found.shape == data.shape, name
        assert [t.split(b"\0")[0].rstrip() for t in data.ravel().tolist()] == found.ravel().tolist(), name
        return
    assert found.shape == data.shape, (name, found.shape, data.shape)
    if one.is_single and found.dtype.itemsize > 4:
        np.testing.assert_allclose(found, data.astype("f8"), rtol=1e-6, atol=1e-30, err_msg=name)
    else:
        np.testing.assert_array_equal(found, data, name)
    if "scale_factor" not in refs.arrays[name].meta.attrs and data.dtype.kind in "iub" and found.dtype.kind != "f":
        assert found.dtype.newbyteorder("=") == data.dtype.newbyteorder("="), name


def _equal_rows(refs, name, found, rows):
    lengths = values(refs, f"{name}_length") if f"{name}_length" in refs.arrays else None
    assert len(found) == len(rows), name
    assert lengths is not None, name
    if found.dtype.kind == "S":
        assert [bytes(t) for t in found.tolist()] == [_text(row) for row in rows], name
        return
    for length, row, want in zip(lengths.tolist(), found, rows, strict=True):
        np.testing.assert_array_equal(row[:length], np.asarray(want).ravel()[:length], name)


def _text(row):
    if isinstance(row, str):
        return row.encode("latin-1").rstrip()
    if isinstance(row, np.ndarray):
        row = b"".join(r.encode("latin-1") if isinstance(r, str) else r for r in row.ravel().tolist())
    return row.split(b"\0")[0].rstrip()
