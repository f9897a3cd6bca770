"""Random files of HDF5, NetCDF4 and NetCDF3, and whether the engine gives of each what xarray's own engine gives, by
one of the roads that a set takes: as it was scanned, through JSON, Parquet, a dictionary, a store.

    python tests/fuzz/random_files.py --files 3000

makes so many, and says which ones differ; a number of any of them makes it again (`--first`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[1] / "shared"))

from identical import assert_identical

import chunkmap
from chunkmap.formats.scanning import scan
from chunkmap.frontends.opening import open_store

CLASSIC = ("i1", "i2", "i4", "f4", "f8", "S1")
WIDE = (*CLASSIC[:5], "i8", "u1", "u2", "u4", "u8")
NAMES = ("a", "temp", "été", "x_1", "with space", "Z", "q.r", "lat", "time")
CALENDARS = ("standard", "gregorian", "proleptic_gregorian", "noleap", "360_day", "julian")
KINDS = {"clear": 0, "rain": 1, "missing": 9}
UNITS = ("days since 2000-01-01", "hours since 1990-02-03 04:05:06", "seconds since 1970-01-01T00:00:00Z")


class Maker:
    """Files by a seed: the same seed makes the same file."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.rng = np.random.default_rng(seed)
        self.path = str(directory / f"{seed}.nc")
        self.groups = [None]
        self.options: dict[str, object] = {}
        self.has_sequences = False

    def some(self, *choices):
        """One of them."""
        return choices[self.rng.integers(len(choices))]

    def chance(self, share):
        """Whether something happens that happens in so many of all cases."""
        return self.rng.random() < share

    def make(self):
        """Write the file; gives the engines that are its own."""
        return self.some(self.netcdf4, self.netcdf4, self.netcdf3, self.hdf5)()

    # ------------------------------------------------------------------ netCDF

    def netcdf4(self):
        """By the C library, with groups, filters, every type and unlimited dimensions."""
        with netCDF4.Dataset(self.path, "w", format="NETCDF4") as file:
            self._netcdf_group(file, WIDE, "NETCDF4")
            if self.chance(0.3):
                self._netcdf_types(file)
            for number in range(self.rng.integers(0, 3)):
                group = file.createGroup(f"g{number}")
                self.groups.append(f"g{number}")
                self._netcdf_group(group, WIDE, "NETCDF4")
            if self.chance(0.1):
                self._sequences(file)
        return self.some(("h5netcdf", "netcdf4"), ("netcdf4", "h5netcdf"))

    def _netcdf_types(self, file):
        """An enumeration, or records, which have types of their own in a file."""
        file.createDimension("typed", 3)
        if self.chance(0.5):
            kind = file.createEnumType(self.some("u1", "i2"), "kind", KINDS)
            file.createVariable("kinds", kind, ("typed",), fill_value=9)[:2] = [0, 1]
            return
        kind = file.createCompoundType(self._record_type(deep=False), "record")
        records = self._records(kind.dtype, (3,))
        file.createVariable("records", kind, ("typed",))[:] = records
        file["records"].setncattr("first", records[0])

    def _sequences(self, file):
        """Sequences of variable length, some of them not written, in a group that one of the engines cannot open."""
        code, self.has_sequences = str(self.some(*WIDE)), True
        group = file.createGroup("ragged")
        self.groups.append("ragged")
        group.createDimension("x", 3)
        array = group.createVariable("sequences", group.createVLType(code, "sequence"), ("x",))
        for place in range(self.rng.integers(0, 4)):
            array[place] = self._numbers(code, (int(self.rng.integers(0, 4)),))

    def netcdf3(self):
        """By the C library, in one of its three classic forms."""
        version = self.some("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA")
        types = (*CLASSIC, "i8", "u1", "u2", "u4", "u8") if version.endswith("DATA") else CLASSIC
        with netCDF4.Dataset(self.path, "w", format=version) as file:
            self._netcdf_group(file, types, version)
        return ("netcdf4",)

    def _netcdf_group(self, group, types, version):
        classic = version != "NETCDF4"
        dims = []
        for number in range(self.rng.integers(1, 4)):
            unlimited = number == 0 and self.chance(0.5) if classic else self.chance(0.3)
            name = f"d{number}" if self.chance(0.7) else self.some("time", "lat", "zé") + str(number)
            group.createDimension(name, None if unlimited else int(self.rng.integers(1, 7)))
            dims.append((name, unlimited))
        for name in self.rng.choice(NAMES, self.rng.integers(1, 6), replace=False).tolist():
            if name not in group.dimensions:
                self._netcdf_variable(group, name, dims, types, classic=classic)
        for name, _ in dims:
            if self.chance(0.5):
                self._netcdf_variable(group, name, [(name, False)], types[:5], classic=classic, own=name)
        self._attributes(group.setncattr, types, classic=classic)

    def _netcdf_variable(self, group, name, dims, types, *, classic, own=None):
        kept = [dim for dim in dims if self.chance(0.7)] if own is None else dims
        if classic:
            kept.sort(key=lambda dim: not dim[1])
        names = tuple(dim for dim, _ in kept)
        code = str(self.some(*types)) if own or classic or self.chance(0.9) else "str"
        options = {}
        if not classic and names and code != "str":
            options = self.some({}, {"zlib": True}, {"zlib": True, "shuffle": False}, {"fletcher32": True})
            if self.chance(0.3):
                most = [4 if unlimited else len(group.dimensions[dim]) for dim, unlimited in kept]
                options["chunksizes"] = tuple(int(self.rng.integers(1, max(n, 1) + 1)) for n in most)
            options["endian"] = self.some("native", "little", "big")
        if code not in ("str", "S1"):
            options["fill_value"] = self.some(None, False, self._numbers(code, ()))
            if options["fill_value"] is False and any(unlimited for _, unlimited in kept):
                options["fill_value"] = None  # of what is beyond its end netCDF-C and h5netcdf say different things
        variable = group.createVariable(name, str if code == "str" else code, names, **options)
        variable.set_auto_maskandscale(False)
        variable.set_auto_chartostring(False)
        shape = tuple(len(group.dimensions[dim]) or int(self.rng.integers(0, 5)) for dim in names)
        if code == "str":
            values = np.array([self.some("", "a", "märz", "long " * 9) for _ in range(int(np.prod(shape)))], object)
            variable[...] = values.reshape(shape) if names else values[0]
        elif options.get("fill_value") is False or self.chance(0.85):  # what is not filled may be anything
            whole = options.get("fill_value") is False
            part = tuple(slice(0, n - 1 if n > 1 and not whole and self.chance(0.2) else n) for n in shape)
            variable[part] = self._numbers(code, tuple(s.stop for s in part))
        self._attributes(variable.setncattr, types, classic=classic)
        if code not in ("str", "S1"):
            self._decoding(variable.setncattr, code, native=options.get("endian") != "big")

    # ------------------------------------------------------------------ attributes and values

    def _attributes(self, put, types, *, classic):
        for number in range(self.rng.integers(0, 5)):
            code = str(self.some(*types))
            value = self._numbers(code, self.some((), (1,), (3,))) if code != "S1" else self._text()
            if not classic and self.chance(0.1):
                value = self.some(["a", "bé"], ["one"], ["", "x"])
            put(f"attr{number}", value)

    def _h5_attributes(self, attrs):
        """Those that netCDF-C does not write: records, empty ones, sequences, texts of several kinds."""
        if self.chance(0.2):
            value = self._records(self._record_type(deep=self.chance(0.5)), self.some((), (1,), (3,), (2, 2), (0,)))
            attrs["records"] = value
        if self.chance(0.1):
            attrs["nothing"] = h5py.Empty(self.some("f4", "i2"))
        if self.chance(0.1):
            sequence = np.empty((), object)
            sequence[()] = self._numbers("i4", (int(self.rng.integers(0, 4)),))
            attrs.create("sequence", sequence, (), h5py.vlen_dtype("i4"))
        if self.chance(0.1):
            attrs["kind"] = self.some(np.float16(1.5), np.array([True, False]), np.complex64(1 + 2j))

    def _record_type(self, *, deep):
        """A type of records; `deep` ones hold records and arrays."""
        codes = [str(self.some("i1", "<i2", "<f4", "<f8", "u4")) for _ in range(self.rng.integers(1, 4))]
        members = [(f"m{number}", code) for number, code in enumerate(codes)]
        if deep:
            members.append(("inner", [("x", "<i2"), ("y", "<f8", self.some((2,), (1, 2)))]))
            members.append(("name", "S3"))
        return np.dtype(members, align=self.chance(0.6))

    def _records(self, dtype, shape):
        values = np.zeros(shape, dtype)
        for name in dtype.names:
            member = dtype[name].base
            if member.names:
                for inner in member.names:
                    values[name][inner] = self.rng.integers(0, 100)
            else:
                values[name] = b"ab" if member.kind == "S" else self.rng.integers(0, 100)
        return values

    def _decoding(self, put, code, *, native):
        """Attributes that say how values are decoded. xarray masks no unsigned numbers that are not `native`."""
        kind = self.rng.integers(10)
        float_code = self.some("f4", "f8")
        if kind < 3:
            put("scale_factor", np.array(self.some(0.1, 2.0, 1e-3), float_code)[()])
            if self.chance(0.6):
                put("add_offset", np.array(self.some(0, 273.15, -5), self.some("f4", "f8", "i2"))[()])
        elif kind == 3:
            put("units", self.some(*UNITS))
            if self.chance(0.6):
                put("calendar", self.some(*CALENDARS))
        elif kind == 4:
            put("units", self.some("days", "hours", "K"))
        elif kind == 5 and code in ("i1", "i2", "i4", "u1") and native:
            put("_Unsigned", "false" if code == "u1" else "true")
        if self.chance(0.2):
            put("missing_value", self._numbers(code, ()))
        if self.chance(0.1):
            put("valid_range", self._numbers(code, (2,)))

    def _text(self):
        return self.some("", "text", "µm", "a\nb")

    def _numbers(self, code, shape):
        dtype = np.dtype(code)
        if dtype.kind == "S":
            return self.rng.choice([b"a", b"z", b" ", b"\0"], shape).astype("S1")
        if dtype.kind == "b":
            return self.rng.integers(0, 2, shape).astype(bool)
        if dtype.kind in "iu":
            low, high = (-9, 10) if dtype.kind == "i" else (0, 19)
            values = self.rng.integers(low, high, shape)
            return np.asarray(values).astype(dtype)[()]
        values = self.rng.normal(size=shape) * 10
        odd = self.rng.random(shape)
        values = np.where(odd < 0.05, np.nan, np.where(odd > 0.97, np.inf, np.round(values)))
        return values.astype(dtype)[()]

    # ------------------------------------------------------------------ h5py

    def hdf5(self):
        """By h5py, of every layout and version, without dimensions of netCDF."""
        self.options = {"phony_dims": "sort"}
        with h5py.File(self.path, "w", libver=self.some("earliest", "latest", "v108", "v110")) as file:
            self._h5_group(file)
            for number in range(self.rng.integers(0, 3)):
                self._h5_group(file.create_group(f"g{number}"))
                self.groups.append(f"g{number}")
        return ("h5netcdf",)

    def _h5_group(self, group):
        for name in self.rng.choice(NAMES, self.rng.integers(1, 6), replace=False).tolist():
            shape = tuple(int(n) for n in self.rng.integers(1, 7, self.rng.integers(0, 4)))
            code = self.some(*WIDE, "f2", ">i4", ">f8", "?", "S5", "text")
            options = {}
            if self.chance(0.15):
                self._h5_of_types(group, name, shape)
                continue
            if shape and self.chance(0.5):
                options["chunks"] = tuple(int(self.rng.integers(1, n + 1)) for n in shape)
                options["compression"] = self.some(None, "gzip", "lzf")
                options["shuffle"], options["fletcher32"] = self.chance(0.4), self.chance(0.2)
                if self.chance(0.4):
                    options["maxshape"] = tuple(None if self.chance(0.5) else n for n in shape)
            if code == "text":
                texts = np.array([self.some("", "a", "märz") for _ in range(int(np.prod(shape)))], object)
                group.create_dataset(name, shape, h5py.string_dtype(), texts.reshape(shape) if shape else texts[0])
                continue
            values = (
                self._numbers(code, shape) if code != "S5" else np.resize([b"ab", b"", b"abcde"], shape).astype("S5")
            )
            if shape and self.chance(0.15):
                if self.chance(0.5) and code != "S5":
                    options["fillvalue"] = self._numbers(code, ())
                dataset = group.create_dataset(name, shape, code, **options)
            else:
                dataset = group.create_dataset(name, data=values, dtype=code, **options)
            self._attributes(dataset.attrs.__setitem__, WIDE, classic=False)
            self._h5_attributes(dataset.attrs)
            if self.chance(0.15) and np.dtype(code).kind in "iuf" and code[0] != ">":
                dataset.attrs["_FillValue"] = self._numbers(str(self.some(*WIDE)), self.some((), (), (1,), (2,)))
            if np.dtype(code).kind in "iuf" and self.chance(0.5):
                self._decoding(dataset.attrs.__setitem__, code.lstrip(">"), native=code[0] != ">")
        self._attributes(group.attrs.__setitem__, WIDE, classic=False)
        self._h5_attributes(group.attrs)

    def _h5_of_types(self, group, name, shape):
        """A dataset of records, of an enumeration, or of truth."""
        kind = self.rng.integers(3)
        if kind == 0:
            group[name] = self._records(self._record_type(deep=self.chance(0.5)), shape)
        elif kind == 1:
            group.create_dataset(name, data=np.full(shape, 1, "i2"), dtype=h5py.enum_dtype(KINDS, "i2"))
        else:
            group[name] = self._numbers("?", shape)


def check(seed: int, directory: Path) -> int:
    """Make a file and compare each group of it, decoded and not. Gives how many were compared.

    Where xarray's two engines of NetCDF4 do not agree with each other, one of them has to agree with ours.

    Raises AssertionError where something is not the same, and whatever else our engine raises.
    """
    maker = Maker(seed, directory)
    engines = maker.make()
    refs = scan(maker.path)
    opened = by_some_road(refs, maker, directory)
    compared = 0
    for group in maker.groups:
        for decode_cf in (False, True):
            compared += _same(maker, engines, opened, refs.problems, group, decode_cf=decode_cf)
    Path(maker.path).unlink()
    return compared


def by_some_road(refs, maker, directory):
    """The set, or what it is once it was stored or handed on: what the engine opens."""
    road = maker.some("scan", "json", "parquet", "dictionary", "store", "v3")
    if road == "v3" and maker.has_sequences:  # of which Zarr v3 has no type
        road = "json"
    if road in ("json", "parquet", "v3"):
        kept = directory / ("a.parq" if road == "parquet" else "a.json")
        chunkmap.write(refs, kept, zarr_format=3 if road == "v3" else 2)
        return kept
    return {"dictionary": refs.to_dict, "store": lambda: open_store(refs)}.get(road, lambda: refs)()


def _same(maker, engines, opened, problems, group, *, decode_cf):
    """Compare a group, but for what a problem says of fill values; False where its own engines do not read it."""
    wrong = []
    reported = [problem.path for problem in problems if problem.feature == "fill value"]
    for engine in engines:
        options = maker.options if engine == "h5netcdf" else {}
        try:
            with xr.open_dataset(maker.path, engine=engine, group=group, decode_cf=decode_cf, **options) as native:
                expected = native.load()
        except Exception:  # noqa: BLE001 - what its own engine does not read has nothing to be compared with
            continue
        masked = [path.rpartition("/")[2] for path in reported if path.rpartition("/")[0] == (group or "")]
        try:
            with xr.open_dataset(opened, engine="chunkmap", group=group, decode_cf=decode_cf) as found:
                assert_identical(found.drop_vars(masked, errors="ignore").load(), expected.drop_vars(masked))
        except AssertionError as error:
            wrong.append(error)
        else:
            return True
    if wrong:
        raise wrong[0]
    return False


def main() -> int:
    """Make files, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    counts, failed = Counter(), []
    with tempfile.TemporaryDirectory() as directory:
        for seed in range(asked.first, asked.first + asked.files):
            try:
                counts["compared"] += check(seed, Path(directory))
            except Exception as error:  # noqa: BLE001 - all are to be seen
                failed.append(seed)
                print(f"{seed}: {type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}")
    print(f"{asked.files} files, {counts['compared']} datasets compared, {len(failed)} files differ: {failed[:50]}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
