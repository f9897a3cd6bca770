"""Stored reference sets to damage: directories of Parquet and files of JSON, and what is read through them."""

from __future__ import annotations

import gzip
import io
import json
import random
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from mutations import mutate

import chunkmap
from chunkmap.frontends.opening import open_store
from chunkmap.model import ArrayMeta, ChunkManifest, ManifestArray, ReferenceSet, Target

DATA = "memory://chunkmap-fuzz/data"
"""The file that the references point into."""

FAR = "memory://chunkmap-fuzz/sets"
"""Where every second set is written; the others are on this machine's disk."""

SIDECAR, METADATA = ".chunkmap.json", ".zmetadata"
Values = dict[str, np.ndarray]


class WrongValuesError(Exception):
    """Damage that the checksums show was read as data."""


def seeds(folder: Path) -> dict[str, bytes]:
    """Sets with and without a sidecar, in JSON with and without compression; each packed into one piece of bytes."""
    refs = original()
    chunkmap.write(refs, folder / "set.parq", record_size=5)
    files = {str(path.relative_to(folder / "set.parq")): path for path in (folder / "set.parq").rglob("*.*")}
    ours = {name: path.read_bytes() for name, path in files.items() if path.is_file()}
    packed = {"ours": ours, "theirs": {name: data for name, data in ours.items() if "chunkmap" not in name}}
    for name in ("set.json", "set.json.gz", "set.json.zst"):
        chunkmap.write(refs, folder / name)
        packed[name] = {name: (folder / name).read_bytes()}
    shutil.rmtree(folder / "set.parq")
    return {name: pack(files) for name, files in packed.items()}


def original() -> ReferenceSet:
    """Three arrays: deflated chunks of which one is missing, bytes held inline, and a whole file."""
    random_values = np.random.default_rng(0)
    data, arrays = bytearray(b"head"), {}
    deep = ArrayMeta(
        shape=(6, 3, 5),
        chunk_shape=(2, 2, 5),
        dtype=np.dtype("<i4"),
        dims=("t", "y", "x"),
        compressor={"id": "zlib", "level": 1},
        fill_value=np.int32(-1),
    )
    cells, ranges = [cell for cell in np.ndindex(3, 2, 1) if cell != (1, 1, 0)], []
    for _ in cells:
        stored = zlib.compress(random_values.integers(0, 99, 20, dtype="<i4").tobytes())
        ranges.append((len(data), len(stored)))
        data += stored
    arrays["group/deep"] = ManifestArray(
        deep, ChunkManifest.from_rows((3, 2, 1), cells, [DATA] * 5, *map(list, zip(*ranges, strict=True)))
    )
    arrays["inline"] = ManifestArray(
        ArrayMeta(shape=(4,), chunk_shape=(4,), dtype=np.dtype("<f4"), dims=("n",)),
        ChunkManifest.single(np.arange(4, dtype="<f4").tobytes(), 0, 16, ndim=1),
    )
    arrays["plain"] = ManifestArray(
        ArrayMeta(shape=(9,), chunk_shape=(1,), dtype=np.dtype("<u2"), dims=("m",)),
        ChunkManifest.from_rows((9,), list(np.ndindex(9)), [DATA] * 9, [2 * n for n in range(9)], [2] * 9),
    )
    fsspec.filesystem("memory").pipe(DATA, bytes(data))
    return ReferenceSet(arrays, {"": {"title": "a set"}, "group": {}}, targets={DATA: Target(size=len(data))})


def pack(files: dict[str, bytes]) -> bytes:
    """Files as one piece of bytes."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), data)
    return sink.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """The files again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def damage(number: int, data: bytes) -> bytes:
    """A set of which a file is damaged, lost, or stands in another's place; the same number gives the same."""
    chance, files = random.Random(number), unpack(data)
    names = sorted(files)
    for _ in range(chance.choice((1, 1, 2))):
        name, other, way = chance.choice(names), chance.choice(names), chance.random()
        if way < 0.85 or len(names) == 1:
            files[name] = damage_file(chance, name, files.get(name, b""))
        elif way < 0.9:
            files.pop(name, None)
        elif way < 0.95:
            files[name], files[other] = files.get(other, b""), files.get(name, b"")
        else:
            files[name] = files.get(other, b"")
    return pack(files)


def damage_file(chance: random.Random, name: str, data: bytes) -> bytes:
    """A file with other bytes, or with another meaning: damage that no checksum of the format itself shows."""
    if chance.random() < 0.5:
        return mutate(chance.getrandbits(32), data, [(0, len(data)), (max(0, len(data) - 64), 64)])
    try:
        if name.endswith(".parq"):
            return damage_table(chance, data)
        if name.endswith(".gz"):
            return gzip.compress(damage_document(chance, gzip.decompress(data)), mtime=0)
        return damage_document(chance, data)
    except (ValueError, OSError, LookupError, EOFError, TypeError, RecursionError, zlib.error, pa.ArrowException):
        return data[: chance.randrange(len(data) + 1)]


LEAVES = (0, 1, -1, 7, 2**31, 2**53, 2**63, 2**64, 10**30, 1.5, -0.0, 1e300, None, True, "", "x", "|O", [], {}, [[]])


def nested(depth: int) -> Any:
    """Lists in lists."""
    document: Any = 1
    for _ in range(depth):
        document = [document]
    return document


def damage_document(chance: random.Random, data: bytes) -> bytes:
    """JSON of which one value is another, or is missing; texts that are JSON are damaged inside."""
    if chance.random() < 0.02:
        return data.rstrip()[:-1] + b', "deep": ' + b"[" * 99_999 + b"]" * 99_999 + b"}"
    document = json.loads(data)
    at, key = chance.choice(list(leaves(document)))
    if isinstance(at[key], str) and at[key].startswith("{"):
        at[key] = damage_document(chance, at[key].encode()).decode()
    elif chance.random() < 0.2:
        del at[key]
    elif isinstance(at[key], str) and at[key] and chance.random() < 0.5:
        place = chance.randrange(len(at[key]))
        at[key] = at[key][:place] + chance.choice("0129.-/|<>SUOV{}\0\u1234") + at[key][place + 1 :]
    else:
        at[key] = chance.choice((*LEAVES, nested(chance.choice((100, 300, 700)))))
    return json.dumps(document).encode()


def leaves(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every value of a document, as what it is in and its key."""
    for key in document if isinstance(document, dict) else range(len(document)):
        yield document, key
        if isinstance(document[key], (dict, list)):
            yield from leaves(document[key])


def damage_table(chance: random.Random, data: bytes) -> bytes:
    """A sound Parquet file that says something else: other types, other columns, other rows."""
    table = pq.read_table(io.BytesIO(data))
    name = chance.choice(table.column_names)
    place, rows, way = table.column_names.index(name), table.num_rows, chance.random()
    if way < 0.2:
        table = table.drop_columns(name)
    elif way < 0.4:
        table = table.slice(chance.randrange(rows + 1))
    elif way < 0.5:
        table = table.take(pa.array(chance.sample(range(rows), rows)))
    else:
        columns = (
            [chance.choice((0, -1, 2**62, 5, None)) for _ in range(rows)],
            [chance.choice((0.5, float("nan"), 1e30)) for _ in range(rows)],
            [chance.choice((b"\xff\xfe", b"base64:!", b"", None)) for _ in range(rows)],
            [chance.choice((DATA, "", "no such file", None)) for _ in range(rows)],
            [[1]] * rows,
            [{"a": 1}] * rows,
            [None] * rows,
            [True] * rows,
        )
        table = table.set_column(place, name, pa.array(chance.choice(columns)))
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def read(data: bytes, number: int) -> None:
    """Open a set, load it, verify it and read every array of it; raise when what the checksums guard is wrong."""
    files = unpack(data)
    if number % 2:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            read_at(place(files, folder), files)
    else:
        memory = fsspec.filesystem("memory")
        if memory.exists(FAR):
            memory.rm(FAR, recursive=True)
        read_at(place(files, FAR), files)


def place(files: dict[str, bytes], root: str) -> str:
    """Write the files of a set; gives its URL."""
    is_json = next(iter(files)).startswith("set.json")
    base = root if is_json else f"{root}/set.parq"
    fs, _ = fsspec.core.url_to_fs(root)
    for name, content in files.items():
        fs.makedirs(f"{base}/{name}".rpartition("/")[0], exist_ok=True)
        fs.pipe_file(f"{base}/{name}", content)
    return f"{base}/{next(iter(files))}" if is_json else base


def read_at(url: str, files: dict[str, bytes]) -> None:
    """By every road."""
    guarded = is_guarded(files)
    failures = []
    for road in (loaded, selected, opened_by_zarr):
        try:
            found = road(url, guarded)
        except chunkmap.ChunkmapError as error:
            failures.append(error)
        else:
            if guarded:
                compare(found)
    chunkmap.verify(url, decode="all")
    if failures:
        raise failures[0]


def loaded(url: str, guarded: bool) -> Values:
    """All references in memory, and back to a dictionary."""
    refs = chunkmap.load(url)
    document = refs.to_dict()
    chunkmap.load(document)
    if guarded and document != original().to_dict():
        raise WrongValuesError("other references")
    return {}


def selected(url: str, _guarded: bool) -> Values:
    """Each array through the bulk reader."""
    store = open_store(url)
    return {path: store.reader(path).read((slice(None),) * len(meta.shape)) for path, meta in small(store)}


def opened_by_zarr(url: str, guarded: bool) -> Values:
    """Each array through zarr. What it raises itself, of chunks that do not decode, is its own affair."""
    store = open_store(url)
    group = zarr.open_group(store, mode="r", zarr_format=2)
    found = {}
    for path, _ in small(store):
        if path not in store.left_out:
            try:
                found[path] = np.asarray(group[path][...])
            except chunkmap.ChunkmapError:
                raise
            except Exception as error:
                if guarded:
                    raise WrongValuesError(path) from error
    return found


def small(store: Any) -> list[tuple[str, ArrayMeta]]:
    """The arrays of which the values fit in memory: damage may make them large, which is no fault."""
    return [
        (path, meta)
        for path, meta in ((path, array.meta) for path, array in store._refs.arrays.items())
        if np.prod([float(n) for n in meta.shape]) * max(meta.dtype.itemsize, 1) < 1 << 20
        and np.prod([float(n) for n in meta.chunk_shape]) * max(meta.dtype.itemsize, 1) < 1 << 20
        and np.prod([float(n) for n in meta.grid_shape]) < 1 << 12
    ]


_seeds: dict[str, dict[str, bytes]] = {}
_values: Values = {}


def is_guarded(files: dict[str, bytes]) -> bool:
    """Whether all that was damaged is what the sidecar holds the checksums of."""
    if not _seeds:
        with tempfile.TemporaryDirectory() as folder:
            _seeds.update({name: unpack(data) for name, data in seeds(Path(folder)).items()})
        _values.update(
            {
                path: chunkmap.ReferenceStore(original()).reader(path).read((slice(None),) * array.meta.ndim)
                for path, array in original().arrays.items()
            }
        )
    return all(files.get(name) == _seeds["ours"][name] for name in (SIDECAR, METADATA))


def compare(found: Values) -> None:
    """Raise unless every array is as it was."""
    for path, values in found.items():
        if values.tolist() != _values[path].tolist():
            raise WrongValuesError(f"{path}: {values.tolist()}")
