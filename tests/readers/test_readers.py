"""Other readers of references decode what `chunkmap.model.readers` says that they do, and docs/readers.md says so too.

zarr-python 2 is run where `make readers` made an environment for it, and zarrita where there is a Node with it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr
from read_zarr import said
from reader_cases import CASES, make, safe, values_of
from zarr.core.metadata import ArrayV2Metadata

import chunkmap
from chunkmap.errors import NotPortable
from chunkmap.model.portable import portable
from chunkmap.model.readers import READERS, obstacles
from chunkmap.model.zarr_v2 import array_document

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
ZARR_2 = Path(os.environ.get("CHUNKMAP_ZARR2", ROOT / ".venv-zarr2" / "bin" / "python"))
NODE = Path(os.environ.get("CHUNKMAP_NODE", ROOT / ".node"))
NAMES = [safe(name) for name in CASES]

SEQUENCES = {"id": "vlen-array", "dtype": "<i4"}
EXPECTED = {safe(name): said(values_of(name)) for name in CASES}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Each set, plain or portable, of Zarr v2 or v3, in a directory of its own: `set.json`, and the file."""
    found = {}
    for is_portable in (False, True):
        for version in (2, 3):
            folder = tmp_path_factory.mktemp("set")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotPortable)
                chunkmap.write(make(folder), folder / "set.json", portable=is_portable, zarr_format=version)
            found[is_portable, version] = folder
    return found


def run(*command, **how):
    """What a script printed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=100, **how)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def zarr_python(folder, python=sys.executable):
    return run(python, HERE / "read_zarr.py", folder / "set.json", *NAMES)


def zarr_python_2(folder):
    if not ZARR_2.exists():
        pytest.skip("no environment with zarr-python 2: `make readers` makes one")
    return zarr_python(folder, ZARR_2)


def zarrs(folder):
    """The stored chunks as a plain Zarr store: zarrs reads files."""
    for key, value in json.loads((folder / "set.json").read_text())["refs"].items():
        (folder / "plain" / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / "plain" / key).write_bytes(_bytes_of(value))
    return run(sys.executable, HERE / "read_zarr.py", "--zarrs", folder / "plain", *NAMES)


def _bytes_of(value):
    if isinstance(value, str):
        return base64.b64decode(value[7:]) if value.startswith("base64:") else value.encode()
    url, offset, length = value
    return Path(url).read_bytes()[offset : offset + length]


def gdal(folder):
    rasterio = pytest.importorskip("rasterio")
    if tuple(map(int, rasterio.__gdal_version__.split(".")[:2])) < (3, 11):
        pytest.skip(f"GDAL {rasterio.__gdal_version__} reads no references; 3.11 does")
    return run(sys.executable, HERE / "read_gdal.py", folder / "set.json", *NAMES)


def zarrita(folder, server):
    if shutil.which("node") is None or not (NODE / "node_modules" / "zarrita").exists():
        pytest.skip("no Node with zarrita: `make readers` installs it where npm is")
    url = server.put("data.bin", (folder / "data.bin").read_bytes())
    text = (folder / "set.json").read_text()
    (folder / "http.json").write_text(text.replace(json.dumps(str(folder / "data.bin")), json.dumps(url)))
    script = shutil.copy(HERE / "read_zarrita.mjs", NODE)
    return run("node", script, folder / "http.json", *NAMES)


READ = {"zarr-python 3": zarr_python, "zarr-python 2": zarr_python_2, "zarrs": zarrs, "GDAL": gdal, "zarrita": zarrita}
TRIED = [(r.name, v) for r in READERS for v in r.codecs if r.name in READ]


@pytest.mark.parametrize("is_portable", [False, True], ids=["plain", "portable"])
@pytest.mark.parametrize(("name", "version"), TRIED)
def test_a_reader_decodes_what_is_said_of_it(kept, range_server, name, version, is_portable):
    """Values of each array that it is said to decode are those that were written, and of no other."""
    folder = kept[is_portable, version]
    found = READ[name](folder, range_server) if name == "zarrita" else READ[name](folder)
    refs = chunkmap.load(folder / "set.json")
    refs = portable(refs, version) if is_portable else refs
    decoded = {array for array in NAMES if found[array] == EXPECTED[array]}
    stated = {array for array in NAMES if name not in obstacles(array, refs.arrays[array], version)}
    assert decoded == stated, {array: found[array] for array in decoded ^ stated}


def test_icechunk_gives_every_array(tmp_path, make_repository):
    """Sets in Icechunk are read by zarr-python, whatever their codecs."""
    repository = make_repository()
    session = repository.writable_session("main")
    chunkmap.to_icechunk(make(tmp_path), session.store)
    session.commit("all")
    assert values_in(repository.readonly_session("main").store) == EXPECTED


def values_in(store):
    """The values of every array, as zarr-python reads them; that codecs are not in the specification is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.open_group(store, mode="r")
        return {name: said(group[name][...]) for name in NAMES}


def test_portable_sets_are_strict_json(kept):
    """No text in a portable set has a number that JSON does not know, and no value a zero byte."""
    for version in (2, 3):
        for key, value in json.loads((kept[True, version] / "set.json").read_text())["refs"].items():
            assert "\0" not in value
            if key.endswith((".zattrs", ".zarray", "zarr.json")):
                json.loads(value, parse_constant=lambda found, key=key: pytest.fail(f"{key}: {found}"))


def test_what_is_portable_is_the_same_set_for_chunkmap(kept):
    """Values are the same, and attributes come back as the numbers that they were."""
    for version in (2, 3):
        assert values_in(chunkmap.open_store(kept[True, version] / "set.json")) == EXPECTED
        attrs = chunkmap.load(kept[True, version] / "set.json").arrays["NaN_among_attributes"].meta.attrs
        assert attrs["missing_value"] != attrs["missing_value"]
        assert attrs["valid_max"] == float("inf")


def test_what_stays_unportable_is_listed(tmp_path):
    """The warning has each array with each reader that does not decode it, and why."""
    with pytest.warns(NotPortable, match=r"1 array is not for every reader: lz4 \(GDAL: the codec lz4\)") as caught:
        chunkmap.write(make(tmp_path, ["lz4", "shuffle, zlib, fletcher32"]), tmp_path / "a.json", portable=True)
    assert caught[0].message.arrays == {"lz4": {"GDAL": "the codec lz4"}}


def test_zarr_opens_no_sequences():
    """zarr-python 3 has no type for arrays of arrays, and no obstacle is named for zarr-python 2, whose codec it is."""
    meta = chunkmap.ArrayMeta(shape=(2,), chunk_shape=(2,), dtype=np.dtype(object), filters=(SEQUENCES,))
    array = chunkmap.ManifestArray(meta, chunkmap.ChunkManifest.single("a", 0, 9, 1))
    with pytest.raises(ValueError, match="No Zarr data type"):
        ArrayV2Metadata.from_dict({**array_document(meta), "attributes": {}})
    assert set(obstacles("v", array)) == {"zarr-python 3", "zarrita", "zarrs", "GDAL"}


def table(version, folder):
    """What docs/readers.md shows: of each case, who decodes it."""
    readers = [reader for reader in READERS if version in reader.codecs]
    yield f"| array | {' | '.join(reader.name for reader in readers)} |"
    yield "|---" * (len(readers) + 1) + "|"
    for name, array in make(folder).arrays.items():
        plain = obstacles(name, array, version)
        later = obstacles(name, portable(chunkmap.ReferenceSet({name: array}), version).arrays[name], version)
        cells = ["no" if r.name in later else "portable" if r.name in plain else "yes" for r in readers]
        case = next(case for case in CASES if safe(case) == name)
        shown = case.replace("|", "\\|")
        yield f"| `{shown}` | {' | '.join(cells)} |"


@pytest.mark.parametrize("version", [2, 3])
def test_the_documentation_shows_the_table(version, tmp_path):
    """docs/readers.md has the table that the tests of the readers hold."""
    text = (ROOT / "docs" / "readers.md").read_text(encoding="utf-8")
    assert "\n".join(table(version, tmp_path)) in text


def test_the_documentation_names_the_versions():
    """docs/readers.md names the version of each reader that was run."""
    text = (ROOT / "docs" / "readers.md").read_text(encoding="utf-8")
    for reader in READERS:
        assert f"| {reader.name} | {reader.tried} |" in text
